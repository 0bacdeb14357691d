/**
 * Texts as numbers of tokens, by a tokenizer.json of Hugging Face's tokenizers: the file that lies beside a model of text. Normalisation, splitting and
 * special tokens are those of the file; here texts are cut and filled up to one length.
 */
import { Tokenizer as Encoder } from '@huggingface/tokenizers'
import { messageOf, QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'

/** int64 `[texts, length]` each, by the names that exported models of text give their inputs. */
export interface Tokens {
  readonly [name: string]: Tensor<BigInt64Array>
  readonly input_ids: Tensor<BigInt64Array>
  /** 1 for tokens of the text, 0 for what fills it up */
  readonly attention_mask: Tensor<BigInt64Array>
  readonly token_type_ids: Tensor<BigInt64Array>
}

export interface EncodeOptions {
  /** tokens of every text, special ones included: longer ones are cut, shorter ones filled up; default: as many as the longest has */
  readonly length?: number | undefined
  /** most tokens where no length is given; default: what the file says of truncation, or 512 */
  readonly maxLength?: number | undefined
}

export interface Tokenizer {
  /** number of its tokens */
  readonly vocabulary: number
  encode(texts: readonly string[], options?: EncodeOptions): Tokens
  /** The text of tokens, without special ones. */
  decode(ids: readonly number[]): string
}

type Json = Readonly<Record<string, unknown>>

/**
 * Reads a tokenizer.json: WordPiece, BPE, Unigram or WordLevel.
 *
 * @throws QuernError 'input' for a file of another form, 'unsupported' for parts of it that are not known
 * @example
 * const tokenizer = createTokenizer(await readFile('bert/tokenizer.json'))
 * const x = tokenizer.encode(['a fine tea', 'stale'], { length: 64 })
 */
export function createTokenizer(file: Uint8Array | string, what = 'tokenizer.json'): Tokenizer {
  const json = parse(file, what)
  let encoder: Encoder
  try {
    // WordLevel's own unknown token is looked for in the second argument.
    encoder = new Encoder(
      { ...absent, ...json, pre_tokenizer: splitting(json.pre_tokenizer) },
      { unk_token: (json.model as Json).unk_token },
    )
  } catch (cause) {
    throw new QuernError('unsupported', `${what} cannot be used: ${messageOf(cause)}`, {
      hint: 'Tokenizers of WordPiece, BPE, Unigram and WordLevel are known. Make the tokens elsewhere, and give them as int64 tensors.',
      cause,
    })
  }
  const { padding, truncation } = json as { padding?: Json | null; truncation?: Json | null }
  const most = Number(truncation?.max_length ?? 512)
  const filling = fillingOf(encoder, padding ?? {})
  return {
    vocabulary: encoder.get_vocab().size,
    encode(texts, { length, maxLength = most } = {}) {
      for (const [option, value] of Object.entries({ length: length ?? 1, maxLength })) {
        if (Number.isInteger(value) && value >= 1) continue
        throw new QuernError('config', `${option} must be a whole number of at least 1, received ${value}`)
      }
      const rows = texts.map((text, i) => cut(encoder, text, { most: length ?? maxLength, what: `text ${i}` }))
      return joined(rows, length ?? Math.max(1, ...rows.map(({ ids }) => ids.length)), filling)
    },
    decode: (ids) =>
      ids.length === 0
        ? ''
        : encoder.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
  }
}

function parse(file: Uint8Array | string, what: string): Json {
  try {
    const text = typeof file === 'string' ? file : new TextDecoder('utf-8', { fatal: true }).decode(file)
    const json: unknown = JSON.parse(text)
    const { model } = (json ?? {}) as { model?: { vocab?: unknown } }
    if (typeof model?.vocab === 'object' && model.vocab !== null) return json as Json
  } catch (cause) {
    throw new QuernError('input', `${what} is no JSON: ${messageOf(cause)}`, { cause })
  }
  throw new QuernError('input', `${what} has no model.vocab: it is no file of Hugging Face's tokenizers`, {
    hint: 'Save it again: tokenizer.save("tokenizer.json").',
  })
}

/** Letters and digits of every script: \w of the library that wrote the file. The encoder's own splitter by 'Whitespace' knows those of English alone. */
const word = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d'
const words = { type: 'Split', pattern: { Regex: `[${word}]+|[^${word}\\s]+` }, behavior: 'Removed', invert: true }

function splitting(given: unknown): unknown {
  const { type, pretokenizers } = (given ?? {}) as { type?: unknown; pretokenizers?: readonly unknown[] }
  if (type === 'Whitespace') return words
  return pretokenizers ? { ...(given as object), pretokenizers: pretokenizers.map(splitting) } : given
}

/** Parts that a file may leave out. */
const absent = { added_tokens: [], normalizer: null, post_processor: null, decoder: null }

interface Row {
  readonly ids: readonly number[]
  readonly types: readonly number[]
}

/** Tokens of one text. What is too long loses tokens at its end; special tokens before and behind it stay. */
function cut(encoder: Encoder, text: string, { most, what }: { most: number; what: string }): Row {
  if (typeof text !== 'string') throw new QuernError('input', `${what} must be a string, received ${typeof text}`)
  const { ids, token_type_ids: given } = encoder.encode(text, { return_token_type_ids: true })
  const types = given ?? ids.map(() => 0)
  if (ids.length <= most) return { ids, types }
  const plain = encoder.encode(text, { add_special_tokens: false }).ids
  const special = ids.length - plain.length
  if (special >= most) {
    throw new QuernError('config', `a text has ${special} special tokens: a length of ${most} leaves none for it`)
  }
  let before = 0
  while (before < special && !plain.every((id: number, i: number) => ids[before + i] === id)) before++
  const kept = <T>(row: readonly T[]) => [...row.slice(0, before + most - special), ...row.slice(before + plain.length)]
  return { ids: kept(ids), types: kept(types) }
}

interface Filling {
  readonly id: number | undefined
  readonly type: number
  readonly isLeft: boolean
}

/** Names that tokenizers give to what fills up. */
const padTokens = ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>']

function fillingOf(encoder: Encoder, { pad_id: id, pad_type_id: type, direction }: Json): Filling {
  const named = padTokens.map((token) => encoder.token_to_id(token)).find((found) => found !== undefined)
  return { id: typeof id === 'number' ? id : named, type: Number(type ?? 0), isLeft: direction === 'Left' }
}

function joined(rows: readonly Row[], length: number, { id, type, isLeft }: Filling): Tokens {
  if (id === undefined && rows.some(({ ids }) => ids.length < length)) {
    throw new QuernError(
      'config',
      `the tokenizer has no token to fill short texts up with: none of ${padTokens.join(', ')}`,
      {
        hint: 'Name one in the file: tokenizer.enable_padding(pad_id=...), then save it.',
      },
    )
  }
  const table = (of: (row: Row) => readonly number[], filler: number) => {
    const data = new BigInt64Array(rows.length * length).fill(BigInt(filler))
    for (const [i, row] of rows.entries()) {
      const numbers = of(row)
      const at = i * length + (isLeft ? length - numbers.length : 0)
      for (const [j, number] of numbers.entries()) data[at + j] = BigInt(number)
    }
    return { dtype: 'int64' as const, shape: [rows.length, length], data }
  }
  return {
    input_ids: table(({ ids }) => ids, id ?? 0),
    attention_mask: table(({ ids }) => ids.map(() => 1), 0),
    token_type_ids: table(({ types }) => types, type),
  }
}
