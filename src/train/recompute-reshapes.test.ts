/** Recomputation where what is computed again waits in front of a Reshape, one of the network's or one that the runtime makes of a product over steps. */
import { expect, test } from 'vitest'
import { bytesOf } from '../../test/run-training.ts'
import { createRandom } from '../core/random.ts'
import * as nn from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { createOptimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createTrainingStep } from './step.ts'
import type { Recomputation } from './step-options.ts'

const end = [nn.flatten(), nn.dense({ units: 4 })]
const networks: Readonly<Record<string, readonly [nn.Layer, readonly number[]]>> = {
  'a product over steps': [nn.sequential([nn.dense({ units: 8, activation: 'gelu' }), ...end]), [6, 5]],
  'a convolution over steps': [
    nn.sequential([nn.dense({ units: 8, activation: 'relu' }), nn.conv1d({ filters: 3, kernelSize: 2 }), ...end]),
    [6, 5],
  ],
  'an encoder behind an LSTM': [
    nn.sequential([nn.lstm({ units: 8, returnSequences: true }), nn.transformerEncoder({ numHeads: 2 }), ...end]),
    [6, 5],
  ],
  'normalisation of groups, channels that are weighed': [
    nn.sequential([
      nn.conv2d({ filters: 8, kernelSize: 3, padding: 'same', activation: 'swish' }),
      nn.residual(
        nn.sequential([
          nn.conv2d({ filters: 8, kernelSize: 3, padding: 'same' }),
          nn.groupNormalization({ groups: 2 }),
          nn.activation('relu'),
        ]),
      ),
      nn.squeezeExcite(),
      nn.globalAveragePooling(),
      nn.dense({ units: 4 }),
    ]),
    [2, 8, 8],
  ],
}

async function train(model: nn.Layer, shape: readonly number[], recompute?: Recomputation) {
  const step = await createTrainingStep({
    network: {
      model,
      loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
      inputs: [{ name: 'x', dtype: 'float32', shape }],
      target: { name: 'y', dtype: 'int32', shape: [] },
      table,
    },
    optimizer: createOptimizer('adam'),
    backend: createNodeBackend(),
    session: { threads: 1 },
    random: createRandom(3),
    batchSize: 6,
    rules: gradientRules({}),
    recompute,
  })
  const losses: number[] = []
  for (let i = 1; i <= 3; i++) {
    const random = createRandom(i)
    for (const [name, { data }] of Object.entries(step.batch)) {
      const numbers = data as Float32Array
      for (const at of numbers.keys()) numbers[at] = name === 'x' ? random.normal() : at % 4
    }
    losses.push((await step.run(6, i, 0.01)).loss)
  }
  const state = bytesOf(step)
  await step.release()
  return { losses, state }
}

test.each(Object.entries(networks))('%s trains to the same bits', async (_, [model, shape]) => {
  const kept = await train(model, shape)
  for (const how of ['all', 'cheap'] as const) expect(await train(model, shape, how), how).toEqual(kept)
})
