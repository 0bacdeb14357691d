/** softmax(Q K' scale + bias) V over heads (Vaswani et al. 2017) in standard operators: what every fused attention is lowered to. */
import { float32 } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/** Far below every score: exp gives exactly 0, and a row of nothing else stays finite. */
export const hidden = -1e9

export interface AttentionForm {
  /** [batch, heads, queries, size] */
  readonly query: Value
  /** [batch, groups, keys, size]; each group serves heads / groups heads (Ainslie et al. 2023) */
  readonly key: Value
  /** [batch, groups, keys, value size] */
  readonly value: Value
  readonly scale: number
  /** scores s become cap tanh(s / cap); 0 or absent: they stay */
  readonly softcap?: number
  /** are added to the scores, each broadcast to [batch, heads, queries, keys] */
  readonly biases?: readonly (Value | undefined)[]
}

export interface Attended {
  /** [batch, heads, queries, value size] */
  readonly output: Value
  /** [batch, heads, queries, keys]: scaled products, the same with softcap, with biases, and their softmax */
  readonly stages: readonly [scores: Value, capped: Value, biased: Value, weights: Value]
}

export function attend(g: Emitter, form: AttentionForm): Attended {
  const { query, key, value, scale, softcap = 0, biases = [] } = form
  const [batch, heads, queries] = shapeOf(query)
  const [, groups, keys] = shapeOf(key)
  const shape = [batch!, heads!, queries!, keys!]
  const isGrouped = heads !== groups
  const share = (heads as number) / (groups as number)
  const split = (x: Value) => (isGrouped ? g.reshape(x, [batch!, groups!, share, ...shapeOf(x).slice(2)]) : x)
  const repeat = (x: Value) => (isGrouped ? g.unsqueeze(x, [2]) : x)
  const products = g.matMul(g.mul(split(query), scale), g.swapLast(repeat(key)))
  const scores = isGrouped ? g.reshape(products, shape) : products
  const capped = softcap > 0 ? g.mul(g.tanh(g.mul(scores, 1 / softcap)), softcap) : scores
  const biased = biases.reduce<Value>((sum, bias) => (bias ? g.add(sum, bias) : sum), capped)
  const weights = g.softmax(biased)
  const mixed = g.matMul(split(weights), repeat(value))
  const output = isGrouped ? g.reshape(mixed, [batch!, heads!, queries!, shapeOf(value)[3]!]) : mixed
  return { output, stages: [scores, capped, biased, weights] }
}

/** [queries, keys]: hides keys that come later than a query at position `before` + its row, and those `window` or more before it. */
export function causalBias(g: Emitter, x: Value, keys: number, before: number, window = 0): Value {
  const queries = shapeOf(x)[2] as number
  const data = Float32Array.from({ length: queries * keys }, (_, i) => {
    const distance = Math.floor(i / keys) + before - (i % keys)
    return distance < 0 || (window > 0 && distance >= window) ? hidden : 0
  })
  return g.cast(g.constant(float32([queries, keys], data), 'causalMask'), dtypeOf(x))
}

/** A mask, where 0 (or false) hides, as what is added to scores of the type of x. */
export function maskBias(g: Emitter, mask: Value, x: Value, filter: number = hidden): Value {
  const isShown = dtypeOf(mask) === 'bool' ? mask : g.greater(mask, 0)
  const zero = g.scalar(0, dtypeOf(x))
  return g.where(isShown, zero, g.scalar(filter, dtypeOf(x)))
}

/** [batch, 1, 1, keys]: hides the keys behind the length of each sequence. */
export function lengthBias(g: Emitter, lengths: Value, keys: number, x: Value, filter: number = hidden): Value {
  const counted = g.cast(g.integers(Array.from({ length: keys }, (_, i) => i)), 'int32')
  const isShown = g.less(counted, g.unsqueeze(g.cast(lengths, 'int32'), [1]))
  return g.unsqueeze(maskBias(g, isShown, x, filter), [1, 2])
}

/** [batch, positions, heads * size] -> [batch, heads, positions, size] */
export function splitHeads(g: Emitter, x: Value, heads: number): Value {
  const [batch, positions, features] = shapeOf(x)
  return g.transpose(g.reshape(x, [batch!, positions!, heads, (features as number) / heads]), [0, 2, 1, 3])
}

/** [batch, heads, positions, size] -> [batch, positions, heads * size] */
export function joinHeads(g: Emitter, x: Value): Value {
  const [batch, heads, positions, size] = shapeOf(x)
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [batch!, positions!, (heads as number) * (size as number)])
}
