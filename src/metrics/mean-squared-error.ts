/** Mean of (prediction - target)^2 over outputs, then over examples; in the target's unit squared. */
import { exampleMean, type MeanState } from './mean.ts'
import { checkRegression, type Metric, type RegressionBatch } from './metric.ts'

export const meanSquaredError: Metric<MeanState, RegressionBatch, number> = exampleMean(
  'meanSquaredError',
  'lower',
  checkRegression,
  ({ predictions, targets, outputs = 1 }, row) => {
    let sum = 0
    for (let i = row * outputs; i < (row + 1) * outputs; i++) sum += (predictions[i]! - targets[i]!) ** 2
    return sum / outputs
  },
)
