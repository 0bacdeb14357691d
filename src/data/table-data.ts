/** A table on its way into training: its targets, its columns with their fitted features, and the splits as datasets of blocks. */
import { type TableColumn, type TablePreprocessing, targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Tensor } from '../core/tensor.ts'
import { createDataset, type Dataset, type StoredColumn, subset } from './dataset.ts'
import { encodedColumns, encodePieces, memorySink, piecesOf } from './encode-rows.ts'
import type { CellReaders } from './features/own-feature.ts'
import { createTableEncoder } from './features/table-encoder.ts'
import { type SplitName, splitNames } from './source.ts'
import { missingTexts } from './table/cells.ts'
import { cellText, isPresent, pickRows, type Table, tableColumn } from './table/table.ts'
import type { TableSchema } from './table/table-source.ts'
import { type ColumnWish, chooseColumns, fitColumn } from './table-columns.ts'
import { type Assignment, splitTable, type TableSplit } from './table-split.ts'
import { readTargets, type Target, type TargetForms } from './table-targets.ts'

export interface TableDataOptions {
  /** column that is answered, or several */
  readonly target: string | readonly string[]
  readonly answer: TargetForms
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
  /** that cells refer to */
  readonly files: ReadonlySet<string>
}

/** Divides the rows, fits the features on those of training alone, and encodes all. The rows of a split follow each other. */
export async function prepareTable(table: Table, schema: TableSchema, options: TableDataOptions): Promise<TableData> {
  const { answer, split, wishes, nameOfRow } = options
  const targets = targetsOf(options.target)
  const goal = readTargets(table, { targets, answer, nameOfRow })
  const assignment = 'by' in split ? divideRows(table, split, goal, options) : split
  const chosen = chooseColumns(schema, { targets, wishes, splitColumn: splitColumnOf(split) })
  const training = assignment.train!
  const columns = chosen.columns.map((info) => {
    return fitColumn(info, wishes[info.name], { column: tableColumn(table, info.name), rows: training })
  })
  const encoder = createTableEncoder(columns)
  const order = storageOrder(assignment)
  const unseen = countUnseen()
  const { columns: made, sink } = memorySink(encodedColumns(encoder), order.length)
  const readers = await readersFor(encoder, options)
  const files = new Set<string>()
  const nameOf = (row: number): string => nameOfRow(order[row]!)
  await encodePieces(piecesOf(table, order), { encoder, readers, sink, onUnseen: unseen.add, nameOf, files })
  const value = inOrder(goal.value, order)
  return {
    splits: splitsOf({ columns: { ...made, [goalColumn(answer)]: value }, labels: goal.labels, nameOf }, assignment),
    labels: goal.labels,
    preprocessing: tablePreprocessing(columns, goal, options),
    notes: [...chosen.notes, ...unseen.notes()],
    assignment,
    files,
  }
}

/** Column of the dataset that holds the answers. */
export const goalColumn = (answer: TargetForms): 'label' | 'target' => (answer === 'class' ? 'label' : 'target')

export const splitColumnOf = (split: TableSplit | Assignment): string | undefined =>
  'column' in split ? split.column : undefined

/** Pictures and sounds are decoded by what is loaded when there are such. */
export async function readersFor(
  { own }: ReturnType<typeof createTableEncoder>,
  { readers }: Pick<TableDataOptions, 'readers'>,
): Promise<CellReaders> {
  return own.length > 0 && readers ? readers() : { images: undefined, readFile: undefined }
}

export function tablePreprocessing(
  columns: readonly TableColumn[],
  { answers }: Pick<Target, 'answers'>,
  { target, missing }: Pick<TableDataOptions, 'target' | 'missing'>,
): TablePreprocessing {
  return {
    kind: 'table',
    columns: [...columns],
    target: typeof target === 'string' ? target : target.length === 1 ? target[0]! : [...target],
    ...(answers ? { answers: [...answers] } : {}),
    missing: [...(missing ?? missingTexts)],
  }
}

/** Values that training has not seen, counted by column. */
export function countUnseen() {
  const counts = new Map<string, number>()
  return {
    add: (column: string): void => void counts.set(column, (counts.get(column) ?? 0) + 1),
    notes: (): string[] =>
      [...counts].map(
        ([column, count]) =>
          `column '${column}': ${count === 1 ? '1 value of validation and test rows does not occur in training; it counts' : `${count} values of validation and test rows do not occur in training; they count`} as unknown.`,
      ),
  }
}

/** Rows by storage row: those of training first. */
export function storageOrder(assignment: Assignment): Int32Array {
  const parts = splitNames.map((name) => assignment[name] ?? new Int32Array(0))
  const order = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    order.set(part, at)
    at += part.length
  }
  return order
}

/** Values `[rows, ...]` by storage row. */
export function inOrder(values: Tensor, order: Int32Array): Tensor {
  const size = values.shape.slice(1).reduce((product, dim) => product * dim, 1)
  const data = new (values.data.constructor as Float32ArrayConstructor)(order.length * size)
  for (const [i, row] of order.entries()) {
    data.set((values.data as Float32Array).subarray(row * size, (row + 1) * size), i * size)
  }
  return { ...values, shape: [order.length, ...values.shape.slice(1)], data }
}

/** The splits as datasets over columns in storage order. */
export function splitsOf(
  of: {
    readonly columns: Readonly<Record<string, Tensor>>
    readonly stored?: Readonly<Record<string, StoredColumn>> | undefined
    readonly labels: readonly string[]
    nameOf(row: number): string
  },
  assignment: Readonly<Partial<Record<SplitName, { readonly length: number }>>>,
): TableData['splits'] {
  const all = createDataset({ ...of, names: of.nameOf })
  let at = 0
  const parts = splitNames.flatMap((name) => {
    const { length } = assignment[name] ?? { length: 0 }
    if (!assignment[name]) return []
    const first = at
    at += length
    return [
      [
        name,
        subset(
          all,
          Int32Array.from({ length }, (_, i) => first + i),
        ),
      ] as const,
    ]
  })
  return Object.fromEntries(parts) as unknown as TableData['splits']
}

/** Rows of each split, ascending. */
export function divideRows(
  table: Table,
  split: TableSplit,
  { strata }: Target,
  { nameOfRow, random }: Pick<TableDataOptions, 'nameOfRow' | 'random'>,
): Assignment {
  const rows = {
    count: table.rows,
    classes: strata?.classes,
    labels: strata?.labels ?? [],
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

/** Without the rows that lack a target, when they may be left out; and which rows those are. */
export function withTargets(
  table: Table,
  targets: readonly string[],
  skip: boolean,
): { table: Table; rows: Int32Array; dropped: Int32Array } {
  const every = Int32Array.from({ length: table.rows }, (_, i) => i)
  if (!skip) return { table, rows: every, dropped: new Int32Array(0) }
  const valids = targets.map((name) => tableColumn(table, name).valid)
  const rows = every.filter((row) => valids.every((valid) => isPresent(valid, row)))
  if (rows.length === table.rows) return { table, rows, dropped: new Int32Array(0) }
  const dropped = every.filter((row) => !valids.every((valid) => isPresent(valid, row)))
  return { table: pickRows(table, rows), rows, dropped }
}
