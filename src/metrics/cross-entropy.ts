/**
 * Mean of -ln p(true class), in nats: the loss of a classifier, from its probabilities. Probabilities below 1e-7
 * (Keras' epsilon) count as 1e-7, so one certain mistake costs 16.1 and not infinity.
 */
import { exampleMean, type MeanState } from './mean.ts'
import { type ClassificationBatch, checkClassification, type Metric } from './metric.ts'

const epsilon = 1e-7

export const crossEntropy: Metric<MeanState, ClassificationBatch, number> = exampleMean(
  'crossEntropy',
  'lower',
  checkClassification,
  ({ probabilities, labels, classes }, i) => -Math.log(Math.max(probabilities[i * classes + labels[i]!]!, epsilon)),
)
