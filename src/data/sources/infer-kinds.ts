/** What kind of values each column of texts holds: every row is looked at, in SQL, a few hundred columns at a time. */
import { QuernError } from '../../core/errors.ts'
import { booleanTexts } from '../table/cells.ts'
import { dateFormats } from '../table/date-formats.ts'
import type { ColumnKind } from '../table/table.ts'
import { type DuckDBConnection, query, sqlName, sqlText } from './duckdb.ts'

/** What the configuration says of a column. */
export interface ColumnHint {
  readonly kind?: ColumnKind | undefined
  readonly format?: string | undefined
}

export interface InferredColumn {
  readonly name: string
  readonly kind: ColumnKind
  readonly format: string | undefined
  readonly distinct: number
  readonly missing: number
}

export interface InferOptions {
  readonly connection: DuckDBConnection
  /** a relation whose columns are texts, trimmed, and NULL where there is no value; and `row`, counted from 1 */
  readonly relation: string
  readonly names: readonly string[]
  readonly hints: Readonly<Record<string, ColumnHint>>
  readonly file: string
  /** what a person finds a row (from 0) by */
  readonly nameOfRow: (row: number) => string
  /** count different values exactly only where that decides something */
  readonly isLarge: boolean
}

/** Kinds that are more than their texts to SQL. */
const parsedKinds: readonly ColumnKind[] = ['number', 'boolean', 'date']
/** A share of a column's values from which on the others are taken for mistakes. */
const most = 0.9
const columnsAtOnce = 200
/** Texts of more words than this are prose. */
const wordsOfText = 4

export const asNumber = (text: string): string =>
  `(CASE WHEN isfinite(TRY_CAST(${text} AS DOUBLE)) THEN TRY_CAST(${text} AS DOUBLE) END)`
const truths = Object.keys(booleanTexts)
export const asBoolean = (text: string): string =>
  `(CASE lower(${text}) ${truths.map((t) => `WHEN ${sqlText(t)} THEN ${booleanTexts[t] ? 'true' : 'false'}`).join(' ')} END)`
export const asDate = (text: string, format: string): string => `try_strptime(${text}, ${sqlText(format)})`

interface Counts {
  readonly count: number
  readonly missing: number
  readonly distinct: number
  readonly words: number
  readonly numbers: number
  readonly booleans: number
  /** in the order of `dateFormats` */
  readonly dates: readonly number[]
  readonly anyDate: number
}

/** Rows, and kinds of the columns. Throws at columns of mixed kinds, naming rows and what they hold. */
export async function inferKinds(options: InferOptions): Promise<{ rows: number; columns: InferredColumn[] }> {
  const found: InferredColumn[] = []
  let rows = 0
  for (let i = 0; i < options.names.length; i += columnsAtOnce) {
    const names = options.names.slice(i, i + columnsAtOnce)
    const counted = await count(options, names)
    rows = counted.rows
    const some: InferredColumn[] = []
    for (const [k, name] of names.entries()) some.push(await decide(options, name, counted.columns[k]!))
    found.push(...(options.isLarge ? await exactWhereItDecides(options, some, rows) : some))
  }
  return { rows, columns: found }
}

/** An estimate cannot tell a key, whose values are all different, or a constant: those that come near are counted. */
async function exactWhereItDecides(
  { connection, relation }: InferOptions,
  columns: readonly InferredColumn[],
  rows: number,
): Promise<InferredColumn[]> {
  const near = columns.filter(
    ({ kind, distinct, missing }) => distinct < 3 || (kind === 'category' && distinct > 0.8 * (rows - missing)),
  )
  if (near.length === 0) return [...columns]
  const parts = near.map(({ name }, i) => `count(DISTINCT ${sqlName(name)}) AS u${i}`)
  const [row] = await query(connection, `SELECT ${parts.join(', ')} FROM ${relation}`)
  const exact = new Map(near.map(({ name }, i) => [name, Number(row![`u${i}`])]))
  return columns.map((column) => ({ ...column, distinct: exact.get(column.name) ?? column.distinct }))
}

async function count(
  { connection, relation, file, isLarge }: InferOptions,
  names: readonly string[],
): Promise<{ rows: number; columns: Counts[] }> {
  const parts = names.flatMap((name, i) => {
    const c = sqlName(name)
    // Parsing dates is dear: what cannot be one of the known formats is not tried.
    const candidate = `(CASE WHEN length(${c}) BETWEEN 8 AND 20 AND ${c} >= '0' AND ${c} < ':' THEN ${c} END)`
    const dates = dateFormats.map((format) => asDate(candidate, format))
    return [
      `count(${c}) AS n${i}`,
      `count(*) - count(${c}) AS m${i}`,
      `${isLarge ? 'approx_count_distinct(' : 'count(DISTINCT '}${c}) AS u${i}`,
      `coalesce(avg(length(${c}) - length(replace(${c}, ' ', '')) + 1), 0) AS w${i}`,
      `count(${asNumber(c)}) AS f${i}`,
      `count(${asBoolean(c)}) AS b${i}`,
      `count(coalesce(${dates.join(', ')})) AS a${i}`,
      ...dates.map((date, d) => `count(${date}) AS d${i}_${d}`),
    ]
  })
  const [row] = await query(connection, `SELECT count(*) AS n, ${parts.join(', ')} FROM ${relation}`)
  const number = (key: string): number => Number(row![key])
  if (number('n') === 0) throw new QuernError('input', `${file} has no rows below its header`)
  const columns = names.map((_, i) => ({
    count: number(`n${i}`),
    missing: number(`m${i}`),
    distinct: number(`u${i}`),
    words: number(`w${i}`),
    numbers: number(`f${i}`),
    booleans: number(`b${i}`),
    anyDate: number(`a${i}`),
    dates: dateFormats.map((_, d) => number(`d${i}_${d}`)),
  }))
  return { rows: number('n'), columns }
}

async function decide(options: InferOptions, name: string, counts: Counts): Promise<InferredColumn> {
  const hint = options.hints[name] ?? {}
  const { count, distinct, missing, numbers, booleans, dates, anyDate, words } = counts
  const made = (kind: ColumnKind, format?: string): InferredColumn => ({ name, kind, format, distinct, missing })
  const kind = hint.kind ?? (hint.format === undefined ? undefined : 'date')
  if (kind !== undefined && !parsedKinds.includes(kind)) return made(kind, hint.format)
  // A column without any value can be anything.
  if (count === 0) return made(kind ?? 'number', hint.format)
  if (kind === 'number' || (kind === undefined && numbers >= most * count && booleans < count)) {
    if (numbers === count) return made('number')
    throw await mixed(options, name, counts, 'numbers', numbers, asNumber(sqlName(name)))
  }
  if (kind === 'boolean' || (kind === undefined && booleans === count)) {
    if (booleans === count) return made('boolean')
    throw await mixed(options, name, counts, 'true or false', booleans, asBoolean(sqlName(name)))
  }
  if (kind === 'date' || (kind === undefined && anyDate >= most * count)) {
    if (hint.format !== undefined) return made('date', await givenFormat(options, name, counts, hint.format))
    const whole = dateFormats.filter((_, d) => dates[d] === count)
    if (whole.length === 1) return made('date', whole[0])
    if (whole.length > 1) throw ambiguous(options, name, whole)
    if (anyDate === count) throw await manyFormats(options, name, counts)
    const date = `coalesce(${dateFormats.map((format) => asDate(sqlName(name), format)).join(', ')})`
    throw await mixed(options, name, counts, 'dates', anyDate, date)
  }
  return made(words > wordsOfText && distinct > count / 2 ? 'text' : 'category')
}

async function givenFormat(options: InferOptions, name: string, counts: Counts, format: string): Promise<string> {
  const date = asDate(sqlName(name), format)
  const [row] = await query(options.connection, `SELECT count(${date}) AS n FROM ${options.relation}`)
  if (Number(row!.n) === counts.count) return format
  throw await mixed(options, name, counts, `dates of the format ${format}`, Number(row!.n), date)
}

/** The first rows whose value is not what the others are. */
async function examples({ connection, relation, nameOfRow }: InferOptions, name: string, where: string, limit = 3) {
  const c = sqlName(name)
  const rows = await query(
    connection,
    `SELECT "row", ${c} AS v FROM ${relation} WHERE ${c} IS NOT NULL AND ${where} ORDER BY "row" LIMIT ${limit}`,
  )
  return rows.map(({ row, v }) => `${JSON.stringify(v)} in ${nameOfRow(Number(row) - 1)}`)
}

async function mixed(
  options: InferOptions,
  name: string,
  { count }: Counts,
  what: string,
  good: number,
  parsed: string,
): Promise<QuernError> {
  const found = await examples(options, name, `${parsed} IS NULL`)
  const rest = count - good
  return new QuernError(
    'input',
    `${options.file}: column '${name}' holds ${what} but for ${rest} of ${count} values: ${found.join(', ')}`,
    {
      hint: `Mend them; or, if they mean that there is no value, add them to data.missing; or set data.columns['${name}'] to 'category'.`,
    },
  )
}

function ambiguous({ file }: InferOptions, name: string, formats: readonly string[]): QuernError {
  return new QuernError('input', `${file}: the dates of column '${name}' can be read as ${formats.join(' and as ')}`, {
    hint: `Say which: data.columns['${name}'] = { format: '${formats[0]}' }.`,
  })
}

async function manyFormats(options: InferOptions, name: string, { dates }: Counts): Promise<QuernError> {
  const used = dateFormats.filter((_, d) => dates[d]! > 0)
  const c = sqlName(name)
  const found: string[] = []
  const before: string[] = []
  for (const format of used) {
    const others = before.map((earlier) => `${asDate(c, earlier)} IS NULL`)
    const [first] = await examples(options, name, [`${asDate(c, format)} IS NOT NULL`, ...others].join(' AND '), 1)
    before.push(format)
    if (first !== undefined) found.push(`${format} (${first})`)
  }
  return new QuernError(
    'input',
    `${options.file}: column '${name}' holds dates of ${found.length} formats: ${found.join(', ')}`,
    { hint: 'Write all of them in one format: what 03/04/2024 means cannot be known.' },
  )
}
