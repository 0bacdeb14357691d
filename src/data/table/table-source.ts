/** Where a table comes from: one interface, an adapter a file in sources/. */
import type { ColumnKind, Table } from './table.ts'

/** A column as its source sees it. */
export interface ColumnInfo {
  readonly name: string
  readonly kind: ColumnKind
  /** the dates' format, where they are texts */
  readonly format?: string | undefined
  /** different values; may be an estimate for large tables */
  readonly distinct: number
  readonly missing: number
}

export interface TableSchema {
  readonly rows: number
  readonly columns: readonly ColumnInfo[]
  /** columns of types that no feature takes, and why */
  readonly unusable: readonly { readonly name: string; readonly reason: string }[]
}

/** Rows that were left out, and why. */
export interface SkippedRow {
  /** 'customers.csv line 17' */
  readonly name: string
  readonly reason: string
}

/** What the rows of a source are called: counted in each of its parts, or by a name of their own. */
export type RowNames =
  | { readonly parts: readonly { readonly what: string; readonly first: number }[] }
  | { readonly names: readonly string[] }

/** The name of a row, from 0. */
export function rowName(names: RowNames, row: number): string {
  if ('names' in names) return names.names[row] ?? `row ${row + 1}`
  const part = names.parts.findLast(({ first }) => first <= row)!
  return `${part.what} row ${row - part.first + 1}`
}

export interface ReadOptions {
  /** default: all */
  readonly columns?: readonly string[] | undefined
  /** most rows of a chunk */
  readonly batch?: number | undefined
  /** each chunk has dictionaries of its own, so that no text outlives its chunk; default: all chunks share theirs */
  readonly apart?: boolean | undefined
}

export interface TableSource {
  /** names the source in messages */
  readonly what: string
  /** kinds of the columns, found by looking at every row unless they were given */
  schema(): Promise<TableSchema>
  /** Chunks in the order of the source. Throws, with file, row and column, at what cannot be read. */
  read(options?: ReadOptions): AsyncGenerator<Table>
  /** rows that were left out so far */
  readonly skipped: readonly SkippedRow[]
  /** what a person finds a row by */
  nameOfRow(row: number): string
  /** the names of all rows, to be kept; known when the schema is */
  rowNames(): RowNames
  /** sha256 over the source's bytes */
  digest(): Promise<string>
  release(): Promise<void>
}
