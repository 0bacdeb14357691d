/**
 * Sensitivity at a fixed specificity: with the threshold so low that `specificity` of the others are still left alone, the share of the class that is found.
 * With two classes that of class 1; with more the plain mean over the classes, each against the rest, that occur and are not all.
 * Thresholds are the probabilities that occur: between two of them nothing is interpolated.
 */
import { QuernError } from '../core/errors.ts'
import { type AreaState, areaUnderRoc } from './area-under-roc.ts'
import { type ClassificationBatch, checkMergeable, type Metric } from './metric.ts'

export interface SensitivityState {
  readonly specificity: number
  readonly seen: AreaState
}

export const sensitivityAtSpecificity: Metric<SensitivityState, ClassificationBatch, number> = {
  name: 'sensitivityAtSpecificity',
  better: 'higher',
  start({ specificity = 0.9 } = {}) {
    if (!(specificity >= 0 && specificity <= 1)) {
      throw new QuernError(
        'config',
        `sensitivityAtSpecificity: specificity must be from 0 to 1, received ${specificity}`,
      )
    }
    return { specificity, seen: areaUnderRoc.start() }
  },
  add: ({ specificity, seen }, batch) => ({ specificity, seen: areaUnderRoc.add(seen, batch) }),
  merge(a, b) {
    checkMergeable('specificity', a.specificity, b.specificity)
    return { specificity: a.specificity, seen: areaUnderRoc.merge(a.seen, b.seen) }
  },
  recent: ({ specificity, seen }) => ({ specificity, seen: areaUnderRoc.recent!(seen) }),
  value({ specificity, seen: { classes, scores, labels, weights } }) {
    const asked = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c)
    const found = asked
      .map((c) => sensitivityOf(scores[c]!, (i) => labels[i] === c, weights, specificity))
      .filter((share) => !Number.isNaN(share))
    return found.length === 0 ? Number.NaN : found.reduce((sum, share) => sum + share / found.length, 0)
  },
}

/** NaN when all examples are of one side. */
function sensitivityOf(
  scores: readonly number[],
  isPositive: (i: number) => boolean,
  weights: readonly number[],
  specificity: number,
): number {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!)
  let [positives, negatives] = [0, 0]
  for (const i of order) {
    if (isPositive(i)) positives += weights[i]!
    else negatives += weights[i]!
  }
  if (positives === 0 || negatives === 0) return Number.NaN
  let [best, hits, alarms] = [0, 0, 0]
  for (let i = 0; i < order.length; ) {
    // Examples of equal scores are on one side of every threshold.
    const score = scores[order[i]!]
    for (; i < order.length && scores[order[i]!] === score; i++) {
      if (isPositive(order[i]!)) hits += weights[order[i]!]!
      else alarms += weights[order[i]!]!
    }
    // Shares of small counts, such as 1 - 1 / 10, miss what they are meant to reach by a rounding error.
    if (1 - alarms / negatives < specificity - 1e-12) break
    best = hits / positives
  }
  return best
}
