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

const bottleneck = (at: string, filters: number, from: number): Shapes => ({
  ...normalized(`${at}layer/`, '', filters, from, 1),
  ...normalized(`${at}layer/`, '_1', filters, filters, 3),
  ...normalized(`${at}layer/`, '_2', 4 * filters, filters, 1),
  ...(from === 4 * filters ? {} : normalized(`${at}shortcut/`, '', 4 * filters, from, 1)),
})

/** Four stages of 2, 4, 8 and 16 channels, of `depths` blocks, which end in a multiple of them. */
function resnetParameters(depths: readonly number[], stem: number, block = basic, multiple = 1): Shapes {
  const shapes: Shapes = normalized('', '', 2, 3, stem)
  let from = 2
  for (const [i, depth] of depths.entries()) {
    for (let b = 0; b < depth; b++) {
      Object.assign(shapes, block(`stage_${i + 1}_block_${b + 1}/`, 2 ** (i + 1), from))
      from = multiple * 2 ** (i + 1)
    }
  }
  return { ...shapes, 'dense/kernel': [from, 4], 'dense/bias': [4] }
}

const block = (at: string, filters: number, outputs: number) => ({
  [`${at}gate/kernel`]: [2 * filters, filters, 2],
  [`${at}gate/bias`]: [2 * filters],
  [`${at}output/kernel`]: [outputs, filters, 1],
  [`${at}output/bias`]: [outputs],
})

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
  'resnet50 for large images': {
    layer: nn.resnet50({ classes: 4, filters: 2, stem: 'large', activation: 'linear' }),
    inputs: [[3, 64, 64]],
    output: [4],
    parameters: resnetParameters([3, 4, 6, 3], 7, bottleneck, 4),
    trainingDiffers: true,
    again: nn.resnet50,
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
}
