/** Weights that are no numbers: one NaN makes every prediction NaN, and training never recovers. Looked for before a model is trained. */
import { QuernError } from '../core/errors.ts'
import { formatShape, stridesOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { constantsOf, type Graph } from '../graph/graph.ts'

/**
 * Throws at the first parameter that holds NaN or an infinity, or constant of the graph that holds NaN (an infinity may be a mask). The
 * message names the tensor, how many of its elements are concerned and where the first is.
 */
export function checkFinite(graph: Graph, parameters: ReadonlyMap<string, Tensor>): void {
  for (const [name, elements] of parameters) check(`parameter '${name}'`, elements, false)
  for (const { name, constant } of constantsOf(graph)) check(`constant '${name}'`, constant!, true)
}

function check(what: string, tensor: Tensor, mayBeInfinite: boolean): void {
  const isBad = badIn(tensor, mayBeInfinite)
  const { data, dtype, shape } = tensor
  if (!isBad) return
  let [count, first] = [0, -1]
  for (let i = 0; i < data.length; i++) {
    if (!isBad((data as ArrayLike<number>)[i]!)) continue
    if (count++ === 0) first = i
  }
  if (count === 0) return
  const strides = stridesOf(shape)
  const place = shape.map((size, axis) => Math.floor(first / strides[axis]!) % size)
  const kind = mayBeInfinite ? 'not numbers (NaN)' : 'not finite (NaN or infinite)'
  throw new QuernError(
    'input',
    `${what}, ${dtype}${formatShape(shape)}, holds ${count} of ${data.length} elements that are ${kind}, the first at ${formatShape(place)}`,
    {
      hint: 'The model diverged before it was saved, or the file is damaged: export it again from an earlier checkpoint.',
    },
  )
}

/** The test for one element of the array; undefined for types that have no such elements. */
function badIn({ dtype }: Tensor, mayBeInfinite: boolean): ((element: number) => boolean) | undefined {
  if (dtype === 'float32' || dtype === 'float64') return mayBeInfinite ? Number.isNaN : (v) => !Number.isFinite(v)
  // Raw bits: an exponent of ones is an infinity, with a fraction it is NaN.
  const exponent = dtype === 'float16' ? 0x7c00 : dtype === 'bfloat16' ? 0x7f80 : 0
  if (exponent === 0) return undefined
  return mayBeInfinite ? (v) => (v & 0x7fff) > exponent : (v) => (v & exponent) === exponent
}
