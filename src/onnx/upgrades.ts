/**
 * What the opsets changed: one record a version and the operators it changed alike. A version without a record changed
 * nothing but the element types that it allows. Source: the operator changelog of the ONNX specification, opsets 1 to 26.
 */
import { float32, int64, tensor } from '../core/tensor.ts'
import type { Attribute, Attributes, Value } from '../graph/graph.ts'
import type { NodeForm, Upgrade, UpgradeContext } from './node-form.ts'
import { scanOfEachExample } from './upgrade-scan.ts'

type Apply = Upgrade['apply']

const int = (value: number): Attribute => ({ kind: 'int', value })
const text = (value: string): Attribute => ({ kind: 'string', value })

function numberOf(attribute: Attribute | undefined, fallback: number): number {
  return attribute?.kind === 'int' || attribute?.kind === 'float' ? attribute.value : fallback
}

function without(attributes: Attributes, ...names: string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)))
}

/** Inputs with one set, left-out ones filled up before it. */
function withInput(inputs: NodeForm['inputs'], index: number, value: Value | undefined): NodeForm['inputs'] {
  if (!value) return inputs
  const out: (Value | undefined)[] = [...inputs]
  while (out.length < index) out.push(undefined)
  out[index] = value
  return out
}

/** A scalar of the first input's element type. */
function scalarLike(node: NodeForm, value: number, suffix: string, c: UpgradeContext): Value {
  const dtype = node.inputs[0]?.type?.dtype
  if (dtype === 'float32') return c.constant(float32([], [value]), suffix)
  if (dtype === 'float64') return c.constant(tensor('float64', [], Float64Array.of(value)), suffix)
  return c.before('CastLike', [c.constant(float32([], [value]), suffix), node.inputs[0]])
}

/** Removes attributes that lost their meaning. */
const drop =
  (...names: string[]): Apply =>
  (node) => ({ ...node, attributes: without(node.attributes, ...names) })

/** Attributes that hold lists of integers become int64 inputs, in order from `first`. */
const listsToInputs =
  (first: number, ...names: string[]): Apply =>
  (node, c) => {
    let inputs = node.inputs
    names.forEach((name, i) => {
      const list = node.attributes[name]
      if (list?.kind === 'ints')
        inputs = withInput(inputs, first + i, c.constant(int64([list.value.length], list.value), name))
    })
    return { ...node, inputs, attributes: without(node.attributes, ...names) }
  }

/** Attributes that hold numbers become scalar inputs of the first input's type, in order from the second input. */
const numbersToInputs =
  (...names: string[]): Apply =>
  (node, c) => {
    let inputs = node.inputs
    names.forEach((name, i) => {
      const attribute = node.attributes[name]
      if (attribute) inputs = withInput(inputs, 1 + i, scalarLike(node, numberOf(attribute, 0), name, c))
    })
    return { ...node, inputs, attributes: without(node.attributes, ...names) }
  }

const rename =
  (from: string, to: string): Apply =>
  (node) => {
    const value = node.attributes[from]
    return value ? { ...node, attributes: { ...without(node.attributes, from), [to]: value } } : node
  }

/** Before opset 7 the second operand was broadcast on request: its axes are those of the first from `axis` on. */
const explicitBroadcast: Apply = (node, c) => {
  const { broadcast, axis, ...attributes } = node.attributes
  const [a, b] = node.inputs
  if (numberOf(broadcast, 0) === 0 || axis === undefined) return { ...node, attributes }
  const [ra, rb] = [a?.type?.shape?.length, b?.type?.shape?.length]
  if (ra === undefined || rb === undefined) return c.fail('the ranks of its inputs are not known')
  const start = numberOf(axis, 0) + (numberOf(axis, 0) < 0 ? ra : 0)
  const trailing = ra - start - rb
  if (trailing <= 0) return { ...node, attributes }
  const axes = Array.from({ length: trailing }, (_, i) => rb + i)
  return { ...node, attributes, inputs: [a, c.before('Unsqueeze', [b, c.constant(int64([trailing], axes), 'axes')])] }
}

/** Until opset 12 softmax saw a matrix: axes before `axis` (default 1) as rows, the others together as columns. */
const flattenedSoftmax: Apply = (node, c) => {
  const [x] = node.inputs
  const axis = numberOf(node.attributes.axis, 1)
  const rank = x?.type?.shape?.length
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return { ...node, attributes: { axis: int(-1) } }
  const matrix = c.before('Flatten', [x], { axis: int(axis) })
  const result = c.before(node.op, [matrix], { axis: int(-1) })
  return { ...node, op: 'Reshape', inputs: [result, c.before('Shape', [x])], attributes: {} }
}

/** A switch between training and inference that only inference can leave. */
const onlyInference =
  (name: string): Apply =>
  (node, c) => {
    if (numberOf(node.attributes[name], 0) === 0) c.fail(`it is written for training (${name} is 0)`)
    return drop(name)(node, c)
  }

/** PRelu's slope had one number a channel; now it is broadcast from the last axis. */
const channelSlope: Apply = (node, c) => {
  const [x, slope] = node.inputs
  const [rank, sizes] = [x?.type?.shape?.length, slope?.type?.shape]
  if (rank === undefined || !sizes) return c.fail('the ranks of its inputs are not known')
  if (sizes.length !== 1 || sizes[0] === 1 || rank <= 2) return node
  const axes = Array.from({ length: rank - 2 }, (_, i) => 1 + i)
  return { ...node, inputs: [x, c.before('Unsqueeze', [slope, c.constant(int64([axes.length], axes), 'axes')])] }
}

/** Upsample is a Resize that counts from the corner and rounds down. Its scales were an attribute once. */
const upsampleScales: Apply = (node, c) => {
  const { scales, ...attributes } = node.attributes
  if (scales?.kind !== 'floats') return c.fail("it has no attribute 'scales'")
  return {
    ...node,
    attributes,
    inputs: [node.inputs[0], c.constant(float32([scales.value.length], scales.value), 'scales')],
  }
}

const linearOr = (mode: Attribute | undefined): Attribute =>
  mode?.kind === 'string' && mode.value === 'bilinear' ? text('linear') : (mode ?? text('nearest'))

const resizeFromScales: Apply = (node) => ({
  ...node,
  inputs: [node.inputs[0], undefined, node.inputs[1]],
  attributes: {
    mode: linearOr(node.attributes.mode),
    coordinate_transformation_mode: text('asymmetric'),
    nearest_mode: text('floor'),
  },
})

/** Group normalisation had a scale and a bias for each group; now for each channel: every one is repeated for the channels of its group. */
const groupToChannels: Apply = (node, c) => {
  const [x, ...perGroup] = node.inputs
  const groups = numberOf(node.attributes.num_groups, 0)
  const channels = x?.type?.shape?.[1]
  if (typeof channels !== 'number' || groups < 1) return c.fail('the number of its channels is not known')
  const integers = (values: number[], suffix: string) => c.constant(int64([values.length], values), suffix)
  const repeated = perGroup.map((value) => {
    const column = c.before('Reshape', [value, integers([groups, 1], 'column')])
    const full = c.before('Expand', [column, integers([groups, channels / groups], 'repeated')])
    return c.before('Reshape', [full, integers([channels], 'channels')])
  })
  return { ...node, inputs: [x, ...repeated] }
}

const reduceOps = ['Max', 'Min', 'Mean', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
  (name) => `Reduce${name}`,
)
const binaryOps = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less']
/** Operators that had the hint `consumed_inputs` until opset 5. */
const consuming = [
  'Abs',
  'Add',
  'BatchNormalization',
  'Ceil',
  'Clip',
  'Div',
  'Dropout',
  'Elu',
  'Exp',
  'Floor',
  'HardSigmoid',
]
const consumingToo = [
  'InstanceNormalization',
  'LeakyRelu',
  'Log',
  'Max',
  'Mean',
  'Min',
  'Mul',
  'Neg',
  'PRelu',
  'Reciprocal',
]
const consumingStill = ['Relu', 'Selu', 'Sigmoid', 'Sqrt', 'Sub', 'Sum', 'Tanh']

export const upgrades: readonly Upgrade[] = [
  { ops: ['Pad'], since: 2, apply: rename('paddings', 'pads') },
  {
    ops: ['Concat'],
    since: 4,
    apply: (node) => ({ ...node, attributes: { axis: int(1), ...node.attributes } }),
  },
  {
    ops: ['Reshape'],
    since: 5,
    apply: (node, c) => listsToInputs(1, 'shape')(drop('consumed_inputs')(node, c), c),
  },
  { ops: [...consuming, ...consumingToo, ...consumingStill], since: 6, apply: drop('consumed_inputs') },
  { ops: ['Cast'], since: 6, apply: (_, c) => c.fail("its 'to' is a name, not a code") },
  { ops: ['Tile'], since: 6, apply: (_, c) => c.fail('it repeats one axis') },
  { ops: binaryOps, since: 7, apply: explicitBroadcast },
  { ops: ['Gemm'], since: 7, apply: drop('broadcast') },
  { ops: ['PRelu'], since: 7, apply: channelSlope },
  { ops: ['BatchNormalization', 'Dropout'], since: 7, apply: onlyInference('is_test') },
  { ops: ['RNN', 'GRU', 'LSTM'], since: 7, apply: drop('output_sequence') },
  {
    ops: ['BatchNormalization'],
    since: 9,
    apply: (node, c) =>
      numberOf(node.attributes.spatial, 1) === 1
        ? drop('spatial')(node, c)
        : c.fail('it has a mean an element (spatial is 0)'),
  },
  { ops: ['Upsample'], since: 9, apply: upsampleScales },
  { ops: ['Scan'], since: 9, apply: scanOfEachExample },
  { ops: ['Slice'], since: 10, apply: listsToInputs(1, 'starts', 'ends', 'axes') },
  {
    ops: ['TopK'],
    since: 10,
    apply: (node, c) => {
      const k = c.constant(int64([1], [numberOf(node.attributes.k, 1)]), 'k')
      return { ...node, inputs: [node.inputs[0], k], attributes: without(node.attributes, 'k') }
    },
  },
  { ops: ['Upsample'], since: 10, apply: (node) => ({ ...node, op: 'Resize' }) },
  { ops: ['Resize'], since: 11, apply: resizeFromScales },
  { ops: ['Scatter'], since: 11, apply: (node) => ({ ...node, op: 'ScatterElements' }) },
  { ops: ['Clip'], since: 11, apply: numbersToInputs('min', 'max') },
  {
    ops: ['Pad'],
    since: 11,
    apply: (node, c) => {
      const { inputs, attributes } = listsToInputs(1, 'pads')(node, c)
      const value = node.attributes.value && scalarLike(node, numberOf(node.attributes.value, 0), 'value', c)
      return { ...node, inputs: withInput(inputs, 2, value), attributes: without(attributes, 'value') }
    },
  },
  {
    ops: ['Dropout'],
    since: 12,
    // ratio may be float32 whatever the data is
    apply: (node, c) => {
      const ratio = c.constant(float32([], [numberOf(node.attributes.ratio, 0.5)]), 'ratio')
      return { ...node, inputs: [node.inputs[0], ratio], attributes: without(node.attributes, 'ratio') }
    },
  },
  { ops: ['Squeeze', 'Unsqueeze', 'ReduceSum'], since: 13, apply: listsToInputs(1, 'axes') },
  { ops: ['Split'], since: 13, apply: listsToInputs(1, 'split') },
  { ops: ['Softmax', 'LogSoftmax', 'Hardmax'], since: 13, apply: flattenedSoftmax },
  {
    ops: ['BatchNormalization'],
    since: 14,
    // What had more than one output used the statistics of the batch. Of the outputs that an implementation kept for its gradient nothing is left.
    apply: (node) =>
      node.outputCount > 1
        ? {
            ...node,
            attributes: { ...node.attributes, training_mode: int(1) },
            outputCount: Math.min(3, node.outputCount),
          }
        : node,
  },
  {
    ops: ['RoiAlign'],
    since: 16,
    apply: (node) => ({
      ...node,
      attributes: { coordinate_transformation_mode: text('output_half_pixel'), ...node.attributes },
    }),
  },
  { ops: reduceOps, since: 18, apply: listsToInputs(1, 'axes') },
  {
    ops: ['Split'],
    since: 18,
    apply: (node) =>
      node.inputs[1] ? node : { ...node, attributes: { ...node.attributes, num_outputs: int(node.outputCount) } },
  },
  {
    ops: ['GridSample'],
    since: 20,
    apply: (node) => {
      const mode = node.attributes.mode?.kind === 'string' ? node.attributes.mode.value : 'bilinear'
      const renamed = mode === 'bilinear' ? 'linear' : mode === 'bicubic' ? 'cubic' : mode
      return { ...node, attributes: { ...node.attributes, mode: text(renamed) } }
    },
  },
  {
    ops: ['DFT'],
    since: 20,
    apply: (node, c) => {
      const axis = c.constant(int64([], [numberOf(node.attributes.axis, 1)]), 'axis')
      return { ...node, inputs: withInput(node.inputs, 2, axis), attributes: without(node.attributes, 'axis') }
    },
  },
  { ops: ['GroupNormalization'], since: 21, apply: groupToChannels },
]
