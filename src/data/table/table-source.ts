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

export interface ReadOptions {
  /** default: all */
  readonly columns?: readonly string[] | undefined
  /** most rows of a chunk */
  readonly batch?: number | undefined
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
  /** sha256 over the source's bytes */
  digest(): Promise<string>
  release(): Promise<void>
}
