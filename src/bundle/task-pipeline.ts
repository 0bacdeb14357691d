/** What a task adds to the general pipeline: how raw input becomes the graph's input, and how outputs are read. */
import type { Manifest } from '../contract/manifest.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'

/** One example: the bytes of an encoded picture, or the graph's input as numbers (with or without a batch axis of 1). */
export type PredictInput = Uint8Array | Tensor

/** One answer; lists of them stand in descending order of the score. */
export interface Prediction {
  readonly label: string
  /** probability, from 0 to 1 */
  readonly score: number
}

export interface PredictOptions {
  /** answers for each input; default 5, or as many as there are labels */
  readonly topK?: number
}

export interface PrepareContext {
  readonly manifest: Manifest
  /** undefined where pictures cannot be decoded; prepared tensors still can be used */
  readonly images: ImageDecoder | undefined
}

/** One record a task; pipeline.ts holds the table. */
export interface TaskPipeline {
  /** the manifest's `task` */
  readonly task: string
  /** Throws when the manifest's parts do not fit each other. */
  check(manifest: Manifest, what: string): void
  /** The graph's input for one example, `[1, ...]`. */
  prepare(input: Uint8Array, context: PrepareContext): Promise<Tensor>
  /** The answers for the example in a row of the first output. */
  answers(output: Tensor, row: number, manifest: Manifest, topK: number): Prediction[]
}
