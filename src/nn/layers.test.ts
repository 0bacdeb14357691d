import { describe, expect, test } from 'vitest'
import { attentionChecks } from '../../test/attention-checks.ts'
import { checkLayer, type LayerCheck, messageFrom } from '../../test/check-layer.ts'
import { networkChecks } from '../../test/network-checks.ts'
import { recurrentChecks } from '../../test/recurrent-checks.ts'
import { sequenceChecks } from '../../test/sequence-checks.ts'
import { siamese } from '../../test/siamese-check.ts'
import { spatialChecks } from '../../test/spatial-checks.ts'
import { table } from '../ops/index.ts'
import * as imported from './imported/index.ts'
import * as nn from './index.ts'
import * as losses from './losses/index.ts'
import { trace } from './trace.ts'

const image = [3, 6, 5]

const checks: Record<string, LayerCheck> = {
  ...attentionChecks,
  ...recurrentChecks,
  ...networkChecks,
  ...spatialChecks,
  ...sequenceChecks,
  dense: {
    layer: nn.dense({ units: 4, activation: 'relu', kernelInitializer: 'heNormal' }),
    inputs: [[5]],
    output: [4],
    parameters: { kernel: [5, 4], bias: [4] },
    again: nn.dense,
    refused: [[[[]], 'received [batch]']],
  },
  'dense on sequences': {
    layer: nn.dense({ units: 4, useBias: false, name: 'project' }),
    inputs: [[3, 5]],
    output: [3, 4],
    parameters: { kernel: [5, 4] },
    again: nn.dense,
    refused: [[[[]], 'dense needs an input of rank 2 or more whose last dimension is a number']],
  },
  flatten: { layer: nn.flatten(), inputs: [image], output: [90], again: nn.flatten },
  reshape: {
    layer: nn.reshape({ targetShape: [5, -1] }),
    inputs: [image],
    output: [5, 18],
    again: nn.reshape,
    refused: [[[[3, 4]], 'cannot reshape [3, 4] to [5, -1]']],
  },
  permute: {
    layer: nn.permute({ dims: [3, 1, 2] }),
    inputs: [image],
    output: [5, 3, 6],
    again: nn.permute,
    refused: [[[[3, 6]], 'permute: dims [3, 1, 2]']],
  },
  activation: {
    layer: nn.activation('softmax'),
    inputs: [[5]],
    output: [5],
    again: ({ activation, ...rest }: { activation: nn.ActivationName }) => nn.activation(activation, rest),
  },
  dropout: {
    layer: nn.dropout({ rate: 0.4 }),
    inputs: [image],
    output: image,
    trainingDiffers: true,
    again: nn.dropout,
  },
  'dropout with a noise shape': {
    layer: nn.dropout({ rate: 0.4, noiseShape: [undefined, 1, undefined, 1] }),
    inputs: [image],
    output: image,
    trainingDiffers: true,
    again: nn.dropout,
  },
  'dropout of nothing': { layer: nn.dropout({ rate: 0 }), inputs: [image], output: image, again: nn.dropout },
  spatialDropout: {
    layer: nn.spatialDropout({ rate: 0.4 }),
    inputs: [image],
    output: image,
    trainingDiffers: true,
    again: nn.spatialDropout,
  },
  gaussianNoise: {
    layer: nn.gaussianNoise({ stddev: 0.3 }),
    inputs: [image],
    output: image,
    trainingDiffers: true,
    again: nn.gaussianNoise,
  },
  gaussianDropout: {
    layer: nn.gaussianDropout({ rate: 0.4 }),
    inputs: [image],
    output: image,
    trainingDiffers: true,
    again: nn.gaussianDropout,
  },
  batchNormalization: {
    layer: nn.batchNormalization(),
    inputs: [image],
    output: image,
    parameters: { gamma: [3], beta: [3], movingMean: [3], movingVariance: [3] },
    trainingDiffers: true,
    again: nn.batchNormalization,
    refused: [[[[]], 'batchNormalization needs [batch, channels, ...], received [batch]']],
  },
  'batchNormalization without scale': {
    layer: nn.batchNormalization({ scale: false, momentum: 0.9 }),
    inputs: [[5]],
    output: [5],
    parameters: { beta: [5], movingMean: [5], movingVariance: [5] },
    trainingDiffers: true,
    again: nn.batchNormalization,
  },
  layerNormalization: {
    layer: nn.layerNormalization({ axis: -2 }),
    inputs: [[4, 5]],
    output: [4, 5],
    parameters: { gamma: [4, 5], beta: [4, 5] },
    again: nn.layerNormalization,
    refused: [[[[]], '']],
  },
  'layerNormalization without shift and scale': {
    layer: nn.layerNormalization({ center: false, scale: false }),
    inputs: [[4, 5]],
    output: [4, 5],
    again: nn.layerNormalization,
  },
  embedding: {
    layer: nn.embedding({ inputDim: 5, outputDim: 3 }),
    inputs: [[4]],
    dtype: 'int32',
    output: [4, 3],
    parameters: { embeddings: [5, 3] },
    again: nn.embedding,
  },
  'embedding of bytes': {
    layer: nn.embedding({ inputDim: 5, outputDim: 3 }),
    inputs: [[4]],
    dtype: 'uint8',
    output: [4, 3],
    parameters: { embeddings: [5, 3] },
  },
  rescaling: {
    layer: nn.rescaling({ scale: 0.5, offset: -1 }),
    inputs: [image],
    dtype: 'uint8',
    output: image,
    again: nn.rescaling,
  },
  normalization: {
    layer: nn.normalization({ mean: [1, 2, 0], deviation: [1, 0.5, 0] }),
    inputs: [image],
    dtype: 'uint8',
    output: image,
    again: nn.normalization,
    refused: [[[[4, 6, 5]], 'statistics of 3 channels, received 4']],
  },
  add: {
    layer: nn.add(),
    inputs: [image, image, image],
    output: image,
    again: nn.add,
    refused: [
      [[image], 'add joins two or more inputs, received 1'],
      [[image, [3, 6, 4]], '5 against 4'],
    ],
  },
  multiply: {
    layer: nn.multiply(),
    inputs: [image, [3, 1, 1]],
    output: image,
    again: nn.multiply,
    refused: [[[[3], [4]], '3 against 4']],
  },
  concatenate: {
    layer: nn.concatenate({ axis: 1 }),
    inputs: [image, [2, 6, 5]],
    output: [5, 6, 5],
    again: nn.concatenate,
    refused: [[[image, [3, 6, 4]], '']],
  },
  sequential: {
    layer: nn.sequential([
      nn.conv2d({ filters: 2, kernelSize: 3 }),
      nn.sequential([nn.batchNormalization(), nn.activation('relu')], { name: 'norm' }),
      nn.flatten(),
      nn.dense({ units: 4 }),
      nn.dense({ units: 2, name: 'dense_1' }),
      nn.dense({ units: 3 }),
    ]),
    inputs: [image],
    output: [3],
    parameters: {
      'conv2d/kernel': [2, 3, 3, 3],
      'conv2d/bias': [2],
      'norm/batchNormalization/gamma': [2],
      'norm/batchNormalization/beta': [2],
      'norm/batchNormalization/movingMean': [2],
      'norm/batchNormalization/movingVariance': [2],
      'dense/kernel': [24, 4],
      'dense/bias': [4],
      'dense_1/kernel': [4, 2],
      'dense_1/bias': [2],
      'dense_2/kernel': [2, 3],
      'dense_2/bias': [3],
    },
    trainingDiffers: true,
  },
  'model with two inputs and a shared tower': siamese(),
}

describe('every layer', () => {
  for (const [name, check] of Object.entries(checks)) test(name, () => checkLayer(check))

  test('is checked', () => {
    const kinds = new Set(Object.values(checks).map(({ layer }) => layer.kind))
    const helpers = ['layer', 'input', 'trace', 'Tracer', 'initialParameters', 'initialValues']
    const others = [...helpers, ...Object.keys(losses), ...Object.keys(imported)]
    const exported = Object.keys(nn).filter((name) => !others.includes(name))
    expect(exported.filter((name) => !kinds.has(name))).toEqual([])
  })
})

const paths = (layer: nn.Layer, shapes = [[2, 4]]) =>
  trace(
    layer,
    shapes.map((shape, i) => ({ name: `x${i}`, type: { dtype: 'float32' as const, shape } })),
    { table, training: true },
  ).parameters.map(({ path }) => path)

describe('names', () => {
  test('a layer object in two places shares its parameters, also across containers', () => {
    const shared = nn.dense({ units: 4, useBias: false })
    expect(paths(nn.sequential([shared, nn.activation('relu'), shared]))).toEqual(['dense/kernel'])
    const [a, b] = [nn.sequential([shared]), nn.sequential([nn.activation('relu'), shared])]
    expect(paths(nn.sequential([a, b]))).toEqual(['sequential/dense/kernel'])
    const block = () => nn.sequential([nn.dense({ units: 4, useBias: false })])
    expect(paths(nn.sequential([block(), block()]))).toEqual(['sequential/dense/kernel', 'sequential_1/dense/kernel'])
  })

  test('a shared layer on inputs of different sizes is refused', () => {
    const shared = nn.dense({ units: 3 })
    expect(() => paths(nn.sequential([shared, shared]))).toThrow(
      "layer 'dense' is shared by inputs of different sizes: 'kernel' is [4, 3] and [3, 3]",
    )
  })

  test('two layers of one name, an empty name and one with a slash are refused', () => {
    const named = (name: string) => nn.dense({ units: 1, name })
    expect(() => nn.sequential([named('head'), named('head')])).toThrow("two layers of a model are named 'head'")
    expect(() => nn.sequential([named('')])).toThrow('must be text without \'/\', received ""')
    expect(() => nn.sequential([named('a/b')])).toThrow('received "a/b"')
    expect(() => nn.sequential([])).toThrow('sequential needs at least one layer')
  })

  test('a layer of one input refuses none and two', () => {
    const x = nn.input({ shape: [4] })
    const y = nn.model({ inputs: x, outputs: nn.dense({ units: 2 })([x, x]) })
    expect(() => paths(y)).toThrow(
      "layer 'dense' (dense) on float32 [2, 4], float32 [2, 4]: dense takes one input, received 2",
    )
    expect(() => paths(nn.flatten(), [])).toThrow('layer flatten on no inputs: flatten takes one input, received 0')
  })

  test('a parameter with the name of an input is refused', () => {
    const layer = nn.dense({ units: 2 })
    const inputs = [{ name: 'kernel', type: { dtype: 'float32' as const, shape: [2, 4] } }]
    expect(() => trace(layer, inputs, { table, training: false })).toThrow("'kernel' has the name of an input")
  })
})

describe('model', () => {
  const x = nn.input({ shape: [4] })

  test('refuses wrong graphs', () => {
    const y = nn.dense({ units: 2 })(x)
    const other = nn.input({ shape: [4], name: 'other' })
    expect(() => nn.model({ inputs: other, outputs: y })).toThrow("the output needs the input 'input'")
    expect(() => nn.model({ inputs: [x, other], outputs: y })).toThrow("does not depend on the input 'other'")
    expect(() => nn.model({ inputs: [x, nn.input({ shape: [4] })], outputs: y })).toThrow(
      "two inputs of a model are named 'input'",
    )
    expect(() => nn.model({ inputs: y, outputs: nn.flatten()(y) })).toThrow('must come from input()')
  })

  test('an output that is the input itself can be evaluated', async () => {
    await checkLayer({ layer: nn.model({ inputs: x, outputs: x }), inputs: [[4]], output: [4] })
  })

  test('knows its inputs', () => {
    const y = nn.flatten()(nn.input({ shape: [1, 8, 8], dtype: 'uint8', name: 'pixels' }))
    const pixels = nn.input({ shape: [1, 8, 8], dtype: 'uint8', name: 'pixels' })
    const net = nn.model({ inputs: pixels, outputs: nn.rescaling({ scale: 2 })(pixels) })
    expect(net.inputs).toEqual([{ name: 'pixels', dtype: 'uint8', shape: [1, 8, 8] }])
    expect(y.kind).toBe('call')
  })

  test('a chain deeper than the stack is ordered', () => {
    let wire = x
    for (let i = 0; i < 20_000; i++) wire = nn.flatten()(wire)
    expect(nn.model({ inputs: x, outputs: wire }).inputs).toHaveLength(1)
  })
})

test('options that cannot be are refused with the layer, the option and the value', () => {
  const conv = { filters: 2, kernelSize: 3 }
  for (const [make, message] of [
    [() => nn.dense({ units: 0 }), 'dense: units must be a positive integer, received 0'],
    [() => nn.dense({ units: 1.5 }), 'received 1.5'],
    [() => nn.conv2d({ ...conv, strides: [1] }), 'conv2d: strides needs one number or 2, received 1'],
    [
      () => nn.conv2d({ ...conv, padding: 'full' as 'same' }),
      "conv2d: padding must be 'valid', 'same' or numbers, received 'full'",
    ],
    [() => nn.maxPooling1d({ poolSize: -1 }), 'maxPooling1d: poolSize must be a positive integer, received -1'],
    [() => nn.dropout({ rate: 1 }), 'dropout: rate must be at least 0 and below 1, received 1'],
    [() => nn.embedding({ inputDim: 0, outputDim: 2 }), 'embedding: inputDim must be a positive integer'],
    [() => paths(nn.activation('rellu' as 'relu')), "unknown activation 'rellu'. Did you mean 'relu'?"],
    [() => paths(nn.activation('constructor' as 'relu')), "unknown activation 'constructor'"],
    [() => paths(nn.embedding({ inputDim: 2, outputDim: 2 })), 'embedding looks up integers, received float32'],
    [() => nn.permute({ dims: [1, 1] }), 'permute: dims must name every axis from 1 once, received [1, 1]'],
    [() => nn.batchNormalization({ momentum: 2 }), 'batchNormalization: momentum must be from 0 to 1, received 2'],
    [() => nn.normalization({ mean: [1], deviation: [1, 2] }), 'normalization: 1 means and 2 deviations'],
    [() => nn.reshape({ targetShape: [-1, -1] }), 'reshape: targetShape may hold -1 once'],
  ] as const) {
    expect(messageFrom(make), message).toContain(message)
  }
})

test('a function of the user as activation', async () => {
  const square: nn.Activation = (g, x) => g.mul(x, x)
  const layer = nn.dense({ units: 2, activation: square })
  expect(layer.config.activation).toBe('custom')
  await checkLayer({ layer, inputs: [[3]], output: [2], parameters: { kernel: [3, 2], bias: [2] } })
})
