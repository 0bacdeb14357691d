/** Metrics of a split as the loop sees them: it hands over predictions and targets and knows nothing of the task. */
import { QuernError } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import {
  classificationMetrics,
  createMeter,
  type Meter,
  type MetricSpec,
  metricOfTarget,
  regressionMetrics,
} from '../metrics/index.ts'

export interface Scorer {
  /** several outputs, each with targets and a scorer of its own: these are fed in place of `add` */
  readonly parts?: readonly ScoredOutput[]
  /** Takes in a batch: predictions `[count, ...]` and as many targets. */
  add(predictions: Tensor<Float32Array>, targets: Tensor): void
  values(): Record<string, number>
  /** on the way through an epoch: as `values`, in a time that does not grow with what was added; absent: `values` is as quick */
  soFar?(): Record<string, number>
  readonly higherIsBetter: ReadonlySet<string>
  save(): readonly unknown[]
  load(states: readonly unknown[]): void
}

export interface ScoredOutput {
  /** in front of the names of its metrics: 'age' and 'meanAbsoluteError' make 'ageMeanAbsoluteError' */
  readonly name: string
  /** output of the network */
  readonly output: string
  /** column that holds the targets */
  readonly target: string
  readonly scorer: Scorer
}

/** Scores on the way through an epoch. */
export function scoresSoFar(scorer: Scorer): Record<string, number> {
  return scorer.soFar?.() ?? scorer.values()
}

/** Scores nothing: losses are all there is. */
export function noScorer(): Scorer {
  return outputScorer([])
}

/** Scores several outputs, each against a column of its own. */
export function outputScorer(parts: readonly ScoredOutput[]): Scorer {
  const together = (valuesOf: (scorer: Scorer) => Record<string, number>): Record<string, number> =>
    Object.fromEntries(
      parts.flatMap(({ name, scorer }) =>
        Object.entries(valuesOf(scorer)).map(([key, value]) => [metricOfTarget(name, key), value] as const),
      ),
    )
  return {
    parts,
    add: () => {},
    values: () => together((scorer) => scorer.values()),
    soFar: () => together(scoresSoFar),
    higherIsBetter: new Set(
      parts.flatMap(({ name, scorer }) => [...scorer.higherIsBetter].map((key) => metricOfTarget(name, key))),
    ),
    save: () => parts.map(({ scorer }) => scorer.save()),
    load: (states) => {
      for (const [i, { scorer }] of parts.entries()) scorer.load(states[i] as readonly unknown[])
    },
  }
}

/**
 * Scores probabilities `[count, classes]` against class numbers `[count]` of any integer type or one-hot targets
 * `[count, classes]`. Axes between, such as the positions of a sequence, are examples of their own. One probability an example, `[count]` or `[count, 1]`, is that of class 1 against class 0.
 * Errors: `input` for other shapes and for a label that is no class.
 */
export function classificationScorer(specs: readonly MetricSpec[]): Scorer {
  const meter = createMeter(classificationMetrics, specs)
  return scorer(meter, (predictions, targets) => {
    const { data, shape } = predictions
    const isBinary = shape.length === 1 || (shape.length === 2 && shape[1] === 1)
    if (shape.length === 0) {
      throw new QuernError('input', `a classifier predicts [batch, ..., classes], received ${formatShape(shape)}`)
    }
    const classes = isBinary ? 2 : shape.at(-1)!
    const labels = isBinary || !sameShape(targets.shape, shape) ? numbersFrom(targets) : hottest(targets, classes)
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]!
      if (Number.isInteger(label) && label >= 0 && label < classes) continue
      throw new QuernError('input', `labels must be from 0 to ${classes - 1}, received ${label}`)
    }
    meter.add({ probabilities: isBinary ? bothClasses(data) : data, labels, classes })
  })
}

/** Numbers of an example of `[count, outputs]`; whatever has other axes is a list of numbers. */
const outputsOf = ({ shape }: Tensor): number => (shape.length === 2 ? Math.max(1, shape[1]!) : 1)

/** Scores numbers against targets of the same shape. */
export function regressionScorer(specs: readonly MetricSpec[]): Scorer {
  const meter = createMeter(regressionMetrics, specs)
  return scorer(meter, ({ data }, targets) =>
    meter.add({ predictions: data, targets: numbersFrom(targets), outputs: outputsOf(targets) }),
  )
}

function scorer<Batch>(meter: Meter<Batch>, add: Scorer['add']): Scorer {
  const { values, soFar, higherIsBetter, save, load } = meter
  return { add, values, soFar, higherIsBetter, save, load }
}

/** The elements as they are; 64-bit integers become numbers. */
function numbersFrom({ data }: Tensor): ArrayLike<number> {
  return data instanceof BigInt64Array || data instanceof BigUint64Array
    ? Float64Array.from(data, Number)
    : (data as ArrayLike<number>)
}

/** The class with the largest target in each row; the first of equals. */
function hottest(targets: Tensor, classes: number): Int32Array {
  const values = numbersFrom(targets)
  const labels = new Int32Array(values.length / classes)
  for (let row = 0; row < labels.length; row++) {
    let best = 0
    for (let c = 1; c < classes; c++) if (values[row * classes + c]! > values[row * classes + best]!) best = c
    labels[row] = best
  }
  return labels
}

/** [p, ...] -> [1 - p, p, ...] */
function bothClasses(yes: Float32Array): Float32Array {
  const both = new Float32Array(2 * yes.length)
  for (let i = 0; i < yes.length; i++) {
    both[2 * i] = 1 - yes[i]!
    both[2 * i + 1] = yes[i]!
  }
  return both
}
