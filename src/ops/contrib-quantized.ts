/**
 * Quantised operators of the runtime's own domain. Weights of few bits (MatMulNBits) let a gradient through to their input, which is what
 * adapters beside them need; arithmetic on quantised activations has none.
 */
import { broadcastShapes, type Dim, normalizeAxis, unknownDim } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import { readAttributes } from './attributes.ts'
import { attributesFor } from './contrib-fused.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import { type InferContext, type LowerContext, type Op, type SampleInput, typed } from './op.ts'
import { pooling } from './pool.ts'
import { agree, sameAsInput, unknownShape, withDim } from './shape-rules.ts'

const domain = 'com.microsoft'

// Weights of few bits

/** uint8 [..., bytes] as [..., bytes * 8 / bits], the lowest bits of a byte first. */
function unpack(g: Emitter, bytes: Value, bits: number): Value {
  const shape = shapeOf(bytes) as number[]
  const count = 8 / bits
  if (count === 1) return bytes
  const constant = (value: number) => g.constant(tensorFromNumbers('uint8', [], [value]))
  const parts = Array.from({ length: count }, (_, i) => {
    const moved = i === 0 ? bytes : g.op('BitShift', [bytes, constant(i * bits)], { direction: 'RIGHT' })
    return g.unsqueeze(g.op('BitwiseAnd', [moved, constant(2 ** bits - 1)]), [shape.length])
  })
  return g.reshape(g.concat(parts, shape.length), [...shape.slice(0, -1), shape.at(-1)! * count])
}

/** The weights [K, N] as floating-point numbers: (q - zero point) scale, a scale for each block of a column. */
function dequantized(c: LowerContext): Value {
  const { g, input, optional, attributes, fail } = c
  const [rows, columns] = [attributes.int('K'), attributes.int('N')]
  const [bits, block] = [attributes.int('bits'), attributes.int('block_size')]
  if (![2, 4, 8].includes(bits)) fail(`the attribute 'bits' is ${bits}, covered are 2, 4 and 8`)
  if (optional(4)) fail("input 4 ('g_idx') is given")
  const blocks = Math.ceil(rows / block)
  const dtype = dtypeOf(input(0))
  const values = g.cast(g.reshape(unpack(g, input(1), bits), [columns, blocks, block]), dtype)
  const zero = optional(3)
  const points = zero ? zeroPoints(g, zero, bits, columns, blocks) : undefined
  const centred = points ? g.sub(values, g.cast(points, dtype)) : g.sub(values, 2 ** (bits - 1))
  const scaled = g.mul(centred, g.reshape(input(2), [columns, blocks, 1]))
  const whole = g.reshape(scaled, [columns, blocks * block])
  const fitting = blocks * block === rows ? whole : g.slice(whole, [0], [rows], [1])
  return g.swapLast(fitting)
}

/** [columns, blocks, 1]; packed ones fill whole bytes for each column. */
function zeroPoints(g: Emitter, zero: Value, bits: number, columns: number, blocks: number): Value {
  if (dtypeOf(zero) !== 'uint8') return g.reshape(zero, [columns, blocks, 1])
  const bytes = Math.ceil((blocks * bits) / 8)
  const all = unpack(g, g.reshape(zero, [columns, bytes]), bits)
  return g.unsqueeze(g.slice(all, [0], [blocks], [1]), [2])
}

const bytesOf = (shape: readonly number[]): SampleInput => ({ shape, dtype: 'uint8', from: 0, to: 256, constant: true })
const scales = (count: number): SampleInput => ({ shape: [count], from: 0.1, to: 0.5, constant: true })

const matMulNBits = lowered(
  {
    name: 'MatMulNBits',
    domain,
    since: 1,
    inputs: [3, 6],
    attributes: {
      K: { kind: 'int' },
      N: { kind: 'int' },
      bits: { kind: 'int', default: 4 },
      block_size: { kind: 'int' },
      accuracy_level: { kind: 'int', default: 0 },
      weight_prepacked: { kind: 'int', default: 0 },
    },
    infer: (c) => {
      const a = c.input(0)
      if (a.shape.length === 0) c.fail('the input must be [..., K]')
      agree(a.shape.at(-1)!, c.attributes.int('K'), 'the last axis and K', c.fail)
      return typed(a.dtype, [...a.shape.slice(0, -1), c.attributes.int('N')])
    },
    smooth: true,
    samples: [
      {
        inputs: [{ shape: [2, 32] }, bytesOf([3, 2, 8]), scales(6)],
        attributes: { K: 32, N: 3, bits: 4, block_size: 16 },
      },
      {
        title: 'zero points, a last block that is not full, bias',
        inputs: [
          { shape: [2, 2, 40] },
          bytesOf([3, 3, 8]),
          scales(9),
          { shape: [6], dtype: 'uint8', values: [0x37, 0x05, 0x88, 0x02, 0x91, 0x0f], constant: true },
          undefined,
          { shape: [3] },
        ],
        attributes: { K: 40, N: 3, bits: 4, block_size: 16 },
      },
      {
        title: '8 bits',
        inputs: [{ shape: [2, 32] }, bytesOf([2, 2, 16]), scales(4)],
        attributes: { K: 32, N: 2, bits: 8, block_size: 16 },
      },
    ],
  },
  (c) => {
    const { g, input, optional } = c
    if (c.attributes.int('weight_prepacked') !== 0) c.fail("the attribute 'weight_prepacked' is set")
    const y = g.matMul(input(0), dequantized(c))
    const bias = optional(5)
    return [bias ? g.add(y, bias) : y]
  },
)

// Quantised activations

const none = {
  none: 'it computes with quantised numbers, which change in steps; fine-tune the model before it is quantised',
}

/** uint8 elements, and a pair of scale and zero point. */
const bytes = (shape: readonly number[]): SampleInput => ({ shape, dtype: 'uint8', from: 0, to: 256 })
const scale = (value: number): SampleInput => ({ shape: [], dtype: 'float32', values: [value] })
const point = (value: number): SampleInput => ({ shape: [], dtype: 'uint8', values: [value] })

/** (A, scale, point, B, scale, point, scale of C, point of C) */
function binary(name: string): Op {
  return {
    name,
    domain,
    since: 1,
    inputs: [7, 8],
    infer: (c) => typed(c.input(0).dtype, broadcastShapes(c.input(0).shape, c.input(3).shape)),
    grad: none,
    samples: [
      {
        inputs: [bytes([2, 3]), scale(0.02), point(100), bytes([3]), scale(0.03), point(120), scale(0.05), point(128)],
      },
    ],
  }
}

/** (X, scale, point, scale of Y, point of Y) */
function unary(
  name: string,
  attributes: Op['attributes'] & object,
  extra: object,
  infer: Op['infer'],
  shape: number[],
): Op {
  return {
    name,
    domain,
    since: 1,
    inputs: [4, 5],
    attributes,
    infer,
    grad: none,
    samples: [{ inputs: [bytes(shape), scale(0.02), point(100), scale(0.05), point(128)], attributes: { ...extra } }],
  }
}

function globalPool(c: InferContext): TensorType[] {
  const x = c.input(0)
  const first = c.attributes.int('channels_last') === 0
  return typed(
    x.dtype,
    x.shape.map((dim, i): Dim => (i === 0 || i === (first ? 1 : x.shape.length - 1) ? dim : 1)),
  )
}

/** A in float, B quantised: A is quantised on the way. */
const dynamicQuantizeMatMul: Op = {
  name: 'DynamicQuantizeMatMul',
  domain,
  since: 1,
  inputs: [3, 5],
  infer: (c) => {
    const [a, b] = [c.input(0), c.input(1)]
    if (a.shape.length < 2 || b.shape.length < 2) c.fail('both inputs must be matrices or batches of matrices')
    agree(a.shape.at(-1)!, b.shape.at(-2)!, 'the inner dimensions', c.fail)
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2))
    return typed(a.dtype, [...batch, a.shape.at(-2)!, b.shape.at(-1)!])
  },
  grad: none,
  samples: [
    {
      inputs: [
        { shape: [2, 3], dtype: 'float32' },
        bytes([3, 4]),
        { ...scale(0.02), shape: [1] },
        { ...point(120), shape: [1] },
      ],
    },
  ],
}

const matMulIntegerToFloat: Op = {
  name: 'MatMulIntegerToFloat',
  domain,
  since: 1,
  inputs: [4, 7],
  infer: (c) => {
    const [a, b] = [c.input(0), c.input(1)]
    agree(a.shape.at(-1)!, b.shape.at(-2)!, 'the inner dimensions', c.fail)
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2))
    return typed(c.input(2).dtype, [...batch, a.shape.at(-2)!, b.shape.at(-1)!])
  },
  grad: none,
  samples: [{ inputs: [bytes([2, 3]), bytes([3, 4]), scale(0.02), scale(0.03), point(100), point(120)] }],
}

/** A' B' + C in whole numbers; without the scale of the result it stays floating point. */
const qGemm: Op = {
  name: 'QGemm',
  domain,
  since: 1,
  inputs: [6, 9],
  attributes: {
    alpha: { kind: 'float', default: 1 },
    transA: { kind: 'int', default: 0 },
    transB: { kind: 'int', default: 0 },
  },
  infer: (c) => {
    const [a, b] = [c.input(0), c.input(3)]
    if (a.shape.length !== 2 || b.shape.length !== 2) c.fail('inputs 0 and 3 must be matrices')
    const [left, right] = [c.attributes.int('transA') === 0 ? 0 : 1, c.attributes.int('transB') === 0 ? 0 : 1]
    agree(a.shape[1 - left]!, b.shape[right]!, 'the inner dimensions', c.fail)
    return typed(c.optional(7) ? a.dtype : 'float32', [a.shape[left]!, b.shape[1 - right]!])
  },
  grad: none,
  samples: [
    { inputs: [bytes([2, 3]), scale(0.02), point(100), bytes([3, 4]), scale(0.03), point(120)] },
    {
      title: 'with a bias, quantised result',
      inputs: [
        bytes([2, 3]),
        scale(0.02),
        point(100),
        bytes([4, 3]),
        scale(0.03),
        point(120),
        { shape: [4], dtype: 'int32', values: [5, -3, 20, 0] },
        scale(0.05),
        point(128),
      ],
      attributes: { transB: 1 },
    },
  ],
}

/** (scale and point of Y, then X, scale and point of each part) */
const qLinearConcat: Op = {
  name: 'QLinearConcat',
  domain,
  since: 1,
  inputs: [5, 1000],
  attributes: { axis: { kind: 'int' } },
  infer: (c) => {
    const parts = Array.from({ length: Math.floor((c.inputCount - 2) / 3) }, (_, i) => c.input(2 + 3 * i))
    const [first] = parts
    if (!first || (c.inputCount - 2) % 3 !== 0) return c.fail('the parts must come with a scale and a zero point each')
    const axis = normalizeAxis(c.attributes.int('axis'), first.shape.length)
    const sizes = parts.map(({ shape }) => shape[axis] ?? c.fail('the parts must have the same rank'))
    const isKnown = sizes.every((size) => typeof size === 'number')
    const total = isKnown ? sizes.reduce((sum, size) => sum + size, 0) : unknownDim
    return typed(first.dtype, withDim(first.shape, axis, total))
  },
  grad: none,
  samples: [
    {
      inputs: [scale(0.05), point(128), bytes([2, 3]), scale(0.02), point(100), bytes([2, 1]), scale(0.03), point(90)],
      attributes: { axis: 1 },
    },
  ],
}

const qLinearSoftmax: Op = {
  name: 'QLinearSoftmax',
  domain,
  since: 1,
  inputs: [5, 5],
  attributes: { axis: { kind: 'int', default: -1 }, opset: { kind: 'int' } },
  infer: sameAsInput,
  grad: none,
  samples: [
    {
      inputs: [bytes([2, 4]), scale(0.02), point(100), scale(1 / 256), point(0)],
      attributes: { opset: 13 },
    },
  ],
}

const average = pooling.find(({ name }) => name === 'AveragePool')!

const qLinearAveragePool: Op = {
  name: 'QLinearAveragePool',
  domain,
  since: 1,
  inputs: [4, 5],
  attributes: { ...average.attributes, channels_last: { kind: 'int', default: 0 } },
  infer: (c) => {
    if (c.attributes.int('channels_last') !== 0)
      return [{ dtype: c.input(0).dtype, shape: unknownShape(c.input(0).shape.length) }]
    return average.infer({ ...c, attributes: readAttributes(average, attributesFor(average, c.attributes)) })
  },
  grad: none,
  samples: [
    {
      inputs: [bytes([1, 2, 4, 4]), scale(0.02), point(100), scale(0.05), point(128)],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    },
  ],
}

export const contribQuantized: readonly Op[] = [
  matMulNBits,
  binary('QLinearAdd'),
  binary('QLinearMul'),
  unary('QLinearSigmoid', {}, {}, sameAsInput, [2, 3]),
  unary('QLinearLeakyRelu', { alpha: { kind: 'float', default: 0.01 } }, { alpha: 0.1 }, sameAsInput, [2, 3]),
  unary('QLinearGlobalAveragePool', { channels_last: { kind: 'int', default: 0 } }, {}, globalPool, [1, 2, 3, 3]),
  dynamicQuantizeMatMul,
  matMulIntegerToFloat,
  qGemm,
  qLinearConcat,
  qLinearSoftmax,
  qLinearAveragePool,
]
