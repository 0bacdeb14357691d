/** What tells the positions of a sequence apart: learned vectors, sines, or a turn of queries and keys. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { positiveInteger } from './options.ts'

export interface PositionEmbeddingOptions extends CommonOptions {
  /** most positions of a sequence; default: those of the input that the model is built for */
  readonly maxLength?: number
  readonly initializer?: Initializer
}

/** Adds a trained vector a position: `[batch, positions, features]` -> the same shape. Shorter sequences use the first vectors. */
export function positionEmbedding(options: PositionEmbeddingOptions = {}): Layer {
  const kind = 'positionEmbedding'
  const { initializer = 'randomUniform' } = options
  if (options.maxLength !== undefined) positiveInteger(kind, 'maxLength', options.maxLength)
  return layer({
    kind,
    config: { ...options, initializer },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const [positions, features] = sequenceSizes(kind, x!)
      const { maxLength = positions } = options
      if (positions > maxLength) {
        throw new QuernError('input', `${kind}: ${positions} positions, but maxLength is ${maxLength}`)
      }
      const table = c.parameter('positions', { shape: [maxLength, features], initializer })
      return c.g.add(x!, positions === maxLength ? table : c.g.slice(table, [0], [positions], [0]))
    },
  })
}

/**
 * Adds sines and cosines of the position (Vaswani et al. 2017, section 3.5): `[batch, positions, features]` -> the same shape, feature 2 i of position
 * p gets sin(p / 10000^(2 i / features)), feature 2 i + 1 the cosine.
 */
export function sinusoidalPositions(options: CommonOptions = {}): Layer {
  const kind = 'sinusoidalPositions'
  return layer({
    kind,
    config: { ...options },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const [positions, features] = sequenceSizes(kind, x!)
      const values = Float32Array.from({ length: positions * features }, (_, i) => {
        const feature = i % features
        const angle = Math.floor(i / features) / 10000 ** ((feature - (feature % 2)) / features)
        return feature % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
      })
      return c.g.add(x!, c.g.constant(float32([positions, features], values), 'positions'))
    },
  })
}

function sequenceSizes(kind: string, x: Value): [positions: number, features: number] {
  const shape = shapeOf(x)
  const [, positions, features] = shape
  if (shape.length === 3 && typeof positions === 'number' && typeof features === 'number') return [positions, features]
  throw new QuernError('input', `${kind} needs [batch, positions, features], received ${formatShape(shape)}`)
}

/**
 * Rotary positions (Su et al. 2021) of x [..., positions, size]: the pair of features (i, i + size / 2) of position p is turned by the angle
 * p / 10000^(2 i / size). The product of a turned query and a turned key depends on their distance alone. Pairs as in GPT-NeoX and Llama.
 */
export function rotate(g: Emitter, x: Value): Value {
  const shape = shapeOf(x)
  const [positions, size] = shape.slice(-2) as [number, number]
  if (size % 2 !== 0) throw new QuernError('config', `rotary positions need an even size of heads, received ${size}`)
  const half = size / 2
  const table = (of: (angle: number) => number) => {
    const angle = (i: number) => Math.floor(i / half) / 10000 ** ((2 * (i % half)) / size)
    return float32(
      [positions, half],
      Float32Array.from({ length: positions * half }, (_, i) => of(angle(i))),
    )
  }
  const [cos, sin] = [g.constant(table(Math.cos), 'cos'), g.constant(table(Math.sin), 'sin')]
  const [first, second] = g.ops('Split', [x, g.integers([half, half])], { axis: shape.length - 1 }, 2) as [Value, Value]
  const turned = [g.sub(g.mul(first, cos), g.mul(second, sin)), g.add(g.mul(second, cos), g.mul(first, sin))]
  return g.concat(turned, shape.length - 1)
}
