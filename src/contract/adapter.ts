/** Key `from.adapter` of a configuration: small trained parts beside the frozen weights of the model that training starts from. */
import { z } from 'zod'

/** Names or patterns of weights or modules; a plain name also means modules that end in it. Absent: every frozen product and convolution. */
type TargetsSection = string | readonly string[]

/** W + s B A, with every default but alpha's, which is the rank. */
export interface LoraSection {
  readonly method: 'lora'
  readonly rank: number
  readonly alpha?: number | undefined
  readonly dropout: number
  readonly targets?: TargetsSection | undefined
  /** s = alpha / sqrt(rank) in place of alpha / rank */
  readonly rankStabilized: boolean
  /** DoRA: the length of each output's weights is trained too */
  readonly decomposed: boolean
}

/** Factors on what products compute, or on what they are given. */
export interface Ia3Section {
  readonly method: 'ia3'
  readonly targets?: TargetsSection | undefined
  /** those of the targets whose inputs are multiplied */
  readonly feedForward?: TargetsSection | undefined
}

export type AdapterSection = LoraSection | Ia3Section

/** As a user writes it: a method by name, or its settings. */
export type AdapterInput =
  | AdapterSection['method']
  | (Pick<LoraSection, 'method'> & Partial<Omit<LoraSection, 'method'>>)
  | Ia3Section

const targets = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional()

const section = z.discriminatedUnion('method', [
  z.strictObject({
    method: z.literal('lora'),
    rank: z.int().positive().default(8),
    alpha: z.number().positive().optional(),
    dropout: z.number().min(0).lt(1).default(0),
    targets,
    rankStabilized: z.boolean().default(false),
    decomposed: z.boolean().default(false),
  }),
  z.strictObject({ method: z.literal('ia3'), targets, feedForward: targets }),
])

export const adapterSection: z.ZodType<AdapterSection, AdapterInput> = z.preprocess(
  (given) => (typeof given === 'string' ? { method: given } : given),
  section,
) as unknown as z.ZodType<AdapterSection, AdapterInput>
