/** DuckDB's chunks as columns. Numbers come as NaN where there is none, so that whole arrays are copied and no cell is asked. */
import type { DuckDBDataChunk } from '@duckdb/node-api'
import { type Codes, createCodes, listFrom, offsetsOf } from '../table/cells.ts'
import { bitmap, type Column, type ColumnKind, type Table } from '../table/table.ts'

/** A column that is read, in the order of the query. */
export interface ReadColumn {
  readonly name: string
  readonly kind: ColumnKind
  readonly format?: string | undefined
  /** texts, and their places: shared by all chunks */
  readonly codes: Codes
  /** the cells are places in `codes` already */
  readonly isCoded: boolean
  /** a cell's text as it is kept: of references, the path */
  readonly textOf: (text: string) => string
}

export function readColumn(
  column: Pick<ReadColumn, 'name' | 'kind' | 'format'>,
  textOf: (text: string) => string = (text) => text,
  texts?: readonly string[],
): ReadColumn {
  const codes = createCodes()
  for (const text of texts ?? []) codes.codeOf(text)
  return { ...column, codes, isCoded: texts !== undefined, textOf }
}

/** Rows of some chunks; `first` is the place of their first row. */
export function tableOfChunks(
  chunks: readonly DuckDBDataChunk[],
  columns: readonly ReadColumn[],
  rows: number,
  first: number,
): Table {
  const made = columns.map((column, i): [string, Column] => [column.name, columnOf(chunks, column, i, rows)])
  return { rows, first, columns: new Map(made) }
}

function columnOf(chunks: readonly DuckDBDataChunk[], column: ReadColumn, i: number, rows: number): Column {
  const { name, kind, codes, textOf } = column
  switch (kind) {
    case 'number':
    case 'date': {
      const values = numbersOf(chunks, i, rows)
      return { name, kind, values, valid: bitmap(rows, (row) => Number.isFinite(values[row])) }
    }
    case 'set':
    case 'vector':
      return listColumn(chunks, column, i)
    default: {
      if (column.isCoded && kind !== 'boolean') {
        const places = numbersOf(chunks, i, rows)
        const valid = bitmap(rows, (row) => !Number.isNaN(places[row]))
        return { name, kind, valid, values: Int32Array.from(places), dictionary: codes.dictionary }
      }
      const cells = chunks.flatMap((chunk) => chunk.getColumnValues(i))
      const valid = bitmap(rows, (row) => cells[row] !== null)
      if (kind === 'boolean') {
        return { name, kind, valid, values: Uint8Array.from(cells, (cell) => (cell === true ? 1 : 0)) }
      }
      const values = Int32Array.from(cells, (cell) => (cell === null ? 0 : codes.codeOf(textOf(cell as string))))
      return { name, kind, valid, values, dictionary: codes.dictionary }
    }
  }
}

function numbersOf(chunks: readonly DuckDBDataChunk[], i: number, rows: number): Float64Array {
  const values = new Float64Array(rows)
  let at = 0
  for (const chunk of chunks) {
    const vector = chunk.getColumnVector(i)
    // The vector's own array, which its type hides: twenty times as fast as asking it for each cell.
    const items: unknown = Reflect.get(vector, 'items')
    if (items instanceof Float64Array) values.set(items.subarray(0, chunk.rowCount), at)
    else for (let row = 0; row < chunk.rowCount; row++) values[at + row] = (vector.getItem(row) as number) ?? Number.NaN
    at += chunk.rowCount
  }
  return values
}

/** DuckDB's lists, or texts of lists. */
function listColumn(chunks: readonly DuckDBDataChunk[], { name, kind, format, codes }: ReadColumn, i: number): Column {
  const form = { name, kind, format, missing: [] }
  const lists = chunks.flatMap((chunk) =>
    chunk.getColumnValues(i).map((cell) => {
      if (cell === null) return undefined
      return listFrom(typeof cell === 'string' ? cell : (cell as { items: readonly unknown[] }).items, form)
    }),
  )
  const valid = bitmap(lists.length, (row) => lists[row] !== undefined)
  const offsets = offsetsOf(lists)
  const all = lists.flatMap((list) => list ?? [])
  if (kind === 'vector') return { name, kind, valid, offsets, values: Float64Array.from(all as number[]) }
  const values = Int32Array.from(all, (text) => codes.codeOf(String(text)))
  return { name, kind: 'set', valid, offsets, values, dictionary: codes.dictionary }
}
