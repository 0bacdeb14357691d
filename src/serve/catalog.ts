/**
 * The models that a server answers for: names, versions of them, and what is loaded of them now. A version is loaded when it is first asked for; when
 * the memory that loaded versions take passes the budget, those that were not used for the longest time leave. A version that somebody
 * uses never leaves under them: removed or replaced, it is released after its last user.
 */
import type { Pipeline } from '../bundle/index.ts'
import { modelName } from '../contract/config.ts'
import type { Manifest } from '../contract/manifest.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import { type Aliases, resolveVersion, type ShadowReport } from './aliases.ts'
import type { RunOptions } from './passage.ts'
import { RequestError } from './request-error.ts'

/** A version that can be loaded. */
export interface CatalogEntry {
  /** the part of the address that names it */
  readonly name: string
  readonly version: string
  readonly manifest: Manifest
  /** memory that it takes when it is loaded */
  readonly bytes: number
  /** Ready to answer: warmed up. */
  load(): Promise<LoadedModel>
}

/** What a request may do with a model. */
export type ModelPipeline = Pick<Pipeline, 'manifest' | 'infer' | 'predict' | 'predictBatch' | 'predictEach'>

export interface LoadedModel {
  /** A pipeline whose runs carry the options: cheap, one for each request. */
  pipeline(options: RunOptions): ModelPipeline
  /** Resolves when its memory is free; nobody uses it then. */
  release(): Promise<void>
}

/** A loaded version and the duty to give it back. */
export interface Lease {
  readonly entry: CatalogEntry
  readonly model: LoadedModel
  /** once */
  release(): void
}

export type VersionState = 'unloaded' | 'loading' | 'ready' | 'failed'

/** A version as it is listed. */
export interface VersionInfo extends Pick<CatalogEntry, 'name' | 'version' | 'manifest' | 'bytes'> {
  readonly state: VersionState
  /** why it could not be loaded */
  readonly reason: string | undefined
  readonly users: number
}

export interface CatalogOptions {
  /** of all loaded versions; default: no limit */
  readonly memoryBytes?: number
  readonly clock: Clock
  readonly log: Log
  /** whether what computes is there; default: it always is */
  readonly isAble?: () => boolean
  /** told what versions that only look on would have answered */
  readonly onShadow?: (report: ShadowReport) => void
}

interface Slot {
  readonly entry: CatalogEntry
  users: number
  lastUsed: number
  loading: Promise<LoadedModel> | undefined
  model: LoadedModel | undefined
  reason: string | undefined
  isRemoved: boolean
}

export class Catalog {
  readonly #slots = new Map<string, Slot[]>()
  readonly #aliases = new Map<string, Aliases>()
  /** no longer listed, but still in use */
  readonly #retired = new Set<Slot>()
  readonly #releasing = new Set<Promise<void>>()
  readonly #memoryBytes: number
  readonly #clock: Clock
  readonly #isAble: () => boolean
  readonly log: Log
  readonly onShadow: ((report: ShadowReport) => void) | undefined

  constructor({ memoryBytes = Infinity, clock, log, isAble = () => true, onShadow }: CatalogOptions) {
    this.#memoryBytes = memoryBytes
    this.#clock = clock
    this.log = log
    this.#isAble = isAble
    this.onShadow = onShadow
  }

  /** Whether a request for a model could be computed now. */
  get isAble(): boolean {
    return this.#isAble()
  }

  /** Every version, in the order in which they came. */
  get all(): readonly VersionInfo[] {
    return [...this.#slots.values()].flat().map(infoOf)
  }

  get names(): readonly string[] {
    return [...this.#slots.keys()]
  }

  /** Versions of a model; throws `missing` when there is no such model. */
  versions(name: string): readonly VersionInfo[] {
    return this.#of(name).map(infoOf)
  }

  /** The version that a request for it gets, without loading it. `version` may be an alias; `chance` (0 to 1) chooses between stable and canary. */
  find(name: string, version?: string, chance = 1): VersionInfo {
    return infoOf(this.#slot(name, version, chance))
  }

  /** The only model's name; when there are several, one must be named. */
  only(where = '/predict/'): string {
    const { names } = this
    if (names.length === 1) return names[0]!
    const hint = names.length === 0 ? undefined : `Known: ${names.join(', ')}.`
    const example = names.length === 0 ? '' : `, as in ${where}${names[0]}`
    throw new QuernError('input', `this server has ${names.length} models: name one${example}`, { hint })
  }

  aliases(name: string): Aliases {
    this.#of(name)
    return this.#aliases.get(name) ?? {}
  }

  /** Points aliases of a model to its versions; those that are not mentioned stay. Throws when a version does not exist. */
  setAliases(name: string, aliases: Aliases): void {
    const merged = { ...this.aliases(name), ...aliases }
    for (const version of [merged.stable, merged.canary?.version, merged.shadow]) {
      if (version !== undefined) this.#exact(name, version)
    }
    this.#aliases.set(name, merged)
  }

  /** Lists a version, unloaded. Throws when its name cannot stand in an address, or when it is there already. */
  add(entry: CatalogEntry): void {
    const { name, version } = entry
    for (const word of [name, version]) if (!modelName.test(word)) throw unservable(word)
    const slots = this.#slots.get(name) ?? []
    if (slots.some((slot) => slot.entry.version === version)) {
      throw new QuernError('config', `version ${version} of model '${name}' comes twice`)
    }
    slots.push({
      entry,
      users: 0,
      lastUsed: 0,
      loading: undefined,
      model: undefined,
      reason: undefined,
      isRemoved: false,
    })
    this.#slots.set(name, slots)
  }

  /**
   * A hot swap: loads and warms the version, lists it in place of one of the same name, makes it the stable one, and lets the others finish. Until it
   * is ready requests are answered by what was there; when it cannot be loaded, nothing changes and the error is thrown.
   */
  async swap(entry: CatalogEntry): Promise<void> {
    const { name, version } = entry
    for (const word of [name, version]) if (!modelName.test(word)) throw unservable(word)
    const model = await entry.load()
    const slots = this.#slots.get(name) ?? []
    const fresh: Slot = {
      entry,
      users: 0,
      lastUsed: this.#clock.now(),
      loading: undefined,
      model,
      reason: undefined,
      isRemoved: false,
    }
    const old = slots.find((slot) => slot.entry.version === version)
    this.#slots.set(name, old ? slots.map((slot) => (slot === old ? fresh : slot)) : [...slots, fresh])
    this.#aliases.set(name, { ...this.#aliases.get(name), stable: version })
    if (old) this.#retire(old)
    this.#makeRoom(fresh)
  }

  /** Throws `config` for a version that has no room even alone: it could never be loaded. */
  checkSize({ name, bytes }: Pick<CatalogEntry, 'name' | 'bytes'>): void {
    if (bytes <= this.#memoryBytes) return
    throw new QuernError('config', this.#tooLarge(name, bytes), {
      hint: 'Raise memory (--memory), or leave the model out. What a model needs is about its size twice for each worker.',
    })
  }

  #tooLarge(name: string, bytes: number): string {
    const [needed, all] = [Math.ceil(bytes / 2 ** 20), Math.floor(this.#memoryBytes / 2 ** 20)]
    return `model '${name}' needs ${needed} MB, the server has ${all} MB for all models`
  }

  /** Takes a version away: no new request gets it, those that have it finish. */
  remove(name: string, version: string): void {
    const gone = this.#exact(name, version)
    const left = this.#of(name).filter((slot) => slot !== gone)
    if (left.length > 0) this.#slots.set(name, left)
    else this.#slots.delete(name)
    this.#aliases.set(name, withoutVersion(this.#aliases.get(name) ?? {}, version))
    if (left.length === 0) this.#aliases.delete(name)
    this.#retire(gone)
  }

  /** Loads a version, or all that the name's requests may get, now rather than at its first request. */
  async load(name: string, version?: string): Promise<void> {
    ;(await this.lease(name, version)).release()
  }

  /** Frees what a version takes after its users; it is loaded again when it is asked for. */
  unload(name: string, version?: string): void {
    this.#evict(this.#slot(name, version, 1))
  }

  /** A loaded version, counted as used until the lease is released. Loads it when it is not. */
  lease(name: string, version?: string, chance = 1): Lease | Promise<Lease> {
    const slot = this.#slot(name, version, chance)
    const release = this.#use(slot)
    // Already loaded, the usual case, waits for nothing.
    if (slot.model) return { entry: slot.entry, model: slot.model, release }
    return this.#load(slot).then(
      (model) => {
        slot.lastUsed = this.#clock.now()
        return { entry: slot.entry, model, release }
      },
      (error: unknown) => {
        release()
        throw error
      },
    )
  }

  /** Counts one user more; what it returns takes it away, once. */
  #use(slot: Slot): () => void {
    slot.users++
    slot.lastUsed = this.#clock.now()
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      slot.users--
      slot.lastUsed = this.#clock.now()
      if (slot.isRemoved) this.#retire(slot)
    }
  }

  /** Releases all models, after their users. */
  async close(): Promise<void> {
    for (const slot of [...this.#slots.values(), [...this.#retired]].flat()) {
      slot.isRemoved = true
      this.#evict(slot, true)
    }
    await Promise.all(this.#releasing)
  }

  async #load(slot: Slot): Promise<LoadedModel> {
    const { name, bytes } = slot.entry
    if (bytes > this.#memoryBytes) throw new RequestError(503, this.#tooLarge(name, bytes))
    // Everybody who asks meanwhile waits for the same.
    if (!slot.loading) {
      this.#makeRoom(slot)
      slot.loading = this.#loadNow(slot)
    }
    return slot.loading
  }

  async #loadNow(slot: Slot): Promise<LoadedModel> {
    const { name, version } = slot.entry
    try {
      const model = await slot.entry.load()
      slot.model = model
      slot.reason = undefined
      return model
    } catch (error) {
      slot.reason = messageOf(error)
      this.log.warn(`version ${version} of model '${name}' could not be loaded: ${slot.reason}`)
      if (error instanceof RequestError) throw error
      // Whatever is wrong with the bundle is not wrong with the request.
      throw new RequestError(503, `model '${name}' cannot be loaded now; the log of the server says why`, {
        cause: error,
      })
    } finally {
      slot.loading = undefined
    }
  }

  /** Lets the least recently used go until `wanted` fits; throws 503 when those that are in use leave too little. */
  #makeRoom(wanted: Slot): void {
    const loaded = [...this.#slots.values(), [...this.#retired]]
      .flat()
      .filter((slot) => slot !== wanted && (slot.model || slot.loading))
    let taken = loaded.reduce((sum, slot) => sum + slot.entry.bytes, wanted.entry.bytes)
    const idle = loaded.filter((slot) => slot.users === 0 && slot.model).sort((a, b) => a.lastUsed - b.lastUsed)
    for (const slot of idle) {
      if (taken <= this.#memoryBytes) return
      taken -= slot.entry.bytes
      this.#evict(slot)
    }
    if (taken <= this.#memoryBytes || wanted.model) return
    throw new RequestError(503, `there is no memory for model '${wanted.entry.name}' now: all loaded models are in use`)
  }

  #evict(slot: Slot, evenUsed = false): void {
    const { model } = slot
    if (!model) return
    if (slot.users > 0 && !evenUsed) {
      // Its users keep it; the next request gets a fresh slot.
      const { name } = slot.entry
      const fresh: Slot = { ...slot, users: 0, loading: undefined, model: undefined, reason: undefined }
      this.#slots.set(
        name,
        (this.#slots.get(name) ?? []).map((other) => (other === slot ? fresh : other)),
      )
      this.#retire(slot)
      return
    }
    slot.model = undefined
    const gone = model
      .release()
      .catch((error: unknown) => this.log.warn(`model '${slot.entry.name}' was not released: ${messageOf(error)}`))
      .finally(() => this.#releasing.delete(gone))
    this.#releasing.add(gone)
  }

  /** Releases a slot that is no longer listed, now or after its last user. */
  #retire(slot: Slot): void {
    slot.isRemoved = true
    if (slot.users > 0) this.#retired.add(slot)
    else {
      this.#retired.delete(slot)
      this.#evict(slot)
    }
  }

  #of(name: string): readonly Slot[] {
    const found = this.#slots.get(name)
    if (found) return found
    const known = this.names
    const hint = known.length === 0 ? 'This server has none.' : suggestion(shown(name), known)
    throw new QuernError('missing', `there is no model '${shown(name)}'. ${hint}`)
  }

  #exact(name: string, version: string): Slot {
    const found = this.#of(name)
    const one = found.find((slot) => slot.entry.version === version)
    if (one) return one
    const known = found.map((slot) => slot.entry.version).join(', ')
    throw new QuernError('missing', `model '${name}' has no version '${shown(version)}'. Known: ${known}.`)
  }

  #slot(name: string, version: string | undefined, chance: number): Slot {
    const found = this.#of(name)
    const aliases = this.#aliases.get(name) ?? {}
    return this.#exact(name, resolveVersion(aliases, version, chance, found.at(-1)!.entry.version))
  }
}

function infoOf({ entry, model, loading, reason, users }: Slot): VersionInfo {
  const { name, version, manifest, bytes } = entry
  const state = model ? 'ready' : loading ? 'loading' : reason === undefined ? 'unloaded' : 'failed'
  return { name, version, manifest, bytes, state, reason, users }
}

function withoutVersion({ stable, canary, shadow }: Aliases, version: string): Aliases {
  return {
    ...(stable === undefined || stable === version ? {} : { stable }),
    ...(canary === undefined || canary.version === version ? {} : { canary }),
    ...(shadow === undefined || shadow === version ? {} : { shadow }),
  }
}

function unservable(word: string): QuernError {
  return new QuernError(
    'config',
    `'${word}' cannot be served: names and versions are letters, digits, '.', '_' and '-'`,
  )
}

/** A name from an address, short enough to be repeated. */
function shown(name: string): string {
  return name.length > 64 ? `${name.slice(0, 61)}...` : name
}
