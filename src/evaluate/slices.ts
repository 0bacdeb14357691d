/** Metrics of parts of the test set: an average hides the group for which the model fails. */
import { QuernError } from '../core/errors.ts'
import { accuracy } from '../metrics/accuracy.ts'
import { crossEntropy } from '../metrics/cross-entropy.ts'
import type { ClassificationBatch } from '../metrics/metric.ts'
import { type Interval, wilsonInterval } from './wilson.ts'

export interface SliceScores {
  /** what the examples are grouped by */
  readonly by: string
  readonly group: string
  readonly examples: number
  readonly accuracy: number
  readonly accuracyInterval: Interval
  readonly crossEntropy: number
}

function rowsOf({ probabilities, labels, classes }: ClassificationBatch, rows: readonly number[]): ClassificationBatch {
  const part = new Float32Array(rows.length * classes)
  for (const [i, row] of rows.entries()) {
    part.set(probabilities.subarray(row * classes, (row + 1) * classes), i * classes)
  }
  return { probabilities: part, labels: rows.map((row) => labels[row]!), classes }
}

/** Scores of every group of every grouping, worst accuracy first within a grouping. Errors: `input` for sizes. */
export function scoreSlices(
  batch: ClassificationBatch,
  groupings: Readonly<Record<string, readonly string[]>>,
): SliceScores[] {
  return Object.entries(groupings).flatMap(([by, groups]) => {
    if (groups.length !== batch.labels.length) {
      throw new QuernError(
        'input',
        `slice '${by}' must give a group for every example: expected ${batch.labels.length}, received ${groups.length}`,
      )
    }
    const rows = new Map<string, number[]>()
    for (const [row, group] of groups.entries()) {
      const known = rows.get(group)
      if (known) known.push(row)
      else rows.set(group, [row])
    }
    const scores = [...rows].map(([group, members]) => {
      const part = rowsOf(batch, members)
      const share = accuracy.value(accuracy.add(accuracy.start(), part))
      return {
        by,
        group,
        examples: members.length,
        accuracy: share,
        accuracyInterval: wilsonInterval(Math.round(share * members.length), members.length),
        crossEntropy: crossEntropy.value(crossEntropy.add(crossEntropy.start(), part)),
      }
    })
    return scores.sort((a, b) => a.accuracy - b.accuracy || b.examples - a.examples)
  })
}
