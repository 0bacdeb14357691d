/** Counts of values in bins: made of training data, and the bin of a value that comes later. */
import { type Bins, longestName, type NameBins, type NumberBins } from '../../contract/training-profile.ts'
import type { Measure } from './measures.ts'

/** Quantiles that bound bins of numbers: what is fewer is exact. */
const quantiles = 100
/** Names with a bin of their own. More would make chance look like drift: each bin adds to the stability index. */
const commonest = 9

/**
 * What stands for a name in a profile: a text of thousands of characters is told from others by its beginning and its length. Names that agree
 * in both share a bin.
 */
export const shortName = (name: string): string =>
  name.length <= longestName ? name : `${name.slice(0, longestName - 20)}… (${name.length})`

/** @param values one for each example; NaN counts as missing */
export function binsFrom(measure: Measure, values: Float64Array): Bins {
  const name = shortName(measure.name)
  const names = measure.values?.map(shortName)
  const present = values.filter((value) => !Number.isNaN(value))
  const missing = values.length - present.length
  return names ? nameBins(name, names, present, missing) : numberBins(name, present.sort(), missing)
}

function numberBins(name: string, sorted: Float64Array, missing: number): NumberBins {
  const edges = edgesOf(sorted)
  const counts = new Array<number>(edges.length + 1).fill(0)
  for (const value of sorted) counts[binOfNumber(edges, value)]!++
  return { kind: 'numbers', name, edges, counts, missing }
}

/** Every value where they are few, else quantiles; one edge below all of them, so that what is smaller than anything seen shows. */
function edgesOf(sorted: Float64Array): number[] {
  const finite = sorted.filter(Number.isFinite)
  if (finite.length === 0) return []
  const distinct = new Set<number>()
  for (const value of finite) {
    distinct.add(value)
    if (distinct.size > quantiles) break
  }
  const few = distinct.size <= quantiles
  const at = (q: number): number => finite[Math.ceil((q / quantiles) * finite.length) - 1]!
  const chosen = few ? [...distinct] : Array.from({ length: quantiles }, (_, i) => at(i + 1))
  const [least, most] = [finite[0]!, finite.at(-1)!]
  const below = least - 1e-9 * (Math.max(Math.abs(least), Math.abs(most)) || 1)
  return [...new Set([...(below < least ? [below] : []), ...chosen])]
}

function nameBins(name: string, names: readonly string[], places: Float64Array, missing: number): NameBins {
  const firsts = new Map<string, number>()
  for (const [place, text] of names.entries()) if (!firsts.has(text)) firsts.set(text, place)
  const counts = new Map<number, number>()
  for (const place of places) {
    const at = firsts.get(names[place] ?? '') ?? place
    counts.set(at, (counts.get(at) ?? 0) + 1)
  }
  const common = [...counts]
    .filter(([place]) => names[place] !== undefined && names[place] !== '')
    .sort(([a, m], [b, n]) => n - m || a - b)
    .slice(0, commonest)
  const others = common.reduce((left, [, count]) => left - count, places.length)
  const values = common.map(([place]) => names[place]!)
  return { kind: 'names', name, values, counts: [...common.map(([, count]) => count), others], missing }
}

/** How many edges are below the value: binary search. */
export function binOfNumber(edges: ArrayLike<number>, value: number): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (edges[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The bin of each value that a measure may have, as one more than the last for those that are missing. */
export function binner(bins: Bins, { values: names = [] }: Measure): (value: number) => number {
  const missing = bins.counts.length
  if (bins.kind === 'numbers') {
    const edges = Float64Array.from(bins.edges)
    return (value) => (Number.isNaN(value) ? missing : binOfNumber(edges, value))
  }
  const bin = new Map(bins.values.map((value, i) => [value, i]))
  const others = bins.values.length
  const places = names.map((value) => bin.get(shortName(value)) ?? others)
  return (place) => (Number.isNaN(place) ? missing : (places[place] ?? others))
}
