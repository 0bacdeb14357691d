/** What a model on a table answers, as numbers: classes by their places, numbers as they are, a mark for each label of a set. */
import { QuernError, suggestion } from '../core/errors.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { type Column, cellText, isPresent, type Table, tableColumn } from './table/table.ts'
import type { TableSchema } from './table/table-source.ts'

/** What the target is: one of several classes, a number or several (a vector), or any of several labels. */
export type TargetForm = 'class' | 'number' | 'set'

export interface Target {
  /** int32 `[rows]` of classes; float32 `[rows, numbers or labels]` */
  readonly value: Tensor
  /** names of what the model gives probabilities of; none for numbers */
  readonly labels: readonly string[]
}

export interface TargetOptions {
  readonly targets: readonly string[]
  readonly answer: TargetForm
  nameOfRow(row: number): string
}

/** The answers of all rows. Throws `input` with the row for one that has none. */
export function readTargets(table: Table, options: TargetOptions): Target {
  const { targets, answer } = options
  const read = targets.map((name) => forms[answer](tableColumn(table, name), table, options, targets.length))
  const [only] = read as [Target]
  if (read.length === 1) return only
  if (answer !== 'number') throw new QuernError('config', 'only numbers are learnt of several columns at once')
  const values = read.map(({ value }) => value)
  return { value: beside(values, table.rows), labels: [] }
}

/** Columns of one number a row side by side. */
function beside(columns: readonly Tensor[], rows: number): Tensor {
  const data = new Float32Array(rows * columns.length)
  for (const [i, column] of columns.entries()) {
    for (let row = 0; row < rows; row++) data[row * columns.length + i] = column.data[row] as number
  }
  return tensor('float32', [rows, columns.length], data)
}

/** Classes in the order of their names, numbers by their value. */
function classTarget(column: Column, table: Table, { nameOfRow }: TargetOptions): Target {
  const texts = Array.from({ length: table.rows }, (_, row) => {
    const text = cellText(column, row)
    if (text !== undefined) return text
    throw missingTarget(nameOfRow(row), column, table.rows)
  })
  const labels = [...new Set(texts)].sort((a, b) =>
    column.kind === 'number' ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0,
  )
  if (labels.length < 2) {
    throw new QuernError(
      'input',
      `classification needs two classes or more, column '${column.name}' holds only ${labels[0]}`,
    )
  }
  if (labels.length > 1000 || (column.kind === 'number' && labels.length > 50 && labels.length > table.rows / 10)) {
    throw new QuernError(
      'input',
      `column '${column.name}' holds ${labels.length} different values: too many for classes`,
      {
        hint: "For numbers use the task 'tabular-regression'.",
      },
    )
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
function setTarget(column: Column, table: Table): Target {
  if (column.kind !== 'set') {
    throw new QuernError('input', `labels need sets, column '${column.name}' holds ${column.kind}`, {
      hint: `Say so: data.columns['${column.name}'] = 'set'; a cell is a;b or ["a", "b"].`,
    })
  }
  const { offsets, values, dictionary, valid } = column
  const placesIn = (row: number): Int32Array =>
    isPresent(valid, row) ? values.subarray(offsets[row]!, offsets[row + 1]!) : new Int32Array(0)
  const seen = new Set<string>()
  for (let row = 0; row < table.rows; row++) for (const place of placesIn(row)) seen.add(dictionary[place]!)
  const labels = [...seen].sort()
  if (labels.length === 0) throw new QuernError('input', `column '${column.name}' has no label in any row`)
  const at = new Map(labels.map((label, i) => [label, i]))
  const marks = new Float32Array(table.rows * labels.length)
  for (let row = 0; row < table.rows; row++) {
    for (const place of placesIn(row)) marks[row * labels.length + at.get(dictionary[place]!)!] = 1
  }
  return { value: tensor('float32', [table.rows, labels.length], marks), labels }
}

/** Several numbers a row, all of one length. */
function vectorTarget(column: Column & { kind: 'vector' }, table: Table, { nameOfRow }: TargetOptions): Target {
  const { offsets, values, valid } = column
  const size = offsets[1]! - offsets[0]!
  const numbers = new Float32Array(table.rows * size)
  for (let row = 0; row < table.rows; row++) {
    if (!isPresent(valid, row)) throw missingTarget(nameOfRow(row), column, table.rows)
    const own = values.subarray(offsets[row]!, offsets[row + 1]!)
    if (own.length !== size) {
      throw new QuernError(
        'input',
        `${nameOfRow(row)}: the target '${column.name}' has ${own.length} numbers, others ${size}`,
      )
    }
    numbers.set(own, row * size)
  }
  return { value: tensor('float32', [table.rows, size], numbers), labels: [] }
}

function numberTarget(column: Column, table: Table, options: TargetOptions, targets: number): Target {
  if (column.kind === 'vector' && targets === 1) return vectorTarget(column, table, options)
  if (column.kind !== 'number') {
    throw new QuernError('input', `regression needs numbers, column '${column.name}' holds ${column.kind}`, {
      hint:
        column.kind === 'vector'
          ? 'A column of several numbers is the only target.'
          : "For names use the task 'tabular-classification'.",
    })
  }
  const numbers = new Float32Array(table.rows)
  for (let row = 0; row < table.rows; row++) {
    if (!isPresent(column.valid, row)) throw missingTarget(options.nameOfRow(row), column, table.rows)
    numbers[row] = column.values[row]!
  }
  return { value: tensor('float32', [table.rows, 1], numbers), labels: [] }
}

const forms: Readonly<Record<TargetForm, (c: Column, t: Table, o: TargetOptions, targets: number) => Target>> = {
  class: classTarget,
  number: numberTarget,
  set: setTarget,
}

function missingTarget(row: string, { name, valid }: Column, rows: number): QuernError {
  let count = 0
  for (let i = 0; i < rows; i++) if (!isPresent(valid, i)) count++
  return new QuernError('input', `${row}: the target '${name}' has no value (${count} of ${rows} rows have none)`, {
    hint: "Fill them in, or leave such rows out with data.onMissingTarget: 'skip'.",
  })
}

/** Each target must be a column. Throws with the nearest name. */
export function checkTargets(schema: TableSchema, targets: readonly string[], what: string): void {
  const names = schema.columns.map(({ name }) => name)
  for (const [i, target] of targets.entries()) {
    if (targets.indexOf(target) < i) throw new QuernError('config', `data.target names '${target}' twice`)
    if (names.includes(target)) continue
    throw new QuernError(
      'config',
      `data.target is '${target}', which ${what} does not have. ${suggestion(target, names)}`,
    )
  }
}
