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

export type ReferenceColumn = {
  /** pictures and recordings stay in their files until somebody decodes them */
  readonly kind: 'image' | 'audio'
  /** places in `dictionary` */
  readonly values: Int32Array
  /** paths of files (absolute, from a source) or data: URIs, shared by the chunks of a source: it only grows */
  readonly dictionary: readonly string[]
}

export type SetColumn = {
  /** several texts a row: tags, diagnoses */
  readonly kind: 'set'
  /** row i has the members from `offsets[i]` to `offsets[i + 1]`; one more than there are rows */
  readonly offsets: Int32Array
  /** places in `dictionary`, row after row */
  readonly values: Int32Array
  readonly dictionary: readonly string[]
}

export type VectorColumn = {
  /** several numbers a row: a spectrum, an embedding, a window of a signal */
  readonly kind: 'vector'
  /** row i has the numbers from `offsets[i]` to `offsets[i + 1]`; one more than there are rows */
  readonly offsets: Int32Array
  readonly values: Float64Array
}

export type Column = (NumberColumn | BooleanColumn | CodedColumn | ReferenceColumn | SetColumn | VectorColumn) & {
  readonly name: string
  /** a bit for each row, the lowest of a byte first: 1 is present */
  readonly valid: Uint8Array
}

export type ColumnKind = Column['kind']
export const columnKinds: readonly ColumnKind[] = [
  'number',
  'boolean',
  'date',
  'category',
  'text',
  'set',
  'vector',
  'image',
  'audio',
]

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

/** Columns whose chunks have dictionaries of their own, as ones that share the first that is made of all. */
function withOneDictionary(parts: readonly (readonly [Column, number])[]): (readonly [Column, number])[] {
  const [first] = parts[0]!
  const isShared = parts.every(
    ([column]) => !('dictionary' in column) || column.dictionary === (first as CodedColumn).dictionary,
  )
  if (isShared) return [...parts]
  const dictionary: string[] = []
  const places = new Map<string, number>()
  const placeOf = (text: string): number => {
    const place = places.get(text) ?? dictionary.push(text) - 1
    places.set(text, place)
    return place
  }
  return parts.map(([column, count]) => {
    const { values, dictionary: own } = column as CodedColumn
    // A cell without a value has any place, also in an empty dictionary.
    const moved = values.map((place) => (own.length === 0 ? 0 : placeOf(own[place]!)))
    return [{ ...column, values: moved, dictionary } as Column, count]
  })
}

function joinColumns(given: readonly (readonly [Column, number])[], rows: number): Column {
  const parts = withOneDictionary(given)
  const [last] = parts.at(-1)!
  // Rows of sets and vectors have as many values as they like.
  const used = parts.map(([column, count]) => ('offsets' in column ? column.offsets[count]! : count))
  const values = valuesLike(
    last,
    used.reduce((sum, length) => sum + length, 0),
  )
  const valid = new Uint8Array((rows + 7) >> 3)
  const offsets = 'offsets' in last ? new Int32Array(rows + 1) : undefined
  let [at, filled] = [0, 0]
  for (const [i, [column, count]] of parts.entries()) {
    values.set(column.values.subarray(0, used[i]) as Float64Array, filled)
    for (let row = 0; row < count; row++, at++) {
      if (isPresent(column.valid, row)) valid[at >> 3]! |= 1 << (at & 7)
      if (offsets && 'offsets' in column) offsets[at + 1] = filled + column.offsets[row + 1]!
    }
    filled += used[i]!
  }
  return { ...last, values, valid, ...(offsets ? { offsets } : {}) } as unknown as Column
}

/** Whether a row has as many values as it likes. */
export function isList(column: Column): column is Column & (SetColumn | VectorColumn) {
  return column.kind === 'set' || column.kind === 'vector'
}

/** Values of the column's type; all kinds of arrays take the same calls. */
function valuesLike({ values }: Column, length: number): Float64Array {
  return new (values.constructor as Float64ArrayConstructor)(length)
}

/** Some of the rows, in the order given. */
export function pickRows(table: Table, rows: ArrayLike<number>): Table {
  const columns = [...table.columns].map(([name, column]): [string, Column] => [name, pickCells(column, rows)])
  return { rows: rows.length, first: table.first, columns: new Map(columns) }
}

function pickCells(column: Column, rows: ArrayLike<number>): Column {
  const valid = bitmap(rows.length, (i) => isPresent(column.valid, rows[i]!))
  if (!isList(column)) {
    const values = valuesLike(column, rows.length)
    for (let i = 0; i < rows.length; i++) values[i] = column.values[rows[i]!]!
    return { ...column, values, valid } as unknown as Column
  }
  const offsets = new Int32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) {
    offsets[i + 1] = offsets[i]! + column.offsets[rows[i]! + 1]! - column.offsets[rows[i]!]!
  }
  const values = valuesLike(column, offsets[rows.length]!)
  for (let i = 0; i < rows.length; i++) {
    const cells = column.values.subarray(column.offsets[rows[i]!], column.offsets[rows[i]! + 1])
    values.set(cells as Float64Array, offsets[i])
  }
  return { ...column, offsets, values, valid } as unknown as Column
}

/** The cell as text, for messages, groups and duplicates; undefined when it is missing. */
export function cellText(column: Column, row: number): string | undefined {
  if (!isPresent(column.valid, row)) return undefined
  switch (column.kind) {
    case 'category':
    case 'text':
    case 'image':
    case 'audio':
      return column.dictionary[column.values[row]!]!
    case 'set':
    case 'vector':
      return JSON.stringify(cellList(column, row))
    case 'date':
      return new Date(column.values[row]!).toISOString()
    case 'boolean':
      return column.values[row] === 1 ? 'true' : 'false'
    default:
      return String(column.values[row])
  }
}

/** Members or numbers of a cell that is there. */
export function cellList(column: Column & (SetColumn | VectorColumn), row: number): (string | number)[] {
  const cells = column.values.subarray(column.offsets[row], column.offsets[row + 1])
  return column.kind === 'set' ? Array.from(cells, (code) => column.dictionary[code]!) : Array.from(cells)
}
