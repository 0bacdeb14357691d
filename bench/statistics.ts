/** Few numbers that say how many came out. */
import type { Summary } from './record.ts'

/**
 * The value below which a share of the values lies (nearest rank).
 *
 * @param share from 0 to 1: 0.5 is the median of an odd number of values
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!
}

/** Median (the mean of the middle two of an even number), least and most. */
export function summary(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median: rounded(median), min: rounded(sorted[0]!), max: rounded(sorted.at(-1)!) }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Four significant digits: what repeats of a measurement can be told apart by. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
