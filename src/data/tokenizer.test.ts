/** Tokens as Hugging Face's own library makes them: test/golden/tokenizer.py. */
import { describe, expect, test } from 'vitest'
import golden from '../../test/golden/tokenizer.json' with { type: 'json' }
import { createTokenizer } from './tokenizer.ts'

const rowsOf = ({ shape, data }: { shape: readonly number[]; data: BigInt64Array }) =>
  Array.from({ length: shape[0]! }, (_, i) => [...data.subarray(i * shape[1]!, (i + 1) * shape[1]!)].map(Number))

const [wordPiece] = golden.cases
const fileOf = (changes: object) => JSON.stringify({ ...wordPiece!.file, ...changes })

describe.each(golden.cases.map((each) => [each.name, each] as const))('%s', (_, expected) => {
  const tokenizer = createTokenizer(new TextEncoder().encode(JSON.stringify(expected.file)))

  test('the same tokens, cut and filled up to a length', () => {
    const tokens = tokenizer.encode(golden.texts, { length: 12 })
    for (const name of ['input_ids', 'attention_mask', 'token_type_ids'] as const) {
      expect(rowsOf(tokens[name]!), name).toEqual(expected[name])
    }
    expect(rowsOf(tokenizer.encode(golden.texts).input_ids)).toEqual(expected.input_ids)
    expect(tokenizer.vocabulary).toBe(expected.vocabulary)
  })

  test('the same tokens of whole texts, and texts of them', () => {
    for (const [i, text] of golden.texts.entries()) {
      const ids = expected.whole[i]!
      if (ids.length === 0) continue
      expect(rowsOf(tokenizer.encode([text], { maxLength: 99 }).input_ids)).toEqual([ids])
      expect(tokenizer.decode(ids)).toBe(expected.decoded[i])
    }
  })
})

test('as many tokens as the longest text has, at most so many', () => {
  const tokenizer = createTokenizer(fileOf({ truncation: null, padding: null }))
  expect(tokenizer.encode(['tea', 'tea tea tea']).input_ids.shape).toEqual([2, 5])
  expect(rowsOf(tokenizer.encode(['tea', 'tea tea tea']).attention_mask)).toEqual([
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 1],
  ])
  expect(tokenizer.encode(golden.texts, { maxLength: 7 }).input_ids.shape).toEqual([golden.texts.length, 7])
  expect(tokenizer.encode(['tea '.repeat(2000)]).input_ids.shape).toEqual([1, 512])
  expect(tokenizer.decode([])).toBe('')
})

test('what cannot be read or used is said', () => {
  expect(() => createTokenizer('{')).toThrow('tokenizer.json is no JSON')
  expect(() => createTokenizer('{"version":"1.0"}', 'a/tokenizer.json')).toThrow('a/tokenizer.json has no model.vocab')
  const splitter = fileOf({ pre_tokenizer: { type: 'ByHand' } })
  expect(() => createTokenizer(splitter)).toThrow('cannot be used: Unknown PreTokenizer type: ByHand')
  const tokenizer = createTokenizer(fileOf({}))
  expect(() => tokenizer.encode(['tea'], { length: 2 })).toThrow('2 special tokens: a length of 2 leaves none')
  expect(() => tokenizer.encode(['tea'], { length: 0 })).toThrow('length must be a whole number of at least 1')
  expect(() => tokenizer.encode([5 as unknown as string])).toThrow('text 0 must be a string, received number')
  const { '[PAD]': _, ...vocab } = (wordPiece!.file.model as unknown as { vocab: Record<string, number> }).vocab
  const added = wordPiece!.file.added_tokens.filter(({ content }) => content !== '[PAD]')
  const bare = fileOf({ padding: null, added_tokens: added, model: { ...wordPiece!.file.model, vocab } })
  expect(() => createTokenizer(bare).encode(['tea', 'tea tea'])).toThrow('no token to fill short texts up with')
})
