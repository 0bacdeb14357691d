/** Resize: interpolation of an image or a volume to another size. Source: ONNX operator Resize, opset 19. */
import { QuernError } from '../core/errors.ts'
import { type Dim, normalizeAxis, requireStatic, unknownDim } from '../core/shape.ts'
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

/** Where output o lies in the input's coordinates. */
function coordinate(mode: string, o: number, outputs: number, inputs: number, scale: number): number {
  if (mode === 'asymmetric') return o / scale
  if (mode === 'align_corners') return outputs === 1 ? 0 : (o * (inputs - 1)) / (outputs - 1)
  if (mode === 'pytorch_half_pixel' && outputs === 1) return 0
  const centred = (o + 0.5) / scale - 0.5
  // The output size was rounded down from inputs * scale: keep its centre on the input's.
  if (mode === 'half_pixel_symmetric') return centred + (inputs / 2) * (1 - outputs / (inputs * scale))
  return centred
}

const rounding: Readonly<Record<string, (x: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
}

/** The interpolation along one axis as a matrix [outputs, inputs]. */
function interpolation(
  attributes: AttributeReader,
  axis: number,
  inputs: number,
  outputs: number,
  scale: number,
): AxisMatrix {
  const nearest = attributes.string('mode') === 'nearest'
  const round = rounding[attributes.string('nearest_mode')]!
  const elements = new Array<number>(outputs * inputs).fill(0)
  const inside = (i: number) => Math.min(Math.max(i, 0), inputs - 1)
  for (let o = 0; o < outputs; o++) {
    const at = coordinate(attributes.string('coordinate_transformation_mode'), o, outputs, inputs, scale)
    const low = Math.floor(at)
    const parts: [number, number][] = nearest
      ? [[round(at), 1]]
      : [
          [low, 1 - (at - low)],
          [low + 1, at - low],
        ]
    for (const [i, weight] of parts) elements[o * inputs + inside(i)]! += weight
  }
  return { axis, outputs, inputs, elements }
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

const resize: Op = {
  name: 'Resize',
  since: 19,
  inputs: [1, 4],
  attributes,
  infer(c) {
    const x = c.input(0)
    const axes = axesOf(c.attributes, x.shape.length)
    const [scales, sizes] = [listOf(c.constant(2)), listOf(c.constant(3))]
    const stretched = c.attributes.string('keep_aspect_ratio_policy') === 'stretch'
    const shape = x.shape.map((dim, axis): Dim => {
      const place = axes.indexOf(axis)
      if (place < 0) return dim
      if (sizes && stretched) return sizes[place] ?? c.fail(`sizes needs ${axes.length} numbers`)
      const scale = scales?.[place]
      if (scale === 1) return dim
      return scale === undefined || typeof dim !== 'number' ? unknownDim : Math.floor(dim * scale)
    })
    return typed(x.dtype, shape)
  },
  // Linear in x and apart for each axis: dx is dy with the transposed interpolation matrices.
  grad({ g, node, x, dy, optional, attributes: a }) {
    const refuse = (what: string): never => {
      throw new QuernError('unsupported', `no gradient through Resize with ${what} at '${node.name}'`)
    }
    if (a.string('mode') === 'cubic') refuse('cubic interpolation')
    if (a.int('antialias') === 1) refuse('antialias')
    if (a.string('coordinate_transformation_mode') === 'tf_crop_and_resize') refuse('tf_crop_and_resize')
    if (a.string('keep_aspect_ratio_policy') !== 'stretch') refuse('a kept aspect ratio')
    const from = requireStatic(shapeOf(x), 'the gradient of Resize')
    const to = requireStatic(shapeOf(dy), 'the gradient of Resize')
    const scales = listOf(optional(2)?.constant)
    const matrices = axesOf(a, from.length).flatMap((axis, place) => {
      const scale = scales?.[place] ?? to[axis]! / from[axis]!
      return scale === 1 ? [] : [interpolation(a, axis, from[axis]!, to[axis]!, scale)]
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
    sample('linear', [1, 2, 3, 4], [1, 1, 2, 0.5], { mode: 'linear' }),
    sample('linear, corners', [1, 1, 3, 4], [1, 1, 2, 1.5], {
      mode: 'linear',
      coordinate_transformation_mode: 'align_corners',
    }),
    sample('linear, asymmetric', [2, 1, 3, 4], [1, 1, 2, 1.5], {
      mode: 'linear',
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
