/**
 * An order of execution that no data ask for. ONNX has no control edges, and a runtime may run a node as soon as its inputs are there; a value that
 * is computed again in order not to be kept must not be computed early.
 */
import { int64 } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/**
 * `x` unchanged, not to be had before all of `others` are: x reshaped to [0, 0, ...], where 0 means "as it is" and the zeros are the product of 0 with
 * an element of each of the others. A runtime reshapes in place, so this costs a few operations on single numbers. `x` has a rank of at least 1; others
 * without elements are not waited for.
 *
 * @example
 * const late = after(g, x, [gradient]) // what is computed from `late` is computed behind `gradient`
 */
export function after(g: Emitter, x: Value, others: readonly Value[]): Value {
  const shape = shapeOf(x)
  const waited = others.filter((value) => !shapeOf(value).includes(0))
  if (waited.length === 0 || shape.length === 0 || shape.includes(0)) return x
  const numbers = waited.map((value) => g.cast(firstElement(g, value), 'int64'))
  const zeros = g.constant(int64([shape.length], new Array<number>(shape.length).fill(0)), 'zeros')
  const same = g.mul(g.sum(g.concat(numbers, 0)), zeros)
  const spec = { op: 'Reshape', inputs: [x, same], outputs: [{ dtype: dtypeOf(x), shape }] }
  return g.builder.node(spec)[0]!
}

/** `[1]` */
function firstElement(g: Emitter, value: Value): Value {
  const axes = shapeOf(value).map((_, i) => i)
  if (axes.length === 0) return g.reshape(value, [1])
  const zeros = axes.map(() => 0)
  const ones = axes.map(() => 1)
  return g.reshape(g.slice(value, zeros, ones, axes), [1])
}
