/**
 * A table that does not fit into memory on its way into training: read a few times from its source, chunk by chunk, its encoded rows written to a
 * file as they come. What is held of a row is its place in the source and its answers. Gives the values that prepareTable gives, except that
 * features of very many rows are fitted on some of them, spread evenly.
 */
import { type TableColumn, targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { type EncodedColumn, encodedColumns, encodePieces, type Piece, type RowSink } from './encode-rows.ts'
import { createTableEncoder } from './features/table-encoder.ts'
import { splitNames } from './source.ts'
import { joinTables, pickRows, type Table, tableColumn } from './table/table.ts'
import type { ColumnInfo, TableSchema, TableSource } from './table/table-source.ts'
import { type ChosenColumns, chooseColumns, fitColumn } from './table-columns.ts'
import {
  countUnseen,
  divideRows,
  goalColumn,
  inOrder,
  readersFor,
  splitColumnOf,
  storageOrder,
  type TableData,
  type TableDataOptions,
  tablePreprocessing,
  withTargets,
} from './table-data.ts'
import type { Assignment, TableSplit } from './table-split.ts'
import { readTargets } from './table-targets.ts'

export type StreamOptions = Omit<TableDataOptions, 'split'> & {
  readonly split: TableSplit
  /** rows without a target are left out; otherwise they are an error */
  readonly skipMissing: boolean
  /** rows that features are fitted on at most */
  readonly mostFitted?: number | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Of everything but the columns, which stand where `begin` said. */
export interface StreamedTable extends Pick<TableData, 'labels' | 'preprocessing' | 'notes' | 'assignment' | 'files'> {
  /** rows of the source by storage row */
  readonly order: Int32Array
  /** rows of the source that have no target */
  readonly dropped: Int32Array
}

/** Rows that statistics of a column are taken of; of more, as many spread evenly. */
const fittedRows = 2 ** 18
/** Columns that are held at once while they are fitted. */
const columnsAtOnce = 16

/** @param begin asked once, when it is known what rows there will be, answers included: the sink that takes them */
export async function streamTable(
  source: TableSource,
  schema: TableSchema,
  options: StreamOptions,
  begin: (columns: readonly EncodedColumn[], rows: number) => Promise<RowSink>,
): Promise<StreamedTable> {
  const { split, wishes, nameOfRow } = options
  const targets = targetsOf(options.target)
  const goals = await readAnswers(source, options)
  const chosen = chooseColumns(
    { ...schema, rows: goals.rows.length },
    { targets, wishes, splitColumn: splitColumnOf(split) },
  )
  const columns = await fitColumns(source, chosen, goals.assignment.train!, options)
  const encoder = createTableEncoder(columns)
  const order = storageOrder(goals.assignment)
  const goal = { name: goalColumn(options.answer), dtype: goals.value.dtype, shape: goals.value.shape.slice(1) }
  const sink = await begin([...encodedColumns(encoder), goal], order.length)
  sink(goal.name, 0, goals.value)
  const unseen = countUnseen()
  const files = new Set<string>()
  await encodePieces(piecesOf(source, columns, goals.assignment, { ...options, total: schema.rows }), {
    encoder,
    readers: await readersFor(encoder, options),
    sink,
    onUnseen: unseen.add,
    nameOf: (row) => nameOfRow(order[row]!),
    files,
  })
  return {
    ...{ labels: goals.target.labels, assignment: goals.assignment, order, dropped: goals.dropped, files },
    preprocessing: tablePreprocessing(columns, goals.target, options),
    notes: [...chosen.notes, ...unseen.notes(), ...sampled(goals.assignment.train!, options)],
  }
}

/** The targets and what the split goes by, of all rows; `assignment`, `rows` and `dropped` are rows of the source. */
async function readAnswers(source: TableSource, options: StreamOptions) {
  const { answer, split, skipMissing, nameOfRow } = options
  const targets = targetsOf(options.target)
  const splitColumn = splitColumnOf(split)
  const names = [...new Set([...targets, ...(splitColumn === undefined ? [] : [splitColumn])])]
  const all = joinTables(await collected(source, names, options.signal))
  const { table, rows, dropped } = withTargets(all, targets, skipMissing)
  if (table.rows === 0) throw new QuernError('input', `${source.what}: no row has a value of '${targets.join("', '")}'`)
  const nameOf = (row: number): string => nameOfRow(rows[row]!)
  const target = readTargets(table, { targets, answer, nameOfRow: nameOf })
  const own = divideRows(table, split, target, { ...options, nameOfRow: nameOf })
  const assignment: Assignment = Object.fromEntries(
    Object.entries(own).map(([name, part]) => [name, part.map((row) => rows[row]!)]),
  )
  return { target, value: inOrder(target.value, storageOrder(own)), assignment, rows, dropped }
}

async function collected(source: TableSource, columns: readonly string[], signal?: AbortSignal): Promise<Table[]> {
  const chunks: Table[] = []
  for await (const chunk of source.read({ columns })) {
    signal?.throwIfAborted()
    chunks.push(chunk)
  }
  return chunks
}

/** Some columns after the other, each on the same rows of training. */
async function fitColumns(
  source: TableSource,
  { columns }: ChosenColumns,
  train: Int32Array,
  options: StreamOptions,
): Promise<TableColumn[]> {
  const rows = spread(train, options.mostFitted ?? fittedRows)
  const fitted: TableColumn[] = []
  for (let first = 0; first < columns.length; first += columnsAtOnce) {
    const some = columns.slice(first, first + columnsAtOnce)
    const table = await rowsOf(source, some, rows, options.signal)
    const every = Int32Array.from({ length: table.rows }, (_, i) => i)
    for (const info of some) {
      fitted.push(fitColumn(info, options.wishes[info.name], { column: tableColumn(table, info.name), rows: every }))
    }
  }
  return fitted
}

/** At most so many rows, from all over. */
function spread(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]!)
}

function sampled(train: Int32Array, { mostFitted = fittedRows }: StreamOptions): string[] {
  if (train.length <= mostFitted) return []
  return [`Statistics of the columns are those of ${mostFitted} of ${train.length} training rows, spread evenly.`]
}

/** Rows of the source, ascending, as a table. */
async function rowsOf(
  source: TableSource,
  columns: readonly ColumnInfo[],
  rows: Int32Array,
  signal?: AbortSignal,
): Promise<Table> {
  const parts: Table[] = []
  let next = 0
  for await (const chunk of source.read({ columns: columns.map(({ name }) => name), apart: true })) {
    signal?.throwIfAborted()
    const first = next
    while (next < rows.length && rows[next]! < chunk.first + chunk.rows) next++
    const own = rows.subarray(first, next).map((row) => row - chunk.first)
    if (own.length > 0) parts.push(pickRows(chunk, own))
  }
  return joinTables(parts)
}

/** The chunks of the source, divided by split. */
async function* piecesOf(
  source: TableSource,
  columns: readonly TableColumn[],
  assignment: Assignment,
  { total, onProgress, signal }: Pick<StreamOptions, 'onProgress' | 'signal'> & { readonly total: number },
): AsyncGenerator<Piece> {
  let start = 0
  const parts = splitNames.flatMap((name) => {
    const rows = assignment[name]
    if (!rows) return []
    const part = { rows, start, next: 0 }
    start += rows.length
    return [part]
  })
  for await (const chunk of source.read({ columns: columns.map(({ name }) => name), apart: true })) {
    signal?.throwIfAborted()
    const end = chunk.first + chunk.rows
    for (const part of parts) {
      const first = part.next
      while (part.next < part.rows.length && part.rows[part.next]! < end) part.next++
      const own = part.rows.subarray(first, part.next).map((row) => row - chunk.first)
      if (own.length > 0) yield { table: pickRows(chunk, own), first: part.start + first }
    }
    onProgress?.(end, total)
  }
}
