/** Grouped-query attention of the runtime's own domain: what exporters write for Llama, Mistral, Phi and Gemma. */
import type { Dim } from '../core/shape.ts'
import { shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import { attend, causalBias, joinHeads } from './attention-form.ts'
import { plus } from './contrib-attention.ts'
import { rowsAt, turn } from './contrib-rotary.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import type { InferContext, LowerContext, Op, Sample } from './op.ts'

/** Features of a head: queries alone, or queries, keys and values packed into one input. */
function headSize(features: Dim, isPacked: boolean, heads: number, groups: number): Dim {
  return typeof features === 'number' ? features / (isPacked ? heads + 2 * groups : heads) : '?'
}

function infer(c: InferContext): readonly TensorType[] {
  const [query, past] = [c.input(0), c.optional(3)]
  if (query.shape.length !== 3) c.fail('queries must be [batch, positions, features]')
  const [heads, groups] = [c.attributes.int('num_heads'), c.attributes.int('kv_num_heads')]
  if (groups < 1 || heads % groups !== 0) c.fail(`kv_num_heads (${groups}) must divide num_heads (${heads})`)
  const [batch, positions, features] = query.shape as [Dim, Dim, Dim]
  const size = headSize(features, !c.optional(1), heads, groups)
  // A past that is as long as the whole is a buffer into which the new keys are written.
  const total = c.constant(6)
  const keys: Dim = total ? Number(total.data[0]) : past ? plus(past.shape[2]!, positions) : positions
  const { dtype } = query
  const state: TensorType = { dtype, shape: [batch, groups, total || !past || past.shape[2] === 0 ? keys : '?', size] }
  return [{ dtype, shape: [batch, positions, typeof size === 'number' ? heads * size : '?'] }, state, state]
}

/** What is not covered, by name. */
function checkForm({ input, optional, attributes, fail }: LowerContext): void {
  const past = optional(3)
  if (past && shapeOf(past)[2] !== 0) fail("input 3 ('past_key') is not empty")
  if (optional(11)) fail("input 11 ('head_sink') is given")
  for (const name of ['smooth_softmax', 'qk_output']) {
    if (attributes.int(name) > 0) fail(`the attribute '${name}' is set`)
  }
  for (const name of ['k_quant_type', 'v_quant_type']) {
    if (attributes.string(name) !== 'NONE') fail(`the attribute '${name}' is ${attributes.string(name)}`)
  }
  if (shapeOf(input(0)).length !== 3) fail('queries are not [batch, positions, features]')
}

function lowering(c: LowerContext): (Value | undefined)[] {
  checkForm(c)
  const { g, optional, attributes } = c
  const [heads, groups] = [attributes.int('num_heads'), attributes.int('kv_num_heads')]
  const [query, key, value] = headsFirst(c, heads, groups)
  const keys = shapeOf(key)[2] as number
  const scale = attributes.float('scale')
  const { output } = attend(g, {
    query,
    key,
    value,
    scale: scale === 0 ? 1 / Math.sqrt(shapeOf(query)[3] as number) : scale,
    softcap: attributes.float('softcap'),
    biases: [causalBias(g, query, keys, 0, Math.max(0, attributes.int('local_window_size'))), optional(10)],
  })
  return [joinHeads(g, output), key, value]
}

/** Queries, keys (both turned where the node says so) and values as [batch, heads, positions, size]. */
function headsFirst(c: LowerContext, heads: number, groups: number): [Value, Value, Value] {
  const { g, input, optional, attributes, fail } = c
  const [batch, positions, features] = shapeOf(input(0)) as [Dim, number, number]
  const size = headSize(features, !optional(1), heads, groups) as number
  const parts = optional(1)
    ? [input(0), input(1), input(2)]
    : g.ops('Split', [input(0), g.integers([heads * size, groups * size, groups * size])], { axis: 2 }, 3)
  const counts = [heads, groups, groups]
  const split = parts.map((part, i) => g.reshape(part, [batch, positions, counts[i]!, size]))
  if (attributes.int('do_rotary') !== 0) {
    const [cosines, sines] = [optional(7), optional(8)]
    if (!cosines || !sines) return fail("'do_rotary' is set and the caches of cosines and sines are missing")
    const rows = positionsOf(g, optional(9), positions)
    const [cos, sin] = [rowsAt(g, cosines, rows), rowsAt(g, sines, rows)]
    const interleaved = attributes.int('rotary_interleaved') !== 0
    for (const i of [0, 1]) split[i] = turn(g, split[i]!, cos, sin, interleaved)
  }
  return split.map((part) => g.transpose(part, [0, 2, 1, 3])) as [Value, Value, Value]
}

/** [batch or 1, positions] */
function positionsOf(g: Emitter, given: Value | undefined, positions: number): Value {
  return given ?? g.unsqueeze(g.integers(Array.from({ length: positions }, (_, i) => i)), [0])
}

/** Sequences of 3, without a past. */
const lengths = [
  { shape: [2], dtype: 'int32', values: [2, 2], constant: true },
  { shape: [1], dtype: 'int32', values: [3], constant: true },
] as const
const states = [undefined, undefined] as const
const cache = { shape: [6, 8], from: -1, to: 1 }

const samples: readonly Sample[] = [
  {
    inputs: [{ shape: [2, 3, 32] }, { shape: [2, 3, 16] }, { shape: [2, 3, 16] }, ...states, ...lengths],
    attributes: { num_heads: 4, kv_num_heads: 2 },
    outputs: 3,
  },
  {
    title: 'rotary, soft cap',
    inputs: [{ shape: [2, 3, 32] }, { shape: [2, 3, 16] }, { shape: [2, 3, 16] }, ...states, ...lengths, cache, cache],
    attributes: { num_heads: 2, kv_num_heads: 1, do_rotary: 1, softcap: 3, scale: 0.4 },
    outputs: 3,
  },
  {
    title: 'packed, interleaved, window',
    inputs: [{ shape: [2, 3, 64] }, undefined, undefined, ...states, ...lengths, cache, cache],
    attributes: { num_heads: 2, kv_num_heads: 1, do_rotary: 1, rotary_interleaved: 1, local_window_size: 2 },
    outputs: 3,
  },
]

const groupQueryAttention = lowered(
  {
    name: 'GroupQueryAttention',
    costly: true,
    domain: 'com.microsoft',
    since: 1,
    inputs: [7, 16],
    attributes: {
      num_heads: { kind: 'int' },
      kv_num_heads: { kind: 'int' },
      scale: { kind: 'float', default: 0 },
      softcap: { kind: 'float', default: 0 },
      local_window_size: { kind: 'int', default: -1 },
      do_rotary: { kind: 'int', default: 0 },
      rotary_interleaved: { kind: 'int', default: 0 },
      smooth_softmax: { kind: 'int', default: 0 },
      qk_output: { kind: 'int', default: 0 },
      k_quant_type: { kind: 'string', default: 'NONE' },
      v_quant_type: { kind: 'string', default: 'NONE' },
      kv_cache_bit_width: { kind: 'int', default: 0 },
    },
    infer,
    smooth: true,
    samples,
  },
  lowering,
)

export const contribGroupedAttention: readonly Op[] = [groupQueryAttention]
