/**
 * Columns as tokens, a vector for each: what a transformer over columns reads (Gorishniy et al. 2021, section 3.3). A number times a trained
 * vector, plus another, plus a third where it is missing; of a category the trained vector of its value; of every other feature what its graph gives,
 * through a dense layer.
 */
import { tensor } from '../../core/tensor.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import type { Feature, FeatureContext, Fitted } from './feature.ts'

interface TokenInput {
  readonly feature: Feature
  readonly columns: readonly Fitted<unknown>[]
  /** of each column */
  readonly widths: readonly number[]
  /** `[batch, sum of widths]` */
  readonly cells: Value
}

/** float32 `[batch, columns, size]`. Parameters: `<feature>/tokens/...`, or `<column>/token/...`. */
export function tokensOf(input: TokenInput, c: FeatureContext, size: number): Value {
  const { token } = input.feature
  if (token === 'number') return numberTokens(input, c, size)
  return token === 'place' ? placeTokens(input, c, size) : denseTokens(input, c, size)
}

const gapsOf = ({ state }: Fitted<unknown>): boolean => (state as { gaps?: boolean }).gaps === true

/** What the feature's graph gives: a number for each column, then a mark for each that had gaps in training. */
function numberTokens({ feature, columns, cells }: TokenInput, c: FeatureContext, size: number): Value {
  const { g } = c
  const count = columns.length
  const given = feature.graph(columns, c, cells, { linear: false })
  const numbers = g.slice(given, [0], [count], [1])
  const at = `${feature.name}/tokens`
  const initializer = { name: 'randomNormal', stddev: 1 / Math.sqrt(3 * size) } as const
  const vectors = (name: string): Value =>
    c.parameter(`${at}/${name}`, { shape: [count, size], initializer, decay: false })
  const scaled = g.add(g.mul(g.unsqueeze(numbers, [2]), vectors('kernel')), vectors('bias'))
  const marked = columns.flatMap((column, i) => (gapsOf(column) ? [i] : []))
  if (marked.length === 0 || shapeOf(given)[1] === count) return scaled
  const marks = g.slice(given, [count], [count + marked.length], [1])
  return g.add(scaled, g.mul(g.unsqueeze(g.matMul(marks, placed(g, marked, count)), [2]), vectors('missing')))
}

/** [marks, columns]: 1 where the mark is that of the column. */
function placed(g: Emitter, marked: readonly number[], count: number): Value {
  const ones = new Float32Array(marked.length * count)
  for (const [i, column] of marked.entries()) ones[i * count + column] = 1
  return g.constant(tensor('float32', [marked.length, count], ones))
}

/** One table of the values of all columns, one behind the other; a bias for each column. */
function placeTokens({ feature, columns, cells }: TokenInput, c: FeatureContext, size: number): Value {
  const { g } = c
  let total = 0
  const offsets = columns.map(({ state }) => {
    const at = total
    // Behind the two places for what is not seen and what is missing.
    total += (state as { values: readonly string[] }).values.length + 2
    return at
  })
  const at = `${feature.name}/tokens`
  const spec = { initializer: { name: 'randomNormal', stddev: 0.05 }, decay: false } as const
  const table = c.parameter(`${at}/embeddings`, { shape: [total, size], ...spec })
  const bias = c.parameter(`${at}/bias`, { shape: [columns.length, size], ...spec })
  const places = g.add(cells, g.constant(tensor('int32', [columns.length], Int32Array.from(offsets))))
  return g.add(g.op('Gather', [table, places], { axis: 0 }), bias)
}

function denseTokens({ feature, columns, widths, cells }: TokenInput, c: FeatureContext, size: number): Value {
  let at = 0
  const tokens = columns.map((column, i) => {
    const own = columns.length === 1 ? cells : c.g.slice(cells, [at], [at + widths[i]!], [1])
    at += widths[i]!
    return c.g.unsqueeze(denseToken(column.name, feature.graph([column], c, own, { linear: false }), c, size), [1])
  })
  return c.g.concat(tokens, 1)
}

/** `[batch, m]` -> `[batch, size]` */
function denseToken(name: string, x: Value, c: FeatureContext, size: number): Value {
  const inputs = shapeOf(x)[1] as number
  const initializer = { name: 'randomNormal', stddev: 1 / Math.sqrt(inputs) } as const
  const kernel = c.parameter(`${name}/token/kernel`, { shape: [inputs, size], initializer })
  const bias = c.parameter(`${name}/token/bias`, { shape: [size], initializer: { name: 'randomNormal', stddev: 0.05 } })
  return c.g.add(c.g.matMul(x, kernel), bias)
}
