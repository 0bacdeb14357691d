/** The evaluation of estimates as plain JSON: from numbers and targets to every number that the report shows. */
import { QuernError } from '../core/errors.ts'
import { createMeter, regressionMetrics } from '../metrics/index.ts'
import type { RegressionBatch } from '../metrics/metric.ts'

export interface RegressionInput {
  /** [examples], or [examples, outputs] */
  readonly predictions: Float32Array
  /** as `predictions` */
  readonly targets: ArrayLike<number>
  /** [examples], what a person finds the example by */
  readonly ids: readonly string[]
  /** names of the numbers of an example, where there are several */
  readonly names?: readonly string[] | undefined
}

export interface Miss {
  readonly id: string
  /** row of the example */
  readonly index: number
  readonly target: number
  readonly prediction: number
}

/** What is told of each number by itself, and of all together. */
export interface Estimates {
  /** meanSquaredError, rootMeanSquaredError, meanAbsoluteError, medianAbsoluteError, r2 */
  readonly metrics: Readonly<Record<string, number>>
  /** up to 400 examples, spread evenly over the order of the split: what the report draws */
  readonly drawn: readonly Miss[]
  /** of the targets */
  readonly targets: {
    readonly least: number
    readonly most: number
    readonly mean: number
    readonly deviation: number
  }
}

export interface RegressionReport extends Estimates {
  readonly kind: 'regression'
  readonly examples: number
  /** estimates that are furthest off, the worst first; of several numbers in deviations of each from its mean */
  readonly worstMisses: readonly Miss[]
  /** of several numbers: each by itself, in its own unit */
  readonly outputs?: readonly ({ readonly name: string } & Estimates)[]
}

const mostDrawn = 400

/** Evaluates estimates. Errors: `input` for sizes that do not fit or no example, `numeric` for NaN. */
export function reportRegression(input: RegressionInput, { worst = 24 }: { worst?: number } = {}): RegressionReport {
  const { predictions, ids, names = [] } = input
  const size = Math.max(1, names.length)
  const examples = ids.length
  if (examples === 0) throw new QuernError('input', 'there is no example to evaluate on')
  const bad = predictions.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    const row = Math.floor(bad / size)
    throw new QuernError('numeric', `the model's answer for ${ids[row]} is ${predictions[bad]}`)
  }
  const misses = missesOf(input, size)
  const whole = estimatesOf(misses, size)
  if (size === 1) return { kind: 'regression', examples, ...whole, worstMisses: worstOf(misses, [1], size, worst) }
  const outputs = names.map((name, i) => ({ name, ...estimatesOf(misses.filter((_, at) => at % size === i)) }))
  const deviations = outputs.map(({ targets }) => targets.deviation || 1)
  return { kind: 'regression', examples, ...whole, worstMisses: worstOf(misses, deviations, size, worst), outputs }
}

/** Each number of each example, in this order. */
function missesOf({ predictions, targets, ids, names = [] }: RegressionInput, size: number): Miss[] {
  return Array.from(predictions, (prediction, at): Miss => {
    const index = Math.floor(at / size)
    const id = size === 1 ? ids[index]! : `${ids[index]} ${names[at % size]}`
    return { id, index, target: targets[at]!, prediction }
  })
}

const errorOf = ({ target, prediction }: Miss): number => Math.abs(target - prediction)

/** @param units of each number: what its errors are counted in */
function worstOf(misses: readonly Miss[], units: readonly number[], size: number, most: number): Miss[] {
  const ranked = misses.map((miss, i) => ({ miss, error: errorOf(miss) / units[i % size]! }))
  ranked.sort((a, b) => b.error - a.error || a.miss.index - b.miss.index)
  return ranked.slice(0, most).map(({ miss }) => miss)
}

function estimatesOf(misses: readonly Miss[], outputs = 1): Estimates {
  const count = misses.length
  const names = ['rootMeanSquaredError', 'meanAbsoluteError', 'r2', 'meanSquaredError']
  const meter = createMeter<RegressionBatch>(regressionMetrics, names)
  meter.add({
    predictions: Float32Array.from(misses, ({ prediction }) => prediction),
    targets: Float32Array.from(misses, ({ target }) => target),
    outputs,
  })
  // What is not defined, such as r2 of equal targets, is left out: JSON has no word for it.
  const defined = Object.fromEntries(Object.entries(meter.values()).filter(([, value]) => Number.isFinite(value)))
  const errors = Float64Array.from(misses, errorOf).sort()
  const every = Math.max(1, Math.ceil(count / mostDrawn))
  const mean = misses.reduce((sum, { target }) => sum + target / count, 0)
  const variance = misses.reduce((sum, { target }) => sum + (target - mean) ** 2 / count, 0)
  return {
    metrics: { ...defined, medianAbsoluteError: (errors[(count - 1) >> 1]! + errors[count >> 1]!) / 2 },
    drawn: misses.filter((_, i) => i % every === 0),
    targets: {
      least: misses.reduce((least, { target }) => Math.min(least, target), Number.POSITIVE_INFINITY),
      most: misses.reduce((most, { target }) => Math.max(most, target), Number.NEGATIVE_INFINITY),
      mean,
      deviation: Math.sqrt(variance),
    },
  }
}
