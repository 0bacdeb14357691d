/** Operators on strings and words. None has a gradient: neither changes smoothly. */
import { broadcastShapes, type Dim, unknownDim } from '../core/shape.ts'
import { type InferContext, type Op, type SampleInput, typed } from './op.ts'

const none = { none: 'it reads text, which does not change smoothly' } as const

/** Drawn texts are numbers, as text. */
const texts = (...shape: number[]): SampleInput => ({ shape, dtype: 'string' })

const same = (c: InferContext) => typed('string', c.input(0).shape)

const stringConcat: Op = {
  name: 'StringConcat',
  since: 20,
  inputs: [2, 2],
  infer: (c) => typed('string', broadcastShapes(c.input(0).shape, c.input(1).shape)),
  grad: none,
  samples: [{ inputs: [texts(2, 3), texts(3)] }],
}

const regexFullMatch: Op = {
  name: 'RegexFullMatch',
  since: 20,
  inputs: [1, 1],
  attributes: { pattern: { kind: 'string' } },
  infer: (c) => typed('bool', c.input(0).shape),
  grad: none,
  samples: [{ inputs: [texts(2, 2)], attributes: { pattern: '[a-z]*' } }],
}

/** Parts of each string, and how many there are */
const stringSplit: Op = {
  name: 'StringSplit',
  since: 20,
  inputs: [1, 1],
  attributes: { delimiter: { kind: 'string', optional: true }, maxsplit: { kind: 'int', optional: true } },
  infer: (c) => [
    { dtype: 'string', shape: [...c.input(0).shape, unknownDim] },
    { dtype: 'int64', shape: c.input(0).shape },
  ],
  grad: none,
  samples: [{ inputs: [texts(3)], attributes: { delimiter: ',' }, outputs: 2 }],
}

/** Strings in one case and without stop words: [count] or [1, count] */
const stringNormalizer: Op = {
  name: 'StringNormalizer',
  since: 10,
  inputs: [1, 1],
  attributes: {
    case_change_action: { kind: 'string', default: 'NONE' },
    is_case_sensitive: { kind: 'int', default: 0 },
    locale: { kind: 'string', optional: true },
    stopwords: { kind: 'strings', optional: true },
  },
  infer: (c) => {
    const { shape } = c.input(0)
    if (shape.length !== 1 && shape.length !== 2) c.fail('the input must be [count] or [1, count]')
    if (!c.attributes.has('stopwords')) return same(c)
    return typed('string', [...shape.slice(0, -1), unknownDim])
  },
  grad: none,
  samples: [
    { inputs: [texts(3)], attributes: { case_change_action: 'LOWER', locale: 'C' } },
    { inputs: [texts(1, 2)], attributes: { stopwords: ['the'], locale: 'C' } },
  ],
}

/** Counts of n-grams from a list: [count] -> [n-grams], [batch, count] -> [batch, n-grams] */
const tfIdfVectorizer: Op = {
  name: 'TfIdfVectorizer',
  since: 9,
  inputs: [1, 1],
  attributes: {
    max_gram_length: { kind: 'int' },
    max_skip_count: { kind: 'int' },
    min_gram_length: { kind: 'int' },
    mode: { kind: 'string' },
    ngram_counts: { kind: 'ints' },
    ngram_indexes: { kind: 'ints' },
    pool_int64s: { kind: 'ints', optional: true },
    pool_strings: { kind: 'strings', optional: true },
    weights: { kind: 'floats', optional: true },
  },
  infer: (c) => {
    const size: Dim = Math.max(-1, ...c.attributes.ints('ngram_indexes')) + 1
    return typed('float32', [...c.input(0).shape.slice(0, -1), size])
  },
  grad: { none: 'it counts words, which do not change smoothly' },
  samples: [
    {
      inputs: [{ shape: [2, 4], dtype: 'int64', values: [1, 2, 1, 3, 2, 2, 1, 3] }],
      attributes: {
        max_gram_length: 2,
        min_gram_length: 1,
        max_skip_count: 0,
        mode: 'TF',
        ngram_counts: [0, 2],
        ngram_indexes: [0, 1, 2],
        pool_int64s: [1, 2, 1, 3],
      },
    },
  ],
}

export const text: readonly Op[] = [stringConcat, regexFullMatch, stringSplit, stringNormalizer, tfIdfVectorizer]
