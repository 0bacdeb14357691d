/** What is asked of a database: a query of the configuration, or all of a table. */
import { QuernError, suggestion } from '../../core/errors.ts'
import type { OriginOptions } from './table-origin.ts'

/** A query as messages show it: on one line, and not too long. */
export function shownQuery(query: string): string {
  const line = query.replaceAll(/\s+/g, ' ').trim()
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}

interface Tables {
  tables(): Promise<readonly string[]>
  /** a table's name as the database's SQL writes it */
  nameOf(table: string): string
}

/**
 * The query to run. `tables` are asked for when neither a table nor a query is given, or the table is not there: a
 * database with one table needs no name.
 */
export async function queryOf(
  { table, query }: OriginOptions,
  what: string,
  { tables, nameOf }: Tables,
): Promise<string> {
  if (query !== undefined && table !== undefined) {
    throw new QuernError('config', 'data.table and data.query are both given: the query names its tables itself')
  }
  if (query !== undefined) return query.trim().replace(/;$/, '')
  const known = await tables()
  if (table !== undefined) {
    if (!known.includes(table)) {
      throw new QuernError('config', `${what} has no table '${table}'. ${suggestion(table, known)}`)
    }
    return `SELECT * FROM ${nameOf(table)}`
  }
  const [only, ...others] = known
  if (only !== undefined && others.length === 0) return `SELECT * FROM ${nameOf(only)}`
  throw new QuernError('config', only === undefined ? `${what} has no table` : `${what} has ${known.length} tables`, {
    hint:
      only === undefined ? undefined : `Name one as data.table: ${known.slice(0, 10).join(', ')}; or give data.query.`,
  })
}

/** Names of columns must differ, for SQL without regard to case. */
export function checkNames(names: readonly string[], what: string): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) {
      throw new QuernError('input', `${what} answers two columns of the name '${name}'`, {
        hint: 'Give one of them another name in the query: SELECT a.id, b.id AS other_id.',
      })
    }
    seen.set(name.toLowerCase(), name)
  }
}
