/**
 * Reading elements by their positions. The gradient writes to them (scatter.ts): what was read several times is summed, by ScatterND or
 * ScatterElements with reduction=add into zeros.
 */
import {
  type Dim,
  isStatic,
  normalizeAxis,
  requireStatic,
  type Shape,
  type StaticShape,
  sizeOf,
  unknownDim,
} from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type Op, type SampleInput, typed } from './op.ts'
import { scatterSum } from './scatter-sum.ts'
import { agree, constantNumbers, productOf, withDim } from './shape-rules.ts'

export const indices = (shape: readonly number[], ...values: number[]): SampleInput => ({
  shape,
  dtype: 'int64',
  values,
})
const axis0 = { kind: 'int', default: 0 } as const

const gather: Op = {
  name: 'Gather',
  since: 13,
  inputs: [2, 2],
  attributes: { axis: axis0 },
  infer: (c) => {
    const [data, index] = [c.input(0), c.input(1)]
    const axis = normalizeAxis(c.attributes.int('axis'), data.shape.length)
    return typed(data.dtype, [...data.shape.slice(0, axis), ...index.shape, ...data.shape.slice(axis + 1)])
  },
  grad: ({ g, x, dy, input, attributes }) => {
    const axis = normalizeAxis(attributes.int('axis'), shapeOf(x).length)
    return [scatterSum(g, dy, input(1), { axis, shape: shapeOf(x) })]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [4, 3] }, indices([3], 1, 3, 1)] },
    { inputs: [{ shape: [4, 3] }, indices([2, 2], 0, 3, -1, -4)] },
    { inputs: [{ shape: [2, 4, 3] }, indices([2, 2], 0, 3, 3, -2)], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 3] }, indices([3], 2, 2, 0)], attributes: { axis: -1 } },
    { title: 'scalar index', inputs: [{ shape: [4, 3] }, indices([], 2)], attributes: { axis: 1 } },
    { title: 'no index', inputs: [{ shape: [4, 3] }, indices([0])] },
    { inputs: [{ shape: [3] }, { shape: [2], dtype: 'int32', values: [1, 1] }] },
  ],
}

const gatherElements: Op = {
  name: 'GatherElements',
  since: 13,
  inputs: [2, 2],
  attributes: { axis: axis0 },
  infer: (c) => {
    normalizeAxis(c.attributes.int('axis'), c.input(0).shape.length)
    if (c.input(0).shape.length !== c.input(1).shape.length)
      c.fail('data and indices must have the same number of axes')
    return typed(c.input(0).dtype, c.input(1).shape)
  },
  grad: ({ g, x, dy, input, attributes }) => [
    g.op('ScatterElements', [g.zerosLike(x), input(1), dy], { axis: attributes.int('axis'), reduction: 'add' }),
  ],
  smooth: true,
  samples: [
    { inputs: [{ shape: [3, 2] }, indices([2, 2], 0, 2, 0, -1)] },
    { inputs: [{ shape: [2, 3] }, indices([2, 4], 0, 2, 2, 1, -1, 0, 0, 0)], attributes: { axis: -1 } },
    { inputs: [{ shape: [3] }, indices([0])] },
  ],
}

/** Puts the position in the first `count` axes in front of indices that are relative to them. */
function absoluteIndices(g: Emitter, index: Value, count: number): Value {
  if (count === 0) return index
  const shape = requireStatic(shapeOf(index), 'the gradient of GatherND with batch_dims')
  const lead = shape.slice(0, -1)
  const grid: number[] = []
  const strides = lead.map((_, i) => sizeOf(lead.slice(i + 1)))
  for (let row = 0; row < sizeOf(lead); row++) {
    for (let i = 0; i < count; i++) grid.push(Math.floor(row / strides[i]!) % lead[i]!)
  }
  return g.concat([g.constant(int64([...lead, count], grid), 'batch'), index], -1)
}

/** Positions `[..., depth]` in the first axes of `shape` as numbers `[n]` of rows; each part may count from the end. */
function flatIndices(g: Emitter, index: Value, shape: StaticShape): { numbers: Value; depth: number } {
  const depth = shapeOf(index).at(-1) as number
  const sizes = g.constant(int64([depth], shape.slice(0, depth)), 'sizes')
  const strides = shape.slice(0, depth).map((_, i) => sizeOf(shape.slice(i + 1, depth)))
  const positive = g.where(g.less(index, 0), g.add(index, sizes), index)
  const numbers = g.sum(g.mul(positive, g.constant(int64([depth], strides), 'strides')), [-1])
  return { numbers: g.reshape(numbers, [-1]), depth }
}

/** Zeros of `shape` with updates added at the positions of GatherND, repeated ones summed. */
export function sumAt(g: Emitter, updates: Value, positions: Value, of: Shape, batchDims: number): Value {
  const shape = requireStatic(of, 'the gradient of a position of several axes')
  const index = absoluteIndices(g, g.cast(positions, 'int64'), batchDims)
  const { numbers, depth } = flatIndices(g, index, shape)
  const rows = sizeOf(shape.slice(0, depth))
  const rest = shape.slice(depth)
  return g.reshape(
    scatterSum(g, g.reshape(updates, [-1, ...rest]), numbers, { axis: 0, shape: [rows, ...rest] }),
    shape,
  )
}

const gatherND: Op = {
  name: 'GatherND',
  since: 13,
  inputs: [2, 2],
  attributes: { batch_dims: { kind: 'int', default: 0 } },
  infer: (c) => {
    const [data, index] = [c.input(0), c.input(1)]
    const batch = c.attributes.int('batch_dims')
    const depth = index.shape.at(-1)
    if (depth === undefined) c.fail('indices need at least one axis')
    for (let i = 0; i < batch; i++) agree(data.shape[i]!, index.shape[i]!, `batch axis ${i}`, c.fail)
    if (typeof depth !== 'number') return [{ dtype: data.dtype, shape: undefined }]
    if (batch + depth > data.shape.length) c.fail(`indices of ${depth} elements point beyond the axes of the data`)
    return typed(data.dtype, [...index.shape.slice(0, -1), ...data.shape.slice(batch + depth)])
  },
  grad: ({ g, x, dy, input, attributes }) => {
    return [sumAt(g, dy, input(1), shapeOf(x), attributes.int('batch_dims'))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [3, 2] }, indices([2, 2], 0, 1, 2, -1)] },
    { inputs: [{ shape: [3, 2, 2] }, indices([2, 2, 1], 0, 2, 2, 2)] },
    { inputs: [{ shape: [2, 3, 2] }, indices([2, 1], 1, -1)], attributes: { batch_dims: 1 } },
    { inputs: [{ shape: [2, 2, 3] }, indices([2, 2, 2, 1], 0, 1, 2, 2, 1, 0, 0, 0)], attributes: { batch_dims: 2 } },
  ],
}

const depthOf = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value], constant: true })

/** `values` = [off, on]. The indices have no gradient; each value gets the sum of dy over the places where it stands. */
const oneHot: Op = {
  name: 'OneHot',
  since: 11,
  inputs: [3, 3],
  attributes: { axis: { kind: 'int', default: -1 } },
  infer: (c) => {
    const { shape } = c.input(0)
    if (shape.length === 0) c.fail('indices need at least one axis')
    const axis = normalizeAxis(c.attributes.int('axis'), shape.length + 1)
    const depth: Dim = constantNumbers(c, 1)?.[0] ?? unknownDim
    return typed(c.input(2).dtype, [...shape.slice(0, axis), depth, ...shape.slice(axis)])
  },
  grad: ({ g, dy, input, attributes }) => {
    const bits = g.concat([g.full([1], 0, dtypeOf(dy)), g.full([1], 1, dtypeOf(dy))], 0)
    const hot = g.op('OneHot', [input(0), input(1), bits], { axis: attributes.int('axis') })
    const on = g.sum(g.mul(dy, hot))
    return [undefined, undefined, g.concat([g.reshape(g.sub(g.sum(dy), on), [1]), g.reshape(on, [1])], 0)]
  },
  smooth: true,
  samples: [
    { inputs: [indices([3], 0, 2, -1), depthOf(4), { shape: [2] }] },
    { inputs: [indices([2, 2], 0, 2, 1, 1), depthOf(3), { shape: [2] }], attributes: { axis: 1 } },
    { inputs: [indices([0]), depthOf(3), { shape: [2] }] },
    { inputs: [indices([2], 0, 1), depthOf(2), { shape: [2], dtype: 'int64', values: [0, 1] }] },
  ],
}

const topK: Op = {
  name: 'TopK',
  since: 11,
  inputs: [2, 2],
  attributes: {
    axis: { kind: 'int', default: -1 },
    largest: { kind: 'int', default: 1 },
    sorted: { kind: 'int', default: 1 },
  },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axis = normalizeAxis(c.attributes.int('axis'), shape.length)
    const k: Dim = constantNumbers(c, 1)?.[0] ?? unknownDim
    const size = shape[axis]!
    if (typeof k === 'number' && typeof size === 'number' && k > size)
      c.fail(`k is ${k}, the axis has ${size} elements`)
    const out = withDim(shape, axis, k)
    return [
      { dtype, shape: out },
      { dtype: 'int64', shape: out },
    ]
  },
  grad: ({ g, x, dy, output, attributes }) => [
    g.op('ScatterElements', [g.zerosLike(x), output(1), dy], { axis: attributes.int('axis') }),
  ],
  samples: [
    {
      inputs: [
        { shape: [5], values: [3, 1, 2, 5, 4] },
        { shape: [1], dtype: 'int64', values: [2], constant: true },
      ],
      outputs: 2,
    },
    {
      inputs: [
        { shape: [3, 2], values: [3, 1, 2, 5, 4, 0] },
        { shape: [1], dtype: 'int64', values: [2], constant: true },
      ],
      attributes: { axis: 0, largest: 0 },
      outputs: 2,
    },
    {
      title: 'ties go to the first',
      inputs: [
        { shape: [3], values: [2, 2, 2] },
        { shape: [1], dtype: 'int64', values: [1], constant: true },
      ],
      outputs: 2,
      gradients: [[1, 0, 0]],
    },
  ],
}

const nonZero: Op = {
  name: 'NonZero',
  since: 13,
  inputs: [1, 1],
  infer: (c) => typed('int64', [c.input(0).shape.length, unknownDim]),
  grad: { none: 'its result are indices, which do not change smoothly with the input' },
  samples: [{ inputs: [{ shape: [2, 3], values: [0, 1, 0, 2, 0, 3] }] }, { inputs: [{ shape: [0] }] }],
}

/** Keeps the slices along an axis (or the elements, without one) whose condition is true. */
const compress: Op = {
  name: 'Compress',
  since: 11,
  inputs: [2, 2],
  attributes: { axis: { kind: 'int', optional: true } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axis = c.attributes.has('axis') ? normalizeAxis(c.attributes.int('axis'), shape.length) : undefined
    const size = axis === undefined ? productOf(shape) : shape[axis]!
    const chosen = constantNumbers(c, 1)
    const count =
      chosen && typeof size === 'number' ? chosen.slice(0, size).filter((bit) => bit !== 0).length : unknownDim
    return typed(dtype, axis === undefined ? [count] : withDim(shape, axis, count))
  },
  grad: ({ g, x, dy, input, attributes }) => {
    const shape = shapeOf(x)
    const kept = g.reshape(g.op('NonZero', [input(1)]), [unknownDim])
    if (!attributes.has('axis')) {
      const flat = [isStatic(shape) ? sizeOf(shape) : unknownDim]
      return [g.reshape(scatterSum(g, dy, kept, { axis: 0, shape: flat, distinct: true }), shape)]
    }
    const axis = normalizeAxis(attributes.int('axis'), shape.length)
    return [scatterSum(g, dy, kept, { axis, shape, distinct: true })]
  },
  smooth: true,
  samples: [
    {
      inputs: [{ shape: [3, 2] }, { shape: [3], dtype: 'bool', values: [1, 0, 1], constant: true }],
      attributes: { axis: 0 },
    },
    {
      inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'bool', values: [0, 1], constant: true }],
      attributes: { axis: -1 },
    },
    { inputs: [{ shape: [2, 2] }, { shape: [4], dtype: 'bool', values: [0, 1, 1, 0], constant: true }] },
  ],
}

export const indexing: readonly Op[] = [gather, gatherElements, gatherND, oneHot, topK, nonZero, compress]
