/**
 * Rows as typed columns, a chunk at a time. A source yields chunks; nobody but who says so holds all of them. A cell is there when
 * its bit is set in `valid`; what stands in `values` under a bit that is not set means nothing.
 */
import { QuernError, suggestion } from '../../core/errors.ts'

export type NumberColumn = {
  /** 'date': milliseconds since 1970, UTC */
  readonly kind: 'number' | 'date'
  readonly values: Float64Array
}

export type BooleanColumn = {
  readonly kind: 'boolean'
  /** 0 or 1 */
  readonly values: Uint8Array
}

export type CodedColumn = {
  readonly kind: 'category' | 'text'
  /** places in `dictionary` */
  readonly values: Int32Array
  /** shared by the chunks of a source: it only grows */
  readonly dictionary: readonly string[]
}

export type Column = (NumberColumn | BooleanColumn | CodedColumn) & {
  readonly name: string
  /** a bit for each row, the lowest of a byte first: 1 is present */
  readonly valid: Uint8Array
}

export type ColumnKind = Column['kind']
export const columnKinds: readonly ColumnKind[] = ['number', 'boolean', 'category', 'text', 'date']

export interface Table {
  readonly rows: number
  /** place of the first row in its source, from 0 */
  readonly first: number
  readonly columns: ReadonlyMap<string, Column>
}

export function isPresent(valid: Uint8Array, row: number): boolean {
  return ((valid[row >> 3]! >> (row & 7)) & 1) === 1
}

/** A bitmap of rows that `present` holds for. */
export function bitmap(rows: number, present: (row: number) => boolean): Uint8Array {
  const bits = new Uint8Array((rows + 7) >> 3)
  for (let row = 0; row < rows; row++) if (present(row)) bits[row >> 3]! |= 1 << (row & 7)
  return bits
}

/** A column by name, or an error with the nearest name that there is. */
export function tableColumn(table: Table, name: string): Column {
  const column = table.columns.get(name)
  if (column) return column
  throw new QuernError('missing', `the table has no column '${name}'. ${suggestion(name, table.columns.keys())}`)
}

/** Chunks of one source as one table, for what needs all rows at once. */
export function joinTables(chunks: readonly Table[]): Table {
  const [head] = chunks
  if (!head) throw new QuernError('input', 'the table has no rows')
  if (chunks.length === 1) return head
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
  const columns = [...head.columns.keys()].map((name): [string, Column] => [
    name,
    joinColumns(
      chunks.map((chunk) => [tableColumn(chunk, name), chunk.rows]),
      rows,
    ),
  ])
  return { rows, first: head.first, columns: new Map(columns) }
}

function joinColumns(parts: readonly (readonly [Column, number])[], rows: number): Column {
  const [last] = parts.at(-1)!
  const values = new (last.values.constructor as Float64ArrayConstructor)(rows)
  const valid = new Uint8Array((rows + 7) >> 3)
  let at = 0
  for (const [column, count] of parts) {
    ;(values as Float64Array).set(column.values.subarray(0, count) as Float64Array, at)
    for (let row = 0; row < count; row++, at++) if (isPresent(column.valid, row)) valid[at >> 3]! |= 1 << (at & 7)
  }
  return { ...last, values, valid } as unknown as Column
}

/** The cell as text, for messages, groups and duplicates; undefined when it is missing. */
export function cellText(column: Column, row: number): string | undefined {
  if (!isPresent(column.valid, row)) return undefined
  switch (column.kind) {
    case 'category':
    case 'text':
      return column.dictionary[column.values[row]!]!
    case 'date':
      return new Date(column.values[row]!).toISOString()
    case 'boolean':
      return column.values[row] === 1 ? 'true' : 'false'
    default:
      return String(column.values[row])
  }
}
