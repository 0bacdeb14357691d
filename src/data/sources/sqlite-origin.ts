/** `sqlite:file.db`: a table or a query of an SQLite file, read by its cursor. SQLite does not hold its columns to a type: cells are looked at as those of CSV. */
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { messageOf, QuernError } from '../../core/errors.ts'
import { missingPath } from '../missing-path.ts'
import { sqlName } from './duckdb.ts'
import type { SpoolColumn, SpoolRows } from './spool.ts'
import { spooledOrigin } from './spooled-origin.ts'
import { checkNames, queryOf, shownQuery } from './sql-query.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'

const batchRows = 4096

/** Opens the file, for reading alone, when the rows are asked for. */
export async function sqliteOrigin(address: string, options: OriginOptions): Promise<TableOrigin> {
  const path = resolve(options.root ?? '.', address.slice('sqlite:'.length))
  await stat(path).catch(async (error: unknown) => {
    throw await missingPath(path, 'database', error)
  })
  const name = basename(path)
  return spooledOrigin({ what: name, folder: dirname(path), batches: () => sqliteRows(path, name, options) })
}

async function* sqliteRows(path: string, name: string, options: OriginOptions): AsyncGenerator<SpoolRows> {
  const { DatabaseSync } = await import('@photostructure/sqlite')
  let query = ''
  let count = 0
  const failed = (cause: unknown): QuernError => {
    const shown = query === '' ? '' : `, after row ${count} of ${shownQuery(query)}`
    return new QuernError('input', `${name}${shown}: ${messageOf(cause)}`, { cause })
  }
  let database: InstanceType<typeof DatabaseSync> | undefined
  try {
    const open = new DatabaseSync(path, { readOnly: true })
    database = open
    query = await queryOf(options, name, { tables: async () => tablesOf(open), nameOf: sqlName })
    const statement = open.prepare(query)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    const names = statement.columns().map((column) => String(column.name))
    checkNames(names, name)
    let rows: (string | null)[][] = []
    const columns = names.map((column): SpoolColumn => ({ name: column, type: 'VARCHAR' }))
    for (const row of statement.iterate() as Iterable<unknown[]>) {
      rows.push(row.map((cell, i) => textOf(cell, () => refuseBlob(name, names[i]!, count))))
      count++
      if (rows.length < batchRows) continue
      yield { columns, rows }
      rows = []
    }
    if (rows.length > 0) yield { columns, rows }
  } catch (error) {
    throw error instanceof QuernError ? error : failed(error)
  } finally {
    database?.close()
  }
}

function tablesOf(database: { prepare(sql: string): { all(): unknown[] } }): string[] {
  const sql =
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
  return (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name)
}

function textOf(cell: unknown, onBlob: () => never): string | null {
  if (cell === null) return null
  if (cell instanceof Uint8Array) return onBlob()
  return String(cell)
}

function refuseBlob(file: string, column: string, row: number): never {
  throw new QuernError(
    'input',
    `${file} row ${row + 1}: column '${column}' holds bytes, which no column of a table is`,
    {
      hint: 'Name the columns that are needed in data.query: SELECT a, b FROM t.',
    },
  )
}
