/** The kind of a column by the counts of what its cells can be read as, or an error that names the rows that do not fit. */
import { QuernError } from '../../core/errors.ts'
import { keepsTexts } from '../table/cells.ts'
import { dateFormats } from '../table/date-formats.ts'
import type { ColumnKind } from '../table/table.ts'
import { asBoolean, asDate, asNumber, type CountOptions, type Counts, dateCandidate } from './count-kinds.ts'
import { query, sqlName } from './duckdb.ts'

/** What the configuration says of a column. */
export interface ColumnHint {
  readonly kind?: ColumnKind | undefined
  readonly format?: string | undefined
  /** holds the answers: two texts that mean true and false stay as they are written */
  readonly isTarget?: boolean | undefined
}

export interface InferredColumn {
  readonly name: string
  readonly kind: ColumnKind
  readonly format: string | undefined
  readonly distinct: number
  readonly missing: number
  /** its different values, where they were listed and are few */
  readonly texts?: readonly string[] | undefined
}

export interface DecideOptions extends CountOptions {
  /** the relation with `row`, counted from 1 */
  readonly numbered: string
  readonly hints: Readonly<Record<string, ColumnHint>>
  /** what a person finds a row (from 0) by */
  readonly nameOfRow: (row: number) => string
}

/** Kinds that are more than their texts to SQL. */
export const parsedKinds: readonly ColumnKind[] = ['number', 'boolean', 'date']
/** A share of a column's values from which on the others are taken for mistakes. */
export const mostRight = 0.9
/** Texts of more words than this are prose. */
const wordsOfText = 4

/** What a column is by its counts. Throws where its values are of mixed kinds. */
export async function decideKind(options: DecideOptions, name: string, counts: Counts): Promise<InferredColumn> {
  const hint = options.hints[name] ?? {}
  const { count, distinct, missing, numbers, booleans, dates, anyDate, words } = counts
  const made = (kind: ColumnKind, format?: string): InferredColumn => ({ name, kind, format, distinct, missing })
  const kind = hint.kind ?? (hint.format === undefined ? undefined : 'date')
  if (kind !== undefined && !parsedKinds.includes(kind)) return made(kind, hint.format)
  // A column without any value can be anything.
  if (count === 0) return made(kind ?? 'number', hint.format)
  if (kind === 'number' || (kind === undefined && numbers >= mostRight * count && booleans < count)) {
    if (numbers === count) return made('number')
    throw await mixed(options, name, counts, 'numbers', numbers, asNumber(sqlName(name)))
  }
  if (kind === 'boolean' || (kind === undefined && booleans === count)) {
    if (booleans === count) return made(keepsTexts(hint, distinct) ? 'category' : 'boolean')
    throw await mixed(options, name, counts, 'true or false', booleans, asBoolean(sqlName(name)))
  }
  if (kind === 'date' || (kind === undefined && anyDate >= mostRight * count)) {
    if (hint.format !== undefined) return made('date', await givenFormat(options, name, counts, hint.format))
    const whole = dateFormats.filter((_, d) => dates[d] === count)
    if (whole.length === 1) return made('date', whole[0])
    if (whole.length > 1) throw ambiguous(options, name, whole)
    if (anyDate === count) throw await manyFormats(options, name, counts)
    const candidate = dateCandidate(sqlName(name))
    const date = `coalesce(${dateFormats.map((format) => asDate(candidate, format)).join(', ')})`
    throw await mixed(options, name, counts, 'dates', anyDate, date)
  }
  return made(words > wordsOfText && distinct > count / 2 ? 'text' : 'category')
}

async function givenFormat(options: DecideOptions, name: string, counts: Counts, format: string): Promise<string> {
  const date = asDate(sqlName(name), format)
  const [row] = await query(options.connection, `SELECT count(${date}) AS n FROM ${options.relation}`)
  if (Number(row!.n) === counts.count) return format
  throw await mixed(options, name, counts, `dates of the format ${format}`, Number(row!.n), date)
}

/** The first rows whose value is not what the others are. */
async function examples({ connection, numbered, nameOfRow }: DecideOptions, name: string, where: string, limit = 3) {
  const c = sqlName(name)
  const rows = await query(
    connection,
    `SELECT "row", ${c} AS v FROM ${numbered} WHERE ${c} IS NOT NULL AND ${where} ORDER BY "row" LIMIT ${limit}`,
  )
  return rows.map(({ row, v }) => `${JSON.stringify(v)} in ${nameOfRow(Number(row) - 1)}`)
}

async function mixed(
  options: DecideOptions,
  name: string,
  { count }: Counts,
  what: string,
  good: number,
  parsed: string,
): Promise<QuernError> {
  const found = await examples(options, name, `${parsed} IS NULL`)
  const rest = count - good
  // Looking at the values alone nobody would say so: the configuration does.
  if (good < rest) {
    return new QuernError(
      'input',
      `${options.file}: column '${name}' must hold ${what}, and ${rest} of ${count} values are something else: ${found.join(', ')}`,
      {
        hint: `Look at data.columns['${name}'] and at the task: ${what === 'numbers' ? 'a regression answers with a number, a classification with a name.' : 'the configuration asks for it.'}`,
      },
    )
  }
  return new QuernError(
    'input',
    `${options.file}: column '${name}' holds ${what} but for ${rest} of ${count} values: ${found.join(', ')}`,
    {
      hint: `Mend them; or, if they mean that there is no value, add them to data.missing; or set data.columns['${name}'] to 'category'.`,
    },
  )
}

function ambiguous({ file }: DecideOptions, name: string, formats: readonly string[]): QuernError {
  return new QuernError('input', `${file}: the dates of column '${name}' can be read as ${formats.join(' and as ')}`, {
    hint: `Say which: data.columns['${name}'] = { format: '${formats[0]}' }.`,
  })
}

async function manyFormats(options: DecideOptions, name: string, { dates }: Counts): Promise<QuernError> {
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
