/** Parts of a dataset that are each the test once, while the others are trained on. */
import type { Random } from '../core/random.ts'
import { type Dataset, exampleName, labelsOf, subset } from './dataset.ts'
import type { Splits } from './split.ts'
import { splitTable, type TableSplit } from './table-split.ts'

export type Fold = Omit<Extract<TableSplit, { by: 'k-fold' }>, 'by'>

/** Part `fold` of `folds` as the test; the same for the same seed whatever the order in which the examples are stored. */
export function splitByFold(dataset: Dataset, fold: Fold, random: Random): Splits {
  const names = Array.from({ length: dataset.length }, (_, i) => exampleName(dataset, i))
  const order = Array.from(names.keys()).sort((a, b) =>
    names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : a - b,
  )
  const labels = labelsOf(dataset)
  const rows = {
    count: dataset.length,
    classes: Int32Array.from(order, (position) => labels[position]!),
    labels: dataset.labels,
    key: () => undefined,
    number: () => undefined,
    nameOf: (row: number) => names[order[row]!]!,
  }
  const parts = Object.entries(splitTable(rows, { by: 'k-fold', ...fold }, random))
  return Object.fromEntries(
    parts.map(([name, part]) => [
      name,
      subset(
        dataset,
        Array.from(part, (row) => order[row]!).sort((a, b) => a - b),
      ),
    ]),
  )
}
