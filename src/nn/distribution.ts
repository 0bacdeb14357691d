/** Where random numbers come from: what a layer or an objective asks for, and what a training loop draws before each step. */
import { QuernError } from '../core/errors.ts'

/** `{ name: 'normal', mean: 0, deviation: 1 }`, `{ name: 'uniform', low: 0, high: 1 }` (low included), or one of the names alone. */
export type Distribution =
  | 'normal'
  | 'uniform'
  | { readonly name: 'normal'; readonly mean?: number; readonly deviation?: number }
  | { readonly name: 'uniform'; readonly low?: number; readonly high?: number }

/** With every default; a dropout mask is 0 with probability `rate`, else 1 / (1 - rate). */
export type ResolvedDistribution =
  | { readonly name: 'dropout'; readonly rate: number }
  | { readonly name: 'normal'; readonly mean: number; readonly deviation: number }
  | { readonly name: 'uniform'; readonly low: number; readonly high: number }

/** @throws QuernError 'config' for another name and for numbers that describe no distribution */
export function resolveDistribution(given: Distribution): ResolvedDistribution {
  const { name, ...options } = typeof given === 'string' ? { name: given } : given
  if (name === 'normal') {
    const { mean = 0, deviation = 1 } = options as { mean?: number; deviation?: number }
    if (Number.isFinite(mean) && deviation >= 0 && deviation < Infinity) return { name, mean, deviation }
    throw new QuernError(
      'config',
      `a normal distribution needs a finite mean and a deviation >= 0, received ${mean} and ${deviation}`,
    )
  }
  if (name === 'uniform') {
    const { low = 0, high = 1 } = options as { low?: number; high?: number }
    if (Number.isFinite(low) && Number.isFinite(high) && low <= high) return { name, low, high }
    throw new QuernError('config', `a uniform distribution needs low <= high, received ${low} and ${high}`)
  }
  throw new QuernError('config', `unknown distribution '${String(name)}'. Known: 'normal', 'uniform'.`)
}
