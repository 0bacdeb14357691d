/** Texts of which there are few as numbers, counted out by DuckDB: a text is decoded once, and not for every row. */
import { type DuckDBConnection, query, sqlName, sqlText } from './duckdb.ts'

/** Of more different texts the type would be larger than what it saves. */
export const mostCodes = 10_000

/** Of fewer rows counting the texts out takes as long as decoding them. */
export const fewestRows = 50_000

export interface EnumCodes {
  readonly texts: readonly string[]
  /** SQL: the place of the cell's text, NaN where there is none */
  readonly expression: string
}

let made = 0

export interface CodedCells {
  /** SQL over the relation */
  readonly cell: string
  /** the different values, where they are known */
  readonly texts: readonly string[] | undefined
}

/** Codes of the cells of some columns. `drop` removes the types that they are casts to. */
export async function enumCodes(
  connection: DuckDBConnection,
  relation: string,
  columns: readonly CodedCells[],
): Promise<{ codes: EnumCodes[]; drop(): Promise<void> }> {
  const lists = columns.flatMap(({ cell, texts }, i) => (texts ? [] : [`list(DISTINCT ${cell}) AS t${i}`]))
  const [row] = lists.length > 0 ? await query(connection, `SELECT ${lists.join(', ')} FROM ${relation}`) : []
  const names: string[] = []
  const codes: EnumCodes[] = []
  for (const [i, { cell, texts: known }] of columns.entries()) {
    const texts = known ?? (row![`t${i}`] as (string | null)[] | null)?.filter((text) => text !== null) ?? []
    const name = sqlName(`quern_codes_${++made}`)
    await connection.run(`CREATE TYPE ${name} AS ENUM (${texts.map(sqlText).join(', ')})`)
    names.push(name)
    codes.push({ texts, expression: `coalesce(enum_code(CAST(${cell} AS ${name}))::DOUBLE, 'NaN'::DOUBLE)` })
  }
  const drop = async (): Promise<void> => {
    for (const name of names) await connection.run(`DROP TYPE IF EXISTS ${name}`)
  }
  return { codes, drop }
}
