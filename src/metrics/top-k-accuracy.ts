/**
 * Share of examples whose true class is among the k most probable. Of equal probabilities the lower class comes
 * first, so k = 1 is exactly accuracy (scikit-learn puts the higher class first). k >= classes gives 1.
 */
import { QuernError } from '../core/errors.ts'
import { type ClassificationBatch, checkClassification, checkMergeable, type Metric } from './metric.ts'

export interface TopKState {
  readonly k: number
  readonly hits: number
  readonly weight: number
}

/** Number of classes that rank before `label` in a row. */
function rankOf({ probabilities, classes }: ClassificationBatch, row: number, label: number): number {
  const from = row * classes
  const p = probabilities[from + label]!
  let rank = 0
  for (let c = 0; c < classes; c++) {
    const q = probabilities[from + c]!
    if (q > p || (q === p && c < label)) rank++
  }
  return rank
}

export const topKAccuracy: Metric<TopKState, ClassificationBatch, number> = {
  name: 'topKAccuracy',
  better: 'higher',
  start({ k = 5 } = {}) {
    if (!Number.isInteger(k) || k < 1) {
      throw new QuernError('config', `topKAccuracy: k must be a positive integer, received ${k}`)
    }
    return { k, hits: 0, weight: 0 }
  },
  add({ k, hits, weight }, batch) {
    const count = checkClassification(batch)
    for (let i = 0; i < count; i++) {
      const w = batch.weights?.[i] ?? 1
      if (rankOf(batch, i, batch.labels[i]!) < k) hits += w
      weight += w
    }
    return { k, hits, weight }
  },
  merge(a, b) {
    checkMergeable('k', a.k, b.k)
    return { k: a.k, hits: a.hits + b.hits, weight: a.weight + b.weight }
  },
  value: ({ hits, weight }) => hits / weight,
}
