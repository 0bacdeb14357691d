/** Mean of |prediction - target| over outputs, then over examples; in the target's unit. */
import { exampleMean, type MeanState } from './mean.ts'
import { checkRegression, type Metric, type RegressionBatch } from './metric.ts'

export const meanAbsoluteError: Metric<MeanState, RegressionBatch, number> = exampleMean(
  'meanAbsoluteError',
  'lower',
  checkRegression,
  ({ predictions, targets, outputs = 1 }, row) => {
    let sum = 0
    for (let i = row * outputs; i < (row + 1) * outputs; i++) sum += Math.abs(predictions[i]! - targets[i]!)
    return sum / outputs
  },
)
