/** The rows of a table as objects, one after the other: what a model is given that is to answer for them. */
import { messageOf, QuernError } from '../../core/errors.ts'
import { connectDuckDb } from './duckdb.ts'
import { originOf, type TableAddress } from './open-table.ts'
import type { OriginOptions } from './table-origin.ts'

export interface NamedRow {
  /** 'rows.csv row 17' */
  readonly name: string
  readonly row: Readonly<Record<string, unknown>>
}

/** Rows in the order of the source: texts as they stand in a CSV file, typed values of the other formats. */
export async function* readTableRows(source: TableAddress, options: OriginOptions = {}): AsyncGenerator<NamedRow> {
  const origin = await originOf(source, options)
  const connection = await connectDuckDb()
  try {
    const result = await connection.stream(`SELECT * FROM ${await origin.relation(connection)}`)
    const names = result.columnNames()
    let count = 0
    for (;;) {
      const chunk = await result.fetchChunk()
      if (!chunk || chunk.rowCount === 0) break
      for (const values of chunk.getRows()) {
        const cells = names.map((name, i) => [name, plain(values[i])] as const)
        yield { name: origin.nameOfRow(count++), row: Object.fromEntries(cells) }
      }
    }
    await origin.verify()
  } catch (error) {
    if (error instanceof QuernError) throw error
    throw origin.asError(messageOf(error), error)
  } finally {
    connection.closeSync()
    await origin.release()
  }
}

/** DuckDB's own values as JavaScript's. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if ('items' in value && Array.isArray(value.items)) return value.items.map(plain)
  // Dates, timestamps and decimals write themselves.
  return String(value)
}
