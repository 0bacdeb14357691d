/**
 * Several adapters over one loaded base: the matrices are inputs of one session, of any rank, so that each run, or each row of a batch, has the adapter
 * that it asks for.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import { writeModel } from '../onnx/write.ts'
import type { Backend, NamedTensors, SessionOptions } from '../runtime/backend.ts'
import { adaptGraphByInputs, gateInput } from './adapt-graph.ts'
import { type Adapter, type BaseOptions, checkBase } from './adapter.ts'
import { lora } from './lora.ts'
import { type LoraConfig, scaleOf } from './lora-config.ts'
import type { AdapterParameter } from './method.ts'
import { placedSites } from './write.ts'

export interface OpenAdaptersOptions extends BaseOptions {
  readonly adapters: Readonly<Record<string, Adapter>>
  readonly backend: Backend
  readonly session?: SessionOptions
}

/** An adapter by name; undefined for the base as it is. */
export type AdapterChoice = string | undefined

export interface AdapterSession {
  readonly names: readonly string[]
  /**
   * Runs with one adapter for all rows, or with one for each row of the batch.
   *
   * @throws QuernError 'missing' for a name that is not there, 'input' for another number of names than rows
   */
  run(feeds: NamedTensors, choice: AdapterChoice | readonly AdapterChoice[]): Promise<Record<string, Tensor>>
  /** Adds or replaces an adapter, or with undefined takes one away, while others run; it may change the weights that those at the start did. */
  set(name: string, adapter: Adapter | undefined): Promise<void>
  release(): Promise<void>
}

/**
 * Opens the base once, with room for adapters. Only LoRA, also rank-stabilised; the ranks may differ.
 *
 * Errors: 'unsupported' for other adapters, 'input' for adapters of another base.
 *
 * @example
 * const session = await openAdapters(graph, { adapters: { alice, bob }, backend: createNodeBackend() })
 * await session.run({ x }, 'alice')
 * await session.run({ x }, ['alice', undefined, 'bob'])    // three rows
 */
export async function openAdapters(graph: Graph, options: OpenAdaptersOptions): Promise<AdapterSession> {
  const { backend, session, adapters, anyBase = false } = options
  const names = new Set<string>()
  for (const { method } of Object.values(adapters)) {
    requireLora(method)
    for (const { name } of placedSites(graph.nodes, method)) names.add(name)
  }
  if (names.size === 0) throw new QuernError('config', 'openAdapters needs at least one adapter, received none')
  const made = adaptGraphByInputs(graph, lora({ rank: 1, targets: [...names] }))
  const opened = await backend.createSession(writeModel(made.graph).model, session)
  const known = new Map<string, Adapter>()
  const joined = new Map<string, NamedTensors>()
  const set = async (name: string, adapter: Adapter | undefined): Promise<void> => {
    for (const key of joined.keys()) if ((JSON.parse(key) as unknown[]).includes(name)) joined.delete(key)
    known.delete(name)
    if (!adapter) return
    requireLora(adapter.method)
    const sites = placedSites(graph.nodes, adapter.method)
    const other = sites.find((site) => !names.has(site.name))
    if (other) {
      throw new QuernError(
        'unsupported',
        `the adapter '${name}' changes '${other.name}', which no adapter did when the session was opened`,
      )
    }
    if (!anyBase) await checkBase(adapter, sites)
    known.set(name, adapter)
  }
  for (const [name, adapter] of Object.entries(adapters)) await set(name, adapter)
  const find = (name: string): Adapter => {
    const adapter = known.get(name)
    if (adapter) return adapter
    throw new QuernError('missing', `there is no adapter '${name}'. ${suggestion(name, known.keys())}`)
  }
  const side = (chosen: readonly string[]): NamedTensors => {
    const key = JSON.stringify(chosen)
    const found = joined.get(key) ?? besideEachOther(made.parameters, chosen.map(find))
    joined.set(key, found)
    return found
  }
  return {
    get names() {
      return [...known.keys()]
    },
    set,
    run: (feeds, choice) => {
      const rows = Array.isArray(choice) ? (choice as readonly AdapterChoice[]) : [choice as AdapterChoice]
      if (Array.isArray(choice)) requireRows(feeds, rows.length)
      const chosen = [...new Set(rows.filter((name) => name !== undefined))].sort()
      return opened.run({ ...feeds, ...side(chosen), [gateInput]: gateOf(rows, chosen, chosen.map(find)) })
    },
    release: () => opened.release(),
  }
}

/** @throws QuernError 'unsupported' for what cannot be chosen at each run */
export function requireLora({ kind, config }: Adapter['method']): void {
  if (kind === 'lora' && config.decomposed !== true) return
  throw new QuernError('unsupported', 'adapters that are chosen at each run are LoRA, neither decomposed nor (IA)3', {
    hint: 'Merge the others into a copy of the model: mergeAdapter.',
  })
}

function requireRows(feeds: NamedTensors, count: number): void {
  for (const [name, { shape }] of Object.entries(feeds)) {
    if (shape[0] === count) continue
    throw new QuernError(
      'input',
      `${count} adapters are named for the rows of the batch, '${name}' has ${shape[0]} rows`,
    )
  }
}

const configOf = ({ method }: Adapter) => method.config as unknown as LoraConfig

/** [rows, sum of the ranks]: the factor of a row's adapter where its matrices stand, 0 elsewhere. */
export function gateOf(
  rows: readonly AdapterChoice[],
  chosen: readonly string[],
  adapters: readonly Adapter[],
): Tensor {
  const ranks = adapters.map((adapter) => configOf(adapter).rank)
  const total = Math.max(
    1,
    ranks.reduce((sum, rank) => sum + rank, 0),
  )
  const data = new Float32Array(rows.length * total)
  for (const [row, name] of rows.entries()) {
    const at = name === undefined ? -1 : chosen.indexOf(name)
    if (at < 0) continue
    const start = row * total + ranks.slice(0, at).reduce((sum, rank) => sum + rank, 0)
    data.fill(scaleOf(configOf(adapters[at]!)), start, start + ranks[at]!)
  }
  return float32([rows.length, total], data)
}

/** A along its first axis, B along its second; zeros where an adapter leaves a weight alone, and a rank of 1 for none at all. */
export function besideEachOther(parameters: readonly AdapterParameter[], adapters: readonly Adapter[]): NamedTensors {
  return Object.fromEntries(
    parameters.map(({ path, spec }) => {
      const axis = path.endsWith('_A') ? 0 : 1
      const sized = (rank: number): StaticShape => spec.shape.map((size, i) => (i === axis ? rank : size))
      const parts = adapters.map((adapter) => {
        const shape = sized(configOf(adapter).rank)
        return adapter.parameters.get(path) ?? float32(shape, new Float32Array(sizeOf(shape)))
      })
      if (parts.length === 0) parts.push(float32(sized(1), new Float32Array(sizeOf(sized(1)))))
      return [path, parts.length === 1 ? parts[0]! : joinedAlong(axis, parts)]
    }),
  )
}

function joinedAlong(axis: 0 | 1, parts: readonly Tensor[]): Tensor {
  const total = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0)
  const shape = parts[0]!.shape.map((size, i) => (i === axis ? total : size))
  const outer = axis === 0 ? 1 : shape[0]!
  const data = new Float32Array(sizeOf(shape))
  let at = 0
  for (let row = 0; row < outer; row++) {
    for (const { data: own, shape: sizes } of parts) {
      const count = sizeOf(sizes) / outer
      data.set((own as Float32Array).subarray(row * count, (row + 1) * count), at)
      at += count
    }
  }
  return float32(shape, data)
}
