/** Encoders: what makes a vector of a column that is an input of its own, a picture, a sound or a text. One for each column, by its name. */
import { z } from 'zod'
import { QuernError, suggestion } from '../core/errors.ts'
import type { OwnColumn } from '../data/features/table-encoder.ts'
import {
  activation,
  adaptiveAveragePooling,
  batchNormalization,
  conv1d,
  conv2d,
  dense,
  embedding,
  flatten,
  globalAveragePooling,
  type Layer,
  layer,
  sequential,
  transformerEncoder,
} from '../nn/index.ts'

/** Of the encoder of one column. */
export interface EncoderSection {
  /** 'cnn': convolutions, of pictures and sounds; 'words': the mean of the words' vectors; 'transformer': words that see each other */
  readonly name: 'cnn' | 'words' | 'transformer'
  /** numbers of the vector */
  readonly size: number
  /** channels of each convolution */
  readonly filters: readonly number[]
}

export type EncoderInput =
  | EncoderSection['name']
  | (Partial<EncoderSection> & { readonly name: EncoderSection['name'] })
  | Layer

const names = ['cnn', 'words', 'transformer'] as const
const section = z.strictObject({
  name: z.enum(names),
  size: z.int().positive().default(32),
  filters: z.array(z.int().positive()).min(1).default([16, 32, 64]),
})
const ownLayer = z.custom<Layer>(
  (value) => typeof value === 'function' && 'apply' in value && 'kind' in value,
  'a layer made with quern/nn',
)

/** Encoders by the names of their columns; a column that is not named gets the one of its kind. */
export const encodersSection: z.ZodType<Encoders> = z
  .record(z.string(), z.union([z.enum(names).transform((name) => section.parse({ name })), section, ownLayer]))
  .default({})

export type Encoders = Readonly<Record<string, EncoderSection | Layer>>

/** Each convolution but the first halves the length; of a picture 4 x 4 places are kept, of a sound the mean over time. */
function convolutions({ filters, size }: EncoderSection, isPicture: boolean): Layer {
  const layers = filters.flatMap((count, i) => {
    const options = { filters: count, kernelSize: 3, padding: 'same', useBias: false } as const
    const more = i > 0 ? { strides: 2 } : {}
    return [
      isPicture ? conv2d({ ...options, ...more }) : conv1d({ ...options, ...more }),
      batchNormalization({ momentum: 0.9 }),
      activation('relu'),
    ]
  })
  const pooled = isPicture ? [adaptiveAveragePooling({ outputSize: [4, 4] }), flatten()] : [globalAveragePooling()]
  return sequential([...layers, ...pooled, dense({ units: size, activation: 'relu' })])
}

/** The mean of the vectors of the words that are there: `[batch, words]` -> `[batch, size]`. */
function meanOfWords(vocabulary: number, size: number, blocks: number): Layer {
  const vectors = embedding({ inputDim: vocabulary, outputDim: size, maskZero: true })
  const seen = Array.from({ length: blocks }, () => transformerEncoder({ numHeads: 4, intermediateDim: 2 * size }))
  return layer({
    kind: 'words',
    config: { vocabulary, size, blocks },
    apply: (c, [x]) => {
      const { g } = c
      let y = c.inner('embedding', vectors, [x!])
      for (const [i, block] of seen.entries()) y = c.inner(`block_${i + 1}`, block, [y])
      const real = g.cast(g.op('Not', [g.equal(x!, 0)]), 'float32')
      const count = g.max(g.sum(real, [1], true), 1)
      return g.div(g.sum(g.mul(y, g.unsqueeze(real, [2])), [1]), count)
    },
  })
}

/** What a model without hidden layers sees: a coarse picture, the mean spectrum, the mean of words' vectors. */
function plainEncoder({ column, feature }: OwnColumn): Layer {
  if (feature.dtype === 'int32') return meanOfWords(vocabularyOf(column.state), 8, 0)
  return feature.dtype === 'uint8'
    ? sequential([adaptiveAveragePooling({ outputSize: [4, 4] }), flatten()])
    : globalAveragePooling()
}

const vocabularyOf = (state: Record<string, unknown>): number => (state.values as readonly string[]).length + 2

/** Throws `config` for an encoder of a column that is none of those that are inputs of their own. */
export function checkEncoders(encoders: Encoders, columns: readonly OwnColumn[]): void {
  const known = columns.map(({ column }) => column.name)
  const other = Object.keys(encoders).find((name) => !known.includes(name))
  if (other === undefined) return
  throw new QuernError(
    'config',
    `encoders names '${other}', which is no column of pictures, sounds or words. ${known.length > 0 ? suggestion(other, known) : ''}`.trim(),
    { hint: "A text is read word by word with data.columns: { note: { feature: 'words' } }." },
  )
}

/** `[batch, size]` of what the column's feature gives. `linear`: for a model without hidden layers. */
export function encoderOf(own: OwnColumn, encoders: Encoders, linear: boolean): Layer {
  if (linear) return plainEncoder(own)
  const isWords = own.feature.dtype === 'int32'
  const given = encoders[own.column.name] ?? section.parse({ name: isWords ? 'words' : 'cnn' })
  if (typeof given === 'function') return given
  if (isWords !== (given.name !== 'cnn')) throw wrongEncoder(own, given.name)
  if (given.name === 'cnn') return convolutions(given, own.feature.dtype === 'uint8')
  return meanOfWords(vocabularyOf(own.column.state), given.size, given.name === 'transformer' ? 1 : 0)
}

function wrongEncoder({ column }: OwnColumn, name: string): QuernError {
  return new QuernError(
    'config',
    `encoder '${name}' does not read column '${column.name}', whose feature is ${column.feature}`,
    {
      hint: "'cnn' reads pictures and sounds, 'words' and 'transformer' the feature 'words' of texts.",
    },
  )
}
