/** Ten optimiser steps of three whole models against PyTorch: test/golden/layers.py made the numbers. */
import { expect, test } from 'vitest'
import golden from '../../test/golden/layers.json' with { type: 'json' }
import { noise } from '../../test/run-layer.ts'
import { createRandom } from '../core/random.ts'
import type { StaticShape } from '../core/shape.ts'
import * as nn from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { adam, type Optimizer, sgd } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createTrainingStep } from './step.ts'

const { dense, conv2d, sequential, batchNormalization, activation, dropout } = nn
const same = { kernelSize: 3, padding: 'same' } as const

function residual(): nn.Layer {
  const x = nn.input({ shape: [2, 8, 8] })
  const stem = conv2d({ ...same, filters: 6, activation: 'relu', name: 'stem' })(x)
  const body = conv2d({ ...same, filters: 6, name: 'body' })(stem)
  const pooled = nn.globalAveragePooling()(activation('relu')(nn.add()([stem, body])))
  return nn.model({ inputs: x, outputs: dense({ units: 3, activation: 'softmax', name: 'head' })(pooled) })
}

interface Whole {
  readonly model: nn.Layer
  readonly optimizer: Optimizer
  readonly rate: number
  /** salt and shape of the batch */
  readonly x: readonly [number, StaticShape]
  readonly classes: number
}

const wholes: Record<string, Whole> = {
  'cnn, adam': {
    model: sequential([
      conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
      nn.maxPooling2d(),
      nn.flatten(),
      dense({ units: 128, activation: 'relu' }),
      dense({ units: 10, activation: 'softmax' }),
    ]),
    optimizer: adam(),
    rate: 0.001,
    x: [10, [8, 1, 28, 28]],
    classes: 10,
  },
  'mlp with batch normalisation, momentum': {
    model: sequential([
      dense({ units: 16, useBias: false }),
      batchNormalization(),
      activation('relu'),
      dropout({ rate: 0 }),
      dense({ units: 12, useBias: false }),
      batchNormalization(),
      activation('relu'),
      dense({ units: 4, activation: 'softmax' }),
    ]),
    optimizer: sgd({ momentum: 0.9 }),
    rate: 0.05,
    x: [11, [12, 20]],
    classes: 4,
  },
  'residual, adam': { model: residual(), optimizer: adam(), rate: 0.001, x: [12, [9, 2, 8, 8]], classes: 3 },
}

function fanIn(shape: StaticShape): number {
  return shape.length === 2 ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1)
}

for (const [name, expected] of Object.entries(golden.models)) {
  test(name, async () => {
    const { model, optimizer, rate, x, classes } = wholes[name]!
    const [count, ...shape] = x[1] as [number, ...number[]]
    const step = await createTrainingStep({
      network: {
        model,
        loss: nn.sparseCategoricalCrossentropy(),
        inputs: [{ name: 'x', dtype: 'float32', shape }],
        target: { name: 'y', dtype: 'int32', shape: [] },
        table,
      },
      optimizer,
      backend: createNodeBackend(),
      random: createRandom(0),
      batchSize: count,
      evaluationBatchSize: count,
      rules: gradientRules(),
    })
    let salt = 20
    for (const [path, { data, shape: of }] of step.parameters) {
      if (path.endsWith('kernel')) (data as Float32Array).set(noise(salt, of, 1.2 / Math.sqrt(fanIn(of))).data)
      if (!path.includes('moving')) salt++
    }
    ;(step.batch.x!.data as Float32Array).set(noise(...x).data)
    ;(step.batch.y!.data as Int32Array).set(Int32Array.from({ length: count }, (_, i) => i % classes))
    for (const [i, loss] of expected.losses.entries()) {
      expect((await step.run(count, i + 1, rate)).loss / loss, `loss of step ${i + 1}`).toBeCloseTo(1, 4)
    }
    expect([...step.parameters.keys()].sort()).toEqual(Object.keys(expected.parameters).sort())
    for (const [path, summary] of Object.entries(expected.parameters)) {
      const data = step.parameters.get(path)!.data as Float32Array
      summary.first.forEach((v, i) => {
        expect(data[i], `${path}[${i}]`).toBeCloseTo(v, 4)
      })
      expect(data.reduce((a, v) => a + v * v, 0) / Math.max(summary.squares, 1e-6), path).toBeCloseTo(1, 3)
      expect(Math.abs(data.reduce((a, v) => a + v, 0) - summary.sum), path).toBeLessThan(1e-6 * data.length + 1e-4)
    }
    await step.release()
  })
}
