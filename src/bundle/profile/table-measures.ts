/** A row of a table as it goes into the graph: a measure for each column, several where a column takes a few cells. */
import type { TablePreprocessing } from '../../contract/manifest.ts'
import { mostMeasures } from '../../contract/training-profile.ts'
import { createTableEncoder, type OwnColumn, type PlacedColumn } from '../../data/features/table-encoder.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { imageMeasures } from './image-measures.ts'
import type { Measure, Measures } from './measures.ts'

/** A column of more cells, such as a bag of words, is measured by the mean of them. */
const mostCells = 8
/** Cells that are looked at of a sound or a text. */
const mostOfColumn = 256

interface Read extends Measure {
  of(tensors: NamedTensors, row: number): number
}

export function tableMeasures({ columns }: TablePreprocessing): Measures {
  const { widths, placed, own } = createTableEncoder(columns)
  const inBlocks = placed.flatMap((column) => readsOf(column, widths[column.block]))
  const list = [...inBlocks, ...own.flatMap(ownReads)].slice(0, mostMeasures)
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

/** A column that is an input of its own: a picture as pictures are measured, anything else by the mean of its cells. */
function ownReads({ column: { name }, feature: { dtype }, input, shape }: OwnColumn): Read[] {
  if (dtype === 'uint8' && shape.length === 3) {
    const { list, read } = imageMeasures({ name: input, dtype, shape: ['batch', ...shape] })
    const values = new Float64Array(list.length)
    // They are read in their order, the first one for all.
    const of = (i: number) => (tensors: NamedTensors, row: number) => {
      if (i === 0) read(tensors, row, values)
      return values[i]!
    }
    return list.map((measure, i) => ({ name: `${measure.name} of ${name}`, of: of(i) }))
  }
  const size = shape.reduce((a, b) => a * b, 1)
  const step = Math.max(1, Math.floor(size / mostOfColumn))
  const mean = (tensors: NamedTensors, row: number): number => {
    const { data } = tensors[input]!
    let [sum, count] = [0, 0]
    for (let i = row * size; i < (row + 1) * size; i += step) {
      sum += Number(data[i])
      count++
    }
    return sum / count
  }
  return [{ name: `mean of ${name}`, of: mean }]
}
