/** A row of a table as it goes into the graph: a measure for each column, several where a column takes a few cells. */
import type { TablePreprocessing } from '../../contract/manifest.ts'
import { mostMeasures } from '../../contract/training-profile.ts'
import { createTableEncoder, type PlacedColumn } from '../../data/features/table-encoder.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { Measure, Measures } from './measures.ts'

/** A column of more cells, such as a bag of words, is measured by the mean of them. */
const mostCells = 8

interface Read extends Measure {
  of(tensors: NamedTensors, row: number): number
}

export function tableMeasures({ columns }: TablePreprocessing): Measures {
  const { widths, placed } = createTableEncoder(columns)
  const list = placed.flatMap((column) => readsOf(column, widths[column.block])).slice(0, mostMeasures)
  return {
    list,
    read(tensors, row, into) {
      for (let i = 0; i < list.length; i++) into[i] = list[i]!.of(tensors, row)
    },
  }
}

function readsOf({ column, block, at, width }: PlacedColumn, stride: number): Read[] {
  const { name, state } = column
  const cell = (tensors: NamedTensors, row: number, i: number): number =>
    (tensors[block]!.data as Float64Array)[row * stride + at + i]!
  if (block === 'categories' && width === 1 && Array.isArray(state.values)) {
    // Place 0 is what training did not hold, place 1 no value (data/features/categories.ts).
    const values = ['', '', ...state.values.map(String)]
    const of = (tensors: NamedTensors, row: number): number => {
      const place = cell(tensors, row, 0)
      return place === 1 ? Number.NaN : place
    }
    return [{ name, values, of }]
  }
  if (width <= mostCells) {
    return Array.from({ length: width }, (_, i) => ({
      name: width === 1 ? name : `${name}[${i}]`,
      of: (tensors, row) => cell(tensors, row, i),
    }))
  }
  const mean = (tensors: NamedTensors, row: number): number => {
    let sum = 0
    for (let i = 0; i < width; i++) sum += cell(tensors, row, i)
    return sum / width
  }
  return [{ name: `mean of ${name}`, of: mean }]
}
