/** The rows of a file as objects, one after the other: what a model is given that is to answer for them. */
import { messageOf, QuernError } from '../../core/errors.ts'
import { connectDuckDb } from './duckdb.ts'
import { fileError } from './read-error.ts'
import { type FileOptions, locateTable, relationOf } from './table-file.ts'

export interface NamedRow {
  /** 'rows.csv row 17' */
  readonly name: string
  readonly row: Readonly<Record<string, unknown>>
}

/** Rows in the file's order: texts as they stand in a CSV file, typed values of the other formats. */
export async function* readTableRows(source: string, options: FileOptions = {}): AsyncGenerator<NamedRow> {
  const file = await locateTable(source, options)
  const connection = await connectDuckDb()
  try {
    const result = await connection.stream(`SELECT * FROM ${await relationOf(file, options)}`)
    const names = result.columnNames()
    let count = 0
    for (;;) {
      const chunk = await result.fetchChunk()
      if (!chunk || chunk.rowCount === 0) return
      for (const values of chunk.getRows()) {
        const cells = names.map((name, i) => [name, plain(values[i])] as const)
        yield { name: `${file.name} row ${++count}`, row: Object.fromEntries(cells) }
      }
    }
  } catch (error) {
    if (error instanceof QuernError) throw error
    throw fileError(messageOf(error), file.name, error)
  } finally {
    connection.closeSync()
  }
}

/** DuckDB's own values as JavaScript's. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  // Dates, timestamps and decimals write themselves.
  return String(value)
}
