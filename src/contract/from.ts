/** Section `from` of a configuration: the model that training starts from, and what of it is trained. */
import { z } from 'zod'
import { type AdapterInput, type AdapterSection, adapterSection } from './adapter.ts'

/** Weights of the base that are trained: a word, names or patterns, a depth. */
export type SelectionSection =
  | 'all'
  | 'none'
  | 'head'
  | string
  | readonly string[]
  | { readonly last: number }
  | { readonly except: string | readonly string[] }

/** What stands behind the base: layers of `hidden` units with relu, dropout, and one output for each class. */
export interface HeadSection {
  readonly hidden: readonly number[]
  readonly dropout: number
}

/** How pixels of 0 to 255 become what the base was trained on: (pixel * scale - mean) / std, for each channel. */
export interface PixelSection {
  readonly scale: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** Section `from` with every default. */
export interface FromSection {
  /** an ONNX file, the folder or zip of a bundle, a run, or a folder in Hugging Face's layout */
  readonly model: string
  /** default 'none': the head alone; with head 'keep' and no adapter it is 'all' */
  readonly train?: SelectionSection | undefined
  /** trained beside the base's frozen weights, which stay as they are */
  readonly adapter?: AdapterSection | undefined
  /** value or node of the base behind which the head stands; default: what its own last layer takes (quern inspect MODEL) */
  readonly output?: string | undefined
  /** 'keep': the base's own output, for more training on the same classes */
  readonly head: 'keep' | HeadSection
  /** dropout while training behind values of the base, or false: none, not even where the file has some */
  readonly dropout?: false | Readonly<Record<string, number>> | undefined
  /** whose statistics batch normalisation uses while training */
  readonly batchNormalization: 'frozen' | 'batch'
  /** puts normalisation back behind convolutions into which an exporter has folded it: true for all, or names and patterns of layers */
  readonly restoreNormalization?: boolean | string | readonly string[] | undefined
  /** multiplies the learning rate of the base's weights */
  readonly learningRateFactor: number
  /** multiplies it once more for each layer further from the head */
  readonly layerDecay: number
  /** more of the base that is trained from an epoch on */
  readonly unfreeze: readonly { readonly epoch: number; readonly train: SelectionSection }[]
  /** default: what the folder's preprocessor_config.json says, or scale 1 / 255 */
  readonly pixels?: PixelSection | undefined
  /** computes what is frozen once for each picture and keeps it, where nothing random comes before it */
  readonly cacheFeatures: boolean
  /** data of what the base could do, in the same form as `data.source`: how much of it is forgotten is measured */
  readonly oldData?: string | undefined
}

/** Section `from` as a user writes it: a path, or settings. */
export type FromInput =
  | string
  | (Pick<FromSection, 'model'> &
      Partial<Omit<FromSection, 'model' | 'head' | 'adapter'>> & {
        readonly head?: 'keep' | Partial<HeadSection> | undefined
        readonly adapter?: AdapterInput | undefined
      })

const patterns = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])
const selection = z.union([
  patterns,
  z.strictObject({ last: z.int().positive() }),
  z.strictObject({ except: patterns }),
]) as z.ZodType<SelectionSection>
const rate = z.number().min(0).lt(1)

const section = z.strictObject({
  model: z.string().min(1),
  train: selection.optional(),
  adapter: adapterSection.optional(),
  output: z.string().min(1).optional(),
  head: z
    .union([
      z.literal('keep'),
      z.strictObject({ hidden: z.array(z.int().positive()).default([]), dropout: rate.default(0) }),
    ])
    .prefault({}),
  dropout: z.union([z.literal(false), z.record(z.string(), rate)]).optional(),
  batchNormalization: z.enum(['frozen', 'batch']).default('frozen'),
  restoreNormalization: z.union([z.boolean(), patterns]).optional(),
  learningRateFactor: z.number().positive().default(1),
  layerDecay: z.number().positive().max(1).default(1),
  unfreeze: z.array(z.strictObject({ epoch: z.int().min(2), train: selection })).default([]),
  pixels: z
    .strictObject({
      scale: z
        .number()
        .positive()
        .default(1 / 255),
      mean: z.array(z.number()).min(1).default([0]),
      std: z.array(z.number().positive()).min(1).default([1]),
    })
    .optional(),
  cacheFeatures: z.boolean().default(true),
  oldData: z.string().min(1).optional(),
})

export const fromSection: z.ZodType<FromSection, FromInput> = z.preprocess(
  (given) => (typeof given === 'string' ? { model: given } : given),
  section,
) as unknown as z.ZodType<FromSection, FromInput>
