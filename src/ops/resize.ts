/** Resize: interpolation of an image or a volume to another size. Source: ONNX operator Resize, opset 19. */
import { QuernError } from '../core/errors.ts'
import { type Dim, isStatic, normalizeAxis, requireStatic, sameShape, unknownDim } from '../core/shape.ts'
import { numbersOf, type Tensor } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { type AxisMatrix, transposedProduct } from './axis-matrix.ts'
import { type AttributeReader, type Op, type Sample, typed } from './op.ts'

function axesOf(attributes: AttributeReader, rank: number): number[] {
  if (!attributes.has('axes')) return Array.from({ length: rank }, (_, axis) => axis)
  return attributes.ints('axes').map((axis) => normalizeAxis(axis, rank))
}

/** A list input that a node may leave out, by no value or by an empty one. */
function listOf(constant: Tensor | undefined): number[] | undefined {
  return constant && constant.data.length > 0 ? numbersOf(constant) : undefined
}

/** How one axis is stretched: `roi` is the part of it, in normalised coordinates, that tf_crop_and_resize keeps. */
interface Stretch {
  readonly inputs: number
  readonly outputs: number
  readonly scale: number
  readonly roi: readonly [start: number, end: number]
}

/**
 * Where output o lies in the input's coordinates. Each step is rounded to float32, as in the runtime: 6 / 1.2 is 5 there and a little less in double
 * precision, which is another nearest element.
 */
function coordinate(mode: string, o: number, { inputs, outputs, scale, roi: [start, end] }: Stretch): number {
  const f = Math.fround
  if (mode === 'asymmetric') return f(o / f(scale))
  if (mode === 'align_corners') return outputs === 1 ? 0 : f((o * (inputs - 1)) / (outputs - 1))
  if (mode === 'pytorch_half_pixel' && outputs === 1) return 0
  if (mode === 'tf_crop_and_resize') {
    if (outputs === 1) return f(f(0.5 * f(start + end)) * (inputs - 1))
    const along = f(f(f(o * f(end - start)) * (inputs - 1)) / (outputs - 1))
    return f(f(start * (inputs - 1)) + along)
  }
  const centred = f(f((o + 0.5) / f(scale)) - 0.5)
  // The output size was rounded down from inputs * scale: keep its centre on the input's.
  if (mode !== 'half_pixel_symmetric') return centred
  const offset = f((inputs / 2) * f(1 - f(outputs / f(f(scale) * inputs))))
  return f(f(offset + f((o + 0.5) / f(scale))) - 0.5)
}

const rounding: Readonly<Record<string, (x: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
}

/** Elements and their weights for a position, by cubic convolution (Keys 1981). */
function cubicParts(at: number, a: number): [number, number][] {
  const low = Math.floor(at)
  return [-1, 0, 1, 2].map((offset) => {
    const d = Math.abs(at - low - offset)
    const weight = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return [low + offset, weight]
  })
}

function linearParts(at: number): [number, number][] {
  const low = Math.floor(at)
  return [
    [low, 1 - (at - low)],
    [low + 1, at - low],
  ]
}

/** The interpolation along one axis as a matrix [outputs, inputs]. */
function interpolation(attributes: AttributeReader, axis: number, stretch: Stretch): AxisMatrix {
  const { inputs, outputs } = stretch
  const mode = attributes.string('mode')
  const way = attributes.string('coordinate_transformation_mode')
  const round = rounding[attributes.string('nearest_mode')]!
  const partsAt = (at: number): [number, number][] => {
    if (mode === 'nearest') return [[round(at), 1]]
    if (mode === 'linear') return linearParts(at)
    const parts = cubicParts(at, attributes.float('cubic_coeff_a'))
    if (attributes.int('exclude_outside') === 0) return parts
    const inner = parts.filter(([i]) => i >= 0 && i < inputs)
    const total = inner.reduce((sum, [, weight]) => sum + weight, 0)
    return inner.map(([i, weight]) => [i, weight / total])
  }
  const elements = new Array<number>(outputs * inputs).fill(0)
  const inside = (i: number) => Math.min(Math.max(i, 0), inputs - 1)
  for (let o = 0; o < outputs; o++) {
    const at = coordinate(way, o, stretch)
    // Beyond the input stands extrapolation_value, whatever the input is.
    if (way === 'tf_crop_and_resize' && (at < 0 || at > inputs - 1)) continue
    for (const [i, weight] of partsAt(at)) elements[o * inputs + inside(i)]! += weight
  }
  return { axis, outputs, inputs, elements }
}

/** Scale of each axis of `axes` when sizes are given, and the aspect ratio is to be kept: one for all, none larger (or smaller) than asked for. */
function keptScale(policy: string, sizes: readonly number[], from: readonly number[]): number {
  const scales = sizes.map((size, i) => size / from[i]!)
  return policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales)
}

const attributes = {
  antialias: { kind: 'int', default: 0 },
  axes: { kind: 'ints', optional: true },
  coordinate_transformation_mode: { kind: 'string', default: 'half_pixel' },
  cubic_coeff_a: { kind: 'float', default: -0.75 },
  exclude_outside: { kind: 'int', default: 0 },
  extrapolation_value: { kind: 'float', default: 0 },
  keep_aspect_ratio_policy: { kind: 'string', default: 'stretch' },
  mode: { kind: 'string', default: 'nearest' },
  nearest_mode: { kind: 'string', default: 'round_prefer_floor' },
} as const

function sample(
  title: string,
  shape: readonly number[],
  scales: readonly number[],
  options: Sample['attributes'] = {},
): Sample {
  return {
    title,
    inputs: [{ shape }, undefined, { shape: [scales.length], dtype: 'float32', values: scales, constant: true }],
    attributes: options,
  }
}

/** A part of the input, and more than it, brought to given sizes. */
function crop(mode: string, shape: readonly number[], roi: readonly number[], sizes: readonly number[]): Sample {
  return {
    title: `${mode}, a region`,
    inputs: [
      { shape },
      { shape: [roi.length], dtype: 'float32', values: roi, constant: true },
      undefined,
      { shape: [sizes.length], dtype: 'int64', values: sizes, constant: true },
    ],
    attributes: { mode, coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 0.5 },
  }
}

const resize: Op = {
  name: 'Resize',
  since: 19,
  inputs: [1, 4],
  attributes,
  infer(c) {
    const x = c.input(0)
    const axes = axesOf(c.attributes, x.shape.length)
    const [scales, sizes] = [listOf(c.constant(2)), listOf(c.constant(3))]
    const policy = c.attributes.string('keep_aspect_ratio_policy')
    const stretched = policy === 'stretch'
    const from = axes.map((axis) => x.shape[axis]!)
    const kept = sizes && !stretched && isStatic(from) ? keptScale(policy, sizes, from) : undefined
    const roi =
      c.attributes.string('coordinate_transformation_mode') === 'tf_crop_and_resize' ? listOf(c.constant(1)) : undefined
    const shape = x.shape.map((dim, axis): Dim => {
      const place = axes.indexOf(axis)
      if (place < 0) return dim
      if (sizes && stretched) return sizes[place] ?? c.fail(`sizes needs ${axes.length} numbers`)
      if (kept !== undefined) return Math.floor((dim as number) * kept + 0.5)
      const part = roi ? roi[axes.length + place]! - roi[place]! : 1
      const scale = scales && scales[place]! * part
      if (scale === 1) return dim
      return scale === undefined || typeof dim !== 'number' ? unknownDim : Math.floor(dim * scale)
    })
    return typed(x.dtype, shape)
  },
  // Linear in x and apart for each axis: dx is dy with the transposed interpolation matrices.
  grad({ g, node, x, dy, optional, attributes: a }) {
    const refuse = (what: string): never => {
      throw new QuernError('unsupported', `no gradient through Resize ${what} at '${node.name}'`)
    }
    if (a.int('antialias') === 1) refuse('with antialias: its filter, which grows with the scale, is not written here')
    const isCrop = a.string('coordinate_transformation_mode') === 'tf_crop_and_resize'
    const roi = isCrop ? listOf(optional(1)?.constant) : undefined
    if (isCrop && !roi) refuse('with tf_crop_and_resize whose region is not a constant')
    const from = requireStatic(shapeOf(x), 'the gradient of Resize')
    const to = requireStatic(shapeOf(dy), 'the gradient of Resize')
    // The runtime copies where no size changes, whatever the scales are.
    if (!isCrop && sameShape(from, to)) return [dy]
    const [scales, sizes] = [listOf(optional(2)?.constant), listOf(optional(3)?.constant)]
    const axes = axesOf(a, from.length)
    const policy = a.string('keep_aspect_ratio_policy')
    const own = axes.map((axis) => from[axis]!)
    const kept = sizes && policy !== 'stretch' ? keptScale(policy, sizes, own) : undefined
    const matrices = axes.flatMap((axis, place) => {
      const scale = kept ?? scales?.[place] ?? to[axis]! / from[axis]!
      const part = [roi?.[place] ?? 0, roi?.[axes.length + place] ?? 1] as const
      if (scale === 1 && part[0] === 0 && part[1] === 1) return []
      return [interpolation(a, axis, { inputs: from[axis]!, outputs: to[axis]!, scale, roi: part })]
    })
    return [
      transposedProduct(
        g,
        dy,
        matrices.sort((one, other) => one.axis - other.axis),
      ),
    ]
  },
  smooth: true,
  samples: [
    sample('repeat', [1, 2, 2, 3], [1, 1, 2, 3], {
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    }),
    sample('nearest', [1, 1, 4, 5], [1, 1, 1.5, 0.6]),
    sample('nearest, round up', [1, 1, 4], [1, 1, 1.75], { nearest_mode: 'round_prefer_ceil' }),
    ...[1.2, 1.1].map((scale) =>
      sample(`nearest, ${scale} times in float32`, [1, 1, 20], [1, 1, scale], {
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
      }),
    ),
    sample('linear', [1, 2, 3, 4], [1, 1, 2, 0.5], { mode: 'linear' }),
    sample('linear, corners', [1, 1, 3, 4], [1, 1, 2, 1.5], {
      mode: 'linear',
      coordinate_transformation_mode: 'align_corners',
    }),
    sample('linear, asymmetric', [2, 1, 3, 4], [1, 1, 2, 1.5], {
      mode: 'linear',
      coordinate_transformation_mode: 'asymmetric',
    }),
    ...['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel', 'align_corners', 'asymmetric'].map((way) =>
      sample(`cubic, ${way}`, [1, 2, 4, 5], [1, 1, 1.8, 0.7], {
        mode: 'cubic',
        coordinate_transformation_mode: way,
      }),
    ),
    sample('cubic, nothing from outside', [1, 1, 4, 5], [1, 1, 2, 1.5], { mode: 'cubic', exclude_outside: 1 }),
    sample('cubic, another coefficient', [1, 1, 4, 5], [1, 1, 2, 1.5], { mode: 'cubic', cubic_coeff_a: -0.5 }),
    sample('linear, symmetric', [1, 1, 5, 3], [1, 1, 0.5, 1.7], {
      mode: 'linear',
      coordinate_transformation_mode: 'half_pixel_symmetric',
    }),
    sample('linear, one axis', [1, 1, 5], [1, 1, 2], { mode: 'linear' }),
    sample('linear, 3-D', [1, 1, 2, 3, 2], [1, 1, 2, 1.5, 2], { mode: 'linear' }),
    ...['linear', 'cubic', 'nearest'].map((mode) =>
      crop(mode, [1, 1, 4, 5], [0, 0, 0.2, -0.1, 1, 1, 0.9, 1.3], [1, 1, 3, 4]),
    ),
    ...['not_larger', 'not_smaller'].map(
      (keep_aspect_ratio_policy): Sample => ({
        title: keep_aspect_ratio_policy,
        inputs: [
          { shape: [1, 1, 3, 4] },
          undefined,
          undefined,
          { shape: [2], dtype: 'int64', values: [5, 6], constant: true },
        ],
        attributes: { mode: 'linear', axes: [2, 3], keep_aspect_ratio_policy },
      }),
    ),
    sample('scales too small to change a size', [1, 1, 2, 3], [1, 1, 1.3, 1.2], {
      mode: 'cubic',
      coordinate_transformation_mode: 'asymmetric',
    }),
    sample('two axes', [1, 2, 3, 4], [2, 3], { axes: [2, 3] }),
    {
      title: 'sizes',
      inputs: [
        { shape: [1, 1, 3, 4] },
        undefined,
        undefined,
        { shape: [4], dtype: 'int64', values: [1, 1, 5, 3], constant: true },
      ],
      attributes: { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' },
    },
  ],
}

export const resizing: readonly Op[] = [resize]
