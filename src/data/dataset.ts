/**
 * The in-memory dataset: named columns whose first axis runs over the stored examples, and the rows of them that
 * the dataset consists of. Subsets and splits share the columns, so no pixel is copied.
 *
 * Pictures are uint8 `[n, channels, height, width]` (the model's graph scales them), classes int32 `[n]`.
 */

import { type DType, dtypes, type NumericArray } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, type StaticShape } from '../core/shape.ts'
import { type Tensor, tensor } from '../core/tensor.ts'

/** A column that lies in a file, for data that is larger than memory. Rows are of one width and are read where they are needed. */
export interface StoredColumn {
  readonly dtype: DType
  /** `[stored rows, ...]` */
  readonly shape: StaticShape
  /** hash of all elements */
  readonly digest: string
  /** Reads `count` rows from `first` on into the beginning of `into`. */
  read(first: number, count: number, into: Uint8Array): void
}

export interface Dataset {
  /** number of examples */
  readonly length: number
  /** storage: the first axis is at least as long as the dataset; example i is row `rows[i]` of every column */
  readonly columns: Readonly<Record<string, Tensor>>
  /** columns of the same rows that lie in a file; absent where everything is in memory */
  readonly stored?: Readonly<Record<string, StoredColumn>> | undefined
  /** storage row of each example */
  readonly rows: Int32Array
  /** names of the classes that the column `label` counts; empty when there are none */
  readonly labels: readonly string[]
  /** name of the example in a storage row: a path, 'train-images[17]' */
  nameOfRow(row: number): string
}

export interface NewDataset {
  readonly columns: Readonly<Record<string, Tensor>>
  readonly stored?: Readonly<Record<string, StoredColumn>> | undefined
  readonly labels?: readonly string[]
  /** names of the stored examples; default '0', '1', ... */
  readonly names?: readonly string[] | ((row: number) => string)
}

/** A dataset of all rows of the columns; an error when the columns are not of one length. */
export function createDataset({ columns, stored, labels = [], names = String }: NewDataset): Dataset {
  const entries = Object.entries<ColumnType>({ ...columns, ...stored })
  const first = entries[0]
  if (!first) throw new QuernError('input', 'a dataset needs at least one column, received none')
  for (const [name, { shape }] of entries) {
    if (shape.length === 0)
      throw new QuernError('input', `column '${name}' needs a first axis for the examples, received a scalar`)
  }
  const count = first[1].shape[0]!
  for (const [name, { shape }] of entries) {
    if (shape[0] === count) continue
    throw new QuernError(
      'input',
      `all columns must hold the same number of examples: '${first[0]}' has ${count}, '${name}' has ${shape[0]}`,
    )
  }
  if (Array.isArray(names) && names.length !== count) {
    throw new QuernError('input', `expected ${count} names of examples, received ${names.length}`)
  }
  const nameOfRow = typeof names === 'function' ? names : (row: number): string => names[row] ?? String(row)
  const rows = Int32Array.from({ length: count }, (_, i) => i)
  return { length: count, columns, ...(stored ? { stored } : {}), rows, labels, nameOfRow }
}

/** The examples at these positions of the dataset, in this order. Columns are shared. */
export function subset(dataset: Dataset, positions: ArrayLike<number>): Dataset {
  const rows = new Int32Array(positions.length)
  for (let i = 0; i < rows.length; i++) {
    const position = positions[i]!
    if (!Number.isInteger(position) || position < 0 || position >= dataset.length) {
      throw new QuernError(
        'input',
        `a subset of ${dataset.length} examples has positions below that, received ${position}`,
      )
    }
    rows[i] = dataset.rows[position]!
  }
  return { ...dataset, length: rows.length, rows }
}

/** Name of the example at a position. */
export function exampleName(dataset: Dataset, position: number): string {
  return dataset.nameOfRow(dataset.rows[position]!)
}

/** What is known of a column wherever its elements are. */
export type ColumnType = Pick<Tensor, 'dtype' | 'shape'>

/** A column in memory, or an error that names the ones there are. */
export function columnOf(dataset: Dataset, name: string): Tensor {
  const column = dataset.columns[name]
  if (column) return column
  if (dataset.stored?.[name]) {
    throw new QuernError('unsupported', `column '${name}' is too large for memory, and this needs all of it at once`, {
      hint: 'Raise data.memory, or train on fewer rows.',
    })
  }
  throw missingColumn(dataset, name)
}

/** Type and shape of a column, in memory or in a file. */
export function columnType(dataset: Dataset, name: string): ColumnType {
  const column = dataset.columns[name] ?? dataset.stored?.[name]
  if (column) return column
  throw missingColumn(dataset, name)
}

function missingColumn(dataset: Dataset, name: string): QuernError {
  const known = Object.keys({ ...dataset.columns, ...dataset.stored })
  return new QuernError('missing', `the dataset has no column '${name}'; its columns are ${known.join(', ')}`)
}

/** The examples at these positions as a dataset of its own in memory, in this order; columns that are not named are left out. */
export function copyOfExamples(dataset: Dataset, names: readonly string[], positions: ArrayLike<number>): Dataset {
  const { rows } = subset(dataset, positions)
  const columns = names.map((name): [string, Tensor] => {
    const { dtype, shape } = columnType(dataset, name)
    const size = shape.slice(1).reduce((product, dim) => product * dim, 1)
    const data = new dtypes[dtype].array!(rows.length * size) as Uint8Array
    const [column, stored] = [dataset.columns[name], dataset.stored?.[name]]
    const bytes = new Uint8Array(data.buffer)
    const width = bytes.length / Math.max(1, rows.length)
    for (const [i, row] of rows.entries()) {
      if (stored) stored.read(row, 1, bytes.subarray(i * width, (i + 1) * width))
      else data.set((column!.data as Uint8Array).subarray(row * size, (row + 1) * size), i * size)
    }
    return [name, tensor(dtype, [rows.length, ...shape.slice(1)], data as NumericArray)]
  })
  const nameOfRow = (row: number): string => dataset.nameOfRow(rows[row]!)
  return createDataset({ columns: Object.fromEntries(columns), labels: dataset.labels, names: nameOfRow })
}

/** Shape of one example of a column. */
export function exampleShape(column: ColumnType): StaticShape {
  return column.shape.slice(1)
}

/** Elements of one example of a column. */
export function exampleSize(column: ColumnType): number {
  return column.shape.slice(1).reduce((product, dim) => product * dim, 1)
}

/** Elements of the example at a position: a view on the column's memory. */
export function exampleData(dataset: Dataset, name: string, position: number): Tensor {
  const column = columnOf(dataset, name)
  const size = exampleSize(column)
  const start = dataset.rows[position]! * size
  const data = Array.isArray(column.data)
    ? column.data.slice(start, start + size)
    : column.data.subarray(start, start + size)
  return tensor(column.dtype, exampleShape(column), data)
}

/** Class of each example, in the dataset's order (a copy). */
export function labelsOf(dataset: Dataset, name = 'label'): Int32Array {
  const column = columnOf(dataset, name)
  if (!(column.data instanceof Int32Array) || column.shape.length !== 1) {
    throw new QuernError(
      'input',
      `column '${name}' must hold classes as int32 [n], received ${column.dtype} ${formatShape(column.shape)}`,
    )
  }
  const classes = new Int32Array(dataset.length)
  for (let i = 0; i < classes.length; i++) classes[i] = column.data[dataset.rows[i]!]!
  return classes
}

/** Number of examples of each class. */
export function countClasses(dataset: Dataset, name = 'label'): number[] {
  const counts = new Array<number>(dataset.labels.length).fill(0)
  for (const label of labelsOf(dataset, name)) {
    if (label < 0 || label >= counts.length) {
      throw new QuernError('input', `class ${label} of column '${name}' is outside the ${counts.length} known classes`)
    }
    counts[label]!++
  }
  return counts
}
