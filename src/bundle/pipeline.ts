/**
 * A bundle at work. Evaluation, the command line and the server all predict through `Pipeline.infer`, so the same example gets
 * the same bits everywhere. Measured (pipeline.test.ts keeps it true): with ONNX Runtime's CPU kernels an image gives the
 * same bits alone and within any batch, since rows of a batch never share a sum and the weights are packed once; so
 * batches are free to be of any size. GPU providers do not promise that.
 *
 * Knows no task: what a task adds stands in its record.
 */
import type { Manifest } from '../contract/manifest.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import type { Backend, NamedTensors, Session, SessionOptions } from '../runtime/backend.ts'
import { type Bundle, modelFile } from './bundle.ts'
import { checkInputs, checkOutputs, comparePorts } from './check-tensors.ts'
import { imageClassification } from './image-classification.ts'
import { joinRows, prepareAhead } from './rows.ts'
import type { PredictInput, Prediction, PredictOptions, TaskPipeline } from './task-pipeline.ts'

const tasks: readonly TaskPipeline[] = [imageClassification]

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
  | { readonly index: number; readonly predictions: Prediction[] }
  | { readonly index: number; readonly error: QuernError }

export interface Pipeline {
  readonly manifest: Manifest
  /** Runs the graph once on tensors `[batch, ...]`. Checks names, types and shapes first; without `outputs`, all are computed. */
  infer(inputs: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>>
  /** The best labels for one picture, in descending order. */
  predict(input: PredictInput, options?: PredictOptions): Promise<Prediction[]>
  /** One list for each input, in their order. The first input that cannot be used is an error that says its number. */
  predictBatch(inputs: readonly PredictInput[], options?: BatchOptions): Promise<Prediction[][]>
  /** Answers as they come, in order; an input that cannot be used is an outcome of its own, and the others go on. */
  predictEach(inputs: Inputs, options?: BatchOptions): AsyncGenerator<Outcome>
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
  const task = tasks.find((record) => record.task === manifest.task)
  if (!task) {
    const known = tasks.map((record) => record.task)
    throw new QuernError('unsupported', `${what}: unknown task '${manifest.task}'. ${suggestion(manifest.task, known)}`)
  }
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

  async predict(input: PredictInput, options: PredictOptions = {}): Promise<Prediction[]> {
    const topK = checkedCount('topK', options.topK ?? 5)
    return (await this.#answers(await this.#prepare(input), topK))[0]!
  }

  async predictBatch(inputs: readonly PredictInput[], options: BatchOptions = {}): Promise<Prediction[][]> {
    const results: Prediction[][] = []
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
      const rows = chunk.filter((row): row is Tensor => !(row instanceof QuernError))
      const answers = rows.length > 0 ? await this.#answers(joinRows(rows), topK) : []
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

  /** One example as the graph takes it, `[1, ...]`, checked. */
  async #prepare(input: PredictInput): Promise<Tensor> {
    if (input instanceof Uint8Array) {
      return this.#task.prepare(input, { manifest: this.manifest, images: this.#images })
    }
    const port = this.manifest.inputs[0]!
    const isBare = input.shape.length === port.shape.length - 1
    const row = isBare ? { ...input, shape: [1, ...input.shape] } : input
    checkInputs({ [port.name]: row }, this.manifest)
    if (row.shape[0] === 1) return row
    throw new QuernError('input', `expected one example, received ${row.shape[0]}`, {
      hint: 'Give each example as a tensor of its own, or use infer for whole batches.',
    })
  }

  async #answers(rows: Tensor, topK: number): Promise<Prediction[][]> {
    const outputs = await this.infer({ [this.manifest.inputs[0]!.name]: rows })
    const output = outputs[this.manifest.outputs[0]!.name]!
    const answers: Prediction[][] = []
    for (let row = 0; row < rows.shape[0]!; row++) answers.push(this.#task.answers(output, row, this.manifest, topK))
    return answers
  }
}

function checkedCount(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value
  throw new QuernError('input', `${name} must be a whole number from 1 up, received ${value}`)
}
