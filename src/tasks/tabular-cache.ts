/**
 * Encoded tables between runs. An entry is named by what the source holds and by everything of the configuration that decides on its rows, so a changed
 * file, feature, rule or split is another entry. What is too large for memory lives in the cache alone: the same run that makes an entry reads it.
 */
import type { TablePreprocessing } from '../contract/manifest.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { rulesToKeep } from '../data/clean/clean-table.ts'
import type { Dataset } from '../data/dataset.ts'
import type { EncodedColumn, RowSink } from '../data/encode-rows.ts'
import type { SourceReport, SplitName } from '../data/source.ts'
import { openCellFiles } from '../data/sources/cell-files.ts'
import type { TableOrigin } from '../data/sources/table-origin.ts'
import { type RowNames, rowName, type TableSchema, type TableSource } from '../data/table/table-source.ts'
import {
  createTableCache,
  type EntryWriter,
  entryKey,
  type OpenEntryOptions,
  type TableCache,
  type TableEntry,
} from '../data/table-cache.ts'
import { goalColumn, splitsOf, storageOrder, type TableData } from '../data/table-data.ts'
import { type StreamOptions, streamTable } from '../data/table-stream.ts'
import { columnSettings } from './tabular-config.ts'
import type { TableLoading } from './tabular-data.ts'
import type { TaskData } from './task.ts'

export interface EncodedCache {
  readonly cache: TableCache
  readonly key: string
}

/** What an entry says of its rows. */
interface About {
  readonly labels: readonly string[]
  readonly preprocessing: TablePreprocessing
  readonly report: SourceReport
  /** rows of each split, which follow each other */
  readonly splits: Readonly<Partial<Record<SplitName, { readonly length: number }>>>
  readonly names: RowNames
}

/** Column of places in the source. */
const places: EncodedColumn = { name: 'row', dtype: 'int32', shape: [] }

/** Where the rows of this source and configuration would be kept; undefined without a cache. */
export async function encodedCache(
  origin: TableOrigin,
  { config, answer, options }: TableLoading,
): Promise<EncodedCache | undefined> {
  const cache = createTableCache(options.cache)
  if (!cache) return undefined
  const { memory: _, ...data } = config.data
  const digest = await origin.digest()
  return { cache, key: entryKey(answer, config.seed, data, options.root, digest) }
}

/** The rows of an entry; undefined when there is none. */
export async function cachedTable({ cache, key }: EncodedCache, loading: TableLoading): Promise<TaskData | undefined> {
  const entry = await cache.open<About>(key, openOptions(loading))
  if (!entry) return undefined
  const { report } = entry.about
  return dataOf(entry, { ...report, cached: report.examples, warnings: [...report.warnings, ...cache.warnings] })
}

function dataOf({ about, columns, stored }: TableEntry<About>, report: SourceReport): TaskData {
  const { labels, preprocessing, names, splits } = about
  const { [places.name]: rows, ...blocks } = columns
  const nameOf = (row: number): string => rowName(names, (rows!.data as Int32Array)[row]!)
  return {
    splits: splitsOf({ columns: blocks, stored, labels, nameOf }, splits),
    labels,
    preprocessing,
    report,
    profile() {
      throw new QuernError('unsupported', 'rows that come from the cache have no profile', {
        hint: 'Load them with skipBroken, as `quern inspect` does.',
      })
    },
  }
}

/** Keeps what was prepared in memory. Returns what went wrong: training goes on without a cache. */
export async function keepTable(
  { cache, key }: EncodedCache,
  of: {
    readonly data: Omit<TaskData, 'profile'>
    readonly prepared: TableData
    /** of a row of the table that was prepared */
    sourceRow(row: number): number
    readonly names: RowNames
  },
): Promise<readonly string[]> {
  const { data, prepared, sourceRow, names } = of
  const { columns } = data.splits.train
  const order = storageOrder(prepared.assignment)
  const rows = { [places.name]: tensor('int32', [order.length], order.map(sourceRow)), ...columns }
  const kinds = Object.entries(rows).map(([name, { dtype, shape }]) => ({ name, dtype, shape: shape.slice(1) }))
  let writer: EntryWriter<About> | undefined
  try {
    writer = await cache.create<About>(key, kinds, order.length)
    for (const [name, values] of Object.entries<Tensor>(rows)) writer.sink(name, 0, values)
    await writer.finish(aboutOf(data, names), prepared.files)
    return cache.warnings
  } catch (error) {
    await writer?.discard()
    return [...cache.warnings, `the encoded rows cannot be kept: ${messageOf(error)}`]
  }
}

function aboutOf({ labels, preprocessing, report, splits }: Omit<TaskData, 'profile'>, names: RowNames): About {
  return {
    labels,
    preprocessing: preprocessing as TablePreprocessing,
    report,
    splits: lengthsOf(splits as Readonly<Record<string, Dataset>>),
    names,
  }
}

/** Encodes a table that is larger than memory into the cache, and reads it from there. */
export async function streamedTable(
  file: TableSource,
  schema: TableSchema,
  { cache, key }: EncodedCache,
  loading: TableLoading,
): Promise<TaskData> {
  const { targets, cleaned, config } = loading
  let writer: EntryWriter<About> | undefined
  const begin = async (columns: readonly EncodedColumn[], rows: number): Promise<RowSink> => {
    writer = await cache.create<About>(key, [places, ...columns], rows)
    return writer.sink
  }
  try {
    const streamed = await streamTable(file, schema, streamOptions(file, loading), begin)
    const { order, assignment, dropped, labels, notes, files } = streamed
    const inSource = cleaned ? order.map((row) => cleaned.rows[row]!) : order
    writer!.sink(places.name, 0, tensor('int32', [order.length], inSource))
    const used = streamed.preprocessing.columns.map(({ name }) => name)
    const kept = rulesToKeep(config.data.clean, used)
    const preprocessing = kept.length > 0 ? { ...streamed.preprocessing, clean: kept } : streamed.preprocessing
    const goal = targets.map((name) => `'${name}'`).join(', ')
    const without = Array.from(dropped, (row) => ({ name: file.nameOfRow(row), reason: `no value of ${goal}` }))
    const report = {
      ...{ examples: order.length, broken: [...file.skipped, ...without], ignored: [], cached: 0 },
      warnings: [
        ...notes,
        'The table is larger than data.memory: its rows are read from .quern/cache while it is trained on.',
      ],
      ...(cleaned ? { cleaned: cleaned.steps } : {}),
    }
    const about: About = { labels, preprocessing, report, splits: lengthsOf(assignment), names: file.rowNames() }
    await writer!.finish(about, files)
    const entry = await cache.open<About>(key, openOptions(loading))
    if (entry) return dataOf(entry, report)
    throw new QuernError(
      'io',
      `the encoded rows of ${file.what} were written and cannot be read: ${cache.warnings.join(' ')}`,
    )
  } finally {
    await writer?.discard()
  }
}

const lengthsOf = (splits: Readonly<Record<string, { readonly length: number }>>): About['splits'] =>
  Object.fromEntries(Object.entries(splits).map(([name, { length }]) => [name, { length }]))

function streamOptions(file: TableSource, { config, answer, options, targets }: TableLoading): StreamOptions {
  const { split, missing, onMissingTarget } = config.data
  return {
    ...{ target: targets, answer, split, missing },
    wishes: columnSettings(config.data).wishes,
    skipMissing: onMissingTarget === 'skip',
    nameOfRow: (row) => file.nameOfRow(row),
    readers: openCellFiles,
    random: createRandom(config.seed).fork('split'),
    onProgress: options.onProgress,
    signal: options.signal,
  }
}

function openOptions({ config, answer }: TableLoading): OpenEntryOptions {
  return { memory: config.data.memory * 2 ** 20, always: [places.name, goalColumn(answer)] }
}
