/** Of the examples given a class, the share that belong to it: per class, then averaged. Definitions in class-scores.ts. */
import { type ClassScoreState, classScoreMetric } from './class-scores.ts'
import type { ClassificationBatch, Metric } from './metric.ts'

export const precision: Metric<ClassScoreState, ClassificationBatch, number> = classScoreMetric('precision')
