/** What kind of values each column of texts holds: every row is looked at, in SQL, a few hundred columns at a time. */
import { QuernError } from '../../core/errors.ts'
import { dateFormats } from '../table/date-formats.ts'
import type { ColumnKind } from '../table/table.ts'
import {
  asBoolean,
  asDate,
  asNumber,
  type CountOptions,
  type Counts,
  countKinds,
  everything,
  type Look,
} from './count-kinds.ts'
import { query, sqlName } from './duckdb.ts'
import { type Sample, sampleKinds } from './sample-kinds.ts'

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

export interface InferOptions extends Omit<CountOptions, 'relation'> {
  /** a relation of these columns: texts, trimmed, and NULL where there is no value; and `row`, counted from 1 */
  relationOf(names: readonly string[]): string
  /** the same columns as they are */
  readonly raw: string
  /** texts that mean that there is no value */
  readonly missing: readonly string[]
  readonly names: readonly string[]
  readonly hints: Readonly<Record<string, ColumnHint>>
  /** what a person finds a row (from 0) by */
  readonly nameOfRow: (row: number) => string
  /** so large that counting many different values exactly would take its time */
  readonly isLarge: boolean
}

/** With the relation of the columns that are looked at together. */
type Inferring = InferOptions & CountOptions

/** Kinds that are more than their texts to SQL. */
const parsedKinds: readonly ColumnKind[] = ['number', 'boolean', 'date']
/** A share of a column's values from which on the others are taken for mistakes. */
const most = 0.9
const columnsAtOnce = 500
/** Texts of more words than this are prose. */
const wordsOfText = 4

/** Rows, and kinds of the columns. Throws at columns of mixed kinds, naming rows and what they hold. */
export async function inferKinds(all: InferOptions): Promise<{ rows: number; columns: InferredColumn[] }> {
  const found: InferredColumn[] = []
  let rows = 0
  const sample = await sampleKinds(all.connection, all.raw, all.names, all.missing)
  if (sample.rows === 0) throw new QuernError('input', `${all.file} has no rows below its header`)
  for (let i = 0; i < all.names.length; i += columnsAtOnce) {
    const names = all.names.slice(i, i + columnsAtOnce)
    const options: Inferring = { ...all, relation: all.relationOf(names) }
    const counted = await countBySample(options, names, {
      ...sample,
      counts: sample.counts.slice(i, i + columnsAtOnce),
    })
    rows = counted.rows
    const some: InferredColumn[] = []
    for (const [k, name] of names.entries()) some.push(await decide(options, name, counted.counts[k]!))
    found.push(...(options.isLarge && !sample.isWhole ? await exactWhereItDecides(options, some, rows) : some))
  }
  return { rows, columns: found }
}

const countAll = (options: Inferring, names: readonly string[]) =>
  countKinds(
    options,
    names.map((name) => ({ name, look: everything })),
  )

/**
 * The same counts over all rows, but that a column is first tried only as what its beginning is. Where every row is that, the other counts would
 * decide nothing; where one is not, all are made.
 */
async function countBySample(options: Inferring, names: readonly string[], sample: Sample) {
  if (sample.isWhole) return sample
  const columns = names.map((name, i) => ({
    name,
    look: lookOf(sample.counts[i]!, options.hints[name] ?? {}, options.isLarge),
  }))
  const counted = await countKinds(options, columns)
  const open = names.filter((_, i) => !isSettled(columns[i]!.look, counted.counts[i]!))
  if (open.length === 0) return counted
  const again = await countAll(options, open)
  const counts = names.map((name, i) => (open.includes(name) ? again.counts[open.indexOf(name)]! : counted.counts[i]!))
  return { rows: counted.rows, counts }
}

function lookOf({ count, numbers, booleans, dates, distinct }: Counts, { kind }: ColumnHint, isLarge: boolean): Look {
  const isFew = !isLarge || distinct < count / 2
  const nothing: Look = { numbers: false, booleans: false, words: false, distinct: isFew, dates: [], mayBeDates: false }
  if (kind !== undefined && !parsedKinds.includes(kind)) return nothing
  if (count === 0) return everything
  if (numbers === count) return { ...nothing, numbers: true }
  if (booleans === count) return { ...nothing, booleans: true }
  const whole = [...dates.keys()].filter((d) => dates[d] === count)
  if (whole.length > 0) return { ...nothing, dates: whole }
  // Not all are true or false; whether nearly all are dates, their length and first sign tell for most columns.
  return { ...nothing, numbers: true, words: true, mayBeDates: true }
}

/** Whether all cells are what the column was tried as. */
function isSettled(look: Look, { count, numbers, booleans, dates, anyDate }: Counts): boolean {
  if (look.mayBeDates) return numbers < most * count && anyDate < most * count
  if (look.words) return true
  if (look.numbers) return numbers === count
  if (look.booleans) return booleans === count
  return look.dates.length === 0 || dates.includes(count)
}

/** An estimate cannot tell a key, whose values are all different, or a constant: those that come near are counted. */
async function exactWhereItDecides(
  { connection, relation }: Inferring,
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

async function decide(options: Inferring, name: string, counts: Counts): Promise<InferredColumn> {
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

async function givenFormat(options: Inferring, name: string, counts: Counts, format: string): Promise<string> {
  const date = asDate(sqlName(name), format)
  const [row] = await query(options.connection, `SELECT count(${date}) AS n FROM ${options.relation}`)
  if (Number(row!.n) === counts.count) return format
  throw await mixed(options, name, counts, `dates of the format ${format}`, Number(row!.n), date)
}

/** The first rows whose value is not what the others are. */
async function examples({ connection, relation, nameOfRow }: Inferring, name: string, where: string, limit = 3) {
  const c = sqlName(name)
  const rows = await query(
    connection,
    `SELECT "row", ${c} AS v FROM ${relation} WHERE ${c} IS NOT NULL AND ${where} ORDER BY "row" LIMIT ${limit}`,
  )
  return rows.map(({ row, v }) => `${JSON.stringify(v)} in ${nameOfRow(Number(row) - 1)}`)
}

async function mixed(
  options: Inferring,
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

function ambiguous({ file }: Inferring, name: string, formats: readonly string[]): QuernError {
  return new QuernError('input', `${file}: the dates of column '${name}' can be read as ${formats.join(' and as ')}`, {
    hint: `Say which: data.columns['${name}'] = { format: '${formats[0]}' }.`,
  })
}

async function manyFormats(options: Inferring, name: string, { dates }: Counts): Promise<QuernError> {
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
