/** How many cells of columns of texts are numbers, booleans, dates of each format: counted in SQL, over all rows. */
import { QuernError } from '../../core/errors.ts'
import { booleanTexts } from '../table/cells.ts'
import { dateFormats, dateLengths } from '../table/date-formats.ts'
import { type DuckDBConnection, query, sqlName, sqlText } from './duckdb.ts'
import { mostCodes } from './enum-codes.ts'

export const asNumber = (text: string): string =>
  `(CASE WHEN isfinite(TRY_CAST(${text} AS DOUBLE)) THEN TRY_CAST(${text} AS DOUBLE) END)`
const truths = Object.keys(booleanTexts)
export const asBoolean = (text: string): string =>
  `(CASE lower(${text}) ${truths.map((t) => `WHEN ${sqlText(t)} THEN ${booleanTexts[t] ? 'true' : 'false'}`).join(' ')} END)`
export const asDate = (text: string, format: string): string => `try_strptime(${text}, ${sqlText(format)})`

/** Parsing what is no date is dear: what cannot be one of the known formats is not tried. Strptime leaves tabs around a date out. */
export const dateCandidate = (c: string): string => {
  const text = `trim(${c}, E' \\t\\n\\x0b\\f\\r')`
  return `(CASE WHEN length(${text}) BETWEEN ${dateLengths.least} AND ${dateLengths.most} AND ${text} >= '0' AND ${text} < ':' THEN ${c} END)`
}

export interface Counts {
  readonly count: number
  readonly missing: number
  readonly distinct: number
  readonly words: number
  readonly numbers: number
  readonly booleans: number
  /** in the order of `dateFormats` */
  readonly dates: readonly number[]
  readonly anyDate: number
  /** the different values, where they were listed and are few */
  readonly texts?: readonly string[] | undefined
}

/** What a column is tried as. */
export interface Look {
  readonly numbers: boolean
  readonly booleans: boolean
  readonly words: boolean
  /** counts different values exactly; else they are estimated, to a fifth or so */
  readonly distinct: boolean
  /** places in `dateFormats` */
  readonly dates: readonly number[]
  /** counts as `anyDate` what could be a date by its length and first sign: an upper bound that costs little */
  readonly mayBeDates: boolean
  /** lists the different values where they are no more than `mostCodes`, counted exactly */
  readonly texts: boolean
  /** the cells are numbers or times already, not texts */
  readonly isTyped: boolean
}

const allDates = dateFormats.map((_, d) => d)
export const everything: Look = {
  numbers: true,
  booleans: true,
  words: true,
  distinct: true,
  dates: allDates,
  mayBeDates: false,
  texts: false,
  isTyped: false,
}

export interface CountOptions {
  readonly connection: DuckDBConnection
  /** a relation whose columns are texts, trimmed, and NULL where there is no value, or typed, where they are looked at so */
  readonly relation: string
  readonly file: string
}

/** Rows, and counts of each column; what is not looked for is 0. */
export async function countKinds(
  { connection, relation, file }: CountOptions,
  columns: readonly { readonly name: string; readonly look: Look }[],
): Promise<{ rows: number; counts: Counts[] }> {
  const parts = columns.flatMap(({ name, look }, i) => partsOf(sqlName(name), look, i))
  const [row] = await query(connection, `SELECT count(*) AS n, ${parts.join(', ')} FROM ${relation}`)
  const number = (key: string): number => Number(row![key] ?? 0)
  if (number('n') === 0) throw new QuernError('input', `${file} has no rows below its header`)
  const counts = columns.map((_, i) => ({
    ...{ count: number(`n${i}`), missing: number(`m${i}`), distinct: number(`u${i}`), words: number(`w${i}`) },
    ...{ numbers: number(`f${i}`), booleans: number(`b${i}`), anyDate: number(`a${i}`) },
    dates: dateFormats.map((_, d) => number(`d${i}_${d}`)),
    texts: (row![`t${i}`] as (string | null)[] | null | undefined)?.filter((text) => text !== null),
  }))
  return { rows: number('n'), counts }
}

/** What is counted of a column, in SQL. */
function partsOf(c: string, look: Look, i: number): string[] {
  const always = [`count(${c}) AS n${i}`, `count(*) - count(${c}) AS m${i}`]
  const distinct = `${look.distinct ? 'count(DISTINCT ' : 'approx_count_distinct('}${c}) AS u${i}`
  if (look.isTyped) {
    // Of no known format are years of fewer than four digits, and the words 'infinity' and 'epoch', which DuckDB's reader makes 1900-01-01 of.
    const isDate = `count(*) FILTER (${c} >= TIMESTAMP '1000-01-01' AND ${c} <> TIMESTAMP '1900-01-01')`
    const found = look.dates.flatMap((d) => [`${isDate} AS a${i}`, `${isDate} AS d${i}_${d}`])
    if (look.numbers) found.push(`count(*) FILTER (isfinite(${c})) AS f${i}`)
    return [...always, distinct, ...found]
  }
  const candidate = dateCandidate(c)
  const dates = look.dates.map((d) => asDate(candidate, dateFormats[d]!))
  return [
    ...always,
    distinct,
    ...(look.texts ? [`CASE WHEN count(DISTINCT ${c}) <= ${mostCodes} THEN list(DISTINCT ${c}) END AS t${i}`] : []),
    ...(look.words ? [`coalesce(avg(length(${c}) - length(replace(${c}, ' ', '')) + 1), 0) AS w${i}`] : []),
    ...(look.numbers ? [`count(${asNumber(c)}) AS f${i}`] : []),
    ...(look.booleans ? [`count(${asBoolean(c)}) AS b${i}`] : []),
    ...(look.mayBeDates ? [`count(${candidate}) AS a${i}`] : []),
    ...(dates.length > 0 ? [`count(coalesce(${dates.join(', ')})) AS a${i}`] : []),
    ...dates.map((date, k) => `count(${date}) AS d${i}_${look.dates[k]!}`),
  ]
}

/** Whether none of some texts is a number, true or false, or could be a date. */
export async function areNames(connection: DuckDBConnection, texts: readonly string[]): Promise<boolean> {
  const parsed = [asNumber('t'), asBoolean('t'), dateCandidate('t')].map((value) => `count(${value})`).join(' + ')
  const list = `[${texts.map(sqlText).join(', ')}]::VARCHAR[]`
  const [row] = await query(connection, `SELECT ${parsed} AS n FROM (SELECT unnest(${list}) AS t)`)
  return Number(row!.n) === 0
}
