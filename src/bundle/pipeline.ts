/**
 * A bundle at work. Evaluation, the command line and the server all predict through `Pipeline.infer`, so the same example gets
 * the same bits everywhere. Measured (pipeline.test.ts keeps it true): with ONNX Runtime's CPU kernels an image gives the
 * same bits alone and within any batch, since rows of a batch never share a sum and the weights are packed once; so
 * batches are free to be of any size. GPU providers do not promise that.
 *
 * Knows no task: what a task adds stands in its record.
 */
import type { Manifest } from '../contract/manifest.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import type { Backend, NamedTensors, Session, SessionOptions } from '../runtime/backend.ts'
import { type Bundle, modelFile } from './bundle.ts'
import { checkInputs, checkOutputs, comparePorts } from './check-tensors.ts'
import { joinFeeds, prepareAhead } from './rows.ts'
import type { Answer, PredictInput, PredictOptions, TaskPipeline } from './task-pipeline.ts'
import { taskPipelineOf } from './tasks.ts'

export interface PipelineOptions {
  readonly backend: Backend
  /** needed to predict from encoded pictures */
  readonly images?: ImageDecoder | undefined
  /** device and threads */
  readonly session?: SessionOptions
}

export interface BatchOptions extends PredictOptions {
  /** examples in one run of the graph; default 32 */
  readonly batchSize?: number
}

/** What came of one of many inputs; `index` counts them from 0. */
export type Outcome =
  | { readonly index: number; readonly predictions: Answer[] }
  | { readonly index: number; readonly error: QuernError }

export interface Pipeline {
  readonly manifest: Manifest
  /** Runs the graph once on tensors `[batch, ...]`. Checks names, types and shapes first; without `outputs`, all are computed. */
  infer(inputs: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>>
  /** The answers for one example: of a classifier the best labels in descending order, of a regression its estimate. */
  predict(input: PredictInput, options?: PredictOptions): Promise<Answer[]>
  /** One list for each input, in their order. The first input that cannot be used is an error that says its number. */
  predictBatch(inputs: readonly PredictInput[], options?: BatchOptions): Promise<Answer[][]>
  /** Answers as they come, in order; an input that cannot be used is an outcome of its own, and the others go on. */
  predictEach(inputs: Inputs, options?: BatchOptions): AsyncGenerator<Outcome>
  /** Values that training has not seen and that were taken as unknown so far, counted by column. */
  readonly unseen: ReadonlyMap<string, number>
  /** Frees the runtime's memory after the runs that are under way. */
  release(): Promise<void>
}

export type Inputs = Iterable<PredictInput> | AsyncIterable<PredictInput>

/**
 * Loads the model of a bundle. Throws when the graph is not the one that the manifest describes.
 *
 * @example
 * const pipeline = await createPipeline(await openBundle(folder, './model'), { backend: createNodeBackend(), images })
 * await pipeline.predict(png)   // [{ label: 'cat', score: 0.98 }, ...]
 */
export async function createPipeline(bundle: Bundle, options: PipelineOptions): Promise<Pipeline> {
  const { manifest, what } = bundle
  const task = taskPipelineOf(manifest, what)
  task.check(manifest, what)
  const session = await createSession(bundle, options)
  try {
    comparePorts(manifest.inputs, session.inputs, 'input', what)
    comparePorts(manifest.outputs, session.outputs, 'output', what)
  } catch (error) {
    await session.release()
    throw error
  }
  return new BundlePipeline(manifest, task, session, options.images)
}

async function createSession({ model, what }: Bundle, { backend, session }: PipelineOptions): Promise<Session> {
  try {
    return await backend.createSession(model, session)
  } catch (cause) {
    const kind = cause instanceof QuernError ? cause.kind : 'input'
    const hint = cause instanceof QuernError ? cause.hint : undefined
    throw new QuernError(kind, `${what}: ${modelFile}: ${messageOf(cause)}`, { hint, cause })
  }
}

class BundlePipeline implements Pipeline {
  readonly manifest: Manifest
  readonly unseen: Map<string, number> = new Map()
  readonly #task: TaskPipeline
  readonly #session: Session
  readonly #images: ImageDecoder | undefined
  readonly #running = new Set<Promise<unknown>>()
  #released = false

  constructor(manifest: Manifest, task: TaskPipeline, session: Session, images: ImageDecoder | undefined) {
    this.manifest = manifest
    this.#task = task
    this.#session = session
    this.#images = images
  }

  async infer(inputs: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    if (this.#released) throw new QuernError('input', `model '${this.manifest.name}' was released`)
    checkInputs(inputs, this.manifest)
    if (outputs) checkOutputs(outputs, this.manifest)
    const run = this.#session.run(inputs, outputs)
    this.#running.add(run)
    try {
      return await run
    } finally {
      this.#running.delete(run)
    }
  }

  async predict(input: PredictInput, options: PredictOptions = {}): Promise<Answer[]> {
    const topK = checkedCount('topK', options.topK ?? 5)
    return (await this.#answers(await this.#prepare(input), topK))[0]!
  }

  async predictBatch(inputs: readonly PredictInput[], options: BatchOptions = {}): Promise<Answer[][]> {
    const results: Answer[][] = []
    for await (const outcome of this.predictEach(inputs, options)) {
      if ('predictions' in outcome) results.push(outcome.predictions)
      else {
        const { kind, message, hint } = outcome.error
        throw new QuernError(kind, `input ${outcome.index}: ${message}`, { hint, cause: outcome.error })
      }
    }
    return results
  }

  async *predictEach(inputs: Inputs, options: BatchOptions = {}): AsyncGenerator<Outcome> {
    const topK = checkedCount('topK', options.topK ?? 5)
    const size = checkedCount('batchSize', options.batchSize ?? 32)
    let index = 0
    for await (const chunk of prepareAhead(inputs, size, (input) => this.#prepare(input))) {
      const rows = chunk.filter((row): row is NamedTensors => !(row instanceof QuernError))
      const answers = rows.length > 0 ? await this.#answers(joinFeeds(rows), topK) : []
      let row = 0
      for (const prepared of chunk) {
        if (prepared instanceof QuernError) yield { index, error: prepared }
        else yield { index, predictions: answers[row++]! }
        index++
      }
    }
  }

  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await Promise.allSettled(this.#running)
    await this.#session.release()
  }

  /** One example as the graph takes it, `[1, ...]` each. */
  #prepare(input: PredictInput): Promise<NamedTensors> {
    const onUnseen = (column: string): void => void this.unseen.set(column, (this.unseen.get(column) ?? 0) + 1)
    return this.#task.prepare(input, { manifest: this.manifest, images: this.#images, onUnseen })
  }

  async #answers(feeds: NamedTensors, topK: number): Promise<Answer[][]> {
    const outputs = await this.infer(feeds)
    const count = feeds[this.manifest.inputs[0]!.name]!.shape[0]!
    return Array.from({ length: count }, (_, row) => this.#task.answers(outputs, row, this.manifest, topK))
  }
}

function checkedCount(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value
  throw new QuernError('input', `${name} must be a whole number from 1 up, received ${value}`)
}
