/** Dates: how long ago, and where in the year, the week and the day, as points on circles. */
import { tensor } from '../../core/tensor.ts'
import type { Value } from '../../graph/graph.ts'
import { isPresent } from '../table/table.ts'
import type { Feature } from './feature.ts'
import { numberStatistics, numericOptions } from './number-statistics.ts'

interface DateState {
  /** years: of the training split */
  readonly mean: number
  readonly deviation: number
  readonly gaps: boolean
}

const msOfYear = 365.2425 * 86_400_000
/** years since 1970, and shares of the year, the week and the day */
const cellsOfDate = 4

/** The calendar is taken apart here: a graph knows no leap years. */
function partsOf(time: number): readonly [years: number, year: number, week: number, day: number] {
  const date = new Date(time)
  const start = Date.UTC(date.getUTCFullYear(), 0, 1)
  const end = Date.UTC(date.getUTCFullYear() + 1, 0, 1)
  const day = (((time % 86_400_000) + 86_400_000) % 86_400_000) / 86_400_000
  return [time / msOfYear, (time - start) / (end - start), (date.getUTCDay() + day) / 7, day]
}

/** Per date: years as `standard`, sine and cosine of three circles, and 1 where the date is missing. */
export const date: Feature<DateState> = {
  name: 'date',
  summary: 'date: years, and the time of the year, the week and the day as points on circles',
  kinds: ['date'],
  block: 'numbers',
  width: () => cellsOfDate,
  fit(training, options) {
    numericOptions('date', options, {})
    const { mean, deviation, missing, count } = numberStatistics(training)
    return {
      mean: count > 0 ? mean / msOfYear : 0,
      deviation: deviation > 0 ? deviation / msOfYear : 1,
      gaps: missing > 0,
    }
  },
  encode(_, { values, valid }, rows, into, at, stride) {
    for (let row = 0; row < rows; row++) {
      const parts = isPresent(valid, row) ? partsOf(values[row]!) : undefined
      for (let i = 0; i < cellsOfDate; i++) into[row * stride + at + i] = parts ? parts[i]! : Number.NaN
    }
  },
  graph(columns, { g }, cells) {
    const parts = columns.flatMap(({ state }, k): Value[] => {
      const take = (indices: number[]): Value =>
        g.op('Gather', [cells, g.integers(indices.map((i) => k * cellsOfDate + i))], { axis: 1 })
      const years = take([0])
      const isMissing = g.op('IsNaN', [years])
      const zero = g.constant(tensor('float64', [], Float64Array.of(0)))
      const present = (x: Value): Value => g.cast(g.op('Where', [isMissing, zero, x]), 'float32')
      const angles = g.mul(present(take([1, 2, 3])), 2 * Math.PI)
      const length = g.mul(g.sub(years, state.mean), 1 / state.deviation)
      const marks = state.gaps ? [g.cast(isMissing, 'float32')] : []
      return [present(length), g.op('Sin', [angles]), g.op('Cos', [angles]), ...marks]
    })
    return g.op('Concat', parts, { axis: 1 })
  },
}
