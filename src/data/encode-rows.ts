/**
 * Rows on their way into fixed places: each piece of a table is encoded by itself, and what comes out is written where its rows stand. What is written
 * to, memory or a file, is the caller's.
 */
import { type DType, dtypes } from '../core/dtype.ts'
import { type Tensor, zeros } from '../core/tensor.ts'
import type { OnUnseen } from './features/feature.ts'
import type { CellReaders } from './features/own-feature.ts'
import type { TableEncoder } from './features/table-encoder.ts'
import { type Column, cellText, pickRows, type Table, tableColumn } from './table/table.ts'

/** Rows of a table that follow each other in storage. */
export interface Piece {
  readonly table: Table
  /** storage row of the first */
  readonly first: number
}

/** Takes in rows of a column, `[rows, ...]`, from a storage row on. */
export type RowSink = (column: string, first: number, values: Tensor) => void

/** A column as it is stored. */
export interface EncodedColumn {
  readonly name: string
  readonly dtype: DType
  /** of one row */
  readonly shape: readonly number[]
}

/** Bytes of a row of a column. */
export function rowBytesOf({ dtype, shape }: EncodedColumn): number {
  return shape.reduce((product, dim) => product * dim, dtypes[dtype].array!.BYTES_PER_ELEMENT)
}

/** What an encoder makes of a table: its blocks, and the columns that are an input of their own. */
export function encodedColumns({ widths, own }: TableEncoder): EncodedColumn[] {
  const blocks: EncodedColumn[] = [
    { name: 'numbers', dtype: 'float64', shape: [widths.numbers] },
    { name: 'categories', dtype: 'int32', shape: [widths.categories] },
  ]
  return [
    ...blocks.filter(({ shape }) => shape[0]! > 0),
    ...own.map(({ input, feature, shape }) => ({ name: input, dtype: feature.dtype, shape })),
  ]
}

/** Memory for `rows` rows, and the sink that fills it. */
export function memorySink(
  columns: readonly EncodedColumn[],
  rows: number,
): { columns: Record<string, Tensor>; sink: RowSink } {
  const made = Object.fromEntries(columns.map(({ name, dtype, shape }) => [name, zeros(dtype, [rows, ...shape])]))
  const sink: RowSink = (column, first, { data, shape }) => {
    const size = shape.slice(1).reduce((product, dim) => product * dim, 1)
    ;(made[column]!.data as Float64Array).set(data as Float64Array, first * size)
  }
  return { columns: made, sink }
}

/** Rows of a table that are encoded at once. */
const rowsAtOnce = 16_384

/** A table in memory as pieces; `order`: its rows by storage row. */
export function* piecesOf(table: Table, order: Int32Array): Generator<Piece> {
  for (let first = 0; first < order.length; first += rowsAtOnce) {
    yield { table: pickRows(table, order.subarray(first, first + rowsAtOnce)), first }
  }
}

export interface EncodeOptions {
  readonly encoder: TableEncoder
  readonly readers: CellReaders
  readonly sink: RowSink
  readonly onUnseen: OnUnseen
  /** what a person finds a storage row by */
  nameOf(row: number): string
  /** takes in the paths of the files that cells refer to */
  readonly files: Set<string>
}

/** Encodes piece after piece into the sink. */
export async function encodePieces(
  pieces: Iterable<Piece> | AsyncIterable<Piece>,
  { encoder, readers, sink, onUnseen, nameOf, files }: EncodeOptions,
): Promise<void> {
  for await (const { table, first } of pieces) {
    const name = (row: number): string => nameOf(first + row)
    const blocks = encoder.encode(table, onUnseen, name)
    const own = await encoder.encodeOwn(table, readers, onUnseen, name)
    for (const { column } of encoder.own) addFiles(tableColumn(table, column.name), table.rows, files)
    for (const [column, values] of Object.entries<Tensor>({ ...blocks, ...own })) sink(column, first, values)
  }
}

/** Texts that are data themselves name no file. */
function addFiles(column: Column, rows: number, files: Set<string>): void {
  if (column.kind !== 'image' && column.kind !== 'audio') return
  for (let row = 0; row < rows; row++) {
    const path = cellText(column, row)
    if (path !== undefined && !path.startsWith('data:')) files.add(path)
  }
}
