/**
 * The manifest of a model bundle, `quern.json`: everything that is needed to use the model without the code that made it. Numeric
 * preprocessing is inside model.onnx; what cannot be a graph (decoding a picture) is described here.
 */
import { z } from 'zod'
import { keptRules, type ValueRule } from './clean.ts'

/** An input or output of the graph; the first dimension is the batch, by name. */
export interface Port {
  name: string
  dtype: string
  shape: (number | string)[]
}

/** How a picture becomes the input: decoded, turned upright, resized, laid out `[channels, height, width]` as uint8. */
export interface ImagePreprocessing {
  kind: 'image'
  height: number
  width: number
  channels: 1 | 3
  fit: 'cover' | 'contain' | 'fill'
  /** red, green and blue behind transparent pixels and borders */
  background: readonly [number, number, number]
}

/** A column that the model reads: what kind of values it holds, by which feature they go in, and what that feature learnt. */
export interface TableColumn {
  name: string
  /** 'number', 'boolean', 'category', 'date', 'text' */
  kind: string
  /** name of the feature's record (data/features/) */
  feature: string
  /** what was fitted on the training split */
  state: Record<string, unknown>
}

/** What is answered of one target of several. */
export interface TargetAnswer {
  /** name of the column */
  target: string
  /** name of the model's output */
  output: string
  /** class names in the order of the output; empty where the answer is a number */
  labels: string[]
}

/** How a row of named values becomes the inputs: strings are looked up, dates taken apart; everything numeric is in the graph. */
export interface TablePreprocessing {
  kind: 'table'
  columns: TableColumn[]
  /** what the model answers, one column or several: not read, but it may stand in a row */
  target: string | string[]
  /** of several targets with classes among them, in their order: each is an output of its own */
  answers?: TargetAnswer[] | undefined
  /** texts that mean that there is no value */
  missing: string[]
  /** rules that change values before anything else, in this order */
  clean?: ValueRule[] | undefined
}

/** Columns that are answered, however they are written. */
export function targetsOf(target: string | readonly string[] | Readonly<Record<string, unknown>>): readonly string[] {
  if (typeof target === 'string') return [target]
  return Array.isArray(target) ? (target as readonly string[]) : Object.keys(target)
}

/** What a model answers of each of its targets; undefined where it has one, or several that are all numbers of one output. */
export function answersOf({
  preprocessing,
}: {
  readonly preprocessing: Preprocessing
}): readonly TargetAnswer[] | undefined {
  return preprocessing.kind === 'table' ? preprocessing.answers : undefined
}

/** What the numbers of an answer are called: by their columns, those of one column by their places. */
export function numberNames({ target }: Pick<TablePreprocessing, 'target'>, width: number): readonly string[] {
  const targets = targetsOf(target)
  if (targets.length === width) return targets
  return Array.from({ length: width }, (_, i) => `${targets[0]}[${i}]`)
}

export type Preprocessing = ImagePreprocessing | TablePreprocessing

export interface Lineage {
  run: string
  seed: number
  /** the resolved configuration */
  config: Record<string, unknown>
  data: {
    /** examples by split */
    examples: Record<string, number>
    /** sha256 over the data that the model was trained and scored on */
    sha256: string
  }
  epochs: number
  bestEpoch: number
  seconds: number
}

export interface Manifest {
  format: 1
  task: string
  name: string
  /** ISO 8601 */
  created: string
  inputs: Port[]
  outputs: Port[]
  preprocessing: Preprocessing
  /** class names in the order of the output; none where the answer is a number */
  labels: string[]
  /** scores by split */
  metrics: Record<string, Record<string, number>>
  /** scores of simple models that were trained beside it, by name and split: what depth must beat */
  baselines?: Record<string, Record<string, Record<string, number>>> | undefined
  lineage: Lineage
  versions: Record<string, string>
  /** every other file of the bundle */
  files: Record<string, { bytes: number; sha256: string }>
}

const count = z.int().nonnegative()

const port = z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(z.union([count, z.string()])) })

const imagePreprocessing = z.strictObject({
  kind: z.literal('image'),
  height: z.int().positive(),
  width: z.int().positive(),
  channels: z.union([z.literal(1), z.literal(3)]),
  fit: z.enum(['cover', 'contain', 'fill']),
  background: z.tuple([z.int(), z.int(), z.int()]).readonly(),
})

const tablePreprocessing = z.strictObject({
  kind: z.literal('table'),
  columns: z
    .array(
      z.strictObject({
        name: z.string(),
        kind: z.string(),
        feature: z.string(),
        state: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1),
  target: z.union([z.string(), z.array(z.string()).min(1)]),
  answers: z
    .array(z.strictObject({ target: z.string(), output: z.string(), labels: z.array(z.string()) }))
    .min(2)
    .optional(),
  missing: z.array(z.string()),
  clean: keptRules.optional(),
})

const lineage = z.strictObject({
  run: z.string(),
  seed: z.int(),
  config: z.record(z.string(), z.unknown()),
  data: z.strictObject({ examples: z.record(z.string(), z.int()), sha256: z.string() }),
  epochs: z.int(),
  bestEpoch: z.int(),
  seconds: z.number(),
})

const scores = z.record(z.string(), z.record(z.string(), z.number()))

export const manifestSchema: z.ZodType<Manifest> = z.strictObject({
  format: z.literal(1),
  task: z.string(),
  name: z.string(),
  created: z.string(),
  inputs: z.array(port).min(1),
  outputs: z.array(port).min(1),
  preprocessing: z.discriminatedUnion('kind', [imagePreprocessing, tablePreprocessing]),
  labels: z.array(z.string()),
  metrics: scores,
  baselines: z.record(z.string(), scores).optional(),
  lineage,
  versions: z.record(z.string(), z.string()),
  files: z.record(z.string(), z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
})
