/**
 * The manifest of a model bundle, `quern.json`: everything that is needed to use the model without the code that made it. Numeric
 * preprocessing is inside model.onnx; what cannot be a graph (decoding a picture) is described here.
 */
import { z } from 'zod'

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
  preprocessing: ImagePreprocessing
  /** class names in the order of the output */
  labels: string[]
  /** scores by split */
  metrics: Record<string, Record<string, number>>
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

const lineage = z.strictObject({
  run: z.string(),
  seed: z.int(),
  config: z.record(z.string(), z.unknown()),
  data: z.strictObject({ examples: z.record(z.string(), z.int()), sha256: z.string() }),
  epochs: z.int(),
  bestEpoch: z.int(),
  seconds: z.number(),
})

export const manifestSchema: z.ZodType<Manifest> = z.strictObject({
  format: z.literal(1),
  task: z.string(),
  name: z.string(),
  created: z.string(),
  inputs: z.array(port).min(1),
  outputs: z.array(port).min(1),
  preprocessing: imagePreprocessing,
  labels: z.array(z.string()).min(1),
  metrics: z.record(z.string(), z.record(z.string(), z.number())),
  lineage,
  versions: z.record(z.string(), z.string()),
  files: z.record(z.string(), z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
})
