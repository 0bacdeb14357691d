/** The standard Attention of opset 23: masks, grouped heads, past keys and values, soft caps, and each stage of the scores as an output. */
import { type Dim, formatShape } from '../core/shape.ts'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import { attend, causalBias, joinHeads, maskBias, splitHeads } from './attention-form.ts'
import { lowered } from './lower.ts'
import type { AttributeReader, InferContext, LowerContext, Op, RankedType, Sample } from './op.ts'

interface Sizes {
  readonly batch: Dim
  readonly heads: Dim
  readonly positions: Dim
  readonly size: Dim
}

/** Sizes of [batch, heads, positions, size] or of [batch, positions, heads * size]. */
function sizesOf(c: InferContext, index: number, attribute: string): Sizes {
  const { shape } = c.input(index)
  if (shape.length === 4) {
    const [batch, heads, positions, size] = shape as [Dim, Dim, Dim, Dim]
    return { batch, heads, positions, size }
  }
  if (shape.length !== 3) c.fail(`input ${index} must have 3 or 4 axes, received ${formatShape(shape)}`)
  const heads = headsIn(c.attributes, attribute) ?? c.fail(`inputs of 3 axes need the attribute '${attribute}'`)
  const [batch, positions, features] = shape as [Dim, Dim, Dim]
  return { batch, heads, positions, size: typeof features === 'number' ? features / heads : features }
}

function headsIn(attributes: AttributeReader, name: string): number | undefined {
  const found = attributes.raw(name)
  return found?.kind === 'int' ? found.value : undefined
}

/** Number of keys once the past ones stand before them. */
function withPast(past: RankedType | undefined, positions: Dim): Dim {
  const before = past?.shape[2]
  if (before === undefined || before === 0) return positions
  return typeof before === 'number' && typeof positions === 'number' ? before + positions : '?'
}

function infer(c: InferContext): readonly TensorType[] {
  const [q, k, v] = [sizesOf(c, 0, 'q_num_heads'), sizesOf(c, 1, 'kv_num_heads'), sizesOf(c, 2, 'kv_num_heads')]
  if (typeof q.heads === 'number' && typeof k.heads === 'number' && q.heads % k.heads !== 0) {
    c.fail(`the heads of keys (${k.heads}) must divide those of queries (${q.heads})`)
  }
  const { dtype } = c.input(0)
  const keys = withPast(c.optional(4), k.positions)
  const isFlat = c.input(0).shape.length === 3
  const features = typeof q.heads === 'number' && typeof v.size === 'number' ? q.heads * v.size : '?'
  return [
    { dtype, shape: isFlat ? [q.batch, q.positions, features] : [q.batch, q.heads, q.positions, v.size] },
    { dtype, shape: [k.batch, k.heads, keys, k.size] },
    { dtype, shape: [v.batch, v.heads, keys, v.size] },
    { dtype, shape: [q.batch, q.heads, q.positions, keys] },
  ]
}

function lowering({ g, input, optional, attributes, fail }: LowerContext): (Value | undefined)[] {
  if (optional(6)) fail("input 6 ('nonpad_kv_seqlen') is given")
  const heads = (index: number, name: string) => {
    const x = input(index)
    return shapeOf(x).length === 4 ? x : splitHeads(g, x, attributes.int(name))
  }
  const query = heads(0, 'q_num_heads')
  const behind = (past: Value | undefined, x: Value) => (past ? g.concat([past, x], 2) : x)
  const key = behind(optional(4), heads(1, 'kv_num_heads'))
  const value = behind(optional(5), heads(2, 'kv_num_heads'))
  const [keys, size] = [shapeOf(key)[2] as number, shapeOf(query)[3] as number]
  const mask = optional(3)
  const past = optional(4)
  const before = past ? (shapeOf(past)[2] as number) : 0
  const { output, stages } = attend(g, {
    query,
    key,
    value,
    scale: attributes.has('scale') ? attributes.float('scale') : 1 / Math.sqrt(size),
    softcap: attributes.float('softcap'),
    biases: [
      attributes.int('is_causal') !== 0 ? causalBias(g, query, keys, before) : undefined,
      mask && (dtypeOf(mask) === 'bool' ? maskBias(g, mask, query) : mask),
    ],
  })
  const shown = shapeOf(input(0)).length === 4 ? output : joinHeads(g, output)
  // 0: products, 1: with masks, 2: with softcap, 3: weights. Masks come behind the soft cap here, so 1 has an equivalent without one alone.
  const mode = attributes.int('qk_matmul_output_mode')
  const [scores, capped, biased, weights] = stages
  const stage = [scores, attributes.float('softcap') > 0 ? undefined : biased, capped, weights][mode]
  return [shown, key, value, mode === 2 && (mask || attributes.int('is_causal') !== 0) ? undefined : stage]
}

const heads4 = (heads: number, positions: number, size = 4) => ({ shape: [2, heads, positions, size] })

const samples: readonly Sample[] = [
  { inputs: [heads4(2, 3), heads4(2, 3), heads4(2, 3)] },
  { title: 'causal', inputs: [heads4(2, 3), heads4(2, 3), heads4(2, 3)], attributes: { is_causal: 1, scale: 0.7 } },
  {
    title: 'grouped heads, mask of true and false',
    inputs: [heads4(4, 2), heads4(2, 3), heads4(2, 3, 2), { shape: [2, 3], dtype: 'bool', values: [1, 0, 1, 1, 1, 0] }],
  },
  {
    title: 'three axes, added mask',
    inputs: [{ shape: [2, 3, 8] }, { shape: [2, 2, 8] }, { shape: [2, 2, 4] }, { shape: [2, 1, 3, 2] }],
    attributes: { q_num_heads: 2, kv_num_heads: 2, softcap: 2 },
  },
  {
    title: 'past keys and values, returned',
    inputs: [heads4(2, 2), heads4(2, 2), heads4(2, 2), undefined, heads4(2, 3), heads4(2, 3)],
    attributes: { is_causal: 1 },
    outputs: 3,
  },
]

const standardAttention = lowered(
  {
    name: 'Attention',
    costly: true,
    since: 23,
    inputs: [3, 7],
    attributes: {
      is_causal: { kind: 'int', default: 0 },
      kv_num_heads: { kind: 'int', optional: true },
      q_num_heads: { kind: 'int', optional: true },
      qk_matmul_output_mode: { kind: 'int', default: 0 },
      scale: { kind: 'float', optional: true },
      softcap: { kind: 'float', default: 0 },
      softmax_precision: { kind: 'int', optional: true },
    },
    infer,
    smooth: true,
    samples,
  },
  lowering,
)

export const attention: readonly Op[] = [standardAttention]
