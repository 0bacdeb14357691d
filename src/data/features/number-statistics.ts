/** Statistics of the numbers of a training split. */
import { QuernError, suggestion } from '../../core/errors.ts'
import { isPresent } from '../table/table.ts'
import type { TrainingColumn } from './feature.ts'

export interface NumberStatistics {
  readonly count: number
  readonly missing: number
  readonly mean: number
  /** of the population */
  readonly deviation: number
  /** ascending */
  readonly sorted: Float64Array
}

/** Over the rows that have a value. */
export function numberStatistics({ column, rows }: TrainingColumn): NumberStatistics {
  const found: number[] = []
  const values = column.values
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (isPresent(column.valid, row)) found.push(values[row]!)
  }
  const sorted = Float64Array.from(found).sort()
  const count = sorted.length
  let mean = 0
  for (const x of sorted) mean += x / count
  let variance = 0
  for (const x of sorted) variance += (x - mean) ** 2 / count
  return { count, missing: rows.length - count, mean, deviation: Math.sqrt(variance), sorted }
}

/** Linear interpolation between the two nearest, as NumPy's default; 0 of nothing. */
export function quantileOf(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return 0
  const at = share * (sorted.length - 1)
  const low = Math.floor(at)
  const [a, b] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!]
  return a + (b - a) * (at - low)
}

/** Options of a feature with their defaults; throws `config` for one that is not known or not a positive number. */
export function numericOptions<Defaults extends Readonly<Record<string, number>>>(
  feature: string,
  given: Readonly<Record<string, unknown>>,
  defaults: Defaults,
): Record<keyof Defaults, number> {
  const made: Record<string, number> = { ...defaults }
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      throw new QuernError(
        'config',
        `feature '${feature}' has no option '${key}'. ${suggestion(key, Object.keys(defaults))}`,
      )
    }
    if (typeof value !== 'number' || !(value > 0)) {
      throw new QuernError(
        'config',
        `feature '${feature}': ${key} must be a number above 0, received ${JSON.stringify(value)}`,
      )
    }
    made[key] = value
  }
  return made as Record<keyof Defaults, number>
}
