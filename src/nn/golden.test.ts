/** Layers and losses against PyTorch: test/golden/layers.py made the numbers. */
import { describe, expect, test } from 'vitest'
import golden from '../../test/golden/layers.json' with { type: 'json' }
import { noise, runGraph, runLayer } from '../../test/run-layer.ts'
import { backward } from '../autodiff/backward.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Value } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import * as nn from './index.ts'

interface Case {
  readonly y: number[]
  readonly shape: number[]
  readonly dx?: number[]
  readonly gradients: Record<string, number[]>
  readonly states?: Record<string, number[]>
}

/** Largest difference, relative to the largest expected element. */
function expectClose(received: Tensor, expected: readonly number[], what: string, tolerance = 3e-6): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0.1)
  for (const [i, x] of expected.entries()) {
    const error = Math.abs(data[i]! - x) / size
    if (!(error <= tolerance)) expect.fail(`${what}[${i}]: expected ${x}, received ${data[i]} (error ${error})`)
  }
}

const activations: nn.ActivationName[] = [
  ...([
    'relu',
    'relu6',
    'leakyRelu',
    'elu',
    'selu',
    'gelu',
    'silu',
    'swish',
    'mish',
    'sigmoid',
    'hardSigmoid',
  ] as const),
  ...(['hardSwish', 'tanh', 'softplus', 'softsign', 'exponential', 'softmax', 'logSoftmax', 'linear'] as const),
]

const kernel3 = { filters: 4, kernelSize: 3 }
const layers: Record<string, [layer: nn.Layer, x: StaticShape, scale?: number]> = {
  dense: [nn.dense({ units: 3 }), [4, 5]],
  'dense without bias, tanh': [nn.dense({ units: 3, useBias: false, activation: 'tanh' }), [4, 5]],
  'dense on sequences': [nn.dense({ units: 4 }), [2, 3, 5]],
  conv1d: [nn.conv1d(kernel3), [2, 3, 9]],
  'conv1d same, strides 2': [nn.conv1d({ filters: 4, kernelSize: 4, padding: 'same', strides: 2 }), [2, 3, 9]],
  'conv1d dilation 2': [nn.conv1d({ ...kernel3, dilationRate: 2 }), [2, 3, 9]],
  conv2d: [nn.conv2d({ filters: 4, kernelSize: [3, 2] }), [2, 3, 6, 5]],
  'conv2d same': [nn.conv2d({ filters: 4, kernelSize: [4, 3], padding: 'same' }), [2, 3, 6, 5]],
  'conv2d same, strides 2': [nn.conv2d({ ...kernel3, padding: 'same', strides: 2 }), [2, 3, 7, 6]],
  'conv2d strides [2, 1]': [nn.conv2d({ ...kernel3, strides: [2, 1] }), [2, 3, 7, 6]],
  'conv2d dilation 2': [nn.conv2d({ filters: 2, kernelSize: [3, 2], dilationRate: 2 }), [2, 3, 7, 6]],
  'conv2d groups': [nn.conv2d({ filters: 6, kernelSize: 3, groups: 2 }), [2, 4, 5, 5]],
  'conv2d depthwise, no bias': [nn.conv2d({ filters: 3, kernelSize: 3, groups: 3, useBias: false }), [2, 3, 5, 5]],
  maxPooling1d: [nn.maxPooling1d(), [2, 3, 8]],
  maxPooling2d: [nn.maxPooling2d(), [2, 3, 6, 7]],
  'maxPooling2d overlap, same': [nn.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }), [2, 3, 6, 7]],
  'maxPooling2d overlap': [nn.maxPooling2d({ poolSize: 3, strides: 2 }), [2, 3, 7, 7]],
  averagePooling1d: [nn.averagePooling1d(), [2, 3, 8]],
  averagePooling2d: [nn.averagePooling2d(), [2, 3, 6, 7]],
  'averagePooling2d overlap, same': [nn.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), [2, 3, 6, 7]],
  globalAveragePooling: [nn.globalAveragePooling(), [2, 3, 4, 5]],
  globalMaxPooling: [nn.globalMaxPooling(), [2, 3, 4, 5]],
  batchNormalization: [nn.batchNormalization(), [4, 3, 2, 5]],
  'batchNormalization in inference': [nn.batchNormalization(), [4, 3, 2, 5]],
  'batchNormalization of a matrix': [nn.batchNormalization(), [6, 3]],
  'batchNormalization of a matrix in inference': [nn.batchNormalization(), [6, 3]],
  layerNormalization: [nn.layerNormalization(), [4, 6]],
  'layerNormalization over two axes': [nn.layerNormalization({ axis: 1 }), [3, 4, 5]],
  embedding: [nn.embedding({ inputDim: 7, outputDim: 3 }), [2, 5]],
  ...Object.fromEntries(activations.map((name) => [`activation ${name}`, [nn.activation(name), [4, 6], 8]])),
}

function initialState(path: string): Tensor {
  return path === 'movingMean'
    ? noise(7, [3], 0.5)
    : float32(
        [3],
        (noise(8, [3], 0.25).data as Float32Array).map((v) => v + 1),
      )
}

describe('layers', () => {
  test('every golden case has its layer', () => {
    expect(Object.keys(layers).sort()).toEqual(Object.keys(golden.cases).sort())
  })

  for (const [name, expected] of Object.entries(golden.cases as Record<string, Case>)) {
    test(`${name}: output and gradients`, async () => {
      const [layer, shape, scale = 2] = layers[name]!
      const x =
        name === 'embedding'
          ? tensor('int32', shape, Int32Array.of(0, 6, 3, 3, 1, 5, 3, 0, 2, 2))
          : noise(0, shape, scale)
      let count = 0
      const run = await runLayer(layer, {
        inputs: [x],
        training: !name.includes('inference'),
        parameter: (path, of) => (path.startsWith('moving') ? initialState(path) : noise(++count, of, 0.5)),
      })
      expect(run.y.shape).toEqual(expected.shape)
      expectClose(run.y, expected.y, 'y')
      if (expected.dx) expectClose(run.inputGradients[0]!, expected.dx, 'dx')
      expect([...run.gradients.keys()]).toEqual(Object.keys(expected.gradients))
      for (const [path, gradient] of run.gradients) expectClose(gradient, expected.gradients[path]!, path)
      expect([...run.states.keys()]).toEqual(Object.keys(expected.states ?? {}))
      for (const [path, state] of run.states) expectClose(state, expected.states![path]!, path)
    })
  }
})

const labels = tensor('int32', [5], Int32Array.of(0, 3, 1, 1, 2))
const rows = ({ data, shape }: Tensor<Float32Array>): Tensor<Float32Array> => {
  const classes = shape.at(-1)!
  const exps = Array.from(data, (v) => Math.exp(v))
  const sums = exps.map((_, i) => {
    const from = i - (i % classes)
    return exps.slice(from, from + classes).reduce((a, b) => a + b, 0)
  })
  return float32(
    shape,
    exps.map((e, i) => e / sums[i]!),
  )
}
const map = (t: Tensor<Float32Array>, f: (x: number) => number) => float32(t.shape, Array.from(t.data, f))

const logits = noise(3, [5, 4], 3)
const soft = rows(noise(4, [5, 4], 2))
const yes = map(noise(5, [5, 3]), (v) => (v > 0 ? 1 : 0))
const scores = noise(6, [5, 3], 3)
const target = noise(9, [5, 3], 2)
const logit = { fromLogits: true }
const { sparseCategoricalCrossentropy: sparse, categoricalCrossentropy: categorical, binaryCrossentropy: binary } = nn

const losses: Record<
  string,
  [loss: nn.Loss, predictions: Tensor<Float32Array>, targets: Tensor, front?: 'softmax' | 'sigmoid']
> = {
  'sparse, logits': [sparse(logit), logits, labels],
  'sparse, logits, smoothing': [sparse({ ...logit, labelSmoothing: 0.1 }), logits, labels],
  'sparse, softmax in front': [sparse(), logits, labels, 'softmax'],
  'sparse, probabilities': [sparse(), rows(logits), labels],
  'categorical, logits': [categorical(logit), logits, soft],
  'categorical, logits, smoothing': [categorical({ ...logit, labelSmoothing: 0.2 }), logits, soft],
  'categorical, probabilities': [categorical(), rows(logits), soft],
  'sparse, sequences': [sparse(logit), float32([1, 5, 4], logits.data), tensor('int32', [1, 5], labels.data)],
  'binary, logits': [binary(logit), noise(6, [5, 3], 30), yes],
  'binary, sigmoid in front': [binary(), scores, yes, 'sigmoid'],
  'binary, logits, smoothing': [binary({ ...logit, labelSmoothing: 0.1 }), scores, yes],
  'binary, probabilities': [binary(), map(scores, (v) => 1 / (1 + Math.exp(-v))), yes],
  meanSquaredError: [nn.meanSquaredError(), scores, target],
  meanAbsoluteError: [nn.meanAbsoluteError(), scores, target],
  huber: [nn.huber(), scores, target],
  'huber, delta 0.5': [nn.huber({ delta: 0.5 }), scores, target],
}

describe('losses', () => {
  test('every golden case has its loss', () => {
    expect(Object.keys(losses).sort()).toEqual(Object.keys(golden.losses).sort())
  })

  for (const [name, expected] of Object.entries(golden.losses)) {
    test(`${name}: value and gradient`, async () => {
      const [loss, predictions, targets, front] = losses[name]!
      const g = new Emitter(table, new GraphBuilder('loss'))
      const p = g.builder.input('p', predictions)
      const t = g.builder.input('t', targets)
      const output = front === 'softmax' ? g.softmax(p) : front === 'sigmoid' ? g.sigmoid(p) : p
      const value = loss.apply(g, output, t)
      const results = await runGraph(g, [value, ...backward(g, value, [p])], { p: predictions, t: targets })
      expect(results[0]!.shape).toEqual([])
      expectClose(results[0]!, [expected.value], 'value', 2e-6)
      expectClose(results[1]!, expected.gradient, 'gradient', 5e-6)
    })
  }

  test('far logits give a finite loss and gradient, confident mistakes too', async () => {
    for (const [loss, x, y] of [
      [sparse(logit), float32([1, 2], [1e4, -1e4]), tensor('int32', [1], Int32Array.of(1))],
      [binary(logit), float32([1, 2], [1e4, -1e4]), float32([1, 2], [0, 1])],
      [sparse(), float32([1, 2], [1, 0]), tensor('int32', [1], Int32Array.of(1))],
      [binary(), float32([1, 2], [1, 0]), float32([1, 2], [0, 1])],
    ] as const) {
      const g = new Emitter(table, new GraphBuilder('loss'))
      const p = g.builder.input('p', x)
      const value = loss.apply(g, p, g.builder.input('t', y))
      const results = await runGraph(g, [value, ...backward(g, value, [p])], { p: x, t: y })
      for (const { data } of results) expect((data as Float32Array).every(Number.isFinite), loss.name).toBe(true)
      expect((results[0]!.data as Float32Array)[0]).toBeGreaterThan(10)
    }
  })

  test('a softmax along another axis than the classes is not taken for probabilities of classes', async () => {
    const x = noise(1, [3, 3])
    const value = async (given: (g: Emitter, v: Value) => Value, loss: nn.Loss) => {
      const g = new Emitter(table, new GraphBuilder('loss'))
      const out = loss.apply(
        g,
        given(g, g.builder.input('p', x)),
        g.builder.input('t', tensor('int32', [3], Int32Array.of(0, 1, 2))),
      )
      return (
        (await runGraph(g, [out], { p: x, t: tensor('int32', [3], Int32Array.of(0, 1, 2)) }))[0]!.data as Float32Array
      )[0]!
    }
    const direct = await value((g, v) => g.softmax(v, 0), sparse())
    // the same numbers with an Identity between, so that nothing can be found out from the graph
    const hidden = await value((g, v) => g.op('Identity', [g.softmax(v, 0)]), sparse())
    expect(direct).toBe(hidden)
  })

  test('shapes that would broadcast into nonsense are refused, with both shapes', () => {
    const apply = (loss: nn.Loss, p: StaticShape, t: StaticShape) => {
      const g = new Emitter(table, new GraphBuilder('loss'))
      const x = (name: string, shape: StaticShape) => g.builder.input(name, { dtype: 'float32', shape })
      return () => loss.apply(g, x('p', p), x('t', t))
    }
    for (const loss of [nn.meanSquaredError(), nn.huber(), nn.meanAbsoluteError(), binary(), categorical()]) {
      expect(apply(loss, [4, 1], [4])).toThrow(`${loss.name}: predictions [4, 1] need targets [4, 1], received [4]`)
      expect(apply(loss, [4, 3], [4, 1])).toThrow('need targets [4, 3], received [4, 1]')
    }
    expect(apply(sparse(), [4, 3], [4, 3])).toThrow('predictions [4, 3] need targets [4], received [4, 3]')
    expect(apply(sparse(), [4], [4])).toThrow('needs predictions [batch, ..., classes], received [4]')
  })

  test('names are found, or the nearest is suggested', () => {
    for (const name of Object.keys(losses).flatMap((n) => (/^[a-zA-Z]+$/.test(n) ? [n] : []))) {
      expect(nn.lossFrom(name as nn.LossName).name).toBe(name)
    }
    expect(() => nn.lossFrom('meanSquareError' as nn.LossName)).toThrow("Did you mean 'meanSquaredError'?")
    expect(() => nn.lossFrom('toString' as nn.LossName)).toThrow("unknown loss 'toString'")
    expect(() => sparse({ labelSmoothing: 1 })).toThrow('labelSmoothing must be at least 0 and below 1, received 1')
    expect(() => nn.huber({ delta: 0 })).toThrow('received 0')
  })
})
