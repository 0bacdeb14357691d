/** Attention of the runtime's own domain: with its projection (BERT, GPT-2) and of given queries, keys and values. */
import { type Dim, formatShape, type Shape } from '../core/shape.ts'
import { shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import { attend, causalBias, joinHeads, lengthBias, maskBias, splitHeads } from './attention-form.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import type { InferContext, LowerContext, Op, Sample } from './op.ts'

const domain = 'com.microsoft'

/** The runtime adds this to the scores of hidden keys unless a node says otherwise. */
const filter = { kind: 'float', default: -10000 } as const

/** Sum of two dimensions, where both are known. */
export function plus(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return a === 0 ? b : a
  return typeof a === 'number' && typeof b === 'number' ? a + b : '?'
}

/** The mask of a node as what is added to scores [batch, heads, queries, keys]: lengths [batch], keys [batch, keys], or pairs [batch, queries, keys]. */
function maskOf(c: LowerContext, index: number, query: Value, keys: number): Value | undefined {
  const mask = c.optional(index)
  if (!mask) return undefined
  const { g } = c
  const hides = c.attributes.float('mask_filter_value')
  const shape = shapeOf(mask)
  if (shape.length === 1 && shape[0] === shapeOf(query)[0]) return lengthBias(g, mask, keys, query, hides)
  if (shape.length === 2) return g.unsqueeze(maskBias(g, mask, query, hides), [1, 2])
  if (shape.length === 3) return g.unsqueeze(maskBias(g, mask, query, hides), [1])
  return c.fail(
    `the mask (input ${index}) has the shape ${formatShape(shape)}, covered are [batch], [batch, keys], [batch, queries, keys]`,
  )
}

function scaleOf({ attributes }: LowerContext, size: number): number {
  const scale = attributes.has('scale') ? attributes.float('scale') : 0
  return scale === 0 ? 1 / Math.sqrt(size) : scale
}

/** Attention with the node's own scale, mask (input `mask`), causality and bias (input 5): [batch, positions, features]. */
function attendMasked(c: LowerContext, [query, key, value]: readonly [Value, Value, Value], mask: number): Value {
  const { g, attributes } = c
  const keys = shapeOf(key)[2] as number
  const before = keys - (shapeOf(query)[2] as number)
  const { output } = attend(g, {
    query,
    key,
    value,
    scale: scaleOf(c, shapeOf(query)[3] as number),
    biases: [
      maskOf(c, mask, query, keys),
      attributes.int('unidirectional') !== 0 ? causalBias(g, query, keys, before) : undefined,
      c.optional(5),
    ],
  })
  return joinHeads(g, output)
}

// With its projection

/** Features of queries, keys and values: a third of the weights' columns each, or as the attribute says. */
function hiddenSizes(attributes: InferContext['attributes'], columns: Dim): Dim[] {
  if (attributes.has('qkv_hidden_sizes')) return [...attributes.ints('qkv_hidden_sizes')]
  return new Array<Dim>(3).fill(typeof columns === 'number' ? columns / 3 : '?')
}

function inferAttention(c: InferContext): readonly TensorType[] {
  const [x, weights, past] = [c.input(0), c.input(1), c.optional(4)]
  if (x.shape.length !== 3 || weights.shape.length !== 2)
    c.fail('the input must be [batch, positions, features], the weights a matrix')
  const [q, , v] = hiddenSizes(c.attributes, weights.shape[1]!)
  const heads = c.attributes.int('num_heads')
  const [batch, positions] = x.shape as [Dim, Dim]
  const size = typeof q === 'number' ? q / heads : '?'
  const keys = plus(past?.shape[3] ?? 0, positions)
  return [
    { dtype: x.dtype, shape: [batch, positions, v!] },
    { dtype: x.dtype, shape: [2, batch, heads, keys, size] },
  ]
}

function lowerAttention(c: LowerContext): (Value | undefined)[] {
  const { g, input, optional, attributes, fail } = c
  for (const name of ['do_rotary', 'past_present_share_buffer']) {
    if (attributes.int(name) !== 0) fail(`the attribute '${name}' is set`)
  }
  const heads = attributes.int('num_heads')
  const sizes = hiddenSizes(attributes, shapeOf(input(1))[1]!) as number[]
  const product = g.matMul(input(0), input(1))
  const bias = optional(2)
  const parts = g.ops('Split', [bias ? g.add(product, bias) : product, g.integers(sizes)], { axis: 2 }, 3)
  const [query, own, given] = parts.map((part) => splitHeads(g, part, heads)) as [Value, Value, Value]
  const past = optional(4)
  const [pastKey, pastValue] = past ? g.ops('Split', [past, g.integers([1, 1])], { axis: 0 }, 2) : []
  const behind = (before: Value | undefined, x: Value) => (before ? g.concat([g.squeeze(before, [0]), x], 2) : x)
  const [key, value] = [behind(pastKey, own), behind(pastValue, given)]
  const present = c.outputCount > 1 ? g.concat([g.unsqueeze(key, [0]), g.unsqueeze(value, [0])], 0) : undefined
  return [attendMasked(c, [query, key, value], 3), present]
}

/** Scores near 0: second differences in float32 are rough where softmax is steep. */
const small = { from: -0.8, to: 0.8 }
const x = { shape: [2, 3, 4], ...small }
const projection = [
  { shape: [4, 12], ...small },
  { shape: [12], ...small },
] as const

const attentionSamples: readonly Sample[] = [
  { inputs: [x, ...projection], attributes: { num_heads: 2 } },
  {
    title: 'causal',
    inputs: [x, ...projection],
    attributes: { num_heads: 2, unidirectional: 1, scale: 0.3 },
    outputs: 2,
  },
  {
    title: 'mask of keys, other sizes',
    inputs: [x, { shape: [4, 14] }, { shape: [14] }, { shape: [2, 3], dtype: 'int32', values: [1, 1, 0, 0, 1, 1] }],
    attributes: { num_heads: 2, qkv_hidden_sizes: [4, 4, 6] },
  },
  {
    title: 'lengths',
    inputs: [x, ...projection, { shape: [2], dtype: 'int32', values: [2, 3] }],
    attributes: { num_heads: 2 },
  },
  {
    title: 'mask of pairs, added bias',
    inputs: [
      x,
      ...projection,
      { shape: [2, 3, 3], dtype: 'int32', values: [1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0] },
      undefined,
      { shape: [1, 2, 3, 3] },
    ],
    attributes: { num_heads: 2 },
  },
  {
    title: 'past',
    inputs: [x, ...projection, undefined, { shape: [2, 2, 2, 2, 2] }],
    attributes: { num_heads: 2, unidirectional: 1 },
    outputs: 2,
  },
]

const attention = lowered(
  {
    name: 'Attention',
    costly: true,
    domain,
    since: 1,
    inputs: [2, 7],
    attributes: {
      num_heads: { kind: 'int' },
      unidirectional: { kind: 'int', default: 0 },
      qkv_hidden_sizes: { kind: 'ints', optional: true },
      mask_filter_value: filter,
      scale: { kind: 'float', optional: true },
      do_rotary: { kind: 'int', default: 0 },
      rotary_embedding_dim: { kind: 'int', default: 0 },
      past_present_share_buffer: { kind: 'int', default: 0 },
    },
    infer: inferAttention,
    smooth: true,
    samples: attentionSamples,
  },
  lowerAttention,
)

// Of given queries, keys and values

function inferMultiHead(c: InferContext): readonly TensorType[] {
  const [query, key, value, past] = [c.input(0), c.optional(1), c.optional(2), c.optional(6)]
  const heads = c.attributes.int('num_heads')
  const { dtype } = query
  const [batch, positions] = query.shape as [Dim, Dim]
  const packed = packedInput(query.shape, key?.shape)
  if (packed) {
    // Of [batch, keys, heads, parts, size]; everything else is made of it.
    const [keys, own] = [packed[1]!, packed[4]!]
    const state: TensorType = { dtype, shape: [batch, heads, keys, own] }
    return [{ dtype, shape: [batch, positions, typeof own === 'number' ? heads * own : '?'] }, state, state]
  }
  if (!key || !value || query.shape.length !== 3) {
    const state: TensorType = { dtype, shape: undefined }
    return [{ dtype, shape: [batch, positions, query.shape.at(-1)!] }, state, state]
  }
  const size = (features: Dim): Dim => (typeof features === 'number' ? features / heads : '?')
  const isSplit = key.shape.length === 4
  const [keySize, valueSize] = isSplit ? [key.shape[3]!, value.shape[3]!] : [size(key.shape[2]!), size(value.shape[2]!)]
  const keys = plus(past?.shape[2] ?? 0, isSplit ? key.shape[2]! : key.shape[1]!)
  const features = typeof valueSize === 'number' ? heads * valueSize : '?'
  return [
    { dtype, shape: [batch, positions, features] },
    { dtype, shape: [batch, heads, keys, keySize] },
    { dtype, shape: [batch, heads, keys, valueSize] },
  ]
}

/** The shape of queries, keys and values, or of keys and values, that are one input of five axes; undefined where each is an input of its own. */
function packedInput(query: Shape, key: Shape | undefined): Shape | undefined {
  return query.length === 5 ? query : key?.length === 5 ? key : undefined
}

/** [batch, positions, heads, parts, size] -> parts times [batch, positions, heads * size] */
function unpacked(g: Emitter, x: Value, parts: number): Value[] {
  const [batch, positions, heads, , size] = shapeOf(x)
  const shape = [batch!, positions!, (heads as number) * (size as number)]
  const split = g.ops('Split', [x, g.integers(new Array<number>(parts).fill(1))], { axis: 3 }, parts)
  return split.map((part) => g.reshape(part, shape))
}

/** Queries, keys and values as three values. */
function threeInputs({ g, input, optional, fail }: LowerContext): readonly Value[] {
  const [query, key, value] = [input(0), optional(1), optional(2)]
  if (shapeOf(query).length === 5) return unpacked(g, query, 3)
  if (key && shapeOf(key).length === 5) return [query, ...unpacked(g, key, 2)]
  if (key && value && shapeOf(query).length === 3) return [query, key, value]
  return fail(
    `queries have the shape ${formatShape(shapeOf(query))} and keys ${key ? formatShape(shapeOf(key)) : 'are left out'}`,
  )
}

function lowerMultiHead(c: LowerContext): (Value | undefined)[] {
  const { g, optional, attributes, fail } = c
  for (const index of [8, 9]) if (optional(index)) fail(`input ${index} (a shared cache) is given`)
  const heads = attributes.int('num_heads')
  const bias = optional(3)
  const inputs = threeInputs(c)
  const features = inputs.map((v) => {
    const shape = shapeOf(v)
    return (shape.length === 4 ? (shape[3] as number) * heads : shape[2]) as number
  })
  const biases = bias ? g.ops('Split', [bias, g.integers(features)], { axis: 0 }, 3) : []
  const [query, own, given] = inputs.map((part, i) => {
    if (shapeOf(part).length === 4) return part
    return splitHeads(g, biases[i] ? g.add(part, biases[i]) : part, heads)
  }) as [Value, Value, Value]
  const behind = (before: Value | undefined, v: Value) => (before ? g.concat([before, v], 2) : v)
  const [key, value] = [behind(optional(6), own), behind(optional(7), given)]
  return [attendMasked(c, [query, key, value], 4), key, value]
}

const qkv = [x, { shape: [2, 5, 4] }, { shape: [2, 5, 6] }] as const

const multiHeadSamples: readonly Sample[] = [
  { inputs: [...qkv], attributes: { num_heads: 2 } },
  { title: 'bias', inputs: [...qkv, { shape: [14] }], attributes: { num_heads: 2, scale: 0.3 } },
  {
    title: 'mask of keys, added bias',
    inputs: [
      ...qkv,
      undefined,
      { shape: [2, 5], dtype: 'int32', values: [1, 1, 0, 1, 1, 1, 1, 1, 0, 0] },
      { shape: [2, 2, 3, 5] },
    ],
    attributes: { num_heads: 2 },
  },
  {
    title: 'past, causal, keys returned',
    inputs: [x, x, x, undefined, undefined, undefined, { shape: [2, 2, 2, 2] }, { shape: [2, 2, 2, 2] }],
    attributes: { num_heads: 2, unidirectional: 1 },
    outputs: 3,
  },
  {
    title: 'keys and values split into heads',
    inputs: [x, { shape: [2, 2, 5, 2] }, { shape: [2, 2, 5, 2] }],
    attributes: { num_heads: 2 },
  },
]

const multiHeadAttention = lowered(
  {
    name: 'MultiHeadAttention',
    costly: true,
    domain,
    since: 1,
    inputs: [1, 10],
    attributes: {
      num_heads: { kind: 'int' },
      mask_filter_value: filter,
      scale: { kind: 'float', optional: true },
      unidirectional: { kind: 'int', default: 0 },
    },
    infer: inferMultiHead,
    // "Packed QKV of shape (B, L, N, 3, H) not implemented for CPU", "Packed KV not implemented for CPU"
    lacksKernel: ([query, key]) => packedInput(query?.type?.shape ?? [], key?.type?.shape) !== undefined,
    smooth: true,
    samples: multiHeadSamples,
  },
  lowerMultiHead,
)

export const contribAttention: readonly Op[] = [attention, multiHeadAttention]
