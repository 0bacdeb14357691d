/** DuckDB, loaded when a table is first read: its native code takes half a second to load and 70 MB on the disk. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { messageOf, QuernError } from '../../core/errors.ts'

export type { DuckDBConnection }

let instance: Promise<DuckDBInstance> | undefined

/** A connection to an in-memory database that loads no extension from elsewhere. Close it when done. */
export async function connectDuckDb(): Promise<DuckDBConnection> {
  instance ??= openDuckDb()
  return (await instance).connect()
}

async function openDuckDb(): Promise<DuckDBInstance> {
  let library: typeof import('@duckdb/node-api')
  try {
    library = await import('@duckdb/node-api')
  } catch (cause) {
    throw new QuernError('unsupported', `tables are read by DuckDB, which does not load here: ${messageOf(cause)}`, {
      hint: 'Install again (npm ci) on this system: its native part is an optional package of its own.',
      cause,
    })
  }
  return library.DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
    // What does not fit into memory goes there, not into the folder that the user works in.
    temp_directory: join(tmpdir(), `quern-duckdb-${process.pid}`),
  })
}

/** A text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name as SQL writes it. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Rows of a query as objects. */
export async function query(connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJS() as Record<string, unknown>[]
}
