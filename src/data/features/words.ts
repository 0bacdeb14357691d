/** Texts as rows of words, looked up in what the training split held; for encoders that read words in their order. */
import { cellText } from '../table/table.ts'
import { commonest, wordsOf } from './categories.ts'
import { numericOptions } from './number-statistics.ts'
import type { OwnFeature } from './own-feature.ts'

interface Words {
  /** the most frequent first */
  readonly values: readonly string[]
  readonly length: number
}

/** 0 is padding, 1 a word that training did not hold. */
export const firstWord = 2
const places = new WeakMap<Words, ReadonlyMap<string, number>>()

export const words: OwnFeature<Words> = {
  name: 'words',
  summary:
    'text: its first `length` (64) words, each looked up among the `most` (5000) of at least `minCount` (2) uses',
  kinds: ['text', 'category'],
  dtype: 'int32',
  shape: ({ length }) => [length],
  fit({ column, rows }, options) {
    const { length, ...limits } = numericOptions('words', options, { length: 64, most: 5000, minCount: 2 })
    const counts = new Map<string, number>()
    for (let i = 0; i < rows.length; i++) {
      for (const word of wordsOf(cellText(column, rows[i]!) ?? '')) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
    return { values: commonest(counts, limits), length: Math.round(length) }
  },
  async encode(state, cell, into) {
    const known = places.get(state) ?? new Map(state.values.map((word, i) => [word, i + firstWord]))
    places.set(state, known)
    for (const [i, word] of wordsOf(cell).slice(0, state.length).entries()) into[i] = known.get(word) ?? 1
  },
  graph: (_, __, value) => value,
}
