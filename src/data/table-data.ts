/** A table on its way into training: its target, its columns with their fitted features, and the splits as datasets of blocks. */
import type { TableColumn, TablePreprocessing } from '../contract/manifest.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { createDataset, type Dataset, subset } from './dataset.ts'
import { checkFeature, defaultFeatures, featureFor, ownFeatureOf } from './features/index.ts'
import type { CellReaders } from './features/own-feature.ts'
import { createTableEncoder } from './features/table-encoder.ts'
import type { SplitName } from './source.ts'
import { missingTexts } from './table/cells.ts'
import { type Column, cellText, isPresent, type Table, tableColumn } from './table/table.ts'
import type { ColumnInfo, TableSchema } from './table/table-source.ts'
import { type Assignment, splitTable, type TableSplit } from './table-split.ts'

/** How the configuration wants a column. */
export interface ColumnWish {
  readonly feature?: string | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** kept although it looks like an identifier */
  readonly given?: boolean | undefined
}

/** What the target is: one of several classes, a number or several (a vector), or any of several labels. */
export type TargetForm = 'class' | 'number' | 'set'

export interface TableDataOptions {
  readonly target: string
  readonly answer: TargetForm
  readonly wishes: Readonly<Record<string, ColumnWish>>
  /** a way to divide the rows, or the rows of each split: what stands in none is left out */
  readonly split: TableSplit | Assignment
  readonly missing?: readonly string[] | undefined
  readonly random: Random
  /** needed where columns refer to pictures or sounds; asked for when there are such */
  readonly readers?: (() => Promise<CellReaders>) | undefined
  nameOfRow(row: number): string
}

export interface TableData {
  readonly splits: Readonly<Partial<Record<SplitName, Dataset>>> & { readonly train: Dataset }
  readonly labels: readonly string[]
  readonly preprocessing: TablePreprocessing
  /** what was done that a reader should know of */
  readonly notes: readonly string[]
  /** rows of the table by split */
  readonly assignment: Assignment
}

/** Below it, all values being different says nothing. */
const fewRows = 20

/** Divides the rows, fits the features on those of training alone, and encodes all. */
export async function prepareTable(table: Table, schema: TableSchema, options: TableDataOptions): Promise<TableData> {
  const { target, answer, split } = options
  const goal = tableColumn(table, target)
  const { value, labels } = targetForms[answer](goal, table, options)
  const classes = answer === 'class' ? (value.data as Int32Array) : undefined
  const assignment = 'by' in split ? divide(table, split, { ...options, classes, labels }) : split
  const { columns, notes } = fitColumns(table, schema, assignment.train!, options)
  const encoder = createTableEncoder(columns)
  const unseen = new Map<string, number>()
  const onUnseen = (column: string): void => void unseen.set(column, (unseen.get(column) ?? 0) + 1)
  const blocks = encoder.encode(table, onUnseen)
  const readers = options.readers ? await options.readers() : { images: undefined, readFile: undefined }
  const own = encoder.own.length > 0 ? await encoder.encodeOwn(table, readers, onUnseen, options.nameOfRow) : {}
  const goalName = answer === 'class' ? 'label' : 'target'
  const all = createDataset({
    columns: { ...blocks, ...own, [goalName]: value } as Record<string, Tensor>,
    labels,
    names: options.nameOfRow,
  })
  const splits = Object.fromEntries(Object.entries(assignment).map(([name, rows]) => [name, subset(all, rows)]))
  return {
    splits: splits as TableData['splits'],
    labels,
    preprocessing: { kind: 'table', columns, target, missing: [...(options.missing ?? missingTexts)] },
    notes: [
      ...notes,
      ...[...unseen].map(
        ([column, count]) =>
          `column '${column}': ${count} values of validation and test rows do not occur in training; they count as unknown.`,
      ),
    ],
    assignment,
  }
}

function divide(
  table: Table,
  split: TableSplit,
  {
    classes,
    labels,
    nameOfRow,
    random,
  }: Pick<TableDataOptions, 'nameOfRow' | 'random'> & { classes: Int32Array | undefined; labels: readonly string[] },
): Assignment {
  const rows = {
    count: table.rows,
    classes,
    labels,
    key: (column: string, row: number) => cellText(tableColumn(table, column), row),
    number: (name: string, row: number) => {
      const column = tableColumn(table, name)
      if (column.kind !== 'number' && column.kind !== 'date') {
        throw new QuernError('config', `data.split goes by time over column '${name}', which holds ${column.kind}`)
      }
      return isPresent(column.valid, row) ? column.values[row]! : undefined
    },
    nameOf: nameOfRow,
  }
  return splitTable(rows, split, random)
}

/** Classes in the order of their names, numbers by their value. */
function classTarget(column: Column, table: Table, { target, nameOfRow }: TableDataOptions) {
  const texts = Array.from({ length: table.rows }, (_, row) => {
    const text = cellText(column, row)
    if (text !== undefined) return text
    throw missingTarget(target, nameOfRow(row), column, table.rows)
  })
  const labels = [...new Set(texts)].sort((a, b) =>
    column.kind === 'number' ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0,
  )
  if (labels.length < 2) {
    throw new QuernError(
      'input',
      `classification needs two classes or more, column '${target}' holds only ${labels[0]}`,
    )
  }
  if (labels.length > 1000 || (column.kind === 'number' && labels.length > 50 && labels.length > table.rows / 10)) {
    throw new QuernError('input', `column '${target}' holds ${labels.length} different values: too many for classes`, {
      hint: "For numbers use the task 'tabular-regression'.",
    })
  }
  const places = new Map(labels.map((label, i) => [label, i]))
  const value = tensor(
    'int32',
    [table.rows],
    Int32Array.from(texts, (text) => places.get(text)!),
  )
  return { value, labels }
}

/** A 1 for each member, of all sets that occur. A row without a label is an empty set, not a missing one. */
function setTarget(column: Column, table: Table, { target }: TableDataOptions): Target {
  if (column.kind !== 'set') {
    throw new QuernError('input', `labels need sets, column '${target}' holds ${column.kind}`, {
      hint: `Say so: data.columns['${target}'] = 'set'; a cell is a;b or ["a", "b"].`,
    })
  }
  const { offsets, values, dictionary, valid } = column
  const places = Array.from({ length: table.rows }, (_, row) =>
    isPresent(valid, row) ? [...values.subarray(offsets[row]!, offsets[row + 1]!)] : [],
  )
  const labels = [...new Set(places.flat().map((place) => dictionary[place]!))].sort()
  if (labels.length === 0) throw new QuernError('input', `column '${target}' has no label in any row`)
  const at = new Map(labels.map((label, i) => [label, i]))
  const marks = new Float32Array(table.rows * labels.length)
  for (const [row, members] of places.entries()) {
    for (const place of members) marks[row * labels.length + at.get(dictionary[place]!)!] = 1
  }
  return { value: tensor('float32', [table.rows, labels.length], marks), labels }
}

/** Several numbers a row, all of one length. */
function vectorTarget(column: Column & { kind: 'vector' }, table: Table, options: TableDataOptions): Target {
  const { offsets, values, valid } = column
  const size = offsets[1]! - offsets[0]!
  const numbers = new Float32Array(table.rows * size)
  for (let row = 0; row < table.rows; row++) {
    const { target, nameOfRow } = options
    if (!isPresent(valid, row)) throw missingTarget(target, nameOfRow(row), column, table.rows)
    const own = values.subarray(offsets[row]!, offsets[row + 1]!)
    if (own.length !== size) {
      throw new QuernError(
        'input',
        `${nameOfRow(row)}: the target '${target}' has ${own.length} numbers, others ${size}`,
      )
    }
    numbers.set(own, row * size)
  }
  return { value: tensor('float32', [table.rows, size], numbers), labels: [] }
}

interface Target {
  readonly value: Tensor
  readonly labels: string[]
}

const targetForms: Readonly<Record<TargetForm, (c: Column, t: Table, o: TableDataOptions) => Target>> = {
  class: classTarget,
  number: (column, table, options) =>
    column.kind === 'vector' ? vectorTarget(column, table, options) : numberTarget(column, table, options),
  set: setTarget,
}

function numberTarget(column: Column, table: Table, { target, nameOfRow }: TableDataOptions) {
  if (column.kind !== 'number') {
    throw new QuernError('input', `regression needs numbers, column '${target}' holds ${column.kind}`, {
      hint: "For names use the task 'tabular-classification'.",
    })
  }
  const numbers = new Float32Array(table.rows)
  for (let row = 0; row < table.rows; row++) {
    if (!isPresent(column.valid, row)) throw missingTarget(target, nameOfRow(row), column, table.rows)
    numbers[row] = column.values[row]!
  }
  return { value: tensor('float32', [table.rows, 1], numbers), labels: [] as string[] }
}

function missingTarget(target: string, row: string, { valid }: Column, rows: number): QuernError {
  let count = 0
  for (let i = 0; i < rows; i++) if (!isPresent(valid, i)) count++
  return new QuernError('input', `${row}: the target '${target}' has no value (${count} of ${rows} rows have none)`, {
    hint: "Fill them in, or leave such rows out with data.onMissingTarget: 'skip'.",
  })
}

function fitColumns(table: Table, schema: TableSchema, rows: Int32Array, options: TableDataOptions) {
  const notes: string[] = schema.unusable.map(({ name, reason }) => `column '${name}' is left out: ${reason}.`)
  const { split, target, wishes } = options
  const columns: TableColumn[] = []
  for (const info of schema.columns) {
    const { name, kind } = info
    const wish = wishes[name] ?? {}
    const reason = name === target ? undefined : reasonToLeave(info, schema.rows, split, wish)
    if (reason !== undefined) notes.push(`column '${name}' is left out: ${reason}.`)
    if (name === target || reason !== undefined) continue
    const asked = wish.feature ?? defaultFeatures[kind]!
    const feature = ownFeatureOf({ feature: asked }) ?? featureFor(asked, name, kind)
    checkFeature(asked, name, kind)
    const state = feature.fit({ column: tableColumn(table, name), rows }, wish.options ?? {}) as Record<string, unknown>
    const format = info.format === undefined ? {} : { format: info.format }
    columns.push({ name, kind, feature: feature.name, state: { ...state, ...format } })
  }
  if (columns.length > 0) return { columns, notes }
  const known = schema.columns.map(({ name }) => name)
  throw new QuernError(
    'input',
    `no column is left to learn from: there are ${known.join(', ')}; the target is '${target}'`,
    {
      hint: notes.join(' '),
    },
  )
}

/** Columns that would be learnt by heart or that say nothing. What the user names is kept. */
function reasonToLeave(
  { kind, distinct, missing, name }: ColumnInfo,
  rows: number,
  split: TableSplit | Assignment,
  { given, feature }: ColumnWish,
): string | undefined {
  if ('column' in split && split.column === name) return 'the split goes by it'
  if (feature === undefined && defaultFeatures[kind] === undefined)
    return `no feature takes columns of kind ${kind} by itself`
  if (given) return undefined
  const present = rows - missing
  if (present === 0) return 'it has no value'
  if (distinct === 1 && missing === 0) return 'it has the same value in every row'
  const isKey = present >= fewRows && distinct === present
  if (kind === 'category' && isKey) {
    return `it looks like an identifier: all its values are different (name it in data.columns to keep it)`
  }
  return undefined
}

/** The target must be a column. Throws with the nearest name. */
export function checkTarget(schema: TableSchema, target: string, what: string): void {
  const names = schema.columns.map(({ name }) => name)
  if (names.includes(target)) return
  throw new QuernError(
    'config',
    `data.target is '${target}', which ${what} does not have. ${suggestion(target, names)}`,
  )
}
