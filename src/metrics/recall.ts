/** Of the examples of a class, the share that were given it: per class, then averaged. Definitions in class-scores.ts. */
import { type ClassScoreState, classScoreMetric } from './class-scores.ts'
import type { ClassificationBatch, Metric } from './metric.ts'

export const recall: Metric<ClassScoreState, ClassificationBatch, number> = classScoreMetric('recall')
