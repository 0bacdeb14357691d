/**
 * The manifest of a model bundle, `quern.json`: everything that is needed to use the model without the code that made it. Numeric
 * preprocessing is inside model.onnx; what cannot be a graph (decoding a picture) is described here.
 */
import { z } from 'zod'

const dtype = z.string()
const shape = z.array(z.union([z.int().nonnegative(), z.string()]))

const port = z.strictObject({
  name: z.string(),
  dtype,
  /** the first dimension is the batch, by name */
  shape,
})

/** How a picture becomes the input: decoded, turned upright, resized, laid out `[channels, height, width]` as uint8. */
export const imagePreprocessing = z.strictObject({
  kind: z.literal('image'),
  height: z.int().positive(),
  width: z.int().positive(),
  channels: z.union([z.literal(1), z.literal(3)]),
  fit: z.enum(['cover', 'contain', 'fill']),
  /** red, green and blue behind transparent pixels and borders */
  background: z.tuple([z.int(), z.int(), z.int()]).readonly(),
})

const scores = z.record(z.string(), z.number())

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  task: z.string(),
  name: z.string(),
  /** ISO 8601 */
  created: z.string(),
  inputs: z.array(port).min(1),
  outputs: z.array(port).min(1),
  preprocessing: imagePreprocessing,
  /** class names in the order of the output */
  labels: z.array(z.string()).min(1),
  /** scores by split */
  metrics: z.record(z.string(), scores),
  lineage: z.strictObject({
    run: z.string(),
    seed: z.int(),
    /** the resolved configuration */
    config: z.record(z.string(), z.unknown()),
    data: z.strictObject({
      /** examples by split */
      examples: z.record(z.string(), z.int()),
      /** sha256 over the data that the model was trained on */
      sha256: z.string(),
    }),
    epochs: z.int(),
    bestEpoch: z.int(),
    seconds: z.number(),
  }),
  versions: z.record(z.string(), z.string()),
  /** every other file of the bundle */
  files: z.record(
    z.string(),
    z.strictObject({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
})

export type Manifest = z.output<typeof manifestSchema>
export type ImagePreprocessing = z.output<typeof imagePreprocessing>
export type Port = z.output<typeof port>
