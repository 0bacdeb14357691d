/**
 * Expected calibration error: does an answer given with confidence 0.9 come true 9 times in 10?
 *   ECE = sum over bins of (n_bin / n) * |accuracy(bin) - mean confidence(bin)|
 * Confidence is the probability of the predicted class; bins have equal width and are open below, closed above.
 * Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3, with its 15 bins.
 */
import { QuernError } from '../core/errors.ts'
import { type ClassificationBatch, checkClassification, checkMergeable, type Metric, predictedClass } from './metric.ts'

export interface CalibrationState {
  /** [bins]: number (or weight) of examples, of right ones, and sum of confidence */
  readonly counts: number[]
  readonly hits: number[]
  readonly confidence: number[]
}

export interface CalibrationBin {
  /** the bin holds confidences in (from, to] */
  readonly from: number
  readonly to: number
  readonly count: number
  /** share of right answers; NaN in an empty bin */
  readonly accuracy: number
  /** mean confidence; NaN in an empty bin */
  readonly confidence: number
}

/** The bins of a reliability diagram, from low to high confidence. */
export function calibrationBins({ counts, hits, confidence }: CalibrationState): CalibrationBin[] {
  return counts.map((count, b) => ({
    from: b / counts.length,
    to: (b + 1) / counts.length,
    count,
    accuracy: hits[b]! / count,
    confidence: confidence[b]! / count,
  }))
}

const addUp = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + b[i]!)

export const calibrationError: Metric<CalibrationState, ClassificationBatch, number> = {
  name: 'calibrationError',
  better: 'lower',
  start({ bins = 15 } = {}) {
    if (!Number.isInteger(bins) || bins < 1) {
      throw new QuernError('config', `calibrationError: bins must be a positive integer, received ${bins}`)
    }
    const zeros = () => new Array<number>(bins).fill(0)
    return { counts: zeros(), hits: zeros(), confidence: zeros() }
  },
  add({ counts, hits, confidence }, batch) {
    const bins = counts.length
    const examples = checkClassification(batch)
    for (let i = 0; i < examples; i++) {
      const w = batch.weights?.[i] ?? 1
      const predicted = predictedClass(batch, i)
      const p = batch.probabilities[i * batch.classes + predicted]!
      const bin = Math.min(bins - 1, Math.max(0, Math.ceil(p * bins) - 1))
      counts[bin]! += w
      confidence[bin]! += w * p
      if (predicted === batch.labels[i]) hits[bin]! += w
    }
    return { counts, hits, confidence }
  },
  merge(a, b) {
    checkMergeable('bins', a.counts.length, b.counts.length)
    return {
      counts: addUp(a.counts, b.counts),
      hits: addUp(a.hits, b.hits),
      confidence: addUp(a.confidence, b.confidence),
    }
  },
  value({ counts, hits, confidence }) {
    const total = counts.reduce((sum, count) => sum + count, 0)
    return counts.reduce((sum, _, b) => sum + Math.abs(hits[b]! - confidence[b]!), 0) / total
  },
}
