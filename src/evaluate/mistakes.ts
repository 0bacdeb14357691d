/** Where a classifier is wrong: the examples it was most sure of, and the classes it mixes up. */
import { type ClassificationBatch, predictedClass } from '../metrics/metric.ts'

export interface Mistake {
  readonly id: string
  /** row of the example */
  readonly index: number
  readonly label: string
  readonly predicted: string
  /** probability of the predicted class */
  readonly confidence: number
  /** probability of the true class */
  readonly labelProbability: number
}

export interface ConfusedPair {
  readonly label: string
  readonly predicted: string
  readonly count: number
  /** share of the true class's examples */
  readonly share: number
}

/** Wrong answers, highest confidence first; equals in the order of the examples. */
export function worstMistakes(
  batch: ClassificationBatch,
  names: readonly string[],
  ids: readonly string[],
  limit: number,
): Mistake[] {
  const { probabilities, labels, classes } = batch
  const mistakes: Mistake[] = []
  for (let index = 0; index < labels.length; index++) {
    const predicted = predictedClass(batch, index)
    const label = labels[index]!
    if (predicted === label) continue
    mistakes.push({
      id: ids[index]!,
      index,
      label: names[label]!,
      predicted: names[predicted]!,
      confidence: probabilities[index * classes + predicted]!,
      labelProbability: probabilities[index * classes + label]!,
    })
  }
  return mistakes.sort((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, limit)
}

/** Pairs (true class, predicted class) off the diagonal, most examples first. */
export function confusedPairs(
  confusion: readonly (readonly number[])[],
  names: readonly string[],
  limit: number,
): ConfusedPair[] {
  const pairs = confusion.flatMap((row, t) => {
    const support = row.reduce((sum, count) => sum + count, 0)
    return row.flatMap((count, p) =>
      p === t || count === 0 ? [] : [{ label: names[t]!, predicted: names[p]!, count, share: count / support }],
    )
  })
  return pairs.sort((a, b) => b.count - a.count || b.share - a.share).slice(0, limit)
}
