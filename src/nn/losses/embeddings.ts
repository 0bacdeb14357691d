/** Lengths and distances of vectors, with slopes that stay finite. */
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'

/** Vectors along the last axis, at length 1; the zero vector stays, with a finite slope. */
export function unit(g: Emitter, x: Value): Value {
  const squares = g.sum(g.mul(x, x), [-1], true)
  return g.div(x, g.sqrt(g.max(squares, 1e-12)))
}

/** Euclidean lengths along the last axis; at the zero vector the slope is 0, where a square root would have none. */
export function norm(g: Emitter, x: Value): Value {
  return g.sqrt(g.max(g.sum(g.mul(x, x), [-1]), 1e-12))
}

/** Euclidean distances `[n, n]` of the rows of `[n, features]`: |a|^2 - 2 a b + |b|^2, 1e-6 at least. */
export function distances(g: Emitter, x: Value): Value {
  const squares = g.sum(g.mul(x, x), [1], true)
  const products = g.matMul(x, g.transpose(x, [1, 0]))
  const squared = g.sub(g.add(squares, g.transpose(squares, [1, 0])), g.mul(products, 2))
  return g.sqrt(g.max(squared, 1e-12))
}

/** The i-th of the vectors `[batch, several, features]`: `[batch, features]` */
export function vectorAt(g: Emitter, x: Value, i: number): Value {
  return g.squeeze(g.slice(x, [i], [i + 1], [1]), [1])
}
