/**
 * Adding rows up by number: the gradient of reading rows. ScatterND with reduction 'add' is the operator for it, but the runtime (1.30, CPU) shares its updates
 * out among threads with nothing between them: where two name one row, one is lost now and then. So it serves only rows that differ.
 *
 * [1024, 384] into 65 rows, two threads: ScatterND 0.39 ms and wrong, the product with a 0/1 matrix 1.3 ms, ScatterElements 3.0 ms.
 */
import { isStatic, type Shape, sizeOf } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/** Up to so many rows, multiplying by a 0/1 matrix costs less than adding one element after the other. */
const mostRowsByProduct = 256

export interface ScatterSumOptions {
  /** axis of the result that `indices` count along */
  readonly axis: number
  /** of the result */
  readonly shape: Shape
  /** no index comes twice */
  readonly distinct?: boolean
}

/**
 * Zeros of `shape` with `updates` added at `indices` along `axis`, repeated indices summed: the gradient of Gather.
 * `updates` has the shape of what Gather returned: the axis is replaced by the axes of `indices`.
 */
export function scatterSum(g: Emitter, updates: Value, indices: Value, options: ScatterSumOptions): Value {
  const { axis, shape, distinct = false } = options
  const count = shapeOf(indices).length
  const axes = Array.from({ length: shapeOf(updates).length }, (_, i) => i)
  const indexed = axes.slice(axis, axis + count)
  const first = g.transpose(updates, [...indexed, ...axes.slice(0, axis), ...axes.slice(axis + count)])
  const moved = [shape[axis]!, ...shape.slice(0, axis), ...shape.slice(axis + 1)]
  const numbers = g.cast(indices, 'int64')
  const sum =
    distinct || !isStatic(moved) || sizeOf(moved) === 0
      ? spread(g, first, numbers, moved)
      : add(g, first, numbers, moved)
  const order = shape.map((_, i) => i)
  return g.transpose(sum, [...order.slice(1, axis + 1), 0, ...order.slice(axis + 1)])
}

/** Rows that do not meet. */
function spread(g: Emitter, updates: Value, indices: Value, shape: Shape): Value {
  const positions = g.unsqueeze(indices, [shapeOf(indices).length])
  return g.op('ScatterND', [g.full(shape, 0, dtypeOf(updates)), positions, updates], { reduction: 'add' })
}

function add(g: Emitter, updates: Value, indices: Value, shape: readonly number[]): Value {
  const [rows, ...rest] = shape as [number, ...number[]]
  const width = sizeOf(rest)
  const matrix = g.reshape(updates, [-1, width])
  const numbers = g.reshape(indices, [-1, 1])
  if (rows <= mostRowsByProduct)
    return g.reshape(g.matMul(selection(g, numbers, rows, dtypeOf(updates)), matrix), shape)
  const repeated = g.op('Expand', [numbers, g.op('Shape', [matrix])])
  const zeros = g.full([rows, width], 0, dtypeOf(updates))
  return g.reshape(g.op('ScatterElements', [zeros, repeated, matrix], { axis: 0, reduction: 'add' }), shape)
}

/** [rows, updates]: 1 where the update goes to the row. Numbers below 0 count from the end. */
function selection(g: Emitter, numbers: Value, rows: number, dtype: ReturnType<typeof dtypeOf>): Value {
  const positive = g.where(g.less(numbers, 0), g.add(numbers, rows), numbers)
  const each = g.constant(int64([rows, 1], [...Array(rows).keys()]), 'rows')
  return g.cast(g.equal(each, g.reshape(positive, [1, -1])), dtype)
}
