/** What kind of values each column of texts holds: every row is looked at, in SQL, a few hundred columns at a time. */
import type { QuernError } from '../../core/errors.ts'
import { areNames, type Counts, countKinds, everything, type Look } from './count-kinds.ts'
import {
  type ColumnHint,
  type DecideOptions,
  decideKind,
  type InferredColumn,
  mostRight,
  parsedKinds,
} from './decide-kind.ts'
import { query, sqlName } from './duckdb.ts'
import { type Sample, sampleKinds } from './sample-kinds.ts'
import { type ReaderTypes, readerTypes } from './typed-columns.ts'

/** Rows as SQL reads them. */
export interface RawRows {
  readonly relation: string
  /** columns that are numbers and times in it; all others are texts */
  readonly typed: ReadonlySet<string>
}

export interface InferOptions extends Omit<DecideOptions, 'relation' | 'numbered'> {
  /** a relation of these columns: texts, trimmed, and NULL where there is no value; on demand with `row`, counted from 1 */
  relationOf(names: readonly string[], rows: RawRows, isNumbered?: boolean): string
  /** the same columns as they are: texts */
  readonly raw: string
  /** the rows with columns that are typed while they are read; the query fails where a cell is none */
  readonly typedRows: ((types: ReaderTypes) => Promise<string | undefined>) | undefined
  /** texts that mean that there is no value */
  readonly missing: readonly string[]
  readonly names: readonly string[]
  /** why there is nothing to look at */
  noRows(): Promise<QuernError>
  /** so large that counting many different values exactly would take its time */
  readonly isLarge: boolean
}

/** With the relation of the columns that are looked at together. */
interface Inferring extends InferOptions, DecideOptions {
  readonly typed: ReadonlySet<string>
}

export interface InferredKinds {
  readonly rows: number
  readonly columns: readonly InferredColumn[]
  /** how the rows are best read from now on */
  readonly read: RawRows
}

const columnsAtOnce = 500
/** A share of different values in the beginning of a column up to which they are likely few in the whole. */
const mostRepeated = 0.05

/** Rows, and kinds of the columns. Throws at columns of mixed kinds, naming rows and what they hold. */
export async function inferKinds(all: InferOptions): Promise<InferredKinds> {
  const sample = await sampleKinds(all.connection, all.raw, all.names, all.missing)
  if (sample.rows === 0) throw await all.noRows()
  const typed = await inferTyped(all, sample)
  if (typed) return typed
  const found: InferredColumn[] = []
  let rows = 0
  const read = { relation: all.raw, typed: new Set<string>() }
  for (let i = 0; i < all.names.length; i += columnsAtOnce) {
    const names = all.names.slice(i, i + columnsAtOnce)
    const options = inferring(all, names, read)
    const some = { ...sample, counts: sample.counts.slice(i, i + columnsAtOnce) }
    const counted = await countBySample(options, names, some)
    rows = counted!.rows
    found.push(...(await decideAll(options, names, counted!, sample.isWhole)))
  }
  return { rows, columns: found, read }
}

const inferring = (all: InferOptions, names: readonly string[], rows: RawRows): Inferring => ({
  ...all,
  ...{ relation: all.relationOf(names, rows), numbered: all.relationOf(names, rows, true), typed: rows.typed },
})

/**
 * The same with columns that the reader types. Where a cell is not of its column's type nothing is said here: looking at the texts tells which, and
 * finds the kinds as if this had not been tried.
 */
async function inferTyped(all: InferOptions, sample: Sample): Promise<InferredKinds | undefined> {
  if (!all.isLarge || sample.isWhole || all.names.length > columnsAtOnce) return undefined
  const types = readerTypes(sample, all.names, all.hints, all.missing)
  const relation = types && (await all.typedRows?.(types))
  if (!types || relation === undefined) return undefined
  const read = { relation, typed: new Set([...types.numbers, ...types.dates]) }
  const options = inferring(all, all.names, read)
  const counted = await countBySample(options, all.names, sample).catch(() => undefined)
  if (!counted) return undefined
  return { rows: counted.rows, columns: await decideAll(options, all.names, counted, false), read }
}

async function decideAll(
  options: Inferring,
  names: readonly string[],
  { rows, counts }: Counted,
  isWhole: boolean,
): Promise<InferredColumn[]> {
  const found: InferredColumn[] = []
  for (const [i, name] of names.entries()) {
    found.push({ ...(await decideKind(options, name, counts[i]!)), texts: counts[i]!.texts })
  }
  return options.isLarge && !isWhole ? exactWhereItDecides(options, found, rows) : found
}

interface Counted {
  readonly rows: number
  readonly counts: readonly Counts[]
}

const countAll = (options: Inferring, names: readonly string[]) =>
  countKinds(
    options,
    names.map((name) => ({ name, look: everything })),
  )

/**
 * The same counts over all rows, but that a column is first tried only as what its beginning is. Where every row is that, the other counts would
 * decide nothing; where one is not, all are made. Undefined where a typed column holds what is not of its type.
 */
async function countBySample(
  options: Inferring,
  names: readonly string[],
  sample: Sample,
  mayList = true,
): Promise<Counted | undefined> {
  if (sample.isWhole) return sample
  const { isLarge, hints, typed } = options
  const columns = names.map((name, i) => ({
    name,
    look: { ...lookOf(sample.counts[i]!, hints[name] ?? {}, isLarge, mayList), isTyped: typed.has(name) },
  }))
  const { rows, counts } = await countKinds(options, columns)
  const open: number[] = []
  for (const [i, { look }] of columns.entries()) {
    if (await isSettled(options, look, counts[i]!)) continue
    if (look.isTyped) return undefined
    open.push(i)
  }
  const lists = open.filter((i) => columns[i]!.look.texts)
  for (const places of [lists, open.filter((i) => !lists.includes(i))]) {
    if (places.length === 0) continue
    const some = places.map((i) => names[i]!)
    const again =
      places === lists
        ? await countBySample(options, some, { ...sample, counts: places.map((i) => sample.counts[i]!) }, false)
        : await countAll(options, some)
    for (const [k, i] of places.entries()) counts[i] = again!.counts[k]!
  }
  return { rows, counts }
}

const onlyDistinct = { ...everything, numbers: false, booleans: false, words: false, dates: [] }

function lookOf(
  { count, numbers, booleans, dates, anyDate, distinct }: Counts,
  { kind }: ColumnHint,
  isLarge: boolean,
  mayList: boolean,
): Look {
  const nothing: Look = { ...onlyDistinct, distinct: !isLarge || distinct < count / 2 }
  const isRepeated = mayList && isLarge && distinct < count * mostRepeated
  if (kind !== undefined && !parsedKinds.includes(kind)) return nothing
  if (count === 0) return everything
  if (numbers === count) return { ...nothing, numbers: true }
  if (booleans === count) return { ...nothing, booleans: true }
  const whole = [...dates.keys()].filter((d) => dates[d] === count)
  if (whole.length > 0) return { ...nothing, dates: whole }
  // Few names again and again: what they are is seen by their list.
  if (isRepeated && kind === undefined && numbers + booleans + anyDate === 0) return { ...nothing, texts: true }
  // Not all are true or false; whether nearly all are dates, their length and first sign tell for most columns.
  return { ...nothing, numbers: true, words: true, mayBeDates: true }
}

/** Whether all cells are what the column was tried as. */
async function isSettled({ connection }: Inferring, look: Look, counts: Counts): Promise<boolean> {
  const { count, distinct, numbers, booleans, dates, anyDate, texts } = counts
  if (look.mayBeDates) return numbers < mostRight * count && anyDate < mostRight * count
  if (look.words) return true
  if (look.numbers) return numbers === count
  if (look.booleans) return booleans === count
  if (look.texts) return texts !== undefined && distinct <= count / 2 && (await areNames(connection, texts))
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
