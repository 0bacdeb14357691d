/** Convolution and transposed convolution over 1, 2 or 3 spatial axes. Gradients: conv-gradient.ts. */
import { type Dim, formatShape, type Shape, unknownDim } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { biasGradient, convInputGradient, convWeightGradient, transposeInputGradient } from './conv-gradient.ts'
import { type AttributeReader, type InferContext, type Op, type Sample, typed } from './op.ts'
import { extent, outputSizes, perAxis, splitPadding, type Windows, windowAttributes, windowsOf } from './window.ts'

/** Kernel sizes from the attribute or from the weights [.., .., k1, k2, ..]. */
export function kernelOf(attributes: AttributeReader, weights: Shape): number[] {
  if (attributes.has('kernel_shape')) return [...attributes.ints('kernel_shape')]
  return weights.slice(2).map((size) => (typeof size === 'number' ? size : Number.NaN))
}

/** Checks what both operators share and returns the spatial sizes of the input. */
function spatialSizes(c: InferContext, channelsIn: Dim, kernel: readonly number[]): Shape {
  const [x, w] = [c.input(0), c.input(1)]
  if (x.dtype !== w.dtype)
    c.fail(`input and weights must have the same element type, received ${x.dtype} and ${w.dtype}`)
  if (x.shape.length < 3) c.fail('the input must be [batch, channels, size, ...]')
  if (w.shape.length !== x.shape.length) c.fail('weights must have the rank of the input')
  const written = w.shape.slice(2)
  if (kernel.some((k, i) => Number.isNaN(k) || (typeof written[i] === 'number' && written[i] !== k))) {
    c.fail(`kernel ${formatShape(kernel)} and weights ${formatShape(w.shape)} do not fit`)
  }
  const channels = x.shape[1]!
  if (typeof channels === 'number' && typeof channelsIn === 'number' && channels !== channelsIn) {
    c.fail(`the weights expect ${channelsIn} channels`)
  }
  return x.shape.slice(2)
}

function checkBias(c: InferContext, channels: Dim): void {
  const bias = c.optional(2)
  if (!bias) return
  const fits =
    bias.shape.length === 1 &&
    (bias.shape[0] === channels || typeof bias.shape[0] !== 'number' || typeof channels !== 'number')
  if (!fits) c.fail(`the bias must have shape [${channels}]`)
}

function times(dim: Dim, factor: number): Dim {
  return typeof dim === 'number' ? dim * factor : factor === 1 ? dim : unknownDim
}

/** size * stride, as specified for padding 'SAME', but where windows are smaller than their stride: the runtime fills no gap behind the last. */
function smaller(specified: Dim, full: Dim): Dim {
  return typeof specified === 'number' && typeof full === 'number' ? Math.min(specified, full) : specified
}

const convSamples: readonly Sample[] = [
  { title: 'bias, stride 1', inputs: [{ shape: [2, 2, 5, 4] }, { shape: [3, 2, 3, 2] }, { shape: [3] }] },
  { title: 'one channel', inputs: [{ shape: [3, 1, 6, 6] }, { shape: [4, 1, 3, 3] }, { shape: [4] }] },
  { title: 'many channels', inputs: [{ shape: [2, 12, 4, 4] }, { shape: [3, 12, 3, 3] }] },
  {
    title: 'no bias, padded',
    inputs: [{ shape: [1, 2, 4, 4] }, { shape: [2, 2, 3, 3] }],
    attributes: { pads: [1, 1, 1, 1] },
  },
  { title: 'pointwise', inputs: [{ shape: [2, 3, 3, 2] }, { shape: [4, 3, 1, 1] }, { shape: [4] }] },
  {
    title: 'pointwise, stride 2',
    inputs: [{ shape: [2, 3, 4, 5] }, { shape: [2, 3, 1, 1] }],
    attributes: { strides: [2, 2] },
  },
  {
    title: '1-D',
    inputs: [{ shape: [2, 2, 7] }, { shape: [3, 2, 3] }, { shape: [3] }],
    attributes: { pads: [2, 0], dilations: [2] },
  },
  {
    title: '3-D',
    inputs: [{ shape: [1, 2, 3, 4, 3] }, { shape: [2, 2, 2, 2, 2] }, { shape: [2] }],
    attributes: { strides: [1, 2, 1] },
  },
  {
    title: 'stride, dilation, asymmetric padding',
    inputs: [{ shape: [2, 2, 8, 7] }, { shape: [3, 2, 3, 2] }, { shape: [3] }],
    attributes: { strides: [2, 3], dilations: [1, 2], pads: [1, 0, 2, 1] },
  },
  {
    title: 'stride leaves a rest',
    inputs: [{ shape: [1, 1, 8, 9] }, { shape: [2, 1, 3, 3] }],
    attributes: { strides: [2, 4] },
  },
  {
    title: 'more padding than kernel',
    inputs: [{ shape: [1, 1, 3, 3] }, { shape: [2, 1, 2, 2] }],
    attributes: { pads: [2, 3, 2, 2] },
  },
  {
    title: 'groups',
    inputs: [{ shape: [2, 4, 4, 4] }, { shape: [6, 2, 3, 2] }, { shape: [6] }],
    attributes: { group: 2 },
  },
  {
    title: 'groups, stride',
    inputs: [{ shape: [2, 4, 5, 5] }, { shape: [2, 2, 2, 2] }],
    attributes: { group: 2, strides: [2, 2] },
  },
  {
    title: 'depthwise',
    inputs: [{ shape: [2, 3, 4, 4] }, { shape: [3, 1, 3, 3] }],
    attributes: { group: 3, pads: [1, 1, 1, 1] },
  },
  {
    title: 'depthwise, two a channel',
    inputs: [{ shape: [2, 2, 4, 4] }, { shape: [4, 1, 2, 2] }],
    attributes: { group: 2, strides: [2, 1] },
  },
  {
    title: 'same upper',
    inputs: [{ shape: [1, 2, 5, 4] }, { shape: [2, 2, 2, 3] }],
    attributes: { auto_pad: 'SAME_UPPER', strides: [2, 1] },
  },
  {
    title: 'same lower',
    inputs: [{ shape: [1, 2, 5, 4] }, { shape: [2, 2, 2, 3] }],
    attributes: { auto_pad: 'SAME_LOWER', strides: [1, 2] },
  },
  {
    title: 'valid',
    inputs: [{ shape: [1, 1, 5, 4] }, { shape: [1, 1, 2, 3] }],
    attributes: { auto_pad: 'VALID', kernel_shape: [2, 3] },
  },
]

/** [batch, channels, ...sizes] of a convolution of x with weights. */
export function outputShape(attributes: AttributeReader, x: Shape, weights: Shape, kernel: readonly number[]): Dim[] {
  return [x[0]!, weights[0]!, ...outputSizes(attributes, kernel, x.slice(2))]
}

/** y[n, m, o] = b[m] + sum over c, k of w[m, c, k] x[n, c, o * stride + k * dilation - before] */
const conv: Op = {
  name: 'Conv',
  costly: true,
  since: 11,
  inputs: [2, 3],
  attributes: { ...windowAttributes, group: { kind: 'int', default: 1 } },
  infer(c) {
    const [x, w] = [c.input(0), c.input(1)]
    const group = c.attributes.int('group')
    const kernel = kernelOf(c.attributes, w.shape)
    spatialSizes(c, times(w.shape[1]!, group), kernel)
    const channels = w.shape[0]!
    if (typeof channels === 'number' && channels % group !== 0)
      c.fail(`${channels} output channels do not divide into ${group} groups`)
    checkBias(c, channels)
    return typed(x.dtype, outputShape(c.attributes, x.shape, w.shape, kernel))
  },
  grad({ g, x, dy, input, optional, attributes }) {
    const w = input(1)
    const windows = windowsOf(attributes, kernelOf(attributes, shapeOf(w)), shapeOf(x).slice(2))
    const group = attributes.int('group')
    return [
      convInputGradient(g, dy, w, shapeOf(x), windows, group),
      convWeightGradient(g, x, dy, windows, group),
      optional(2) && biasGradient(g, dy),
    ]
  },
  smooth: true,
  samples: convSamples,
}

/** Padding and extra size at the end of a transposed convolution, which `output_shape` or auto_pad may leave to be found. */
function transposeWindows(
  attributes: AttributeReader,
  kernel: readonly number[],
  input: Shape,
): { windows: Windows; output: Dim[] } {
  const rank = kernel.length
  const strides = perAxis(attributes, 'strides', rank, 1)
  const dilations = perAxis(attributes, 'dilations', rank, 1)
  const extra = perAxis(attributes, 'output_padding', rank, 0)
  const mode = attributes.string('auto_pad')
  const full = input.map((size, i): Dim => {
    if (typeof size !== 'number') return unknownDim
    return strides[i]! * (size - 1) + extra[i]! + extent({ kernel, dilations }, i)
  })
  const same = mode === 'SAME_UPPER' || mode === 'SAME_LOWER'
  if (attributes.has('output_shape') || same) {
    const output = attributes.has('output_shape')
      ? [...attributes.ints('output_shape')].slice(-rank)
      : input.map((size, i) => smaller(times(size, strides[i]!), full[i]!))
    const total = full.map((size, i) =>
      typeof size === 'number' ? Math.max(0, size - (output[i] as number)) : Number.NaN,
    )
    // The runtime puts the odd element in front unless SAME_UPPER is asked for, as the specification says.
    const { before, after } = splitPadding(mode === 'SAME_UPPER' ? mode : 'SAME_LOWER', total)
    return { windows: { kernel, strides, dilations, before, after }, output }
  }
  const pads = mode === 'VALID' ? new Array<number>(2 * rank).fill(0) : perAxis(attributes, 'pads', 2 * rank, 0)
  const [before, after] = [pads.slice(0, rank), pads.slice(rank)]
  const output = full.map((size, i) => (typeof size === 'number' ? size - before[i]! - after[i]! : size))
  return { windows: { kernel, strides, dilations, before, after }, output }
}

const transposeSamples: readonly Sample[] = [
  { title: 'bias', inputs: [{ shape: [2, 3, 3, 4] }, { shape: [3, 2, 2, 3] }, { shape: [2] }] },
  {
    title: 'stride, output padding',
    inputs: [{ shape: [1, 2, 3, 3] }, { shape: [2, 2, 3, 3] }],
    attributes: { strides: [2, 3], output_padding: [1, 2] },
  },
  {
    title: 'padding',
    inputs: [{ shape: [1, 2, 4, 4] }, { shape: [2, 3, 3, 3] }, { shape: [3] }],
    attributes: { strides: [2, 1], pads: [1, 0, 2, 1] },
  },
  { title: 'dilation', inputs: [{ shape: [1, 2, 3, 3] }, { shape: [2, 1, 2, 3] }], attributes: { dilations: [2, 1] } },
  {
    title: 'groups',
    inputs: [{ shape: [2, 4, 3, 3] }, { shape: [4, 3, 2, 2] }, { shape: [6] }],
    attributes: { group: 2, strides: [2, 2] },
  },
  {
    title: 'depthwise',
    inputs: [{ shape: [1, 3, 3, 3] }, { shape: [3, 1, 2, 2] }],
    attributes: { group: 3, strides: [2, 2] },
  },
  {
    title: '1-D',
    inputs: [{ shape: [2, 2, 4] }, { shape: [2, 3, 3] }, { shape: [3] }],
    attributes: { strides: [2], pads: [1, 1] },
  },
  {
    title: '3-D',
    inputs: [{ shape: [1, 2, 2, 2, 3] }, { shape: [2, 1, 2, 2, 2] }],
    attributes: { strides: [2, 1, 1] },
  },
  {
    title: 'same upper',
    inputs: [{ shape: [1, 1, 3, 3] }, { shape: [1, 2, 3, 3] }],
    attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' },
  },
  {
    title: 'same lower',
    inputs: [{ shape: [1, 1, 3, 3] }, { shape: [1, 2, 3, 3] }],
    attributes: { strides: [2, 2], auto_pad: 'SAME_LOWER' },
  },
  {
    title: 'same, windows smaller than their stride',
    inputs: [{ shape: [1, 1, 3, 3] }, { shape: [1, 2, 1, 2] }],
    attributes: { strides: [2, 3], auto_pad: 'SAME_UPPER' },
  },
  {
    title: 'output shape',
    inputs: [{ shape: [1, 1, 3, 3] }, { shape: [1, 2, 3, 3] }],
    attributes: { strides: [2, 2], output_shape: [6, 6] },
  },
]

/** y[n, m, j] = b[m] + sum over c, i, k with i * stride + k * dilation - before = j of w[c, m, k] x[n, c, i] */
const convTranspose: Op = {
  name: 'ConvTranspose',
  costly: true,
  since: 11,
  inputs: [2, 3],
  attributes: {
    ...windowAttributes,
    group: { kind: 'int', default: 1 },
    output_padding: { kind: 'ints', optional: true },
    output_shape: { kind: 'ints', optional: true },
  },
  infer(c) {
    const [x, w] = [c.input(0), c.input(1)]
    const kernel = kernelOf(c.attributes, w.shape)
    const spatial = spatialSizes(c, w.shape[0]!, kernel)
    const channels = times(w.shape[1]!, c.attributes.int('group'))
    checkBias(c, channels)
    return typed(x.dtype, [x.shape[0]!, channels, ...transposeWindows(c.attributes, kernel, spatial).output])
  },
  grad({ g, x, dy, input, optional, attributes }) {
    const w = input(1)
    const { windows } = transposeWindows(attributes, kernelOf(attributes, shapeOf(w)), shapeOf(x).slice(2))
    const group = attributes.int('group')
    return [
      transposeInputGradient(g, dy, w, shapeOf(x), windows, group),
      // The transposed convolution is the input gradient of a convolution: x and dy change places.
      convWeightGradient(g, dy, x, windows, group),
      optional(2) && biasGradient(g, dy),
    ]
  },
  smooth: true,
  samples: transposeSamples,
}

export const convolution: readonly Op[] = [conv, convTranspose]
