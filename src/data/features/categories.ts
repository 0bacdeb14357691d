/**
 * Texts that are looked up in what the training split held. Place 0 is for what it did not hold, place 1 for no value at all; both are
 * the same when the training split had no missing value.
 */
import { tensor } from '../../core/tensor.ts'
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { type Column, cellText, isPresent } from '../table/table.ts'
import type { Feature, FeatureContext, Fitted, OnUnseen, TrainingColumn } from './feature.ts'
import { numericOptions } from './number-statistics.ts'

interface Vocabulary {
  /** the most frequent first; what is rarer counts as unseen */
  readonly values: readonly string[]
  /** the training split had missing values */
  readonly gaps: boolean
}

const firstValue = 2

function fitVocabulary(training: TrainingColumn, limits: { most: number; minCount: number }): Vocabulary {
  const { column, rows } = training
  const counts = new Map<string, number>()
  let missing = 0
  for (let i = 0; i < rows.length; i++) {
    const text = cellText(column, rows[i]!)
    if (text === undefined) missing++
    else counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return { values: commonest(counts, limits), gaps: missing > 0 }
}

/** The most frequent first, equally frequent ones in the order of their texts. */
export function commonest(counts: ReadonlyMap<string, number>, limits: { most: number; minCount: number }): string[] {
  return [...counts]
    .filter(([, count]) => count >= limits.minCount)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, limits.most)
    .map(([text]) => text)
}

/** Places by text, made once for a state: a bundle looks up one row at a time. */
const lookups = new WeakMap<Vocabulary, ReadonlyMap<string, number>>()

function lookup(state: Vocabulary): ReadonlyMap<string, number> {
  let found = lookups.get(state)
  if (!found) {
    found = new Map(state.values.map((value, i) => [value, i + firstValue]))
    lookups.set(state, found)
  }
  return found
}

function place(state: Vocabulary, column: Column, row: number, onUnseen: OnUnseen): number {
  const text = cellText(column, row)
  if (text === undefined) return state.gaps ? 1 : 0
  const found = lookup(state).get(text)
  if (found === undefined) onUnseen(column.name, text)
  return found ?? 0
}

/** One-hot float32 `[batch, values]`: a row of zeros for what was not seen. */
function oneHotOf({ state }: Fitted<Vocabulary>, g: Emitter, codes: Value): Value {
  const places = [...(state.gaps ? [1] : []), ...state.values.map((_, i) => i + firstValue)]
  // A column without any value in training still takes its place.
  const known = tensor('int32', [Math.max(1, places.length)], Int32Array.from(places.length > 0 ? places : [1]))
  return g.cast(g.op('Equal', [codes, g.constant(known)]), 'float32')
}

const columnAt = (g: Emitter, x: Value, i: number): Value => g.op('Gather', [x, g.integers([i])], { axis: 1 })
const joined = (g: Emitter, parts: readonly Value[]): Value =>
  parts.length === 1 ? parts[0]! : g.op('Concat', parts, { axis: 1 })

const base = {
  kinds: ['category', 'text', 'boolean', 'number', 'date'],
  block: 'categories',
  token: 'place',
  width: () => 1,
  encode(state, column, rows, into, at, stride, onUnseen) {
    for (let row = 0; row < rows; row++) into[row * stride + at] = place(state, column, row, onUnseen)
  },
} satisfies Partial<Feature<Vocabulary>>

const oneHot: Feature<Vocabulary> = {
  ...base,
  name: 'oneHot',
  summary: 'category: a 1 at the place of its value; `most` (64) values, `minCount` (1) rows each',
  fit: (training, options) => fitVocabulary(training, numericOptions('oneHot', options, { most: 64, minCount: 1 })),
  graph: (columns, { g }, codes) =>
    joined(
      g,
      columns.map((column, i) => oneHotOf(column, g, columnAt(g, codes, i))),
    ),
}

interface Embedded extends Vocabulary {
  /** length of a value's vector */
  readonly size: number
}

/** Of fastai: 1.6 n^0.56, at most 64. */
const sizeFor = (values: number): number => Math.min(64, Math.max(2, Math.round(1.6 * values ** 0.56)))

const embedding: Feature<Embedded> = {
  ...base,
  name: 'embedding',
  summary:
    'category: a trained vector for each value; `size` (by the number of values), `most` (10000), `minCount` (1)',
  fit(training, options) {
    const { size = 0, ...rest } = options
    const vocabulary = fitVocabulary(training, numericOptions('embedding', rest, { most: 10_000, minCount: 1 }))
    const given =
      size === 0 ? sizeFor(vocabulary.values.length) : numericOptions('embedding', { size }, { size: 1 }).size
    return { ...vocabulary, size: Math.round(given) }
  },
  graph(columns, c, codes, { linear }) {
    if (linear) return oneHot.graph(columns, c, codes, { linear })
    const { g } = c
    const vectors = columns.map(({ name, state }, i) => {
      const shape = [state.values.length + firstValue, state.size]
      // Small, so that the vectors that training never reads (unseen, missing) stay near to none.
      const initializer = { name: 'randomNormal', stddev: 0.05 } as const
      const table = c.parameter(`${name}/embeddings`, { shape, initializer, decay: false })
      return g.op('Gather', [table, g.op('Squeeze', [columnAt(g, codes, i), g.integers([1])])], { axis: 0 })
    })
    return joined(g, vectors)
  },
}

const boolean: Feature<{ readonly gaps: boolean }> = {
  token: 'number',
  name: 'boolean',
  summary: 'boolean: -1 or 1, 0 where it is missing',
  kinds: ['boolean'],
  block: 'numbers',
  width: () => 1,
  fit({ column, rows }, options) {
    numericOptions('boolean', options, {})
    return { gaps: Array.from(rows).some((row) => !isPresent(column.valid, row)) }
  },
  encode(_, { values, valid }, rows, into, at, stride) {
    for (let row = 0; row < rows; row++) into[row * stride + at] = isPresent(valid, row) ? values[row]! * 2 - 1 : 0
  },
  graph: (_, { g }: FeatureContext, cells) => g.cast(cells, 'float32'),
}

interface Hashed {
  readonly buckets: number
}

/** FNV-1a over UTF-16 units, folded to the number of buckets. */
export function bucketOf(text: string, buckets: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % buckets
}

/** Words in lower case: runs of letters and digits of any script. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

/** A hashed bag of words: log(1 + count) of each bucket, divided by the row's norm. Weinberger et al. 2009. */
const bag: Feature<Hashed> = {
  name: 'bag',
  summary: 'text: words counted in `buckets` (128) by their hash; no word is unknown',
  kinds: ['text', 'category'],
  block: 'numbers',
  width: ({ buckets }) => buckets,
  fit(_, options) {
    return { buckets: Math.round(numericOptions('bag', options, { buckets: 128 }).buckets) }
  },
  encode({ buckets }, column, rows, into, at, stride) {
    for (let row = 0; row < rows; row++) {
      const start = row * stride + at
      into.fill(0, start, start + buckets)
      for (const word of wordsOf(cellText(column, row) ?? '')) into[start + bucketOf(word, buckets)]! += 1
    }
  },
  graph(columns, { g }, cells) {
    const counts = g.cast(cells, 'float32')
    let at = 0
    const parts = columns.map(({ state: { buckets } }) => {
      const part = g.op('Slice', [counts, g.integers([at]), g.integers([at + buckets]), g.integers([1])])
      at += buckets
      const logs = g.log(g.add(part, 1))
      const norm = g.sqrt(g.add(g.op('ReduceSum', [g.mul(logs, logs), g.integers([1])], { keepdims: 1 }), 1e-6))
      return g.div(logs, norm)
    })
    return joined(g, parts)
  },
}

/** Their states are known to themselves alone. */
export const categoryFeatures: readonly Feature[] = [oneHot, embedding, boolean, bag] as unknown as readonly Feature[]
