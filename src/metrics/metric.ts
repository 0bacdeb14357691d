/**
 * The metric record and the batches that metrics read. A state is plain JSON, so it can be stored, sent from one
 * worker to another and merged there: merge(add(s, a), add(s, b)) is add(add(s, a), b) up to rounding of sums.
 */
import { QuernError } from '../core/errors.ts'

/** How per-class scores become one number; scikit-learn's names. See class-scores.ts. */
export type Average = 'macro' | 'weighted' | 'micro'

/** Options of all metrics; each reads its own and ignores the rest. */
export interface MetricConfig {
  /** topKAccuracy: answers that count as right (default 5, as in Keras) */
  readonly k?: number
  /** precision, recall, f1 (default 'macro') */
  readonly average?: Average
  /** precision, recall, f1: the score of a class whose denominator is 0 (default 0, as in scikit-learn) */
  readonly zeroDivision?: 0 | 1
  /** sensitivityAtSpecificity: share of the others that stay without alarm, from 0 to 1 (default 0.9) */
  readonly specificity?: number
  /** calibrationError: bins of equal width over [0, 1] (default 15) */
  readonly bins?: number
}

/** A metric: a fold over batches. Result is a number for those that training can watch. */
export interface Metric<State, Batch, Result> {
  readonly name: string
  readonly better: 'higher' | 'lower'
  start(config?: MetricConfig): State
  /** Takes in a batch. The state that was given may be reused: keep only the one that is returned. */
  add(state: State, batch: Batch): State
  /** A new state that has seen what both have seen. */
  merge(a: State, b: State): State
  /** NaN when nothing was added. */
  value(state: State): Result
  /** of a metric whose value takes as long as everything it has seen: the state of the last examples alone, for a look on the way */
  recent?(state: State): State
}

/** Answers of a classifier for `batch` examples. */
export interface ClassificationBatch {
  /** [batch, classes], row-major */
  readonly probabilities: Float32Array
  /** [batch], the index of the true class */
  readonly labels: ArrayLike<number>
  readonly classes: number
  /** [batch], how much each example counts (default 1 each) */
  readonly weights?: ArrayLike<number>
}

/** Answers of a regression for `batch` examples of `outputs` numbers each. */
export interface RegressionBatch {
  /** [batch, outputs], row-major */
  readonly predictions: Float32Array
  /** [batch, outputs] */
  readonly targets: ArrayLike<number>
  /** default 1 */
  readonly outputs?: number
  /** [batch], how much each example counts (default 1 each) */
  readonly weights?: ArrayLike<number>
}

function checkWeights(weights: ArrayLike<number> | undefined, batch: number): void {
  if (weights === undefined) return
  if (weights.length !== batch) {
    throw new QuernError(
      'input',
      `weights must have one number per example: expected ${batch}, received ${weights.length}`,
    )
  }
  for (let i = 0; i < batch; i++) {
    if (!(weights[i]! >= 0 && weights[i]! < Infinity)) {
      throw new QuernError('input', `weights must be finite and not negative: example ${i} has ${weights[i]}`)
    }
  }
}

/**
 * Checks sizes, label range and that every probability is a number; returns the number of examples.
 * Errors: `input` for sizes and labels, `numeric` for NaN.
 */
export function checkClassification({ probabilities, labels, classes, weights }: ClassificationBatch): number {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new QuernError('input', `classes must be a positive integer, received ${classes}`)
  }
  if (probabilities.length !== labels.length * classes) {
    throw new QuernError(
      'input',
      `probabilities of ${labels.length} examples and ${classes} classes are ${labels.length * classes} numbers, ` +
        `received ${probabilities.length}`,
    )
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new QuernError('input', `labels must be integers from 0 to ${classes - 1}: example ${i} has ${label}`)
    }
  }
  for (let i = 0; i < probabilities.length; i++) {
    if (Number.isNaN(probabilities[i])) {
      throw new QuernError('numeric', `the model's answer for example ${Math.floor(i / classes)} is not a number (NaN)`)
    }
  }
  checkWeights(weights, labels.length)
  return labels.length
}

/** Checks sizes; returns the number of examples. Errors: `input`. */
export function checkRegression({ predictions, targets, outputs = 1, weights }: RegressionBatch): number {
  if (predictions.length !== targets.length || !Number.isInteger(outputs) || predictions.length % outputs !== 0) {
    throw new QuernError(
      'input',
      `predictions and targets must both be [batch, ${outputs}], received ${predictions.length} and ${targets.length} numbers`,
    )
  }
  const batch = predictions.length / outputs
  checkWeights(weights, batch)
  return batch
}

/** Class with the highest probability in a row; the first of equals, as in NumPy's argmax. */
export function predictedClass({ probabilities, classes }: ClassificationBatch, row: number): number {
  const from = row * classes
  let best = 0
  for (let c = 1; c < classes; c++) {
    if (probabilities[from + c]! > probabilities[from + best]!) best = c
  }
  return best
}

/** Refuses to merge states of differently configured metrics. */
export function checkMergeable(option: string, a: unknown, b: unknown): void {
  if (a !== b) throw new QuernError('input', `cannot merge states with ${option} ${a} and ${option} ${b}`)
}
