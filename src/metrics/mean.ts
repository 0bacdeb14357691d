/** Metrics that are a weighted mean over examples: sum(w_i * score_i) / sum(w_i). */
import type { Metric } from './metric.ts'

export interface MeanState {
  readonly sum: number
  readonly weight: number
}

/** Numbers to be averaged, such as the loss of each step with its number of examples as the weight. */
export interface MeanBatch {
  readonly values: ArrayLike<number>
  readonly weights?: ArrayLike<number>
}

/** A metric from a check that counts the examples of a batch and a score per example. */
export function exampleMean<Batch extends { readonly weights?: ArrayLike<number> }>(
  name: string,
  better: 'higher' | 'lower',
  check: (batch: Batch) => number,
  score: (batch: Batch, row: number) => number,
): Metric<MeanState, Batch, number> {
  return {
    name,
    better,
    start: () => ({ sum: 0, weight: 0 }),
    add(state, batch) {
      let { sum, weight } = state
      const count = check(batch)
      for (let i = 0; i < count; i++) {
        const w = batch.weights?.[i] ?? 1
        sum += w * score(batch, i)
        weight += w
      }
      return { sum, weight }
    },
    merge: (a, b) => ({ sum: a.sum + b.sum, weight: a.weight + b.weight }),
    value: ({ sum, weight }) => sum / weight,
  }
}

/** Mean of losses that the training graph computed. */
export const loss: Metric<MeanState, MeanBatch, number> = exampleMean(
  'loss',
  'lower',
  ({ values }) => values.length,
  ({ values }, i) => values[i]!,
)
