/** Metrics of a split as the loop sees them: it hands over predictions and targets and knows nothing of the task. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import {
  classificationMetrics,
  createMeter,
  type Meter,
  type MetricSpec,
  regressionMetrics,
} from '../metrics/index.ts'

export interface Scorer {
  /** Takes in a batch: predictions `[count, ...]` and as many targets. */
  add(predictions: Tensor<Float32Array>, targets: Tensor): void
  values(): Record<string, number>
  readonly higherIsBetter: ReadonlySet<string>
  save(): readonly unknown[]
  load(states: readonly unknown[]): void
}

/** Scores probabilities `[count, classes]` against class numbers `[count]`. */
export function classificationScorer(specs: readonly MetricSpec[]): Scorer {
  const meter = createMeter(classificationMetrics, specs)
  return scorer(meter, ({ data, shape }, targets) => {
    const classes = shape[1]
    if (shape.length !== 2 || classes === undefined) {
      throw new QuernError('input', `a classifier predicts [batch, classes], received ${formatShape(shape)}`)
    }
    meter.add({ probabilities: data, labels: targets.data as Int32Array, classes })
  })
}

/** Scores numbers against targets of the same shape. */
export function regressionScorer(specs: readonly MetricSpec[]): Scorer {
  const meter = createMeter(regressionMetrics, specs)
  return scorer(meter, ({ data }, targets) => meter.add({ predictions: data, targets: targets.data as Float32Array }))
}

function scorer<Batch>(meter: Meter<Batch>, add: Scorer['add']): Scorer {
  const { values, higherIsBetter, save, load } = meter
  return { add, values, higherIsBetter, save, load }
}
