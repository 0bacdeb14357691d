/** What a model on a table answers, as numbers: classes by their places, numbers as they are, a mark for each label of a set. */
import type { TargetAnswer } from '../contract/manifest.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { type Column, cellText, isPresent, type Table, tableColumn } from './table/table.ts'
import type { TableSchema } from './table/table-source.ts'

/** What the target is: one of several classes, a number or several (a vector), or any of several labels. */
export type TargetForm = 'class' | 'number' | 'set'

/** Of one target, or of several that are all numbers: their form. Of several with classes among them: the form of each, in their order. */
export type TargetForms = TargetForm | readonly ('class' | 'number')[]

export interface Target {
  /** int32 `[rows]` of classes; float32 `[rows, numbers or labels]`; of several targets float32 `[rows, targets]`, classes as their places */
  readonly value: Tensor
  /** names of what the model gives probabilities of; none for numbers and for several targets */
  readonly labels: readonly string[]
  /** of several targets with classes among them */
  readonly answers?: readonly TargetAnswer[]
  /** what a stratified split goes by: the classes, of several targets those of the first that has classes */
  readonly strata?: { readonly classes: Int32Array; readonly labels: readonly string[] }
}

export interface TargetOptions {
  readonly targets: readonly string[]
  readonly answer: TargetForms
  nameOfRow(row: number): string
}

/** The answers of all rows. Throws `input` with the row for one that has none. */
export function readTargets(table: Table, options: TargetOptions): Target {
  const { targets, answer } = options
  const formOf = (i: number): TargetForm => (typeof answer === 'string' ? answer : answer[i]!)
  const read = targets.map((name, i) => forms[formOf(i)](tableColumn(table, name), table, options, targets.length))
  const [only] = read as [Target]
  if (read.length === 1) return only
  const value = beside(
    read.map((each) => each.value),
    table.rows,
  )
  if (typeof answer === 'string') return { value, labels: [] }
  const answers = read.map(({ labels }, i) => {
    return { target: targets[i]!, output: outputName(targets[i]!, formOf(i)), labels: [...labels] }
  })
  const strata = read.find((each) => each.strata)?.strata
  return { value, labels: [], answers, ...(strata ? { strata } : {}) }
}

/** No input and no layer has such a name, whatever the column is called. */
export const outputName = (target: string, form: TargetForm): string =>
  `${target}/${form === 'class' ? 'probabilities' : 'estimate'}`

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
        hint: "For numbers use the task 'tabular-regression'; of several targets: target: { name: 'number' }.",
      },
    )
  }
  const places = new Map(labels.map((label, i) => [label, i]))
  const classes = Int32Array.from(texts, (text) => places.get(text)!)
  return { value: tensor('int32', [table.rows], classes), labels, strata: { classes, labels } }
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
