/**
 * The entry `quern`: a project's configuration, and models at work. Light: what is heavy is loaded when a pipeline is made.
 */
import type { Answer, Estimate, PredictInput, Prediction, Row } from './bundle/task-pipeline.ts'
import type { Manifest } from './contract/manifest.ts'
import { QuernError } from './core/errors.ts'
import type { ProjectInput } from './tasks/index.ts'

/**
 * The configuration of a project, for quern.config.ts: it gives its argument back, and the editor checks it.
 *
 * @example
 * export default defineProject({
 *   task: 'image-classification',
 *   data: { source: './photos' },
 *   train: { epochs: 5 },
 * })
 */
export function defineProject(config: ProjectInput): ProjectInput {
  return config
}

/** A picture: the path of a file, a file URL, or the bytes of a PNG, JPEG, WebP, ... */
export type PictureInput = string | URL | Uint8Array

export interface PipelineOptions {
  /** where the graph runs; default 'cpu' */
  readonly device?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** threads of the runtime; default: one for each physical core */
  readonly threads?: number
}

export interface ClassifyOptions {
  /** answers for each picture; default 5 */
  readonly topK?: number
}

export interface ImageClassifier {
  /** The best labels, in descending order of their scores. */
  (picture: PictureInput, options?: ClassifyOptions): Promise<Prediction[]>
  (pictures: readonly PictureInput[], options?: ClassifyOptions): Promise<Prediction[][]>
  readonly manifest: Manifest
  /** Frees the native memory. */
  release(): Promise<void>
}

/** A row of a table: a value for each column that the model reads, null where it is not known. */
export type { Row } from './bundle/task-pipeline.ts'

export interface TablePredictor<A extends Answer> {
  /** Of a classifier the best labels, in descending order; of a regression its estimate. */
  (row: Row, options?: ClassifyOptions): Promise<A[]>
  (rows: readonly Row[], options?: ClassifyOptions): Promise<A[][]>
  readonly manifest: Manifest
  /** Frees the native memory. */
  release(): Promise<void>
}

/**
 * A model at work, in the style of transformers.js.
 *
 * @param model folder or .zip of a bundle, or a run of this project ('latest', an id)
 * @example
 * const classify = await pipeline('image-classification', './model')
 * await classify('cat.png')   // [{ label: 'cat', score: 0.98 }, ...]
 * const estimate = await pipeline('tabular-regression', './prices')
 * await estimate({ rooms: 3, city: 'Basel' })   // [{ target: 'price', value: 512000 }]
 */
export function pipeline(
  task: 'image-classification',
  model: string,
  options?: PipelineOptions,
): Promise<ImageClassifier>
/** A classification of several targets with numbers among them answers both: `pipeline<Prediction | Estimate>(...)`. */
export function pipeline<A extends Answer = Prediction>(
  task: 'tabular-classification' | 'tabular-multilabel',
  model: string,
  options?: PipelineOptions,
): Promise<TablePredictor<A>>
export function pipeline(
  task: 'tabular-regression',
  model: string,
  options?: PipelineOptions,
): Promise<TablePredictor<Estimate>>
export async function pipeline(task: string, model: string, options: PipelineOptions = {}): Promise<unknown> {
  const [{ createLibraryServices }, { readInput }, { openModel }] = await Promise.all([
    import('./cli/services.ts'),
    import('./cli/read-input.ts'),
    import('./actions/open-model.ts'),
  ])
  const opened = await openModel(createLibraryServices(), model, options)
  const { manifest } = opened.pipeline
  if (manifest.task !== task) {
    await opened.pipeline.release()
    throw new QuernError('input', `${model} is a model for ${manifest.task}, not for ${task}`)
  }
  const inputOf = (input: PictureInput | Row): Promise<PredictInput> | Row =>
    typeof input === 'string' || input instanceof URL || input instanceof Uint8Array ? readInput(input) : input
  async function answer(
    input: PictureInput | Row | readonly (PictureInput | Row)[],
    options: ClassifyOptions = {},
  ): Promise<Answer[] | Answer[][]> {
    if (Array.isArray(input)) return opened.pipeline.predictBatch(await Promise.all(input.map(inputOf)), options)
    return opened.pipeline.predict(await inputOf(input as PictureInput | Row), options)
  }
  return Object.assign(answer, { manifest, release: () => opened.pipeline.release() })
}

export type { Estimate, Prediction } from './bundle/task-pipeline.ts'
export type { Manifest } from './contract/manifest.ts'
export { type ErrorKind, QuernError } from './core/errors.ts'
export type { ProjectInput } from './tasks/index.ts'
