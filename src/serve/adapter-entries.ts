/**
 * Adapters over one loaded base as entries of the catalog: each is a model of its own name, and all are computed by the sessions of the base, rows of different ones in
 * one batch.
 */

import { gateInput } from '../adapters/adapt-graph.ts'
import { gatedModel } from '../adapters/gated-model.ts'
import { type Adapter, readPeft } from '../adapters/index.ts'
import type { Tensor } from '../core/tensor.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { type BundleEntryOptions, bundleEntry } from './bundle-entry.ts'
import type { CatalogEntry } from './catalog.ts'
import type { Engine, EngineModel } from './engine/engine.ts'

/** The files of an adapter, read and hashed. */
export interface ServedAdapter {
  /** of the model that it becomes */
  readonly name: string
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly sha256: string
}

export interface AdapterEntriesOptions extends BundleEntryOptions {
  readonly adapters: readonly ServedAdapter[]
}

/** The base, and each adapter beside it under its own name, of the base's version. */
export function adapterEntries({ adapters, ...base }: AdapterEntriesOptions): CatalogEntry[] {
  // Whose files change is another model: all of them are loaded anew then.
  const files = Object.fromEntries(
    adapters.map(({ name, files: own, sha256 }) => {
      const bytes = Object.values(own).reduce((sum, { length }) => sum + length, 0)
      return [`adapters/${name}`, { bytes, sha256 }] as const
    }),
  )
  const manifest = { ...base.manifest, files: { ...base.manifest.files, ...files } }
  const shared = new SharedBase(base.engine, adapters)
  const entryOf = (adapter: string | undefined): CatalogEntry => {
    const name = adapter ?? base.name
    return { ...bundleEntry({ ...base, name, engine: shared.engineOf(adapter) }), manifest }
  }
  // Beside the base, which counts once, an adapter takes its own numbers in every session.
  const own = adapters.map(({ name }) => {
    const { bytes } = files[`adapters/${name}`]!
    return { ...entryOf(name), bytes: bytes * (1 + base.engine.sessionsOf(bytes)) }
  })
  return [entryOf(undefined), ...own]
}

interface GatedBase {
  readonly model: EngineModel
  gate(adapter: string | undefined, rows: number): Tensor
}

/** One model in the engine for several entries: loaded with the first of them, released with the last. */
class SharedBase {
  readonly #engine: BundleEntryOptions['engine']
  readonly #adapters: readonly ServedAdapter[]
  #users = 0
  #loading: Promise<GatedBase> | undefined

  constructor(engine: BundleEntryOptions['engine'], adapters: readonly ServedAdapter[]) {
    this.#engine = engine
    this.#adapters = adapters
  }

  /** An engine that loads the base for one of the entries. */
  engineOf(adapter: string | undefined): Pick<Engine, 'load' | 'sessionsOf'> {
    return {
      sessionsOf: (bytes) => this.#engine.sessionsOf(bytes),
      load: async (name, bytes, settings) => {
        this.#users++
        try {
          this.#loading ??= this.#load(name, bytes, settings)
          return this.#view(await this.#loading, adapter)
        } catch (error) {
          this.#users--
          this.#loading = undefined
          throw error
        }
      },
    }
  }

  async #load(...[name, bytes, settings]: Parameters<Engine['load']>): Promise<GatedBase> {
    const { graph } = await readModel(bytes)
    const adapters: Record<string, Adapter> = {}
    for (const { name: own, files } of this.#adapters) adapters[own] = await readPeft(graph, files)
    const gated = await gatedModel(graph, adapters)
    const model = await this.#engine.load(name, writeModel(gated.graph).model, settings)
    return { model, gate: gated.gate }
  }

  #view({ model, gate }: GatedBase, adapter: string | undefined): EngineModel {
    return {
      inputs: model.inputs.filter(({ name }) => name !== gateInput),
      outputs: model.outputs,
      queue: model.queue,
      run: (feeds, outputs, options) => {
        const rows = Object.values(feeds)[0]?.shape[0] ?? 1
        // The gate first: a property behind a spread is slow and leaves old memory in Node 20 (see infer-body.ts).
        return model.run({ [gateInput]: gate(adapter, rows), ...feeds }, outputs, options)
      },
      release: async () => {
        this.#users--
        if (this.#users > 0) return
        this.#loading = undefined
        await model.release()
      },
    }
  }
}
