/** Epochs in which classes occur more or less often than they do in the data: over- and under-sampling, drawn anew for each epoch. */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { countClasses, type Dataset, labelsOf } from './dataset.ts'

/** Which examples an epoch consists of. */
export interface EpochSampler {
  /** examples of an epoch */
  readonly length: number
  /** Writes the storage rows of an epoch, in no order. */
  draw(random: Random, into: Int32Array): void
}

export interface ClassSampling {
  /** 'over': smaller classes are repeated; 'under': larger classes are drawn from */
  readonly name: 'over' | 'under'
  /** examples of the smallest class over those of the largest, from above 0 to 1 */
  readonly ratio: number
}

/** Examples of each class in an epoch; classes without examples stay so. */
export function sampledCounts(counts: readonly number[], { name, ratio }: ClassSampling): number[] {
  const some = counts.filter((count) => count > 0)
  if (name === 'over') {
    const least = Math.round(ratio * Math.max(...some))
    return counts.map((count) => (count === 0 ? 0 : Math.max(count, least)))
  }
  const most = Math.round(Math.min(...some) / ratio)
  return counts.map((count) => Math.min(count, most))
}

/**
 * Examples of each class, as often as `sampling` asks: all of them as many times as go in wholly, and for the rest different ones, drawn anew
 * for each epoch.
 *
 * Throws `input` when the dataset has no column `label` of classes.
 */
export function createClassSampler(dataset: Dataset, sampling: ClassSampling): EpochSampler {
  if (dataset.labels.length < 2) {
    throw new QuernError('config', 'train.sampling goes by classes, which this data does not have', {
      hint: 'Remove train.sampling.',
    })
  }
  const labels = labelsOf(dataset)
  const wanted = sampledCounts(countClasses(dataset), sampling)
  const rows = wanted.map((_, label) => dataset.rows.filter((_, i) => labels[i] === label))
  return {
    length: wanted.reduce((sum, count) => sum + count, 0),
    draw(random, into) {
      let at = 0
      for (const [label, own] of rows.entries()) {
        const count = wanted[label]!
        if (own.length === 0) continue
        const end = at + count
        for (; at + own.length <= end; at += own.length) into.set(own, at)
        const rest = random
          .fork('class')
          .fork(label)
          .shuffle(own.slice())
          .subarray(0, end - at)
        into.set(rest, at)
        at = end
      }
    },
  }
}
