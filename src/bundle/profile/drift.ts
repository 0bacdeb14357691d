/** How far two spreads are apart, from their counts in the same bins. */
import type { Bins } from '../../contract/training-profile.ts'

/** Of numbers, neighbouring bins are taken together to about as many groups of equal weight: the customary deciles. */
const groups = 10
/** A share of 0 has no logarithm. */
const leastShare = 1e-4

export interface Drift {
  /** population stability index; customary: below 0.1 the same, above 0.25 another population */
  readonly psi: number
  /** Kolmogorov-Smirnov: the largest distance of the two distribution functions, 0 to 1; undefined for names, which have no order */
  readonly ks: number | undefined
}

/** @param live counts in the bins of `reference`, then those that are missing */
export function driftOf(reference: Bins, live: ArrayLike<number>): Drift {
  const { counts, missing, kind } = reference
  const bins = counts.length
  const present = Array.from({ length: bins }, (_, i) => live[i]!)
  const grouping = kind === 'numbers' ? equalGroups(counts) : counts.map((_, i) => i)
  return {
    psi: stabilityIndex([...summed(counts, grouping), missing], [...summed(present, grouping), live[bins]!]),
    ks: kind === 'numbers' ? kolmogorovSmirnov(counts, present) : undefined,
  }
}

/** Sum of (q - p) ln(q / p) over bins with the shares p of `reference` and q of `live`; 0 when either is empty. */
export function stabilityIndex(reference: readonly number[], live: readonly number[]): number {
  const all = total(reference)
  const now = total(live)
  if (all === 0 || now === 0) return 0
  let sum = 0
  for (let i = 0; i < reference.length; i++) {
    const p = Math.max(leastShare, reference[i]! / all)
    const q = Math.max(leastShare, live[i]! / now)
    sum += (q - p) * Math.log(q / p)
  }
  return sum
}

/** Largest |F(x) - G(x)| at the edges of the bins; 0 when either is empty. */
export function kolmogorovSmirnov(reference: readonly number[], live: readonly number[]): number {
  const all = total(reference)
  const now = total(live)
  if (all === 0 || now === 0) return 0
  let [f, g, largest] = [0, 0, 0]
  for (let i = 0; i < reference.length; i++) {
    f += reference[i]!
    g += live[i]!
    largest = Math.max(largest, Math.abs(f / all - g / now))
  }
  return largest
}

/** The group of each bin: a group ends where the share of reference that is behind reaches the next tenth. */
export function equalGroups(counts: readonly number[]): number[] {
  const all = total(counts)
  let behind = 0
  let group = 0
  const found = counts.map((count) => {
    const own = group
    behind += count
    if (all > 0 && count > 0) group = Math.max(group, Math.min(groups, Math.floor((behind / all) * groups + 1e-9)))
    return own
  })
  // Nothing of the reference lies behind its last value: those bins belong to the last group that has something.
  const last = found[counts.findLastIndex((count) => count > 0)] ?? 0
  return found.map((own) => Math.min(own, last))
}

function summed(counts: readonly number[], grouping: readonly number[]): number[] {
  const sums: number[] = []
  for (let i = 0; i < counts.length; i++) sums[grouping[i]!] = (sums[grouping[i]!] ?? 0) + counts[i]!
  return Array.from(sums, (sum) => sum ?? 0)
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)
