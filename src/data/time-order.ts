/** What the order of time says of a table and its splits: rows that were sorted but for some, and tests that lie before training. */
import { type Column, isPresent, type Table } from './table/table.ts'

export interface TimeOrder {
  /** column of dates */
  readonly column: string
  /** rows of the table follow each other in time, but for these: the first row that is earlier than the one before it, and how many */
  readonly broken?: { readonly row: number; readonly first: string; readonly count: number } | undefined
  /** rows of validation and test that are earlier than the latest row of training, by split, as a share of the split */
  readonly earlier: Readonly<Record<string, number>>
}

/** Rows must follow each other in at least this share of the steps to count as sorted. */
const sorted = 0.95

/** What is seen in each column of dates that has many different ones. */
export function timeOrders(
  table: Table,
  splits: Readonly<Record<string, ArrayLike<number>>>,
  nameOf: (row: number) => string,
): TimeOrder[] {
  return [...table.columns.values()].flatMap((column) => {
    if (column.kind !== 'date' || new Set(column.values).size < 10) return []
    const latest = Math.max(...times(column, splits.train ?? []))
    const earlier = Object.fromEntries(
      Object.entries(splits)
        .filter(([name]) => name !== 'train')
        .map(([name, rows]) => {
          const own = times(column, rows)
          return [name, own.length === 0 ? 0 : own.filter((time) => time < latest).length / own.length]
        }),
    )
    const broken = breaks(column, table.rows, nameOf)
    return [{ column: column.name, earlier, ...(broken ? { broken } : {}) }]
  })
}

function times(column: Column, rows: ArrayLike<number>): number[] {
  return Array.from(rows)
    .filter((row) => isPresent(column.valid, row))
    .map((row) => column.values[row]!)
}

function breaks(column: Column, rows: number, nameOf: (row: number) => string): TimeOrder['broken'] {
  let [steps, count, first, before] = [0, 0, -1, Number.NaN]
  for (let row = 0; row < rows; row++) {
    if (!isPresent(column.valid, row)) continue
    const time = column.values[row]!
    if (!Number.isNaN(before)) {
      steps++
      if (time < before && count++ === 0) first = row
    }
    before = time
  }
  return count > 0 && count <= (1 - sorted) * steps ? { row: first, first: nameOf(first), count } : undefined
}
