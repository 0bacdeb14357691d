/** A bundle as an entry of the catalog: read when it is loaded, computed by the engine's workers. */
import { checkInputs, checkOutputs } from '../bundle/check-tensors.ts'
import {
  type BatchOptions,
  type Bundle,
  createPipeline,
  type Inputs,
  type Outcome,
  type Pipeline,
  type PredictInput,
  type PredictOptions,
} from '../bundle/index.ts'
import type { Manifest } from '../contract/manifest.ts'
import type { TrainingProfile } from '../contract/training-profile.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import type { NamedTensors, Session } from '../runtime/backend.ts'
import type { CatalogEntry, LoadedModel, ModelPipeline } from './catalog.ts'
import { type BatchSettings, defaultBatchSettings } from './engine/batcher.ts'
import type { Engine, EngineModel } from './engine/engine.ts'
import type { QueueState } from './engine/scheduler.ts'
import type { RunOptions } from './passage.ts'
import { isSame } from './sync-catalog.ts'

export interface BundleEntryOptions {
  readonly name: string
  readonly version: string
  readonly manifest: Manifest
  /** reads the bundle and compares its checksums */
  readonly open: () => Promise<Bundle>
  readonly engine: Pick<Engine, 'load' | 'sessionsOf'>
  readonly images: ImageDecoder | undefined
  readonly batching?: { readonly [Key in keyof BatchSettings]?: BatchSettings[Key] | undefined } | undefined
  /** told when the model is loaded, before its first run: who watches it */
  readonly onLoaded?: OnLoaded | undefined
}

/** A version that was loaded, or loaded again. */
export interface LoadedVersion {
  readonly name: string
  readonly version: string
  readonly manifest: Manifest
  /** of its training split; undefined where the bundle has none */
  readonly profile: TrainingProfile | undefined
  readonly queue: QueueState
}

export type OnLoaded = (loaded: LoadedVersion) => void

/** Weights are kept by each worker's session, beside them a packed copy of those that are multiplied; the rest is code and scratch memory. */
const copiesOfWeights = 2
const memoryOfSession = 4 * 2 ** 20

export function bundleEntry(options: BundleEntryOptions): CatalogEntry {
  const { name, version, manifest, engine, images, batching } = options
  const size = Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, 0)
  return {
    name,
    version,
    manifest,
    bytes: size + engine.sessionsOf(size) * (copiesOfWeights * size + memoryOfSession),
    async load() {
      const bundle = await options.open()
      if (!isSame(bundle.manifest, manifest)) {
        throw new QuernError('input', `the bundle of model '${name}' is another than when it was listed`, {
          hint: 'POST /admin/reload takes the new one.',
        })
      }
      const {
        maxRows = defaultBatchSettings.maxRows,
        maxDelayMilliseconds = defaultBatchSettings.maxDelayMilliseconds,
        maxQueued = defaultBatchSettings.maxQueued,
      } = batching ?? {}
      const rows = hasFreeBatch(bundle.manifest) ? maxRows : 1
      const model = await engine.load(name, bundle.model, { maxRows: rows, maxDelayMilliseconds, maxQueued })
      // The sessions have the bytes: the rest of the bundle is all that predictions need.
      const description = { ...bundle, model: new Uint8Array() }
      try {
        await RequestPipeline.check(description, model, images)
      } catch (error) {
        await model.release()
        throw error
      }
      const { profile } = bundle
      options.onLoaded?.({ name, version, manifest: bundle.manifest, profile, queue: model.queue })
      return loaded(description, model, images)
    },
  }
}

function loaded(bundle: Bundle, model: EngineModel, images: ImageDecoder | undefined): LoadedModel {
  return {
    pipeline: (run) => new RequestPipeline(bundle, model, images, run),
    release: () => model.release(),
  }
}

/** Whether examples of several requests may be computed in one run: the first size of every input and output has a name, and the same one. */
export function hasFreeBatch({ inputs, outputs }: Pick<Manifest, 'inputs' | 'outputs'>): boolean {
  const first = inputs[0]!.shape[0]
  return typeof first === 'string' && [...inputs, ...outputs].every(({ shape }) => shape[0] === first)
}

/** The pipeline of one request: its runs carry the request's deadline, priority and signal. Decoding and answers are the bundle's own. */
class RequestPipeline implements ModelPipeline {
  readonly manifest: Manifest
  readonly #bundle: Bundle
  readonly #model: EngineModel
  readonly #images: ImageDecoder | undefined
  readonly #run: RunOptions

  constructor(bundle: Bundle, model: EngineModel, images: ImageDecoder | undefined, run: RunOptions) {
    this.manifest = bundle.manifest
    this.#bundle = bundle
    this.#model = model
    this.#images = images
    this.#run = run
  }

  /** Throws when the graph is not the one that the manifest describes. */
  static async check(bundle: Bundle, model: EngineModel, images: ImageDecoder | undefined): Promise<void> {
    await new RequestPipeline(bundle, model, images, {}).#full()
  }

  infer(inputs: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    try {
      checkInputs(inputs, this.manifest)
      if (outputs) checkOutputs(outputs, this.manifest)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#model.run(inputs, outputs, this.#run)
  }

  async predict(input: PredictInput, options?: PredictOptions): ReturnType<Pipeline['predict']> {
    return (await this.#full()).predict(input, options)
  }

  async predictBatch(inputs: readonly PredictInput[], options?: BatchOptions): ReturnType<Pipeline['predictBatch']> {
    return (await this.#full()).predictBatch(inputs, options)
  }

  async *predictEach(inputs: Inputs, options?: BatchOptions): AsyncGenerator<Outcome> {
    yield* (await this.#full()).predictEach(inputs, options)
  }

  #full(): Promise<Pipeline> {
    const { inputs, outputs } = this.#model
    const session: Session = {
      inputs,
      outputs,
      run: (feeds, asked) => this.#model.run(feeds, asked, this.#run),
      bind: () => {
        throw new TypeError('a session of the server is not bound')
      },
      release: async () => undefined,
    }
    const backend = { name: 'workers', createSession: async () => session }
    return createPipeline(this.#bundle, { backend, images: this.#images })
  }
}
