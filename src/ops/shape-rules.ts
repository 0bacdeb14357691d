/** Shape rules that several families share. They know no operator: a record passes its own context in. */
import { broadcastShapes, type Dim, normalizeAxis, type Shape, sameDim, unknownDim } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import type { TensorType } from '../graph/graph.ts'
import { type InferContext, typed } from './op.ts'

/** One output, of the type of the first input. */
export const sameAsInput = (c: InferContext): readonly TensorType[] => [c.input(0)]

/** All inputs have one element type and broadcast together. */
export const broadcast = (c: InferContext): readonly TensorType[] => typed(c.input(0).dtype, broadcastInputs(c))

/** The same, with a boolean result. */
export const broadcastToBool = (c: InferContext): readonly TensorType[] => typed('bool', broadcastInputs(c))

function broadcastInputs(c: InferContext): Dim[] {
  const { dtype } = c.input(0)
  let shape = [...c.input(0).shape]
  for (let i = 1; i < c.inputCount; i++) {
    const other = c.input(i)
    if (other.dtype !== dtype)
      c.fail(`the inputs must have the same element type, received ${dtype} and ${other.dtype}`)
    shape = broadcastShapes(shape, other.shape)
  }
  return shape
}

/** Elements of a constant input; undefined when it is left out or not a constant. */
export function constantNumbers(c: InferContext, index: number): number[] | undefined {
  const found = c.constant(index)
  return found && numbersOf(found)
}

/** Axes counted from the front; an axis that is named twice is an error. */
export function normalizeAxes(axes: readonly number[], rank: number, fail: (message: string) => never): number[] {
  const found = axes.map((axis) => normalizeAxis(axis, rank))
  if (new Set(found).size !== found.length) fail(`an axis is named twice in [${axes.join(', ')}]`)
  return found
}

/** Axes of a shape of `rank`, 0 to rank - 1. */
export function range(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => i)
}

/** Product of dimensions; a name survives when everything else is 1. */
export function productOf(dims: readonly Dim[]): Dim {
  let numeric = 1
  const names: string[] = []
  for (const dim of dims) {
    if (typeof dim === 'number') numeric *= dim
    else names.push(dim)
  }
  if (numeric === 0 || names.length === 0) return numeric
  return names.length === 1 && numeric === 1 ? names[0]! : unknownDim
}

/** A shape of which nothing but the rank is known. */
export function unknownShape(rank: number): Dim[] {
  return new Array<Dim>(rank).fill(unknownDim)
}

/** One dimension from two sources that must agree. */
export function agree(a: Dim, b: Dim, what: string, fail: (message: string) => never): Dim {
  if (sameDim(a, b)) return a
  if (typeof a === 'number' && typeof b === 'number') fail(`${what} must agree, received ${a} and ${b}`)
  return typeof a === 'number' ? a : typeof b === 'number' ? b : a === unknownDim ? b : a
}

/** `shape` with one dimension replaced. */
export function withDim(shape: Shape, axis: number, dim: Dim): Dim[] {
  return shape.map((d, i) => (i === axis ? dim : d))
}

/** What is known of a value that is one thing or the other. */
export function joinTypes(
  a: TensorType | undefined,
  b: TensorType | undefined,
  what: string,
  fail: (message: string) => never,
): TensorType | undefined {
  if (!a || !b) return undefined
  if (a.dtype !== b.dtype) fail(`${what} is ${a.dtype} in one place and ${b.dtype} in another`)
  const [left, right] = [a.shape, b.shape]
  if (!left || !right || left.length !== right.length) return { dtype: a.dtype, shape: undefined }
  return { dtype: a.dtype, shape: left.map((dim, i) => (sameDim(dim, right[i]!) ? dim : unknownDim)) }
}
