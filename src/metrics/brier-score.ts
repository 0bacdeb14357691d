/**
 * Mean over examples of sum over classes of (p_c - y_c)^2, y one-hot: from 0 (certain and right) to 2 (certain and
 * wrong). G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950, his original form;
 * two-class tools often print half of it.
 */
import { exampleMean, type MeanState } from './mean.ts'
import { type ClassificationBatch, checkClassification, type Metric } from './metric.ts'

export const brierScore: Metric<MeanState, ClassificationBatch, number> = exampleMean(
  'brierScore',
  'lower',
  checkClassification,
  ({ probabilities, labels, classes }, i) => {
    let sum = 0
    for (let c = 0; c < classes; c++) sum += (probabilities[i * classes + c]! - (c === labels[i] ? 1 : 0)) ** 2
    return sum
  },
)
