/**
 * Attention over sequences `[batch, positions, features]`. Inside, heads are the first axis, `[heads, batch, positions, size]`: one move of one axis
 * turns a projection into that, queries, keys and values of one input come from one product, and they are told apart without strides.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape, type Shape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { dense } from './dense.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, type LayerContext, layer } from './layer.ts'
import { maskOf, scoreMask } from './mask.ts'
import { positiveInteger, rate } from './options.ts'
import { rotate } from './positions.ts'

export interface MultiHeadAttentionOptions extends CommonOptions {
  readonly numHeads: number
  /** features of a head; default: those of the query divided by the heads */
  readonly keyDim?: number
  /** heads of keys and values, each shared by numHeads / numKeyValueHeads heads (Ainslie et al. 2023); default numHeads */
  readonly numKeyValueHeads?: number
  /** a position sees itself and those before it; default false */
  readonly causal?: boolean
  /** share of the attention weights that training drops; default 0 */
  readonly dropout?: number
  /** queries and keys are turned by their position (Su et al. 2021); default false */
  readonly rotary?: boolean
  readonly useBias?: boolean
  readonly kernelInitializer?: Initializer
}

/** Far below every score: exp gives exactly 0, and a row of nothing else stays finite. */
const masked = -1e9

/**
 * softmax(Q K' / sqrt(size)) V in several heads (Vaswani et al. 2017), `[batch, positions, features]` -> the same shape.
 * One input attends to itself; of two, the query attends to the second; of three, the inputs are query, value and key as in Keras.
 * Values and keys that are padding (masking, embedding with maskZero) get no weight.
 * Parameters: `queryKeyValue`, or `query` and `keyValue`, or `query`, `key` and `value`; then `output`; each a dense layer.
 * Errors: `config` when the heads do not fit the features, `input` for other ranks and for causal attention between different lengths.
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): Layer {
  const kind = 'multiHeadAttention'
  const { causal = false, dropout = 0, rotary = false, useBias = true, kernelInitializer = 'glorotUniform' } = options
  const numHeads = positiveInteger(kind, 'numHeads', options.numHeads)
  const numKeyValueHeads = positiveInteger(kind, 'numKeyValueHeads', options.numKeyValueHeads ?? numHeads)
  if (options.keyDim !== undefined) positiveInteger(kind, 'keyDim', options.keyDim)
  rate(kind, 'dropout', dropout)
  if (numHeads % numKeyValueHeads !== 0) {
    throw new QuernError('config', `${kind}: numKeyValueHeads (${numKeyValueHeads}) must divide numHeads (${numHeads})`)
  }
  return layer({
    kind,
    config: { ...options, numHeads, numKeyValueHeads, causal, dropout, rotary, useBias, kernelInitializer },
    arity: 'many',
    keepsMask: 'first',
    apply: (c, inputs) => {
      const { g } = c
      const { features, shape } = checkInputs(kind, inputs, causal)
      const size = options.keyDim ?? features / numHeads
      if (!Number.isInteger(size)) {
        throw new QuernError('config', `${kind}: numHeads (${numHeads}) must divide the ${features} features`, {
          hint: 'Or give keyDim, the features of a head.',
        })
      }
      const project = (name: string, x: Value, units: number): Value =>
        c.inner(name, dense({ units, useBias, kernelInitializer }), [x])
      const [query, key, value] = headsOf(g, inputs, [numHeads, numKeyValueHeads, numKeyValueHeads], size, project)
      const turned = rotary ? ([rotate(g, query), rotate(g, key)] as const) : ([query, key] as const)
      // Keys and values are steps of one sequence; either may say which are real.
      const mask = inputs.length === 1 ? maskOf(inputs[0]!) : (maskOf(inputs[1]!) ?? (inputs[2] && maskOf(inputs[2])))
      const attended = attend(c, [...turned, value], { causal, dropout, mask })
      // [heads, batch, positions, size] -> [batch, positions, heads * size]
      const joined = g.reshape(g.transpose(attended, [1, 2, 0, 3]), [...shape.slice(0, 2), numHeads * size])
      return project('output', joined, features)
    },
  })
}

/** Features and shape of the query. */
function checkInputs(kind: string, inputs: readonly Value[], causal: boolean): { features: number; shape: Shape } {
  const shapes = inputs.map(shapeOf)
  const [shape] = shapes
  const features = shape?.[2]
  const isSound = shapes.every((s) => s.length === 3 && typeof s[1] === 'number' && typeof s[2] === 'number')
  if (!shape || inputs.length > 3 || !isSound || typeof features !== 'number') {
    const found = shapes.map(formatShape).join(', ') || 'none'
    throw new QuernError('input', `${kind} needs one to three inputs [batch, positions, features], received ${found}`)
  }
  const [, value, key] = shapes
  if (value && key && value[1] !== key[1]) {
    throw new QuernError('input', `${kind}: ${value[1]} positions of values and ${key[1]} of keys`)
  }
  if (causal && value && value[1] !== shape[1]) {
    throw new QuernError('input', `${kind}: causal attention needs as many values as queries`, {
      hint: `There are ${shape[1]} positions of queries and ${value[1]} of values.`,
    })
  }
  return { features, shape }
}

type Heads = readonly [query: Value, key: Value, value: Value]

/** Query, key and value as [heads, batch, positions, size]; those of one input by one product. */
function headsOf(
  g: Emitter,
  inputs: readonly Value[],
  counts: readonly [query: number, key: number, value: number],
  size: number,
  project: (name: string, x: Value, units: number) => Value,
): Heads {
  const split = (name: string, x: Value, heads: readonly number[]): Value[] => {
    const total = heads.reduce((a, b) => a + b, 0)
    const [batch, positions] = shapeOf(x)
    const projected = g.reshape(project(name, x, total * size), [batch!, positions!, total, size])
    const moved = g.transpose(projected, [2, 0, 1, 3])
    return heads.length === 1 ? [moved] : g.ops('Split', [moved, g.integers(heads)], { axis: 0 }, heads.length)
  }
  const [first, second, third] = inputs as [Value, Value | undefined, Value | undefined]
  if (!second) return split('queryKeyValue', first, counts) as unknown as Heads
  const [query] = split('query', first, counts.slice(0, 1))
  if (!third) return [query!, ...split('keyValue', second, counts.slice(1))] as unknown as Heads
  const [key] = split('key', third, counts.slice(1, 2))
  const [value] = split('value', second, counts.slice(2))
  return [query!, key!, value!]
}

/** softmax(Q K' / sqrt(size)) V, [heads, batch, positions, size]. */
function attend(
  c: LayerContext,
  heads: Heads,
  { causal, dropout, mask }: { causal: boolean; dropout: number; mask: Value | undefined },
): Value {
  const { g } = c
  const shape = shapeOf(heads[0])
  const [query, key, value] = shapeOf(heads[1])[0] === shape[0] ? heads : grouped(g, heads)
  const scores = g.mul(g.matMul(query, g.swapLast(key)), 1 / Math.sqrt(shape[3] as number))
  const later = causal ? causalMask(g, shape[2] as number) : undefined
  const padding = mask && scoreMask(g, mask)
  const hidden = later && padding ? g.add(later, padding) : (later ?? padding)
  const weights = g.softmax(hidden ? g.add(scores, hidden) : scores)
  const kept = c.training && dropout > 0 ? g.mul(weights, c.dropoutMask(shapeOf(weights), dropout)) : weights
  return g.reshape(g.matMul(kept, value), shape)
}

/** Queries as [groups, heads of a group, ...], keys and values as [groups, 1, ...]: the product repeats them. */
function grouped(g: Emitter, [query, key, value]: Heads): Heads {
  const [heads, ...rest] = shapeOf(query)
  const groups = shapeOf(key)[0] as number
  const split = g.reshape(query, [groups, (heads as number) / groups, ...rest])
  return [split, g.unsqueeze(key, [1]), g.unsqueeze(value, [1])]
}

/** [positions, positions]: 0 where the row may see the column. */
function causalMask(g: Emitter, positions: number): Value {
  const data = new Float32Array(positions * positions)
  for (let row = 0; row < positions; row++) data.fill(masked, row * positions + row + 1, (row + 1) * positions)
  return g.constant(float32([positions, positions], data), 'causalMask')
}
