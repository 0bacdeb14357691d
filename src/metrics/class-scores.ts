/**
 * Precision, recall and F1 from a confusion matrix, per class and averaged, with scikit-learn's definitions:
 *   precision = tp / (tp + fp), recall = tp / (tp + fn), F1 = 2 tp / (2 tp + fp + fn)
 * A denominator of 0 (a class never predicted, never present) gives `zeroDivision`, which is 0 unless asked. Averages:
 *   macro: plain mean over ALL classes of the model, also those absent from the data (labels=range(classes));
 *   weighted: mean weighted by the number of true examples; micro: from the sums of tp, fp and fn over classes,
 *   which is the accuracy when each example has one class.
 */
import { QuernError } from '../core/errors.ts'
import { type ConfusionMatrix, confusionMatrix } from './confusion-matrix.ts'
import { type Average, type ClassificationBatch, checkMergeable, type Metric } from './metric.ts'

export type ClassScore = 'precision' | 'recall' | 'f1'

export interface ClassScores {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** examples (or weight) whose true class it is */
  readonly support: number
  /** examples (or weight) that were given this class */
  readonly predicted: number
}

function scoresOf(hits: number, predicted: number, support: number, zeroDivision: number): ClassScores {
  const ratio = (a: number, b: number) => (b === 0 ? zeroDivision : a / b)
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, support),
    f1: ratio(2 * hits, predicted + support),
    support,
    predicted,
  }
}

/** Scores of each class, in class order. */
export function classScores({ classes, counts }: ConfusionMatrix, zeroDivision: 0 | 1 = 0): ClassScores[] {
  const support = new Array<number>(classes).fill(0)
  const predicted = new Array<number>(classes).fill(0)
  for (let i = 0; i < counts.length; i++) {
    support[Math.floor(i / classes)]! += counts[i]!
    predicted[i % classes]! += counts[i]!
  }
  return support.map((s, c) => scoresOf(counts[c * classes + c]!, predicted[c]!, s, zeroDivision))
}

/** One number for all classes; NaN when the matrix is empty. */
export function averageScore(
  matrix: ConfusionMatrix,
  score: ClassScore,
  average: Average = 'macro',
  zeroDivision: 0 | 1 = 0,
): number {
  const { classes, counts } = matrix
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return Number.NaN
  if (average === 'micro') {
    let hits = 0
    for (let c = 0; c < classes; c++) hits += counts[c * classes + c]!
    return scoresOf(hits, total, total, zeroDivision)[score]
  }
  let sum = 0
  for (const scores of classScores(matrix, zeroDivision)) {
    sum += scores[score] * (average === 'macro' ? 1 / classes : scores.support / total)
  }
  return sum
}

export interface ClassScoreState {
  readonly matrix: ConfusionMatrix
  readonly average: Average
  readonly zeroDivision: 0 | 1
}

/** The metric record of a score. */
export function classScoreMetric(score: ClassScore): Metric<ClassScoreState, ClassificationBatch, number> {
  return {
    name: score,
    better: 'higher',
    start({ average = 'macro', zeroDivision = 0 } = {}) {
      if (!['macro', 'weighted', 'micro'].includes(average)) {
        throw new QuernError('config', `${score}: average must be macro, weighted or micro, received ${average}`)
      }
      return { matrix: confusionMatrix.start(), average, zeroDivision }
    },
    add: (state, batch) => ({ ...state, matrix: confusionMatrix.add(state.matrix, batch) }),
    merge(a, b) {
      checkMergeable('average', a.average, b.average)
      checkMergeable('zeroDivision', a.zeroDivision, b.zeroDivision)
      return { ...a, matrix: confusionMatrix.merge(a.matrix, b.matrix) }
    },
    value: ({ matrix, average, zeroDivision }) => averageScore(matrix, score, average, zeroDivision),
  }
}
