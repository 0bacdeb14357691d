/** Columns whose cells hold several things: sets of names, and vectors of numbers. */
import { QuernError } from '../../core/errors.ts'
import { tensor } from '../../core/tensor.ts'
import type { Value } from '../../graph/graph.ts'
import { type Column, isPresent } from '../table/table.ts'
import { commonest } from './categories.ts'
import type { Feature } from './feature.ts'
import { numericOptions } from './number-statistics.ts'

/** Members of the set in a row; undefined where there is none. */
function membersOf(column: Column, row: number): readonly string[] | undefined {
  if (column.kind !== 'set' || !isPresent(column.valid, row)) return undefined
  const { offsets, values, dictionary } = column
  return Array.from(values.subarray(offsets[row]!, offsets[row + 1]!), (place) => dictionary[place]!)
}

interface Members {
  /** the most frequent first */
  readonly values: readonly string[]
  /** the training split had missing values */
  readonly gaps: boolean
}

const places = new WeakMap<Members, ReadonlyMap<string, number>>()

function placesOf(state: Members): ReadonlyMap<string, number> {
  const found = places.get(state) ?? new Map(state.values.map((value, i) => [value, i]))
  places.set(state, found)
  return found
}

const multiHot: Feature<Members> = {
  name: 'multiHot',
  summary: 'set: a 1 for each of its members; `most` (256) members, `minCount` (1) rows each',
  kinds: ['set'],
  block: 'numbers',
  // The last cell says that there is no set, which is not the same as an empty one.
  width: ({ values }) => values.length + 1,
  fit({ column, rows }, options) {
    const limits = numericOptions('multiHot', options, { most: 256, minCount: 1 })
    const counts = new Map<string, number>()
    let missing = 0
    for (let i = 0; i < rows.length; i++) {
      const members = membersOf(column, rows[i]!)
      if (members === undefined) missing++
      else for (const member of members) counts.set(member, (counts.get(member) ?? 0) + 1)
    }
    return { values: commonest(counts, limits), gaps: missing > 0 }
  },
  encode(state, column, rows, into, at, stride, onUnseen) {
    const known = placesOf(state)
    const width = state.values.length + 1
    for (let row = 0; row < rows; row++) {
      const start = row * stride + at
      into.fill(0, start, start + width)
      const members = membersOf(column, row)
      if (members === undefined) {
        into[start + width - 1] = state.gaps ? 1 : 0
        continue
      }
      for (const member of members) {
        const place = known.get(member)
        if (place === undefined) onUnseen(column.name, member)
        else into[start + place] = 1
      }
    }
  },
  graph: (_, { g }, cells) => g.cast(cells, 'float32'),
}

interface Elements {
  /** of each element, over the training split */
  readonly means: readonly number[]
  readonly deviations: readonly number[]
  readonly gaps: boolean
}

/** Numbers of the vector in a row; throws `input` where there are not as many as in the others. */
function numbersOf(
  column: Column,
  row: number,
  length: number | undefined,
  nameOf: (row: number) => string = (at) => `row ${at + 1}`,
): Float64Array | undefined {
  if (column.kind !== 'vector' || !isPresent(column.valid, row)) return undefined
  const numbers = column.values.subarray(column.offsets[row]!, column.offsets[row + 1]!)
  if (numbers.length === length || length === undefined) return numbers
  throw new QuernError(
    'input',
    `column '${column.name}' must hold ${length} numbers in each row, ${nameOf(row)} has ${numbers.length}`,
    { hint: 'All vectors of a column have one length: cut them, or fill them up.' },
  )
}

const vector: Feature<Elements> = {
  name: 'vector',
  summary: 'vector: each element as standard; all vectors have one length',
  kinds: ['vector'],
  block: 'numbers',
  width: ({ means }) => means.length,
  fit({ column, rows }, options) {
    numericOptions('vector', options, {})
    const found: Float64Array[] = []
    for (let i = 0; i < rows.length; i++) {
      const numbers = numbersOf(column, rows[i]!, found[0]?.length)
      if (numbers) found.push(numbers)
    }
    const count = found.length
    if (count === 0) throw new QuernError('input', `column '${column.name}' has no vector in the training rows`)
    const means = Array.from(found[0]!, (_, i) => found.reduce((sum, each) => sum + each[i]! / count, 0))
    const deviations = means.map((mean, i) => {
      const variance = found.reduce((sum, each) => sum + (each[i]! - mean) ** 2 / count, 0)
      return variance > 0 ? Math.sqrt(variance) : 1
    })
    return { means, deviations, gaps: count < rows.length }
  },
  encode({ means }, column, rows, into, at, stride, _, nameOf) {
    for (let row = 0; row < rows; row++) {
      const numbers = numbersOf(column, row, means.length, nameOf)
      for (let i = 0; i < means.length; i++) into[row * stride + at + i] = numbers ? numbers[i]! : Number.NaN
    }
  },
  graph(columns, { g }, cells) {
    const isMissing = g.op('IsNaN', [cells])
    const all = (pick: (state: Elements) => readonly number[]): Value => {
      const values = Float64Array.from(columns.flatMap(({ state }) => pick(state)))
      return g.constant(tensor('float64', [values.length], values))
    }
    const means = all(({ means }) => means)
    const centred = g.sub(g.op('Where', [isMissing, means, cells]), means)
    const scaled = g.cast(
      g.mul(
        centred,
        all(({ deviations }) => deviations.map((deviation) => 1 / deviation)),
      ),
      'float32',
    )
    let at = 0
    const firsts = columns.flatMap(({ state }) => {
      const first = at
      at += state.means.length
      return state.gaps ? [first] : []
    })
    if (firsts.length === 0) return scaled
    const marks = g.op('Gather', [g.cast(isMissing, 'float32'), g.integers(firsts)], { axis: 1 })
    return g.concat([scaled, marks], 1)
  },
}

/** Their states are known to themselves alone. */
export const listFeatures: readonly Feature[] = [multiHot, vector] as unknown as readonly Feature[]
