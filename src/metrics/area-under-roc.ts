/**
 * Area under the receiver operating characteristic (Hanley and McNeil 1982): the chance that a random example of the class is given
 * a higher probability of it than a random example of another class, ties counting half. With two classes that of class 1; with
 * more the plain mean over the classes, each against the rest, that occur and are not all.
 * Keeps every probability that it has seen: the rank of each among all of them decides.
 */
import { type ClassificationBatch, checkClassification, checkMergeable, type Metric } from './metric.ts'

export interface AreaState {
  /** 0 until the first batch */
  readonly classes: number
  /** of each class, the probability that each example was given */
  readonly scores: number[][]
  readonly labels: number[]
  readonly weights: number[]
}

/** Enough for two digits, and sorted in a fraction of a millisecond. */
const recentExamples = 1024

export const areaUnderRoc: Metric<AreaState, ClassificationBatch, number> = {
  name: 'areaUnderRoc',
  better: 'higher',
  start: () => ({ classes: 0, scores: [], labels: [], weights: [] }),
  add(state, batch) {
    const count = checkClassification(batch)
    const { probabilities, labels, classes, weights } = batch
    if (state.classes !== 0) checkMergeable('classes', state.classes, classes)
    const scores = state.classes === 0 ? Array.from({ length: classes }, (): number[] => []) : state.scores
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < classes; c++) scores[c]!.push(probabilities[i * classes + c]!)
      state.labels.push(labels[i]!)
      state.weights.push(weights?.[i] ?? 1)
    }
    return { ...state, classes, scores }
  },
  merge(a, b) {
    if (a.classes === 0 || b.classes === 0) return a.classes === 0 ? b : a
    checkMergeable('classes', a.classes, b.classes)
    return {
      classes: a.classes,
      scores: a.scores.map((scores, c) => [...scores, ...b.scores[c]!]),
      labels: [...a.labels, ...b.labels],
      weights: [...a.weights, ...b.weights],
    }
  },
  recent: ({ classes, scores, labels, weights }) => ({
    classes,
    scores: scores.map((all) => all.slice(-recentExamples)),
    labels: labels.slice(-recentExamples),
    weights: weights.slice(-recentExamples),
  }),
  value({ classes, scores, labels, weights }) {
    const asked = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c)
    const areas = asked
      .map((c) =>
        areaOf(
          scores[c]!,
          labels.map((label) => label === c),
          weights,
        ),
      )
      .filter((area) => !Number.isNaN(area))
    return areas.length === 0 ? Number.NaN : areas.reduce((sum, area) => sum + area / areas.length, 0)
  },
}

/** NaN when all examples are of one side. */
export function areaOf(scores: ArrayLike<number>, positive: readonly boolean[], weights?: ArrayLike<number>): number {
  const order = Array.from(positive.keys()).sort((a, b) => scores[a]! - scores[b]!)
  let [below, pairs, positives] = [0, 0, 0]
  for (let i = 0; i < order.length; ) {
    // Equal scores are one step of the curve.
    let [here, others] = [0, 0]
    const score = scores[order[i]!]
    for (; i < order.length && scores[order[i]!] === score; i++) {
      const w = weights?.[order[i]!] ?? 1
      if (positive[order[i]!]) here += w
      else others += w
    }
    pairs += here * (below + others / 2)
    below += others
    positives += here
  }
  return pairs / (positives * below)
}
