/** Rotary positions (Su et al. 2021): pairs of features of a head are turned by an angle that grows with the position. */
import type { Dim } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import type { InferContext, Op } from './op.ts'

/**
 * x [batch, positions, heads, size] turned by cos and sin [batch or 1, positions, 1, turned / 2]; features behind the turned ones stay.
 * Interleaved pairs are neighbours (2 i, 2 i + 1), the others (i, i + turned / 2).
 */
export function turn(g: Emitter, x: Value, cos: Value, sin: Value, interleaved: boolean): Value {
  const shape = shapeOf(x)
  const size = shape[3] as number
  const half = shapeOf(cos)[3] as number
  const [moved, still] =
    2 * half === size ? [x, undefined] : g.ops('Split', [x, g.integers([2 * half, size - 2 * half])], { axis: 3 }, 2)
  const rotated = interleaved ? turnNeighbours(g, moved!, cos, sin) : turnHalves(g, moved!, cos, sin)
  return still ? g.concat([rotated, still], 3) : rotated
}

function turned(g: Emitter, a: Value, b: Value, cos: Value, sin: Value): [Value, Value] {
  return [g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin))]
}

function turnHalves(g: Emitter, x: Value, cos: Value, sin: Value): Value {
  const half = shapeOf(cos)[3] as number
  const [a, b] = g.ops('Split', [x, g.integers([half, half])], { axis: 3 }, 2) as [Value, Value]
  return g.concat(turned(g, a, b, cos, sin), 3)
}

function turnNeighbours(g: Emitter, x: Value, cos: Value, sin: Value): Value {
  const shape = shapeOf(x)
  const half = shapeOf(cos)[3] as number
  const pairs = g.reshape(x, [...shape.slice(0, 3), half, 2])
  const [a, b] = g.ops('Split', [pairs, g.integers([1, 1])], { axis: 4 }, 2) as [Value, Value]
  const [c, s] = [g.unsqueeze(cos, [4]), g.unsqueeze(sin, [4])]
  return g.reshape(g.concat(turned(g, a, b, c, s), 4), shape)
}

/** x [batch, positions, features] or [batch, heads, positions, size] as [batch, positions, heads, size], and the way back. */
function byHead(g: Emitter, x: Value, size: number): { heads: Value; back: (y: Value) => Value } {
  const shape = shapeOf(x)
  if (shape.length === 4) {
    const swap = [0, 2, 1, 3]
    return { heads: g.transpose(x, swap), back: (y) => g.transpose(y, swap) }
  }
  const heads = g.reshape(x, [...shape.slice(0, 2), (shape[2] as number) / size, size])
  return { heads, back: (y) => g.reshape(y, shape) }
}

function inferRotary(c: InferContext) {
  const x = c.input(0)
  if (x.shape.length !== 3 && x.shape.length !== 4) {
    c.fail('the input must be [batch, positions, features] or [batch, heads, positions, size]')
  }
  return [x]
}

/** Features of a head: those that the attributes say, else the turned ones. */
function headSize(x: Value, half: number, heads: number, features: Dim): number {
  const shape = shapeOf(x)
  if (shape.length === 4) return shape[3] as number
  return heads > 0 ? (features as number) / heads : 2 * half
}

/** Rows of the caches at the positions, as [batch or 1, positions, 1, turned / 2]. */
export function rowsAt(g: Emitter, cache: Value, positions: Value): Value {
  return g.unsqueeze(g.op('Gather', [cache, positions]), [2])
}

const cache = { shape: [6, 2], from: -1, to: 1 }
const positions = { shape: [2, 3], dtype: 'int64', values: [0, 1, 2, 3, 4, 5] } as const

/** The runtime's own: positions are one offset or [batch, positions]. */
const rotaryEmbedding = lowered(
  {
    name: 'RotaryEmbedding',
    domain: 'com.microsoft',
    since: 1,
    inputs: [4, 4],
    attributes: {
      interleaved: { kind: 'int', default: 0 },
      num_heads: { kind: 'int', default: 0 },
      rotary_embedding_dim: { kind: 'int', default: 0 },
      scale: { kind: 'float', default: 1 },
      is_packed_batching: { kind: 'int', default: 0 },
    },
    infer: inferRotary,
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 3, 8] }, positions, cache, cache] },
      { inputs: [{ shape: [2, 3, 8] }, positions, cache, cache], attributes: { interleaved: 1 } },
      { inputs: [{ shape: [2, 2, 3, 4] }, { shape: [1], dtype: 'int64', values: [2] }, cache, cache] },
      {
        title: 'a part of each head',
        inputs: [{ shape: [2, 3, 12] }, positions, cache, cache],
        attributes: { num_heads: 2, rotary_embedding_dim: 4 },
      },
    ],
  },
  ({ g, input, attributes, fail }) => {
    const [x, at, cosines, sines] = [input(0), input(1), input(2), input(3)]
    if (attributes.float('scale') !== 1) fail(`the attribute 'scale' is ${attributes.float('scale')}, covered is 1`)
    if (attributes.int('is_packed_batching') !== 0) fail("the attribute 'is_packed_batching' is set")
    const shape = shapeOf(x)
    const length = shape.length === 4 ? shape[2]! : shape[1]!
    const size = headSize(x, shapeOf(cosines)[1] as number, attributes.int('num_heads'), shape.at(-1)!)
    const counted = () => g.integers(Array.from({ length: length as number }, (_, i) => i))
    const rows = shapeOf(at).length === 2 ? at : g.unsqueeze(g.add(counted(), at), [0])
    const { heads, back } = byHead(g, x, size)
    const interleaved = attributes.int('interleaved') !== 0
    return [back(turn(g, heads, rowsAt(g, cosines, rows), rowsAt(g, sines, rows), interleaved))]
  },
)

/** The standard one: caches [positions, turned / 2] with positions, or [batch, positions, turned / 2] without. */
const standardRotaryEmbedding = lowered(
  {
    name: 'RotaryEmbedding',
    since: 23,
    inputs: [3, 4],
    attributes: {
      interleaved: { kind: 'int', default: 0 },
      num_heads: { kind: 'int', default: 0 },
      rotary_embedding_dim: { kind: 'int', default: 0 },
    },
    infer: inferRotary,
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 2, 3, 4] }, cache, cache, positions] },
      { inputs: [{ shape: [2, 3, 8] }, cache, cache, positions], attributes: { num_heads: 2, interleaved: 1 } },
      {
        title: 'a part of each head',
        inputs: [{ shape: [2, 2, 3, 6] }, { shape: [2, 3, 2] }, { shape: [2, 3, 2] }],
        attributes: { rotary_embedding_dim: 4 },
      },
    ],
  },
  ({ g, input, optional, attributes }) => {
    const [x, at] = [input(0), optional(3)]
    const half = shapeOf(input(1)).at(-1) as number
    const { heads, back } = byHead(g, x, headSize(x, half, attributes.int('num_heads'), shapeOf(x).at(-1)!))
    const rows = (table: Value) => (at ? rowsAt(g, table, at) : g.unsqueeze(table, [2]))
    return [back(turn(g, heads, rows(input(1)), rows(input(2)), attributes.int('interleaved') !== 0))]
  },
)

export const contribRotary: readonly Op[] = [rotaryEmbedding, standardRotaryEmbedding]
