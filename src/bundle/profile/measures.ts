/** What is measured of an example before and after the graph: a few numbers for each, cheap enough for every request. */
import type { NamedTensors } from '../../runtime/backend.ts'

export interface Measure {
  readonly name: string
  /** the measure counts places in this list; absent: it is a number of its own */
  readonly values?: readonly string[]
}

/** Reads a fixed number of cells of each example, however large it is. */
export interface Measures {
  readonly list: readonly Measure[]
  /** Writes one number for each measure; NaN where there is no value. Tensors are `[rows, ...]`, `row` counts along their first axis. */
  read(tensors: NamedTensors, row: number, into: Float64Array): void
}

export const noMeasures: Measures = { list: [], read: () => undefined }
