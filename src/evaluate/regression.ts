/** The evaluation of estimates as plain JSON: from numbers and targets to every number that the report shows. */
import { QuernError } from '../core/errors.ts'
import { createMeter, regressionMetrics } from '../metrics/index.ts'
import type { RegressionBatch } from '../metrics/metric.ts'

export interface RegressionInput {
  /** [examples], or [examples, outputs]: then targets and ids too */
  readonly predictions: Float32Array
  /** [examples] */
  readonly targets: ArrayLike<number>
  /** [examples], what a person finds the example by */
  readonly ids: readonly string[]
  /** numbers of an example; default 1 */
  readonly outputs?: number
}

export interface Miss {
  readonly id: string
  /** row of the example */
  readonly index: number
  readonly target: number
  readonly prediction: number
}

export interface RegressionReport {
  readonly kind: 'regression'
  readonly examples: number
  /** meanSquaredError, rootMeanSquaredError, meanAbsoluteError, medianAbsoluteError, r2 */
  readonly metrics: Readonly<Record<string, number>>
  /** estimates that are furthest off, the worst first */
  readonly worstMisses: readonly Miss[]
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

const mostDrawn = 400

/** Evaluates estimates. Errors: `input` for sizes that do not fit or no example, `numeric` for NaN. */
export function reportRegression(input: RegressionInput, { worst = 24 }: { worst?: number } = {}): RegressionReport {
  const { predictions, targets, ids, outputs = 1 } = input
  const examples = targets.length
  if (examples === 0) throw new QuernError('input', 'there is no example to evaluate on')
  const bad = predictions.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new QuernError('numeric', `the model's answer for ${ids[bad]} is ${predictions[bad]}`)
  const meter = createMeter<RegressionBatch>(regressionMetrics, [
    'rootMeanSquaredError',
    'meanAbsoluteError',
    'r2',
    'meanSquaredError',
  ])
  meter.add({ predictions, targets, outputs })
  // What is not defined, such as r2 of equal targets, is left out: JSON has no word for it.
  const defined = Object.fromEntries(Object.entries(meter.values()).filter(([, value]) => Number.isFinite(value)))
  const all = Array.from({ length: examples }, (_, index): Miss => {
    return { id: ids[index]!, index, target: targets[index]!, prediction: predictions[index]! }
  })
  const error = ({ target, prediction }: Miss): number => Math.abs(target - prediction)
  const errors = all.map(error).sort((a, b) => a - b)
  const every = Math.max(1, Math.ceil(examples / mostDrawn))
  const mean = all.reduce((sum, { target }) => sum + target / examples, 0)
  const variance = all.reduce((sum, { target }) => sum + (target - mean) ** 2 / examples, 0)
  return {
    kind: 'regression',
    examples,
    metrics: { ...defined, medianAbsoluteError: (errors[(examples - 1) >> 1]! + errors[examples >> 1]!) / 2 },
    worstMisses: all.toSorted((a, b) => error(b) - error(a) || a.index - b.index).slice(0, worst),
    drawn: all.filter((_, i) => i % every === 0),
    targets: {
      least: all.reduce((least, { target }) => Math.min(least, target), Number.POSITIVE_INFINITY),
      most: all.reduce((most, { target }) => Math.max(most, target), Number.NEGATIVE_INFINITY),
      mean,
      deviation: Math.sqrt(variance),
    },
  }
}
