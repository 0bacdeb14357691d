/** Operators of images and boxes: unpooling, columns to images, cropping, regions of interest. Source: ONNX operators, opset 22. */
import { QuernError } from '../core/errors.ts'
import { type Dim, normalizeAxis, requireStatic, sizeOf, unknownDim } from '../core/shape.ts'
import { numbersOf, tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { lowered } from './lower.ts'
import { type GradientContext, type InferContext, type LowerContext, type Op, type SampleInput, typed } from './op.ts'
import { constantNumbers, range, unknownShape } from './shape-rules.ts'
import { extent, perAxis } from './window.ts'

const ints = (shape: readonly number[], ...values: number[]): SampleInput => ({ shape, dtype: 'int64', values })
const fixed = (...values: number[]): SampleInput => ({ ...ints([values.length], ...values), constant: true })

/** Each element goes to the place in the flattened output that its index names; the rest is 0. */
const maxUnpool: Op = {
  name: 'MaxUnpool',
  since: 11,
  inputs: [2, 3],
  attributes: {
    kernel_shape: { kind: 'ints' },
    pads: { kind: 'ints', optional: true },
    strides: { kind: 'ints', optional: true },
  },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const asked = c.optional(2) ? constantNumbers(c, 2) : undefined
    if (c.optional(2)) return typed(dtype, asked ?? unknownShape(shape.length))
    const kernel = c.attributes.ints('kernel_shape')
    if (kernel.length !== shape.length - 2) c.fail(`kernel_shape needs ${shape.length - 2} numbers`)
    const strides = perAxis(c.attributes, 'strides', kernel.length, 1)
    const pads = perAxis(c.attributes, 'pads', 2 * kernel.length, 0)
    const sizes = kernel.map((k, i): Dim => {
      const size = shape[i + 2]!
      return typeof size === 'number' ? (size - 1) * strides[i]! + k - pads[i]! - pads[i + kernel.length]! : unknownDim
    })
    return typed(dtype, [...shape.slice(0, 2), ...sizes])
  },
  grad: ({ g, dy, input }) => {
    const count = sizeOf(requireStatic(shapeOf(dy), 'the gradient of MaxUnpool'))
    return [g.op('Gather', [g.reshape(dy, [count]), input(1)])]
  },
  smooth: true,
  samples: [
    {
      inputs: [{ shape: [1, 1, 2, 2], dtype: 'float32' }, ints([1, 1, 2, 2], 5, 7, 13, 15)],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    },
    {
      inputs: [{ shape: [1, 2, 2], dtype: 'float32' }, ints([1, 2, 2], 0, 3, 5, 6)],
      attributes: { kernel_shape: [2], strides: [2] },
    },
  ],
}

interface Columns {
  readonly image: readonly number[]
  readonly block: readonly number[]
  readonly before: readonly number[]
  /** sizes of the padded image */
  readonly padded: readonly number[]
  /** positions of the block along each axis */
  readonly counts: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
}

function columnsOf(c: InferContext | GradientContext, image: readonly number[], block: readonly number[]): Columns {
  const rank = image.length
  const strides = perAxis(c.attributes, 'strides', rank, 1)
  const dilations = perAxis(c.attributes, 'dilations', rank, 1)
  const pads = perAxis(c.attributes, 'pads', 2 * rank, 0)
  const before = pads.slice(0, rank)
  const padded = image.map((size, i) => size + before[i]! + pads[rank + i]!)
  const counts = padded.map((size, i) => Math.floor((size - extent({ kernel: block, dilations }, i)) / strides[i]!) + 1)
  return { image, block, before, padded, counts, strides, dilations }
}

/** For each element of the block and each of its positions the place in the flattened padded image: [block, positions] */
function places({ padded, block, counts, strides, dilations }: Columns): number[] {
  const grid = (sizes: readonly number[], at: (i: number, axis: number) => number): number[] =>
    sizes.reduce<number[]>(
      (all, size, axis) =>
        all.flatMap((place) => Array.from({ length: size }, (_, i) => place * padded[axis]! + at(i, axis))),
      [0],
    )
  const inner = grid(block, (i, axis) => i * dilations[axis]!)
  const outer = grid(counts, (i, axis) => i * strides[axis]!)
  return inner.flatMap((a) => outer.map((b) => a + b))
}

/** Blocks [batch, channels * block, positions] added up in an image [batch, channels, ...]: the adjoint of cutting it into blocks. */
const col2Im: Op = {
  name: 'Col2Im',
  since: 18,
  inputs: [3, 3],
  attributes: {
    dilations: { kind: 'ints', optional: true },
    pads: { kind: 'ints', optional: true },
    strides: { kind: 'ints', optional: true },
  },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    if (shape.length !== 3) c.fail('the input must be [batch, channels * block, positions]')
    const [image, block] = [constantNumbers(c, 1), constantNumbers(c, 2)]
    const rank = c.input(1).shape[0]
    if (!image || !block) return [{ dtype, shape: typeof rank === 'number' ? unknownShape(rank + 2) : undefined }]
    const { counts } = columnsOf(c, image, block)
    const positions = shape[2]!
    if (typeof positions === 'number' && positions !== sizeOf(counts))
      c.fail(`the block has ${sizeOf(counts)} positions in the image, the input ${positions}`)
    const channels = shape[1]!
    return typed(dtype, [shape[0]!, typeof channels === 'number' ? channels / sizeOf(block) : unknownDim, ...image])
  },
  grad: (c) => {
    const { g, x, dy, input } = c
    const sizes = (i: number): number[] => {
      const { constant, name } = input(i)
      if (constant) return numbersOf(constant)
      throw new QuernError('unsupported', `the gradient of Col2Im needs '${name}' as a constant`)
    }
    const columns = columnsOf(c, sizes(1), sizes(2))
    const { image, before, padded } = columns
    const after = padded.map((size, i) => size - image[i]! - before[i]!)
    const full = padded.some((size, i) => size !== image[i])
      ? g.op('Pad', [dy, g.integers([0, 0, ...before, 0, 0, ...after])])
      : dy
    const flat = g.reshape(full, [...shapeOf(dy).slice(0, 2), sizeOf(padded)])
    const index = places(columns)
    return [g.reshape(g.op('Gather', [flat, g.integers(index)], { axis: 2 }), shapeOf(x))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [1, 4, 9], dtype: 'float32' }, fixed(4, 4), fixed(2, 2)] },
    {
      inputs: [{ shape: [2, 8, 4], dtype: 'float32' }, fixed(4, 3), fixed(2, 2)],
      attributes: { pads: [0, 1, 0, 0], strides: [2, 2] },
    },
    {
      inputs: [{ shape: [1, 4, 4], dtype: 'float32' }, fixed(4, 4), fixed(2, 2)],
      attributes: { dilations: [2, 2] },
    },
  ],
}

/** Cut or filled with zeros around the middle. */
const centerCropPad: Op = {
  name: 'CenterCropPad',
  since: 18,
  inputs: [2, 2],
  attributes: { axes: { kind: 'ints', optional: true } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axes = c.attributes.has('axes')
      ? c.attributes.ints('axes').map((axis) => normalizeAxis(axis, shape.length))
      : range(shape.length)
    const sizes = constantNumbers(c, 1)
    if (sizes && sizes.length !== axes.length)
      c.fail(`the shape needs ${axes.length} numbers, received ${sizes.length}`)
    return typed(
      dtype,
      shape.map((dim, axis) => (axes.includes(axis) ? (sizes?.[axes.indexOf(axis)] ?? unknownDim) : dim)),
    )
  },
  // What was cut off gets zeros; what was filled in is cut off: the same, the other way.
  grad: ({ g, x, dy, attributes }) => {
    const shape = requireStatic(shapeOf(x), 'the gradient of CenterCropPad')
    if (!attributes.has('axes')) return [g.op('CenterCropPad', [dy, g.integers(shape)])]
    const axes = attributes.ints('axes')
    const sizes = axes.map((axis) => shape[normalizeAxis(axis, shape.length)]!)
    return [g.op('CenterCropPad', [dy, g.integers(sizes)], { axes })]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [5, 4] }, fixed(2, 7)] },
    { inputs: [{ shape: [4, 5] }, fixed(3, 2)] },
    { inputs: [{ shape: [2, 3, 4] }, fixed(6, 1)], attributes: { axes: [1, -1] } },
  ],
}

/**
 * Weights of the elements of one axis in the mean over the places that are sampled in each bin of each region: [regions, bins, size]. The bilinear
 * weight of an element at distance d is max(0, 1 - d).
 */
function binWeights(c: LowerContext, first: Value, last: Value, bins: number, size: number): Value {
  const { g, attributes } = c
  const half = attributes.string('coordinate_transformation_mode') === 'half_pixel'
  const scale = attributes.float('spatial_scale')
  const count = attributes.int('sampling_ratio')
  const dtype = dtypeOf(first)
  const start = half ? g.sub(g.mul(first, scale), 0.5) : g.mul(first, scale)
  const length = g.sub(half ? g.sub(g.mul(last, scale), 0.5) : g.mul(last, scale), start)
  const width = g.div(half ? length : g.max(length, 1), bins)
  const line = (values: number[], shape: number[]) => g.constant(tensorFromNumbers(dtype, shape, values))
  const offsets = Array.from({ length: bins * count }, (_, i) => (i + 0.5) / count)
  const at = g.add(start, g.mul(width, line(offsets, [1, bins * count])))
  const outside = g.op('Or', [g.less(at, -1), g.greater(at, size)])
  const held = g.op('Clip', [at, g.scalar(0, dtype), g.scalar(size - 1, dtype)])
  const elements = line(
    Array.from({ length: size }, (_, i) => i),
    [1, 1, size],
  )
  const weights = g.op('Relu', [g.sub(1, g.abs(g.sub(g.unsqueeze(held, [2]), elements)))])
  const inside = g.where(g.unsqueeze(outside, [2]), 0, weights)
  const regions = shapeOf(first)[0]!
  return g.mean(g.reshape(inside, [regions, bins, count, size]), [2])
}

const boxes: SampleInput = { shape: [3, 4], values: [0.3, 0.6, 4.2, 3.1, 1.1, 0.2, 3.3, 3.6, 0, 0, 2.3, 1.7] }

/** Mean (or maximum) of interpolated places in each bin of a region: [regions, channels, output_height, output_width] */
const roiAlign: Op = lowered(
  {
    name: 'RoiAlign',
    since: 16,
    inputs: [3, 3],
    attributes: {
      coordinate_transformation_mode: { kind: 'string', default: 'half_pixel' },
      mode: { kind: 'string', default: 'avg' },
      output_height: { kind: 'int', default: 1 },
      output_width: { kind: 'int', default: 1 },
      sampling_ratio: { kind: 'int', default: 0 },
      spatial_scale: { kind: 'float', default: 1 },
    },
    infer: (c) => {
      const [x, rois] = [c.input(0), c.input(1)]
      if (x.shape.length !== 4 || rois.shape.length !== 2)
        c.fail('the input must have 4 axes, the regions be [regions, 4]')
      const [height, width] = [c.attributes.int('output_height'), c.attributes.int('output_width')]
      return typed(x.dtype, [rois.shape[0]!, x.shape[1]!, height, width])
    },
    samples: [
      {
        inputs: [{ shape: [2, 2, 4, 5] }, boxes, ints([3], 0, 1, 1)],
        attributes: { output_height: 2, output_width: 3, sampling_ratio: 2 },
      },
      {
        inputs: [{ shape: [1, 1, 4, 5] }, boxes, ints([3], 0, 0, 0)],
        attributes: {
          output_height: 2,
          output_width: 2,
          sampling_ratio: 1,
          spatial_scale: 0.8,
          coordinate_transformation_mode: 'output_half_pixel',
        },
      },
    ],
  },
  (c) => {
    const { g, input, attributes } = c
    if (attributes.string('mode') !== 'avg') c.fail("the mode is 'max', covered is 'avg'")
    if (attributes.int('sampling_ratio') < 1)
      c.fail('sampling_ratio is 0: the number of places in a bin then depends on the size of the region')
    const [, , height, width] = requireStatic(shapeOf(input(0)), 'the gradient of RoiAlign')
    const [left, top, right, bottom] = [0, 1, 2, 3].map((i) => g.slice(input(1), [i], [i + 1], [1]))
    const down = binWeights(c, top!, bottom!, attributes.int('output_height'), height!)
    const across = binWeights(c, left!, right!, attributes.int('output_width'), width!)
    const images = g.op('Gather', [input(0), input(2)])
    const rows = g.matMul(g.unsqueeze(down, [1]), images)
    return [g.matMul(rows, g.swapLast(g.unsqueeze(across, [1])))]
  },
)

/** Maximum in each bin of a region; the regions are [regions, 5]: image, x1, y1, x2, y2 */
const maxRoiPool: Op = {
  name: 'MaxRoiPool',
  since: 1,
  inputs: [2, 2],
  attributes: { pooled_shape: { kind: 'ints' }, spatial_scale: { kind: 'float', default: 1 } },
  infer: (c) =>
    typed(c.input(0).dtype, [c.input(1).shape[0]!, c.input(0).shape[1]!, ...c.attributes.ints('pooled_shape')]),
  grad: { none: 'the bins of a region are found by rounding, from data: train with RoiAlign, which replaced it' },
  samples: [
    {
      inputs: [
        { shape: [1, 2, 4, 4], dtype: 'float32' },
        { shape: [2, 5], dtype: 'float32', values: [0, 0, 0, 2, 2, 0, 1, 1, 3, 3] },
      ],
      attributes: { pooled_shape: [2, 2] },
    },
  ],
}

/** Convolution whose taps are moved by offsets [batch, groups * kernel * 2, ...] and weighted by a mask. */
const deformConv: Op = {
  name: 'DeformConv',
  since: 19,
  inputs: [3, 5],
  attributes: {
    dilations: { kind: 'ints', optional: true },
    group: { kind: 'int', default: 1 },
    kernel_shape: { kind: 'ints', optional: true },
    offset_group: { kind: 'int', default: 1 },
    pads: { kind: 'ints', optional: true },
    strides: { kind: 'ints', optional: true },
  },
  infer: (c) => {
    const [x, w, offset] = [c.input(0), c.input(1), c.input(2)]
    if (x.shape.length < 3 || w.shape.length !== x.shape.length)
      c.fail('weights must have the rank of the input, 3 or more')
    return typed(x.dtype, [x.shape[0]!, w.shape[0]!, ...offset.shape.slice(2)])
  },
  grad: { none: 'its gradient is not written: sample with GridSample and multiply, which have gradients' },
  samples: [
    {
      inputs: [
        { shape: [1, 1, 3, 3], dtype: 'float32' },
        { shape: [2, 1, 2, 2], dtype: 'float32' },
        { shape: [1, 8, 2, 2], dtype: 'float32' },
      ],
      attributes: { kernel_shape: [2, 2] },
    },
  ],
}

/** Boxes that no better box of their class overlaps too much: [selected, 3] of image, class, box */
const nonMaxSuppression: Op = {
  name: 'NonMaxSuppression',
  since: 11,
  inputs: [2, 5],
  attributes: { center_point_box: { kind: 'int', default: 0 } },
  infer: () => typed('int64', [unknownDim, 3]),
  grad: { none: 'its result are the indices of boxes, which do not change smoothly with them' },
  samples: [
    {
      inputs: [
        { shape: [1, 2, 4], dtype: 'float32', values: [0, 0, 1, 1, 0, 2, 1, 3] },
        { shape: [1, 1, 2], dtype: 'float32', values: [0.9, 0.8] },
        fixed(2),
      ],
    },
  ],
}

export const spatial: readonly Op[] = [
  maxUnpool,
  col2Im,
  centerCropPad,
  roiAlign,
  maxRoiPool,
  deformConv,
  nonMaxSuppression,
]
