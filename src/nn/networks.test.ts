/** Further layers, masks and whole networks against PyTorch: test/golden/networks.py made the numbers. */
import { describe, expect, test } from 'vitest'
import golden from '../../test/golden/networks.json' with { type: 'json' }
import { noise, runLayer } from '../../test/run-layer.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { table } from '../ops/index.ts'
import * as nn from './index.ts'

interface Case {
  readonly y: number[]
  readonly shape: number[]
  readonly dx: number[][]
  readonly gradients: Record<string, number[]>
  readonly integers?: number[][]
  readonly states?: Record<string, number[]>
}

/** A layer, the shapes of its inputs, and how it is fed and traced. */
interface Subject {
  readonly layer: nn.Layer
  readonly inputs: readonly StaticShape[]
  readonly integers?: readonly StaticShape[]
  readonly lengths?: readonly number[]
}

const of = (layer: nn.Layer, ...inputs: StaticShape[]): Subject => ({ layer, inputs })
/** Two sequences of four steps, of which the second has two. */
const padded = (layer: nn.Layer, features: number): Subject => {
  const x = nn.input({ shape: [4, features] })
  const lengths = nn.input({ shape: [], dtype: 'int32', name: 'lengths' })
  const outputs = layer(nn.masking()([x, lengths]))
  return { layer: nn.model({ inputs: [x, lengths], outputs }), inputs: [[2, 4, features]], lengths: [4, 2] }
}
const tokens = (layer: nn.Layer, integers: readonly StaticShape[], ...inputs: StaticShape[]): Subject => ({
  layer,
  integers,
  inputs,
})

const three = { filters: 4, kernelSize: 3 }
const units = { units: 5 }
const all = { ...units, returnSequences: true }
const logits = { activation: 'linear' } as const
const sizes = { vocabularySize: 7, numHeads: 2, hiddenDim: 6, intermediateDim: 8, maxSequenceLength: 5 }
const bert = (options: Partial<nn.BertOptions>): Subject =>
  tokens(nn.bert({ ...sizes, numLayers: 1, dropout: 0, ...options }), [
    [2, 4],
    [2, 4],
  ])

const subjects: Record<string, Subject> = {
  'conv1d, causal': of(nn.conv1d({ ...three, padding: 'causal', dilationRate: 2 }), [2, 3, 9]),
  'conv2d, padding 1': of(nn.conv2d({ ...three, padding: 1, strides: 2 }), [2, 3, 6, 5]),
  conv3d: of(nn.conv3d({ filters: 3, kernelSize: [2, 3, 2], strides: [1, 2, 1], padding: [1, 0, 0] }), [2, 2, 3, 5, 4]),
  conv1dTranspose: of(nn.conv1dTranspose({ ...three, strides: 2 }), [2, 3, 5]),
  'conv1dTranspose, causal reach': of(nn.conv1dTranspose({ ...three, dilationRate: 2 }), [2, 3, 5]),
  'conv2dTranspose, padding 1': of(
    nn.conv2dTranspose({ filters: 4, kernelSize: 4, strides: 2, padding: 1 }),
    [2, 3, 3, 4],
  ),
  'conv2dTranspose, groups, more at the end': of(
    nn.conv2dTranspose({
      ...{ filters: 6, kernelSize: 3, strides: [2, 3], outputPadding: [1, 2], groups: 2, useBias: false },
    }),
    [2, 4, 3, 2],
  ),
  conv3dTranspose: of(nn.conv3dTranspose({ filters: 3, kernelSize: 2, strides: [1, 2, 2] }), [1, 2, 2, 3, 2]),
  depthwiseConv1d: of(nn.depthwiseConv1d({ kernelSize: 3, depthMultiplier: 2 }), [2, 3, 7]),
  depthwiseConv2d: of(nn.depthwiseConv2d({ kernelSize: [3, 2], strides: 2 }), [2, 3, 5, 6]),
  separableConv1d: of(nn.separableConv1d({ ...three, padding: 'causal', activation: 'relu' }), [2, 3, 7]),
  separableConv2d: of(nn.separableConv2d({ filters: 3, kernelSize: 3, depthMultiplier: 2 }), [2, 2, 5, 4]),
  maxPooling3d: of(nn.maxPooling3d(), [1, 2, 4, 4, 6]),
  averagePooling3d: of(nn.averagePooling3d({ poolSize: [1, 2, 3], strides: 1 }), [1, 2, 3, 4, 5]),
  'maxPooling2d, padding 1': of(nn.maxPooling2d({ poolSize: 3, strides: 2, padding: 1 }), [2, 2, 6, 5]),
  adaptiveAveragePooling: of(nn.adaptiveAveragePooling({ outputSize: [3, 4] }), [2, 3, 7, 5]),
  'adaptiveAveragePooling of a sequence, larger': of(nn.adaptiveAveragePooling({ outputSize: 7 }), [2, 3, 5]),
  'adaptiveAveragePooling of a volume': of(nn.adaptiveAveragePooling({ outputSize: 2 }), [1, 2, 3, 4, 5]),
  adaptiveMaxPooling: of(nn.adaptiveMaxPooling({ outputSize: [3, 4] }), [2, 3, 7, 5]),
  'adaptiveMaxPooling of a volume': of(nn.adaptiveMaxPooling({ outputSize: [2, 2, 3] }), [1, 2, 3, 4, 5]),
  upSampling1d: of(nn.upSampling1d({ size: 3 }), [2, 3, 4]),
  'upSampling1d, linear': of(nn.upSampling1d({ interpolation: 'linear' }), [2, 3, 4]),
  upSampling2d: of(nn.upSampling2d({ size: [2, 3] }), [1, 2, 3, 4]),
  'upSampling2d, bilinear': of(nn.upSampling2d({ size: [2, 3], interpolation: 'bilinear' }), [1, 2, 3, 4]),
  'upSampling2d, bicubic': of(nn.upSampling2d({ interpolation: 'bicubic' }), [1, 2, 4, 5]),
  'upSampling3d, linear': of(nn.upSampling3d({ interpolation: 'linear' }), [1, 2, 2, 3, 2]),
  pixelShuffle: of(nn.pixelShuffle(), [2, 8, 2, 3]),
  instanceNormalization: of(nn.instanceNormalization(), [2, 3, 4, 5]),
  squeezeExcite: of(nn.squeezeExcite({ ratio: 2 }), [2, 4, 3, 3]),
  residual: of(
    nn.residual(nn.conv1d({ ...three, strides: 2, padding: 1 }), {
      shortcut: nn.conv1d({ filters: 4, kernelSize: 1, strides: 2, useBias: false }),
      activation: 'relu',
    }),
    [2, 3, 9],
  ),
  timeDistributed: of(nn.timeDistributed(nn.conv1d(three)), [2, 3, 2, 6]),
  'spectralNormalization of conv1d': of(nn.spectralNormalization(nn.conv1d(three)), [2, 3, 6]),
  'spectralNormalization of dense': of(nn.spectralNormalization(nn.dense({ units: 4 })), [3, 5]),
  'spectralNormalization of conv1dTranspose': of(nn.spectralNormalization(nn.conv1dTranspose(three)), [2, 3, 4]),
  'masked attention': padded(nn.multiHeadAttention({ numHeads: 2 }), 6),
  'masked encoder': padded(nn.transformerEncoder({ numHeads: 2, intermediateDim: 8 }), 6),
  'masked simpleRNN, all outputs': padded(nn.simpleRNN(all), 3),
  'masked lstm': padded(nn.lstm(units), 3),
  'masked gru, all outputs': padded(nn.gru(all), 3),
  'masked bidirectional lstm': padded(nn.bidirectional({ layer: nn.lstm(units) }), 3),
  'masked bidirectional lstm, all outputs': padded(nn.bidirectional({ layer: nn.lstm(all) }), 3),
  resnet18: of(nn.resnet18({ classes: 4, filters: 3, ...logits }), [3, 3, 16, 16]),
  'waveNet, steered': tokens(
    nn.waveNet({ classes: 6, filters: 4, skipFilters: 5, blocks: 2, stacks: 2, ...logits }),
    [[2, 8]],
    [2, 3],
  ),
  tabularResNet: of(nn.tabularResNet({ units: 2, width: 4, hidden: 5, blocks: 2, hiddenDropout: 0 }), [5, 3]),
  ftTransformer: of(
    nn.ftTransformer({ units: 2, blocks: 2, heads: 2, attentionDropout: 0, feedForwardDropout: 0 }),
    [2, 3, 6],
  ),
  gpt: tokens(nn.gpt({ ...sizes, numLayers: 2, outputActivation: 'linear' }), [[2, 4]]),
  'bert, none': bert({}),
  'bert, pooler': bert({ head: 'pooler' }),
  'bert, maskedLanguageModel': bert({ head: 'maskedLanguageModel' }),
  'bert, classifier': bert({ head: 'classifier', classes: 3 }),
}

function expectClose(received: Tensor, expected: readonly number[], what: string, tolerance: number, size = 0.1): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const greatest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), size)
  for (const [i, x] of expected.entries()) {
    const error = Math.abs(data[i]! - x) / greatest
    if (!(error <= tolerance)) expect.fail(`${what}[${i}]: expected ${x}, received ${data[i]} (error ${error})`)
  }
}

/** The elements, or their sum weighted by noise(90), as the golden file has it. */
function shown(gradient: Tensor, expected: readonly number[]): { tensor: Tensor; size: number } {
  const data = gradient.data as Float32Array
  const size = sizeOf(gradient.shape)
  if (expected.length === size) return { tensor: gradient, size: 0.1 }
  const weights = noise(90, gradient.shape).data as Float32Array
  const [sum, magnitude] = data.reduce(([a, b], v, i) => [a + v * weights[i]!, b + Math.abs(v)], [0, 0])
  return { tensor: float32([1], [sum]), size: magnitude }
}

function integersOf(numbers: readonly number[], shape: StaticShape): Tensor {
  return tensor('int32', shape, Int32Array.from(numbers))
}

describe('PyTorch', () => {
  test('every golden case has its layer', () => {
    expect(Object.keys(subjects).sort()).toEqual(Object.keys(golden.cases).sort())
  })
  for (const [name, expected] of Object.entries(golden.cases as unknown as Record<string, Case>)) {
    test(`${name}: output and gradients`, async () => {
      const { layer, inputs, integers = [], lengths } = subjects[name]!
      const tolerance = name === 'resnet18' ? 2e-4 : 1e-5
      let count = 0
      const run = await runLayer(layer, {
        inputs: [
          ...integers.map((shape, i) => integersOf(expected.integers![i]!, shape)),
          ...inputs.map((shape, i) => noise(100 + i, shape)),
          ...(lengths ? [integersOf(lengths, [lengths.length])] : []),
        ],
        parameter: (path, shape) => {
          if (path.endsWith('_u')) return noise(50, shape)
          if (path.includes('moving')) return noise(0, shape)
          return noise(++count, shape, 0.5)
        },
      })
      expect(run.y.shape).toEqual(expected.shape)
      expectClose(run.y, expected.y, 'y', tolerance)
      for (const [path, state] of run.states) {
        if (expected.states) expectClose(state, expected.states[path]!, path, tolerance)
      }
      expect([...run.gradients.keys()]).toEqual(Object.keys(expected.gradients))
      for (const [i, dx] of expected.dx.entries()) {
        const { tensor: found, size } = shown(run.inputGradients[i]!, dx)
        expectClose(found, dx, `dx${i}`, tolerance, size)
      }
      for (const [path, gradient] of run.gradients) {
        const { tensor: found, size } = shown(gradient, expected.gradients[path]!)
        expectClose(found, expected.gradients[path]!, path, tolerance, size)
      }
    })
  }
})

test('the stem for large images takes a quarter of the height and width', () => {
  const layer = nn.resnet18({ classes: 10, stem: 'large' })
  const type = { dtype: 'float32' as const, shape: ['batch', 3, 224, 224] }
  const traced = nn.trace(layer, [{ name: 'x', type }], { table, training: false })
  expect(traced.output.type?.shape).toEqual(['batch', 10])
  const pooled = traced.g.builder.nodes.find(({ op }) => op === 'MaxPool')?.outputs[0]
  expect(pooled?.type?.shape).toEqual(['batch', 64, 56, 56])
  // 11.2 M: torchvision's 11.7 M with ten classes in place of a thousand
  const count = traced.parameters.filter((p) => p.trainable).reduce((sum, p) => sum + sizeOf(p.spec.shape), 0)
  expect(count).toBe(11_181_642)
  expect(() => nn.resnet18({ classes: 10, stem: 'huge' as 'large' })).toThrow("stem must be 'small' or 'large'")
})

test('what cannot be is refused, with the option and the value', () => {
  const gpt = { vocabularySize: 7, numLayers: 1, numHeads: 2, hiddenDim: 6 }
  for (const [make, message] of [
    [() => nn.conv2d({ filters: 1, kernelSize: 3, padding: 'causal' }), "padding must be 'valid', 'same' or numbers"],
    [() => nn.conv1d({ filters: 1, kernelSize: 3, padding: -1 }), 'conv1d: padding must be an integer of at least 0'],
    [
      () => nn.maxPooling1d({ padding: 'causal' as 'same' }),
      "maxPooling1d: padding must be 'valid', 'same' or numbers",
    ],
    [() => nn.conv1dTranspose({ filters: 1, kernelSize: 3, outputPadding: 1 }), 'outputPadding [1] must be below'],
    [() => nn.depthwiseConv1d({ kernelSize: 3, depthMultiplier: 0 }), 'depthwiseConv1d: depthMultiplier must be'],
    [() => nn.separableConv1d({ kernelSize: 3, filters: 0 }), 'separableConv1d: filters must be a positive integer'],
    [() => nn.adaptiveMaxPooling({ outputSize: 0 }), 'adaptiveMaxPooling: outputSize must be a positive integer'],
    [
      () => nn.upSampling1d({ interpolation: 'cubic' }),
      "interpolation must be one of 'nearest', 'linear', received 'cubic'",
    ],
    [() => nn.pixelShuffle({ scale: 1.5 }), 'pixelShuffle: scale must be a positive integer, received 1.5'],
    [() => nn.squeezeExcite({ ratio: 0 }), 'squeezeExcite: ratio must be a positive integer'],
    [() => nn.waveNet({ classes: 0 }), 'waveNet: classes must be a positive integer, received 0'],
    [() => nn.waveNetBlock({ filters: 2, dilationRate: 0 }), 'waveNetBlock: dilationRate must be'],
    [() => nn.gpt({ ...gpt, hiddenDim: 7 }), 'gpt: numHeads (2) must divide hiddenDim (7)'],
    [
      () => nn.gpt({ ...gpt, positions: 'none' as 'rotary' }),
      "gpt: positions must be 'learned', 'rotary', 'sinusoidal'",
    ],
    [() => nn.bert({ ...gpt, head: 'classifier' }), 'bert: classes must be a positive integer, received 0'],
    [() => nn.bert({ ...gpt, head: 'words' as 'none' }), "bert: head must be 'none', 'pooler', 'maskedLanguageModel'"],
  ] as const) {
    expect(make, message).toThrow(message)
  }
  const type = { dtype: 'float32' as const, shape: [2, 4] }
  const build = (layer: nn.Layer) => () => nn.trace(layer, [{ name: 'x', type }], { table, training: true })
  expect(build(nn.spectralNormalization(nn.flatten()))).toThrow('flatten has no kernel to normalise')
  expect(build(nn.operator({ op: 'Softpluss' }))).toThrow("Did you mean 'Softplus'?")
  const backwards = nn.lstm({ units: 2, goBackwards: true, returnSequences: true })
  const [x, lengths] = [nn.input({ shape: [3, 2] }), nn.input({ shape: [], dtype: 'int32', name: 'lengths' })]
  const net = nn.model({ inputs: [x, lengths], outputs: backwards(nn.masking()([x, lengths])) })
  const types = [
    { name: 'x', type: { dtype: 'float32' as const, shape: [2, 3, 2] } },
    { name: 'lengths', type: { dtype: 'int32' as const, shape: [2] } },
  ]
  expect(() => nn.trace(net, types, { table, training: true })).toThrow('puts the padding in front')
})
