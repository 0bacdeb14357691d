/** Where rows come from, as SQL sees it: an adapter a file in this folder, and DuckDbTable makes a TableSource of any of them. */
import type { QuernError } from '../../core/errors.ts'
import type { ColumnKind } from '../table/table.ts'
import type { RowNames, SkippedRow } from '../table/table-source.ts'
import type { CsvOptions } from './csv-head.ts'
import type { DuckDBConnection } from './duckdb.ts'
import type { ReaderTypes } from './typed-columns.ts'

export interface TableOrigin {
  /** names the origin in messages; without secrets */
  readonly what: string
  /** folder that references to pictures and recordings start from */
  readonly folder: string
  /** kinds of columns that the origin knows and their cells do not show */
  readonly kinds?: Readonly<Record<string, ColumnKind>> | undefined
  /** so large that counting different values exactly would take its time */
  readonly isLarge: boolean
  /** SQL that reads the rows as they are, in their order */
  relation(connection: DuckDBConnection): Promise<string>
  /** the same where it can give columns of texts types; reading fails at a cell that is not of its column's type */
  typedRelation?(types: ReaderTypes): Promise<string | undefined>
  /** what a person finds a row (from 0) by */
  nameOfRow(row: number): string
  /** the names of all rows, to be kept; known when the rows were read */
  rowNames(): RowNames
  /** rows that the last scan left out */
  skipped(connection: DuckDBConnection): Promise<readonly SkippedRow[]>
  /** Throws when what was read is no longer what is there. */
  verify(): Promise<void>
  /** sha256 over the bytes */
  digest(): Promise<string>
  /** DuckDB's error as ours: file, line or row, what was expected, what to do */
  asError(message: string, cause: unknown): QuernError
  release(): Promise<void>
}

/** What the configuration says of an origin; each adapter takes what is its own. */
export interface OriginOptions {
  /** folder that a relative path starts from; default: the working directory */
  readonly root?: string | undefined
  readonly csv?: CsvOptions | undefined
  /** a row that does not fit the header: stop (default), or leave it out and count it */
  readonly onBroken?: 'fail' | 'skip' | undefined
  /** of a database: the table, or a query in its place */
  readonly table?: string | undefined
  readonly query?: string | undefined
  /** of a folder: a regular expression over the paths below it, whose named groups are columns */
  readonly pattern?: string | undefined
  /** folder where objects from elsewhere are kept between runs; default: the user's cache */
  readonly cache?: string | undefined
  /** where names in an address such as `${PASSWORD}` are looked up; default: the process' environment */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}
