/** Square root of the mean of (prediction - target)^2 over outputs and examples; in the target's unit. */
import type { MeanState } from './mean.ts'
import { meanSquaredError } from './mean-squared-error.ts'
import type { Metric, RegressionBatch } from './metric.ts'

export const rootMeanSquaredError: Metric<MeanState, RegressionBatch, number> = {
  ...meanSquaredError,
  name: 'rootMeanSquaredError',
  value: (state) => Math.sqrt(meanSquaredError.value(state)),
}
