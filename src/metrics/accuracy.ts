/** Share of examples whose most probable class is the true one. */
import { exampleMean, type MeanState } from './mean.ts'
import { type ClassificationBatch, checkClassification, type Metric, predictedClass } from './metric.ts'

export const accuracy: Metric<MeanState, ClassificationBatch, number> = exampleMean(
  'accuracy',
  'higher',
  checkClassification,
  (batch, i) => (predictedClass(batch, i) === batch.labels[i] ? 1 : 0),
)
