/**
 * Quantisation: x -> round(x / scale) + zero point, held within the integer type, and back. With one scale for all, one a slice along
 * an axis, or one a block of elements along an axis.
 *
 * The gradient is the straight-through estimator: rounding passes it on unchanged, saturation stops it. With it the scale gets what "Learned Step Size
 * Quantization" (Esser et al. 2020, arXiv:1902.08153, equations 2 and 3) gives it, without that paper's factor 1 / sqrt(N Q), which is the
 * learning rate's matter: of a quantised and dequantised x, round(v) - v inside the range, and the bound outside, with v = x / scale.
 * A gradient "with respect to" the quantised integers is that of the real number for which they stand.
 */
import { type DType, dtypeFromCode, dtypes } from '../core/dtype.ts'
import { broadcastShapes, type Dim, normalizeAxis, requireStatic, type Shape } from '../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { kernelOf, outputShape } from './conv.ts'
import type { Emitter } from './emitter.ts'
import {
  type AttributeReader,
  type GradientContext,
  type InferContext,
  type Op,
  type SampleInput,
  typed,
} from './op.ts'
import { withDim } from './shape-rules.ts'
import { windowAttributes } from './window.ts'

/** How the scales are laid over the elements: undefined axis for one scale, block 0 for one a slice. */
interface Layout {
  readonly shape: readonly number[]
  readonly axis: number | undefined
  readonly block: number
}

function layoutOf(x: Value, scale: Value, attributes: AttributeReader): Layout {
  const shape = requireStatic(shapeOf(x), 'the gradient of a quantised tensor')
  const block = attributes.int('block_size')
  const sizes = requireStatic(shapeOf(scale), 'the gradient of a scale')
  const one = block === 0 && (sizes.length === 0 || (sizes.length === 1 && sizes[0] === 1))
  return { shape, axis: one ? undefined : normalizeAxis(attributes.int('axis'), shape.length), block }
}

/** Scales (or zero points) in a shape that broadcasts against the elements. */
function spread(g: Emitter, scale: Value, { shape, axis, block }: Layout): Value {
  if (axis === undefined) return g.reshape(scale, [])
  if (block === 0) {
    return g.reshape(
      scale,
      shape.map((size, i) => (i === axis ? size : 1)),
    )
  }
  const blocks = shapeOf(scale)[axis] as number
  const open = [...shape.slice(0, axis), blocks, block, ...shape.slice(axis + 1)]
  const wide = g.reshape(g.expand(g.unsqueeze(scale, [axis + 1]), open), withDim(shape, axis, blocks * block))
  return blocks * block === shape[axis] ? wide : g.slice(wide, [0], [shape[axis]!], [axis])
}

/** The sum over the elements that share a scale: back from `spread`. */
function gather(g: Emitter, x: Value, scale: Value, { shape, axis, block }: Layout): Value {
  const sizes = shapeOf(scale)
  if (axis === undefined) return g.reshape(g.sum(x), sizes)
  if (block === 0) {
    return g.sum(
      x,
      shape.flatMap((_, i) => (i === axis ? [] : [i])),
    )
  }
  const blocks = sizes[axis] as number
  const rest = blocks * block - shape[axis]!
  const pads = [...shape.map(() => 0), ...shape.map((_, i) => (i === axis ? rest : 0))]
  const full = rest === 0 ? x : g.op('Pad', [x, g.integers(pads)])
  const open = g.reshape(full, [...shape.slice(0, axis), blocks, block, ...shape.slice(axis + 1)])
  return g.sum(open, [axis + 1])
}

function checkScale(c: InferContext, shape: Shape): void {
  const scale = c.input(1).shape
  const block = c.attributes.int('block_size')
  if (block < 0) c.fail(`block_size must be 0 or more, received ${block}`)
  if (block > 0 && scale.length !== shape.length) c.fail('with blocks the scale must have the rank of the input')
  if (block === 0 && scale.length > 1) c.fail('the scale must be a scalar or a list, one a slice along the axis')
  const axis = block > 0 || (scale.length === 1 && scale[0] !== 1) ? c.attributes.int('axis') : undefined
  if (axis === undefined) return
  const size = shape[normalizeAxis(axis, shape.length)]!
  if (block > 0 || typeof size !== 'number' || typeof scale[0] !== 'number') return
  if (size !== scale[0]) c.fail(`the axis has ${size} slices, the scale ${scale[0]}`)
}

/** Least and greatest number of an integer type. */
function bounds(dtype: DType): [number, number] {
  const { bits, kind } = dtypes[dtype]
  return kind === 'uint' ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
}

/** Greatest number of the 8-bit float types (ONNX, "Float stored in 8 bits"), and of float4e2m1. */
const greatest: Readonly<Partial<Record<DType, number>>> = {
  float8e4m3fn: 448,
  float8e4m3fnuz: 240,
  float8e5m2: 57344,
  float8e5m2fnuz: 57344,
  float4e2m1: 6,
}

/** 1 where x is quantised without saturation, else 0. */
function inside(c: GradientContext, ratio: Value, layout: Layout): Value {
  const { g, y } = c
  const dtype = dtypeOf(ratio)
  const largest = greatest[dtypeOf(y)]
  if (largest !== undefined) return g.cast(g.op('LessOrEqual', [g.abs(ratio), g.scalar(largest, dtype)]), dtype)
  const [low, high] = bounds(dtypeOf(y))
  const zero = c.optional(2)
  const rounded = g.op('Round', [ratio])
  const placed = zero ? g.add(rounded, spread(g, g.cast(zero, dtype), layout)) : rounded
  const held = g.op('Clip', [placed, g.scalar(low, dtype), g.scalar(high, dtype)])
  return g.cast(g.equal(held, placed), dtype)
}

const scale = (shape: readonly number[], ...values: number[]): SampleInput => ({ shape, dtype: 'float32', values })
const numbers = (dtype: DType, shape: readonly number[], ...values: number[]): SampleInput => ({ shape, dtype, values })
const floats = (...shape: number[]): SampleInput => ({ shape, dtype: 'float32' })

function quantizedType(c: InferContext): DType {
  const zero = c.optional(2)
  const code = c.attributes.int('output_dtype')
  const asked = code === 0 ? undefined : (dtypeFromCode(code) ?? c.fail(`output_dtype ${code} is no element type`))
  if (zero && asked && zero.dtype !== asked)
    c.fail(`output_dtype is ${asked}, the zero point ${zero.dtype}: they must be the same`)
  return zero?.dtype ?? asked ?? 'uint8'
}

const quantizeLinear: Op = {
  name: 'QuantizeLinear',
  since: 19,
  inputs: [2, 3],
  attributes: {
    axis: { kind: 'int', default: 1 },
    block_size: { kind: 'int', default: 0, since: 21 },
    output_dtype: { kind: 'int', default: 0, since: 21 },
    precision: { kind: 'int', default: 0, since: 23 },
    saturate: { kind: 'int', default: 1 },
  },
  infer: (c) => {
    checkScale(c, c.input(0).shape)
    return typed(quantizedType(c), c.input(0).shape)
  },
  quantizes: true,
  // With v = x / scale, dq the gradient of the integers: dx = dq / scale inside, dscale = -dq v / scale inside
  grad: (c) => {
    const { g, x, input, attributes } = c
    const dq = c.gradient(0)
    if (!dq) return []
    const layout = layoutOf(x, input(1), attributes)
    const step = g.cast(spread(g, input(1), layout), dtypeOf(x))
    const ratio = g.div(x, step)
    const dx = g.div(g.mul(g.cast(dq, dtypeOf(x)), inside(c, ratio, layout)), step)
    const dScale = g.neg(gather(g, g.mul(dx, ratio), input(1), layout))
    return [dx, g.cast(dScale, dtypeOf(input(1)))]
  },
  samples: [
    { inputs: [floats(2, 3), scale([], 0.05)] },
    { inputs: [floats(2, 3), scale([], 0.05), numbers('uint8', [], 128)] },
    { title: 'saturated', inputs: [floats(8), scale([], 0.01), numbers('int8', [], -3)] },
    {
      title: 'an axis',
      inputs: [floats(2, 3), scale([3], 0.02, 0.03, 0.1), numbers('int8', [3], 0, 1, -2)],
      attributes: { axis: -1 },
    },
    {
      title: 'blocks',
      inputs: [floats(2, 4), scale([2, 2], 0.02, 0.03, 0.1, 0.2), numbers('int8', [2, 2], 0, 1, -2, 0)],
      attributes: { block_size: 2 },
    },
    { title: '16 bits', inputs: [floats(5), scale([], 0.001)], attributes: { output_dtype: dtypes.uint16.code } },
  ],
}

const dequantizeLinear: Op = {
  name: 'DequantizeLinear',
  since: 19,
  inputs: [2, 3],
  attributes: {
    axis: { kind: 'int', default: 1 },
    block_size: { kind: 'int', default: 0, since: 21 },
    output_dtype: { kind: 'int', default: 0, since: 23 },
  },
  infer: (c) => {
    checkScale(c, c.input(0).shape)
    const zero = c.optional(2)
    if (zero && zero.dtype !== c.input(0).dtype)
      c.fail(`the zero point must be ${c.input(0).dtype}, received ${zero.dtype}`)
    const code = c.attributes.int('output_dtype')
    return typed(code === 0 ? c.input(1).dtype : (dtypeFromCode(code) ?? c.input(1).dtype), c.input(0).shape)
  },
  // y = (q - zero) scale: the integers get a gradient only where they were quantised from something that has one.
  grad: (c) => {
    const { g, x, dy, input } = c
    const dtype = dtypeOf(dy)
    const layout = layoutOf(x, input(1), c.attributes)
    const dq = c.wanted(x) ? g.mul(dy, g.cast(spread(g, input(1), layout), dtype)) : undefined
    const zero = c.optional(2)
    const real = g.cast(x, dtype)
    const moved = zero ? g.sub(real, spread(g, g.cast(zero, dtype), layout)) : real
    return [dq, g.cast(gather(g, g.mul(dy, moved), input(1), layout), dtypeOf(input(1)))]
  },
  smooth: true,
  samples: [
    { inputs: [numbers('uint8', [2, 2], 0, 3, 200, 255), scale([], 0.05)] },
    { inputs: [numbers('int8', [2, 2], 0, 3, -128, 127), scale([1], 0.05), numbers('int8', [1], 4)] },
    {
      title: 'an axis',
      inputs: [
        numbers('uint8', [2, 3, 1], 0, 3, 200, 255, 1, 128),
        scale([3], 0.02, 0.03, 0.1),
        numbers('uint8', [3], 0, 128, 20),
      ],
    },
    {
      title: 'blocks',
      inputs: [
        numbers('int8', [4, 2], 0, 3, -100, 127, 5, 6, 7, 8),
        scale([2, 2], 0.02, 0.03, 0.1, 0.2),
        numbers('int8', [2, 2], 0, 1, -2, 0),
      ],
      attributes: { axis: 0, block_size: 2 },
    },
    {
      title: 'a block that is not full',
      inputs: [numbers('int8', [5], 1, 2, 3, 4, 5), scale([2], 0.5, 0.1)],
      attributes: { axis: 0, block_size: 3 },
    },
    { title: '32 bits', inputs: [numbers('int32', [3], 1, -200000, 3), scale([], 0.01)] },
  ],
}

/** scale = (max(x, 0) - min(x, 0)) / 255, and the zero point so that 0 is met exactly. */
const dynamicQuantizeLinear: Op = {
  name: 'DynamicQuantizeLinear',
  since: 11,
  inputs: [1, 1],
  infer: (c) => [
    { dtype: 'uint8', shape: c.input(0).shape },
    { dtype: 'float32', shape: [] },
    { dtype: 'uint8', shape: [] },
  ],
  quantizes: true,
  // As QuantizeLinear, where nothing is saturated; the scale's gradient goes on to the greatest and the least element, in equal parts when they tie.
  grad: (c) => {
    const { g, x, output } = c
    const [dq, dScale] = [c.gradient(0), c.gradient(1)]
    const over = dq && g.div(dq, output(1))
    const own = over && g.neg(g.sum(g.mul(over, g.div(x, output(1)))))
    const slope = dScale && own ? g.add(dScale, own) : (dScale ?? own)
    if (!slope) return []
    const share = (name: string, sign: 'Greater' | 'Less'): Value => {
      const extreme = g.op(name, [x], { keepdims: 0 })
      const hits = g.cast(g.op('And', [g.equal(x, extreme), g.op(sign, [x, g.scalar(0)])]), 'float32')
      return g.div(hits, g.max(g.sum(hits), 1))
    }
    const reach = g.sub(share('ReduceMax', 'Greater'), share('ReduceMin', 'Less'))
    const dx = g.mul(reach, g.div(slope, 255))
    return [over ? g.add(over, dx) : dx]
  },
  samples: [
    {
      inputs: [{ shape: [6], dtype: 'float32', values: [-1, 0.5, 2, 1.5, -0.3, 0.2] }],
      outputs: 3,
      gradients: [[-1 / 255, 0, 1 / 255, 0, 0, 0]],
    },
    {
      title: 'all above 0, a tie',
      inputs: [{ shape: [3], dtype: 'float32', values: [2, 1, 2] }],
      outputs: 3,
      gradients: [[0.5 / 255, 0, 0.5 / 255]],
    },
  ],
}

const onIntegers = {
  none: 'it computes with integers; train with QuantizeLinear and DequantizeLinear around the floating-point operator, which have a gradient, and convert afterwards',
} as const

/** Shape of the product of matrices or batches of them, by the rule of MatMul. */
function productShape(c: InferContext, a: Shape, b: Shape): readonly Dim[] {
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  const [inner, other] = [left.at(-1)!, right.at(-2)!]
  if (typeof inner === 'number' && typeof other === 'number' && inner !== other)
    c.fail(`the inner sizes must agree, received ${inner} and ${other}`)
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2))
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])]
}

const matMulInteger: Op = {
  name: 'MatMulInteger',
  since: 10,
  inputs: [2, 4],
  infer: (c) => typed('int32', productShape(c, c.input(0).shape, c.input(1).shape)),
  grad: onIntegers,
  samples: [
    { inputs: [numbers('uint8', [2, 2], 1, 2, 3, 4), numbers('uint8', [2, 3], 1, 2, 3, 4, 5, 6)] },
    {
      inputs: [
        numbers('uint8', [2, 2], 1, 2, 3, 4),
        numbers('int8', [2, 1], 1, -2),
        numbers('uint8', [], 2),
        numbers('int8', [], 0),
      ],
    },
  ],
}

const qLinearMatMul: Op = {
  name: 'QLinearMatMul',
  since: 10,
  inputs: [8, 8],
  infer: (c) => typed(c.input(7).dtype, productShape(c, c.input(0).shape, c.input(3).shape)),
  grad: onIntegers,
  samples: [
    {
      inputs: [
        numbers('uint8', [2, 2], 1, 2, 3, 4),
        scale([], 0.1),
        numbers('uint8', [], 1),
        numbers('uint8', [2, 3], 1, 2, 3, 4, 5, 6),
        scale([], 0.1),
        numbers('uint8', [], 2),
        scale([], 0.01),
        numbers('uint8', [], 3),
      ],
    },
  ],
}

const convAttributes = { ...windowAttributes, group: { kind: 'int', default: 1 } } as const

function convolved(c: InferContext, x: number, w: number): readonly Dim[] {
  return outputShape(c.attributes, c.input(x).shape, c.input(w).shape, kernelOf(c.attributes, c.input(w).shape))
}

const convInteger: Op = {
  name: 'ConvInteger',
  since: 10,
  inputs: [2, 4],
  attributes: convAttributes,
  infer: (c) => typed('int32', convolved(c, 0, 1)),
  grad: onIntegers,
  samples: [
    {
      inputs: [
        numbers('uint8', [1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9),
        numbers('uint8', [2, 1, 2, 2], 1, 1, 1, 1, 0, 1, 2, 3),
        numbers('uint8', [], 1),
      ],
      attributes: { pads: [1, 1, 0, 0] },
    },
  ],
}

const qLinearConv: Op = {
  name: 'QLinearConv',
  since: 10,
  inputs: [8, 9],
  attributes: convAttributes,
  infer: (c) => typed(c.input(7).dtype, convolved(c, 0, 3)),
  grad: onIntegers,
  samples: [
    {
      inputs: [
        numbers('uint8', [1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9),
        scale([], 0.1),
        numbers('uint8', [], 1),
        numbers('uint8', [2, 1, 2, 2], 1, 1, 1, 1, 0, 1, 2, 3),
        scale([], 0.2),
        numbers('uint8', [], 0),
        scale([], 0.05),
        numbers('uint8', [], 10),
        numbers('int32', [2], 5, -5),
      ],
      attributes: { strides: [2, 2] },
    },
  ],
}

export const quantization: readonly Op[] = [
  quantizeLinear,
  dequantizeLinear,
  dynamicQuantizeLinear,
  matMulInteger,
  qLinearMatMul,
  convInteger,
  qLinearConv,
]
