/**
 * Padding masks: which steps of a sequence are real, `[batch, time]`, float32, 1 for real and 0 for padding. A mask travels with the value that it
 * describes: `masking` and `embedding` set it, attention and recurrent layers read it, and layers that keep the axis of time hand it on. Layers that
 * do not (convolutions, flatten, reshape, pools) drop it.
 */
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'

const masks = new WeakMap<Value, Value>()

export function maskOf(value: Value): Value | undefined {
  return masks.get(value)
}

/** Says which steps of `value` are real, and returns it. */
export function setMask(value: Value, mask: Value): Value {
  masks.set(value, mask)
  return value
}

/** Hands the masks of `inputs` on to a result of the same steps: a step is real where it is real in all of them. */
export function keepMask(g: Emitter, inputs: readonly Value[], result: Value): Value {
  if (masks.has(result)) return result
  const found = new Set(inputs.flatMap((value) => masks.get(value) ?? []))
  return found.size === 0
    ? result
    : setMask(
        result,
        [...found].reduce((a, b) => g.mul(a, b)),
      )
}

/** What to add to attention scores `[..., batch, queries, keys]`: 0 for real keys, far below every score for padding. `[batch, 1, keys]`. */
export function scoreMask(g: Emitter, mask: Value): Value {
  return g.unsqueeze(g.mul(g.sub(mask, 1), 1e9), [1])
}

/** Real steps of each sequence, int32 `[batch]`: padding stands behind them. */
export function lengthsOf(g: Emitter, mask: Value): Value {
  return g.cast(g.sum(mask, [shapeOf(mask).length - 1]), 'int32')
}
