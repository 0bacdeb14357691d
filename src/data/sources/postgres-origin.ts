/** `postgres://user@host/database`: a table or a query of a server, read by a cursor; the answer is one state of the data, whatever others write. */
import { messageOf, QuernError } from '../../core/errors.ts'
import { filledAddress, hiddenSecret } from './address.ts'
import { sqlName } from './duckdb.ts'
import type { SpoolColumn, SpoolRows } from './spool.ts'
import { spooledOrigin } from './spooled-origin.ts'
import { checkNames, queryOf, shownQuery } from './sql-query.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'

const batchRows = 4096
/** seconds */
const connectTimeout = 20

/** DuckDB's types for those of the server, by their object identifiers (pg_type.dat); all others are texts. */
const types: Readonly<Record<number, string>> = {
  16: 'BOOLEAN',
  20: 'DOUBLE',
  21: 'DOUBLE',
  23: 'DOUBLE',
  700: 'DOUBLE',
  701: 'DOUBLE',
  1700: 'DOUBLE',
  1082: 'DATE',
  1114: 'TIMESTAMP',
  1184: 'TIMESTAMP',
  // arrays of numbers and of texts
  1005: 'DOUBLE[]',
  1007: 'DOUBLE[]',
  1016: 'DOUBLE[]',
  1021: 'DOUBLE[]',
  1022: 'DOUBLE[]',
  1231: 'DOUBLE[]',
  1009: 'VARCHAR[]',
  1015: 'VARCHAR[]',
}
const bytea = 17

/** Connects when the rows are asked for. */
export async function postgresOrigin(address: string, options: OriginOptions): Promise<TableOrigin> {
  const url = filledAddress(address, options.environment)
  const what = hiddenSecret(url)
  return spooledOrigin({ what, folder: options.root ?? '.', batches: () => postgresRows(url, what, options) })
}

interface Batch extends ReadonlyArray<readonly (Uint8Array | null)[]> {
  readonly columns: readonly { readonly name: string; readonly type: number }[]
}

async function* postgresRows(url: URL, what: string, options: OriginOptions): AsyncGenerator<SpoolRows> {
  const { default: postgres } = await import('postgres')
  // Texts of dates and times as ISO 8601 in UTC; nothing is written.
  const connection = { TimeZone: 'UTC', DateStyle: 'ISO', default_transaction_read_only: true }
  const sql = postgres(url.href, {
    ...{ max: 1, connect_timeout: connectTimeout, idle_timeout: 0, fetch_types: false, onnotice: () => undefined },
    connection: { application_name: 'quern', ...connection },
  })
  let query = ''
  let count = 0
  const decoder = new TextDecoder()
  try {
    const tables = async (): Promise<string[]> => {
      const found = await sql`SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
        WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`
      return found.map(({ schema, name }) => (schema === 'public' ? String(name) : `${schema}.${name}`))
    }
    query = await queryOf(options, what, { tables, nameOf: (name) => name.split('.').map(sqlName).join('.') })
    const cursor = sql.unsafe(query).raw() as unknown as { cursor(rows: number): AsyncIterable<Batch> }
    let columns: SpoolColumn[] | undefined
    for await (const batch of cursor.cursor(batchRows)) {
      columns ??= columnsOf(batch, what)
      const arrays = columns.map(({ type }) => type.endsWith('[]'))
      const rows = batch.map((row) =>
        row.map((cell, i) => {
          if (cell === null) return null
          const text = decoder.decode(cell)
          return arrays[i] ? listText(text) : text
        }),
      )
      yield { columns, rows }
      count += rows.length
    }
  } catch (error) {
    throw error instanceof QuernError ? error : failure(error, what, query, count)
  } finally {
    await sql.end({ timeout: 1 }).catch(() => undefined)
  }
}

function columnsOf({ columns }: Batch, what: string): SpoolColumn[] {
  checkNames(
    columns.map(({ name }) => name),
    what,
  )
  return columns.map(({ name, type }) => ({ name, type: type === bytea ? 'BLOB' : (types[type] ?? 'VARCHAR') }))
}

/** `{a,"b c"}` as DuckDB writes it: `[a,"b c"]`. */
function listText(text: string): string {
  return `[${text.slice(1, -1)}]`
}

const lost = /CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONNRESET|EPIPE|terminating connection|57P0/
/** Nobody there, no such database, or who asks is not let in. */
const unreachable = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|CONNECT_TIMEOUT|28\w{3}|3D000)$/

function failure(cause: unknown, what: string, query: string, count: number): QuernError {
  const code = String((cause as { code?: unknown }).code ?? '')
  const reason = messageOf(cause) || code
  if (query === '' || (count === 0 && unreachable.test(code))) {
    const hint = code.startsWith('28')
      ? 'Look at the user and the password.'
      : 'Look at the address, and whether the server runs.'
    return new QuernError('io', `${what} does not answer: ${reason}`, { hint, cause })
  }
  const shown = shownQuery(query)
  if (lost.test(`${code} ${reason}`)) {
    return new QuernError('io', `${what} went away after row ${count} of the query: ${shown} (${reason})`, {
      hint: 'Nothing of it was used. Run again when the server is back.',
      cause,
    })
  }
  return new QuernError('input', `${what} refuses the query: ${shown} (${reason})`, { cause })
}
