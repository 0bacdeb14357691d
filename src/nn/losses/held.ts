/** A value that automatic differentiation takes for a constant, in standard operators. */
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'

/** Steps in a unit: 2^-24, half of what float32 tells apart just below 1. */
const steps = 2 ** 24

/**
 * `x` without a gradient. ONNX has no operator for it, and an Identity would be removed; what goes through integers has no slope, so `x` is
 * counted in steps of 2^-24. Exact to 2^-25 absolutely or to float32's own rounding; |x| must be below 2^39.
 */
export function held(g: Emitter, x: Value): Value {
  return g.mul(g.cast(g.cast(g.op('Round', [g.mul(x, steps)]), 'int64'), 'float32'), 1 / steps)
}
