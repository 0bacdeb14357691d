/** Whole networks for the check of every layer, as small as they can be. */
import * as nn from '../src/nn/index.ts'
import type { LayerCheck } from './check-layer.ts'

/** Paths and shapes of a convolution of `filters`, and of the normalisation behind it. */
const normalized = (at: string, index: string, filters: number, from: number, size: number) => ({
  [`${at}conv2d${index}/kernel`]: [filters, from, size, size],
  ...Object.fromEntries(
    ['gamma', 'beta', 'movingMean', 'movingVariance'].map((name) => [
      `${at}batchNormalization${index}/${name}`,
      [filters],
    ]),
  ),
})

type Shapes = Record<string, readonly number[]>

const basic = (at: string, filters: number, from: number): Shapes => ({
  ...normalized(`${at}layer/`, '', filters, from, 3),
  ...normalized(`${at}layer/`, '_1', filters, filters, 3),
  ...(from === filters ? {} : normalized(`${at}shortcut/`, '', filters, from, 1)),
})

/** Four stages of 2, 4, 8 and 16 channels, of `depths` blocks. */
function resnetParameters(depths: readonly number[], stem: number): Shapes {
  const shapes: Shapes = normalized('', '', 2, 3, stem)
  for (const [i, depth] of depths.entries()) {
    const from = 2 ** Math.max(i, 1)
    for (let b = 0; b < depth; b++) {
      Object.assign(shapes, basic(`stage_${i + 1}_block_${b + 1}/`, 2 ** (i + 1), b === 0 ? from : 2 ** (i + 1)))
    }
  }
  return { ...shapes, 'dense/kernel': [16, 4], 'dense/bias': [4] }
}

const block = (at: string, filters: number, outputs: number) => ({
  [`${at}gate/kernel`]: [2 * filters, filters, 2],
  [`${at}gate/bias`]: [2 * filters],
  [`${at}output/kernel`]: [outputs, filters, 1],
  [`${at}output/bias`]: [outputs],
})

const norm = (at: string, features = 6) => ({ [`${at}/gamma`]: [features], [`${at}/beta`]: [features] })
const linear = (at: string, from: number, to: number) => ({ [`${at}/kernel`]: [from, to], [`${at}/bias`]: [to] })
const attention = (at: string) => ({
  ...linear(`${at}/attention/queryKeyValue`, 6, 18),
  ...linear(`${at}/attention/output`, 6, 6),
})
const feedForward = (at: string, width: number) => ({
  ...linear(`${at}/up`, 6, width),
  ...linear(`${at}/down`, width, 6),
})

const batchNorm = (at: string) =>
  Object.fromEntries(['gamma', 'beta', 'movingMean', 'movingVariance'].map((name) => [`${at}/${name}`, [4]]))
const gated = (at: string) => ({
  ...linear(`${at}/up`, 6, 9),
  ...linear(`${at}/gate`, 6, 9),
  ...linear(`${at}/down`, 9, 6),
})

const sizes = { vocabularySize: 7, numHeads: 2, hiddenDim: 6 }
const bertFront = {
  'tokenEmbedding/embeddings': [7, 6],
  'positionEmbedding/positions': [4, 6],
  'segmentEmbedding/embeddings': [5, 6],
  ...norm('normalization'),
}
const bertBlock = {
  ...attention('block_0'),
  ...norm('block_0/attentionNormalization'),
  ...feedForward('block_0', 24),
  ...norm('block_0/feedForwardNormalization'),
}

export const networkChecks: Readonly<Record<string, LayerCheck>> = {
  resnet18: {
    layer: nn.resnet18({ classes: 4, filters: 2, activation: 'linear' }),
    inputs: [[3, 16, 16]],
    output: [4],
    parameters: resnetParameters([2, 2, 2, 2], 3),
    trainingDiffers: true,
    again: nn.resnet18,
    refused: [[[[3, 8]], 'resnet18 needs [batch, channels, height, width], received [batch, 3, 8]']],
  },
  tabularResNet: {
    layer: nn.tabularResNet({ units: 2, width: 4, hidden: 5, blocks: 1, hiddenDropout: 0 }),
    inputs: [[3]],
    output: [2],
    parameters: {
      ...linear('first', 3, 4),
      ...batchNorm('block_1/layer/batchNormalization'),
      ...linear('block_1/layer/dense', 4, 5),
      ...linear('block_1/layer/dense_1', 5, 4),
      ...batchNorm('normalization'),
      ...linear('last', 4, 2),
    },
    trainingDiffers: true,
    again: nn.tabularResNet,
  },
  ftTransformer: {
    layer: nn.ftTransformer({
      units: 2,
      blocks: 2,
      heads: 2,
      feedForwardFactor: 1.5,
      attentionDropout: 0,
      feedForwardDropout: 0,
    }),
    inputs: [[3, 6]],
    output: [2],
    parameters: {
      token: [1, 1, 6],
      ...attention('block_1'),
      ...norm('block_1/feedForwardNormalization'),
      ...gated('block_1'),
      ...norm('block_2/attentionNormalization'),
      ...linear('block_2/attention/query', 6, 6),
      ...linear('block_2/attention/keyValue', 6, 12),
      ...linear('block_2/attention/output', 6, 6),
      ...norm('block_2/feedForwardNormalization'),
      ...gated('block_2'),
      ...norm('normalization'),
      ...linear('last', 6, 2),
    },
    again: nn.ftTransformer,
    refused: [[[[6]], 'ftTransformer needs [batch, columns, size], received [batch, 6]']],
  },
  waveNetBlock: {
    layer: nn.waveNetBlock({ filters: 3, dilationRate: 2 }),
    inputs: [[3, 7]],
    output: [3, 7],
    parameters: block('', 3, 3),
    again: nn.waveNetBlock,
    refused: [
      [[[4, 7]], 'waveNetBlock needs [batch, 3 (filters), length], received [batch, 4, 7]'],
      [[[3]], 'received [batch, 3]'],
    ],
  },
  'waveNetBlock with skips, steered': {
    layer: nn.waveNetBlock({ filters: 3, skipFilters: 2, kernelSize: 3 }),
    inputs: [[3, 7], [5]],
    output: [5, 7],
    parameters: {
      'gate/kernel': [6, 3, 3],
      'gate/bias': [6],
      'condition/kernel': [5, 6],
      'output/kernel': [5, 3, 1],
      'output/bias': [5],
    },
    again: nn.waveNetBlock,
  },
  waveNet: {
    layer: nn.waveNet({ classes: 5, filters: 3, skipFilters: 4, blocks: 2, stacks: 2 }),
    inputs: [[9]],
    dtype: 'int32',
    output: [9, 5],
    parameters: {
      'embedding/embeddings': [5, 3],
      'front/kernel': [3, 3, 2],
      'front/bias': [3],
      ...block('block_0/', 3, 7),
      ...block('block_1/', 3, 7),
      ...block('block_2/', 3, 7),
      ...block('block_3/', 3, 4),
      'hidden/kernel': [4, 4, 1],
      'hidden/bias': [4],
      'output/kernel': [5, 4, 1],
      'output/bias': [5],
    },
    again: nn.waveNet,
    refused: [[[[3, 9]], 'waveNet needs integers [batch, length], received [batch, 3, 9]']],
  },
  'waveNet of numbers, steered': {
    layer: nn.waveNet({ classes: 5, filters: 3, skipFilters: 4, blocks: 1, activation: 'linear' }),
    inputs: [[2, 9], [6]],
    output: [9, 5],
    parameters: {
      'front/kernel': [3, 2, 2],
      'front/bias': [3],
      'block_0/gate/kernel': [6, 3, 2],
      'block_0/gate/bias': [6],
      'block_0/condition/kernel': [6, 6],
      'block_0/output/kernel': [4, 3, 1],
      'block_0/output/bias': [4],
      'hidden/kernel': [4, 4, 1],
      'hidden/bias': [4],
      'output/kernel': [5, 4, 1],
      'output/bias': [5],
    },
    again: nn.waveNet,
    refused: [[[[9]], 'waveNet needs numbers [batch, channels, length], received [batch, 9]']],
  },
  gpt: {
    layer: nn.gpt({ ...sizes, numLayers: 1, outputActivation: 'linear' }),
    inputs: [[4]],
    dtype: 'int32',
    output: [4, 7],
    parameters: {
      'tokenEmbedding/embeddings': [7, 6],
      'positionEmbedding/positions': [4, 6],
      ...norm('block_0/attentionNormalization'),
      ...attention('block_0'),
      ...norm('block_0/feedForwardNormalization'),
      ...feedForward('block_0', 24),
      ...norm('normalization'),
    },
    again: nn.gpt,
    refused: [[[[4, 2]], 'gpt needs integers [batch, positions], received [batch, 4, 2]']],
  },
  'gpt as Llama': {
    layer: nn.gpt({
      ...{ vocabularySize: 7, numHeads: 2, hiddenDim: 8, numLayers: 1, intermediateDim: 5, numKeyValueHeads: 1 },
      ...{ positions: 'rotary', activation: 'swiglu', dropout: 0.01, tieWeights: false, outputActivation: 'linear' },
    }),
    inputs: [[4]],
    dtype: 'int32',
    output: [4, 7],
    parameters: {
      'tokenEmbedding/embeddings': [7, 8],
      ...norm('block_0/attentionNormalization', 8),
      ...linear('block_0/attention/queryKeyValue', 8, 16),
      ...linear('block_0/attention/output', 8, 8),
      ...norm('block_0/feedForwardNormalization', 8),
      ...linear('block_0/up', 8, 5),
      ...linear('block_0/gate', 8, 5),
      ...linear('block_0/down', 5, 8),
      ...norm('normalization', 8),
      'output/kernel': [8, 7],
    },
    trainingDiffers: true,
    again: nn.gpt,
  },
  'gpt with sines': {
    layer: nn.gpt({ ...sizes, numLayers: 1, positions: 'sinusoidal', outputActivation: 'linear' }),
    inputs: [[4]],
    dtype: 'uint8',
    output: [4, 7],
    parameters: {
      'tokenEmbedding/embeddings': [7, 6],
      ...norm('block_0/attentionNormalization'),
      ...attention('block_0'),
      ...norm('block_0/feedForwardNormalization'),
      ...feedForward('block_0', 24),
      ...norm('normalization'),
    },
    again: nn.gpt,
  },
  bert: {
    layer: nn.bert({ ...sizes, numLayers: 1, numSegments: 5 }),
    inputs: [[4], [4]],
    dtype: 'int32',
    output: [4, 6],
    parameters: { ...bertFront, ...bertBlock },
    trainingDiffers: true,
    again: nn.bert,
    refused: [
      [[[4, 2], [4]], 'bert needs [batch, positions] of one to three inputs, received [batch, 4, 2], [batch, 4]'],
    ],
  },
  'bert that fills in words, with a mask': {
    layer: nn.bert({ ...sizes, numLayers: 1, numSegments: 5, head: 'maskedLanguageModel', dropout: 0 }),
    inputs: [[4], [4], [4]],
    dtype: 'int32',
    output: [4, 7],
    parameters: {
      ...bertFront,
      ...bertBlock,
      ...linear('transform', 6, 6),
      ...norm('transformNormalization'),
      outputBias: [7],
    },
    again: nn.bert,
  },
  'bert that classifies': {
    layer: nn.bert({ ...sizes, numLayers: 1, intermediateDim: 24, head: 'classifier', classes: 3, dropout: 0 }),
    inputs: [[4]],
    dtype: 'int32',
    output: [3],
    parameters: {
      'tokenEmbedding/embeddings': [7, 6],
      'positionEmbedding/positions': [4, 6],
      ...norm('normalization'),
      ...bertBlock,
      ...linear('pooler', 6, 6),
      ...linear('classifier', 6, 3),
    },
    again: nn.bert,
  },
}
