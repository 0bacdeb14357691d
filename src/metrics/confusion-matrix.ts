/** Counts of (true class, predicted class), weighted when the batch is. Precision, recall and F1 are read from it. */
import { type ClassificationBatch, checkClassification, checkMergeable, type Metric, predictedClass } from './metric.ts'

export interface ConfusionMatrix {
  /** 0 until the first batch */
  readonly classes: number
  /** [classes, classes], row-major: row = true class, column = predicted class */
  readonly counts: number[]
}

export const confusionMatrix: Metric<ConfusionMatrix, ClassificationBatch, ConfusionMatrix> = {
  name: 'confusionMatrix',
  better: 'higher',
  start: () => ({ classes: 0, counts: [] }),
  add(state, batch) {
    const count = checkClassification(batch)
    const { classes } = batch
    if (state.classes !== 0) checkMergeable('classes', state.classes, classes)
    const counts = state.classes === 0 ? new Array<number>(classes * classes).fill(0) : state.counts
    for (let i = 0; i < count; i++) {
      counts[batch.labels[i]! * classes + predictedClass(batch, i)]! += batch.weights?.[i] ?? 1
    }
    return { classes, counts }
  },
  merge(a, b) {
    if (a.classes === 0 || b.classes === 0) return { ...(a.classes === 0 ? b : a) }
    checkMergeable('classes', a.classes, b.classes)
    return { classes: a.classes, counts: a.counts.map((count, i) => count + b.counts[i]!) }
  },
  value: (state) => state,
}
