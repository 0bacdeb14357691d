/** Where operators take weights: what an imported model's layers are, and which of its constants can be trained. */
import type { Node } from '../graph/graph.ts'

/** Indices of the inputs that hold weights where they are constants. What is not here has none. */
const slots: Readonly<Record<string, readonly number[]>> = {
  MatMul: [0, 1],
  Gemm: [0, 1, 2],
  Einsum: [0, 1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gather: [0],
  LSTM: [1, 2, 3, 7],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
  LayerNormalization: [1, 2],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  RMSNormalization: [1],
  SimplifiedLayerNormalization: [1],
  PRelu: [1],
  'com.microsoft.FusedMatMul': [0, 1],
  'com.microsoft.FusedGemm': [0, 1, 2],
  'com.microsoft.FusedConv': [1, 2],
  'com.microsoft.Attention': [1, 2],
  'com.microsoft.MultiHeadAttention': [3],
  'com.microsoft.BiasGelu': [1],
  'com.microsoft.FastGelu': [1],
  'com.microsoft.SkipLayerNormalization': [2, 3, 4],
  'com.microsoft.SkipSimplifiedLayerNormalization': [2, 3],
  'com.microsoft.EmbedLayerNormalization': [2, 3, 4, 5, 6],
}

/** Operators that shift or scale: a constant of several elements is a bias, a scale or a table of positions. */
const elementwise: ReadonlySet<string> = new Set(['Add', 'Mul'])

/** Operators that rearrange what they are given: what comes out of a weight is a weight. */
const rearranging: ReadonlySet<string> = new Set([
  'Transpose',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
  'Identity',
  'Cast',
  'Slice',
  'Split',
  'Concat',
  'Expand',
  'Flatten',
])

/** What follows a layer belongs to it: its bias, its normalisation. */
const following: ReadonlySet<string> = new Set(['Add', 'Mul', 'BatchNormalization', 'PRelu', 'com.microsoft.BiasGelu'])

/** Operators that multiply or normalise integers that stand for real numbers: their weights are quantised. */
const quantized: ReadonlySet<string> = new Set([
  'ConvInteger',
  'MatMulInteger',
  'QLinearConv',
  'QLinearMatMul',
  'DynamicQuantizeLinear',
  'com.microsoft.DynamicQuantizeMatMul',
  'com.microsoft.MatMulIntegerToFloat',
  'com.microsoft.MatMulNBits',
  'com.microsoft.QAttention',
  'com.microsoft.QGemm',
  'com.microsoft.QLinearAdd',
])

const nameOf = ({ op, domain }: Node): string => (domain === '' || domain === 'ai.onnx' ? op : `${domain}.${op}`)

/** How a node can hold weights. */
export interface WeightUse {
  readonly slots: readonly number[]
  /** only constants of two elements or more are weights: a scalar is part of a formula */
  readonly elementwise: boolean
}

export function weightUse(node: Node): WeightUse | undefined {
  const name = nameOf(node)
  if (elementwise.has(name)) return { slots: [0, 1], elementwise: true }
  const found = Object.hasOwn(slots, name) ? slots[name] : undefined
  return found && { slots: found, elementwise: false }
}

export function isRearranging(node: Node): boolean {
  return rearranging.has(nameOf(node))
}

/** Rearranges all of its inputs, not the first alone. */
export function isJoining(node: Node): boolean {
  return nameOf(node) === 'Concat'
}

export function isFollowing(node: Node): boolean {
  return following.has(nameOf(node))
}

export function isQuantizedOperator(node: Node): boolean {
  return quantized.has(nameOf(node))
}

export function isBatchNormalization(node: Node): boolean {
  return nameOf(node) === 'BatchNormalization'
}

/** Batch normalisation that uses the statistics of the batch, and computes running ones. */
export function isBatchTraining(node: Node): boolean {
  const mode = node.attributes.training_mode
  return isBatchNormalization(node) && mode?.kind === 'int' && mode.value === 1
}

export function isConvolution(node: Node): boolean {
  return nameOf(node) === 'Conv'
}

export function isDropout(node: Node): boolean {
  return nameOf(node) === 'Dropout'
}
