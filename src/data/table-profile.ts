/** What is in a table, and what is wrong with it: the result of `quern inspect`, as plain JSON. */
import { numberStatistics, quantileOf } from './features/number-statistics.ts'
import { nearRows } from './near-rows.ts'
import type { SourceReport } from './source.ts'
import { type Column, type ColumnKind, cellText, isPresent, type Table } from './table/table.ts'
import type { TableSchema } from './table/table-source.ts'
import { tableAdvice } from './table-advice.ts'
import { singleColumnScore } from './table-leakage.ts'
import { type TimeOrder, timeOrders } from './time-order.ts'
import { type WrittenNumbers, writtenNumbersOf } from './written-numbers.ts'

export interface ColumnProfile {
  readonly name: string
  readonly kind: ColumnKind
  readonly missing: number
  readonly distinct: number
  /** numbers, and dates as milliseconds since 1970 */
  readonly numbers?: {
    readonly mean: number
    readonly deviation: number
    /** least, quarters, most */
    readonly quartiles: readonly [number, number, number, number, number]
    /** rows in bins of equal width from the least to the most */
    readonly histogram: readonly number[]
  }
  /** the commonest values */
  readonly top?: readonly { readonly value: string; readonly count: number }[]
  /** how well this column alone tells the target of training rows: share of right classes, or of the variance */
  readonly alone?: number
  /** where nearly all values are numbers, but not plain ones */
  readonly written?: WrittenNumbers
  /** 'constant': one value in every row; 'identifier': a different one in each */
  readonly role?: 'constant' | 'identifier'
}

export interface TableProfile {
  readonly kind: 'table'
  readonly rows: number
  /** columns that are answered */
  readonly targets: readonly string[]
  readonly columns: readonly ColumnProfile[]
  readonly labels: readonly string[]
  /** rows, and counts of the classes in the order of `labels` */
  readonly splits: Readonly<Record<string, { readonly rows: number; readonly classes: readonly number[] }>>
  /** share of the commonest class of training rows */
  readonly majority: number
  readonly duplicates: {
    /** rows that repeat an earlier one, target included */
    readonly rows: number
    /** rows of another split that are in training too, target included */
    readonly shared: Readonly<Record<string, number>>
    /** rows that are equal but for the target */
    readonly contradictions: number
    readonly first: readonly string[]
  }
  /** pairs of rows that are almost the same: how many, how many of them stand in different splits, and the first */
  readonly near: { readonly pairs: number; readonly across: number; readonly first: readonly string[] }
  /** of each column of dates */
  readonly time: readonly TimeOrder[]
  /** what each cleaning rule did before */
  readonly cleaned?: SourceReport['cleaned']
  readonly skipped: SourceReport['broken']
  readonly notes: readonly string[]
  /** sentences, the most urgent first */
  readonly advice: readonly string[]
}

export interface TableProfileInput {
  readonly table: Table
  readonly schema: TableSchema
  /** columns that are answered */
  readonly targets: readonly string[]
  readonly labels: readonly string[]
  /** rows of the table by split */
  readonly splits: Readonly<Record<string, Int32Array>>
  nameOfRow(row: number): string
  readonly report: SourceReport
  readonly notes: readonly string[]
  /** columns that the model reads */
  readonly used: readonly string[]
  /** tells how much each column says alone: of one class, or of one number */
  readonly told: boolean
}

/** Kinds whose commonest values say nothing: plots say more of numbers, prose and the paths of files are all different. */
const withoutTop: ReadonlySet<ColumnKind> = new Set(['number', 'date', 'text', 'image', 'audio'])
const bins = 20
const listed = 10
/** rows of one group */
const mostNamed = 4

/** The profile of a table whose rows were divided. */
export function profileTable(input: TableProfileInput): TableProfile {
  const { table, schema, targets, labels, splits, report, notes, told, used } = input
  const train = splits.train!
  const goal = table.columns.get(targets[0]!)!
  const columns = schema.columns.map(({ name, distinct, missing }): ColumnProfile => {
    const column = table.columns.get(name)!
    const alone = told && used.includes(name) ? singleColumnScore(column, goal, train, labels.length > 0) : undefined
    const written = writtenNumbersOf(column)
    return {
      ...{ name, kind: column.kind, missing, distinct },
      ...(column.kind === 'number' || column.kind === 'date' ? { numbers: numbersOf(column, table.rows) } : {}),
      ...(withoutTop.has(column.kind) ? {} : { top: topOf(column, table.rows) }),
      ...(alone === undefined ? {} : { alone }),
      ...roleOf({ kind: column.kind, distinct, missing }, table.rows),
      ...(written === undefined ? {} : { written }),
    }
  })
  const divided = Object.fromEntries(
    Object.entries(splits).map(([name, rows]) => [name, { rows: rows.length, classes: classesOf(goal, rows, labels) }]),
  )
  const profile: Omit<TableProfile, 'advice'> = {
    kind: 'table',
    rows: table.rows,
    targets,
    columns,
    labels,
    splits: divided,
    majority: labels.length > 0 ? Math.max(...divided.train!.classes) / divided.train!.rows : 0,
    duplicates: duplicatesOf(input),
    near: nearOf(input),
    time: timeOrders(table, splits, input.nameOfRow),
    ...(report.cleaned ? { cleaned: report.cleaned } : {}),
    skipped: report.broken,
    notes,
  }
  return { ...profile, advice: tableAdvice(profile) }
}

/** Numbers and dates may well be all different; names that are tell rows apart and teach nothing. */
function roleOf(
  { kind, distinct, missing }: Pick<ColumnProfile, 'kind' | 'distinct' | 'missing'>,
  rows: number,
): Pick<ColumnProfile, 'role'> {
  if (distinct === 1 && missing === 0) return { role: 'constant' }
  return kind === 'category' && rows >= 20 && distinct === rows - missing ? { role: 'identifier' } : {}
}

function nearOf({ table, splits, used, nameOfRow }: TableProfileInput): TableProfile['near'] {
  const pairs = nearRows(table, { columns: used })
  const owner = new Map<number, string>()
  for (const [name, rows] of Object.entries(splits)) for (const row of rows) owner.set(row, name)
  const first = pairs
    .slice(0, listed)
    .map(({ a, b, share }) => `${nameOfRow(a)} ~ ${nameOfRow(b)} (${(100 * share).toFixed(0)} %)`)
  return { pairs: pairs.length, across: pairs.filter(({ a, b }) => owner.get(a) !== owner.get(b)).length, first }
}

function classesOf(goal: Column, rows: Int32Array, labels: readonly string[]): number[] {
  const counts = new Array<number>(labels.length).fill(0)
  if (labels.length === 0) return counts
  const places = new Map(labels.map((label, i) => [label, i]))
  for (const row of rows) counts[places.get(cellText(goal, row)!)!]!++
  return counts
}

function numbersOf(column: Column, rows: number): NonNullable<ColumnProfile['numbers']> {
  const every = Int32Array.from({ length: rows }, (_, i) => i)
  const { mean, deviation, sorted } = numberStatistics({ column, rows: every })
  const quartiles = [0, 0.25, 0.5, 0.75, 1].map((share) => quantileOf(sorted, share)) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ]
  const [least, , , , most] = quartiles
  const histogram = new Array<number>(bins).fill(0)
  const width = (most - least) / bins || 1
  for (const x of sorted) histogram[Math.min(bins - 1, Math.floor((x - least) / width))]!++
  return { mean, deviation, quartiles, histogram }
}

function topOf(column: Column, rows: number): NonNullable<ColumnProfile['top']> {
  const counts = new Map<string, number>()
  for (let row = 0; row < rows; row++) {
    const text = cellText(column, row)
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, listed)
    .map(([value, count]) => ({ value, count }))
}

/** Of rows that are the same: the first few. */
function namesOf(rows: readonly number[], nameOfRow: (row: number) => string): string {
  const more = rows.length - mostNamed
  const names = rows.slice(0, mostNamed).map((row) => nameOfRow(row))
  return `${names.join(' = ')}${more > 0 ? ` and ${more} more` : ''}`
}

function duplicatesOf({ table, targets, splits, used, nameOfRow }: TableProfileInput): TableProfile['duplicates'] {
  const columns = used.map((name) => table.columns.get(name)!)
  const goals = targets.map((name) => table.columns.get(name)!)
  const cell = (column: Column, row: number): string | number =>
    !isPresent(column.valid, row) ? '\u0001' : 'offsets' in column ? cellText(column, row)! : column.values[row]!
  const owner = new Map<number, string>()
  for (const [name, rows] of Object.entries(splits)) for (const row of rows) owner.set(row, name)
  const groups = new Map<string, number[]>()
  for (let row = 0; row < table.rows; row++) {
    const key = columns.map((column) => cell(column, row)).join('\u0000')
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  let [rows, contradictions] = [0, 0]
  const shared: Record<string, number> = {}
  const first: string[] = []
  for (const group of groups.values()) {
    if (group.length < 2) continue
    const answers = new Map<string, number[]>()
    for (const row of group) {
      const key = goals.map((goal) => cell(goal, row)).join('\u0000')
      answers.set(key, [...(answers.get(key) ?? []), row])
    }
    if (answers.size > 1) contradictions += group.length
    for (const same of answers.values()) {
      rows += same.length - 1
      if (same.length > 1 && first.length < listed) first.push(namesOf(same, nameOfRow))
      if (!same.some((row) => owner.get(row) === 'train')) continue
      for (const row of same) {
        const split = owner.get(row)
        if (split !== undefined && split !== 'train') shared[split] = (shared[split] ?? 0) + 1
      }
    }
  }
  return { rows, shared, contradictions, first }
}
