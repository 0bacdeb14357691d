/** Harmonic mean of precision and recall: per class, then averaged. Definitions in class-scores.ts. */
import { type ClassScoreState, classScoreMetric } from './class-scores.ts'
import type { ClassificationBatch, Metric } from './metric.ts'

export const f1: Metric<ClassScoreState, ClassificationBatch, number> = classScoreMetric('f1')
