/** Computes the frozen part of a model once for each example, and keeps what comes out: in memory, and in a store under its content. */
import { byteLength } from '../core/dtype.ts'
import { sha256, sha256OfText } from '../core/hash.ts'
import type { BlobStore } from '../core/ports.ts'
import { sizeOf } from '../core/shape.ts'
import { type Tensor, zeros } from '../core/tensor.ts'
import { columnOf, type Dataset } from '../data/dataset.ts'
import { digestDatasets } from '../data/digest.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'
import { writeModel } from '../onnx/write.ts'
import type { Backend, Session, SessionOptions } from '../runtime/backend.ts'
import type { FrozenPrefix } from './frozen-prefix.ts'
import { rowsOf } from './memory.ts'
import type { ColumnSpec } from './network.ts'

export interface FeatureCacheOptions {
  readonly prefix: FrozenPrefix
  /** columns that the model takes */
  readonly inputs: readonly ColumnSpec[]
  readonly backend: Backend
  readonly session?: SessionOptions | undefined
  /** keeps the features between runs, by the hash of graph and data; default: memory alone */
  readonly store?: BlobStore | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CachedFeatures<Name extends string> {
  /** the datasets with features in the place of the model's inputs */
  readonly datasets: Readonly<Record<Name, Dataset>>
  readonly bytes: number
  /** all of them were read from the store */
  readonly found: boolean
}

/** Examples in one run of the graph. */
const batchSize = 64

/** Bytes that the features of so many examples take. */
export function featureBytes({ features }: FrozenPrefix, examples: number): number {
  return features.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, sizeOf(shape) * examples), 0)
}

/**
 * Datasets of features: what a step of `prefix.suffix` is trained on. Examples that datasets share are computed once; other columns stay.
 *
 * @example
 * const prefix = frozenPrefix(model, inputs, table)
 * const { datasets } = await cacheFeatures({ train, validation }, { prefix, inputs, backend })
 */
export async function cacheFeatures<Name extends string>(
  datasets: Readonly<Record<Name, Dataset>>,
  options: FeatureCacheOptions,
): Promise<CachedFeatures<Name>> {
  const { prefix, inputs } = options
  const all = Object.entries<Dataset>(datasets)
  const taken = new Set(inputs.map(({ name }) => name))
  const stores = new Map<Dataset['columns'], Dataset>()
  let [bytes, found] = [0, true]
  for (const storage of new Set(all.map(([, { columns }]) => columns))) {
    const users = all.map(([, user]) => user).filter(({ columns }) => columns === storage)
    const rows = Int32Array.from(new Set(users.flatMap((user) => [...user.rows]))).sort()
    const used: Dataset = { ...users[0]!, rows, length: rows.length }
    const known = await featuresOf(used, options)
    const others = Object.keys(storage).filter((column) => !taken.has(column))
    const columns = {
      ...known.features,
      ...Object.fromEntries(others.map((name) => [name, rowsAt(used, name, 0, rows.length)])),
    }
    stores.set(storage, { ...used, columns })
    bytes += featureBytes(prefix, rows.length)
    found &&= known.found
  }
  const made = all.map(([name, dataset]) => {
    const { columns, rows } = stores.get(dataset.columns)!
    const at = new Map([...rows].map((row, i) => [row, i]))
    const moved = { columns, rows: dataset.rows.map((row) => at.get(row)!) }
    return [name, { ...dataset, ...moved, nameOfRow: (row: number) => dataset.nameOfRow(rows[row]!) }] as const
  })
  return { datasets: Object.fromEntries(made) as unknown as Record<Name, Dataset>, bytes, found }
}

async function featuresOf(
  dataset: Dataset,
  options: FeatureCacheOptions,
): Promise<{ features: Readonly<Record<string, Tensor>>; found: boolean }> {
  const { prefix, store } = options
  const key = store && `features/${await keyOf(dataset, options)}.safetensors`
  if (store && key && (await store.exists(key))) {
    const { tensors } = readSafetensors(await store.read(key), key)
    const isWhole = prefix.features.every(({ name, shape }) => {
      const tensor = tensors.get(name)
      return tensor && tensor.shape.join() === [dataset.length, ...shape].join()
    })
    if (isWhole) return { features: Object.fromEntries(tensors), found: true }
  }
  const features = await computedFeatures(dataset, options)
  if (store && key) {
    await store.write(
      key,
      writeSafetensors({ tensors: new Map(Object.entries(features)), metadata: { format: 'quern features 1' } }),
    )
  }
  return { features, found: false }
}

/** Names the content: another file, another cut, another picture give another key. */
async function keyOf(dataset: Dataset, { prefix, inputs }: FeatureCacheOptions): Promise<string> {
  const columns = Object.fromEntries(inputs.map(({ name }) => [name, columnOf(dataset, name)]))
  const data = await digestDatasets({ data: { ...dataset, columns, labels: [] } })
  return sha256OfText(`${await sha256(writeModel(prefix.graph(1)).model)} ${data}`)
}

async function computedFeatures(dataset: Dataset, options: FeatureCacheOptions): Promise<Record<string, Tensor>> {
  const { prefix, inputs, backend, session, signal } = options
  const out = Object.fromEntries(
    prefix.features.map(({ name, dtype, shape }) => [name, zeros(dtype, [dataset.length, ...shape])]),
  )
  let opened: { count: number; session: Session; outputs: readonly string[] } | undefined
  try {
    for (let first = 0; first < dataset.length; first += batchSize) {
      signal?.throwIfAborted()
      const count = Math.min(batchSize, dataset.length - first)
      if (opened?.count !== count) {
        await opened?.session.release()
        const graph = prefix.graph(count)
        const outputs = graph.outputs.map(({ name }) => name)
        opened = { count, outputs, session: await backend.createSession(writeModel(graph).model, session) }
      }
      const feeds = Object.fromEntries(inputs.map(({ name }) => [name, rowsAt(dataset, name, first, count)]))
      const results = await opened.session.run(feeds)
      for (const [i, { name }] of prefix.features.entries()) {
        const into = rowsOf(out[name]!, count, first).data as Float32Array
        into.set(results[opened.outputs[i]!]!.data as Float32Array)
      }
    }
  } finally {
    await opened?.session.release()
  }
  return out
}

function rowsAt(dataset: Dataset, name: string, first: number, count: number): Tensor {
  const column = columnOf(dataset, name)
  const batch = zeros(column.dtype, [count, ...column.shape.slice(1)])
  const size = sizeOf(column.shape.slice(1))
  const [from, to] = [column.data as Float32Array, batch.data as Float32Array]
  for (let i = 0; i < count; i++) {
    const row = dataset.rows[first + i]!
    to.set(from.subarray(row * size, (row + 1) * size), i * size)
  }
  return batch
}
