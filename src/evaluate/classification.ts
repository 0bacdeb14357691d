/**
 * The evaluation of a classifier as plain JSON: from probabilities and labels to every number that the report shows.
 * Knows nothing of models, files or pictures; an example is known by its id.
 */
import { QuernError } from '../core/errors.ts'
import { calibrationBins, calibrationError } from '../metrics/calibration-error.ts'
import { classScores } from '../metrics/class-scores.ts'
import { type ConfusionMatrix, confusionMatrix } from '../metrics/confusion-matrix.ts'
import { classificationMetrics, createMeter, type MetricSpec } from '../metrics/index.ts'
import { type ClassificationBatch, checkClassification } from '../metrics/metric.ts'
import { type ConfusedPair, confusedPairs, type Mistake, worstMistakes } from './mistakes.ts'
import { type SliceScores, scoreSlices } from './slices.ts'
import { type Interval, wilsonInterval } from './wilson.ts'

export interface ClassificationInput {
  /** [examples, classes], row-major */
  readonly probabilities: Float32Array
  /** [examples], the index of the true class */
  readonly labels: ArrayLike<number>
  /** names of the classes, in the order of the columns */
  readonly classes: readonly string[]
  /** [examples], what a person finds the example by: a file name, a row number */
  readonly ids: readonly string[]
  /** Groups to report apart: name of the grouping -> [examples], the group of each. `{ camera: ['front', 'rear', ...] }` */
  readonly slices?: Readonly<Record<string, readonly string[]>>
}

export interface ClassificationOptions {
  /** mistakes to keep (default 24) */
  readonly worst?: number
  /** bins of the reliability diagram and of the calibration error (default 15) */
  readonly bins?: number
}

export interface ClassRow {
  readonly label: string
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** examples whose true class it is */
  readonly support: number
  /** examples that were given this class */
  readonly predicted: number
  readonly recallInterval: Interval
}

/** A bin that holds examples; empty ones are left out. */
export interface ReliabilityBin {
  readonly from: number
  readonly to: number
  readonly count: number
  readonly accuracy: number
  readonly confidence: number
}

export interface ClassificationReport {
  readonly kind: 'classification'
  readonly examples: number
  readonly correct: number
  readonly classes: readonly string[]
  /** every metric by its name: accuracy, crossEntropy, precision, recall and f1 (macro), weightedF1, ... */
  readonly metrics: Readonly<Record<string, number>>
  /** Wilson, 95 %, over the choice of test examples; not over the training seed */
  readonly accuracyInterval: Interval
  readonly perClass: readonly ClassRow[]
  /** [true class][predicted class] */
  readonly confusion: readonly (readonly number[])[]
  /** what is most often taken for what, most frequent first */
  readonly confusedPairs: readonly ConfusedPair[]
  /** wrong answers, most confident first */
  readonly worstMistakes: readonly Mistake[]
  readonly calibration: readonly ReliabilityBin[]
  readonly slices: readonly SliceScores[]
}

function checkInput({ probabilities, labels, classes, ids }: ClassificationInput): ClassificationBatch {
  const batch = { probabilities, labels, classes: classes.length }
  const examples = checkClassification(batch)
  if (examples === 0) throw new QuernError('input', 'there is no example to evaluate on')
  if (ids.length !== examples) {
    throw new QuernError('input', `ids must name every example: expected ${examples}, received ${ids.length}`)
  }
  return batch
}

function metricSpecs(classes: number, bins: number): MetricSpec[] {
  const topK: MetricSpec[] = classes > 2 ? [{ name: 'topKAccuracy', k: Math.min(5, classes - 1) }] : []
  return [
    'accuracy',
    ...topK,
    'crossEntropy',
    'precision',
    'recall',
    'f1',
    { name: 'precision', average: 'weighted' },
    { name: 'recall', average: 'weighted' },
    { name: 'f1', average: 'weighted' },
    { name: 'f1', average: 'micro' },
    { name: 'calibrationError', bins },
    'brierScore',
    'areaUnderRoc',
    ...(classes === 2 ? [0.9, 0.95].map((specificity) => ({ name: 'sensitivityAtSpecificity', specificity })) : []),
  ]
}

function classRows(matrix: ConfusionMatrix, classes: readonly string[]): ClassRow[] {
  return classScores(matrix).map((scores, c) => ({
    label: classes[c]!,
    ...scores,
    recallInterval: wilsonInterval(matrix.counts[c * classes.length + c]!, scores.support),
  }))
}

/**
 * Evaluates a classifier's answers. Errors: `input` for sizes that do not fit or no example, `numeric` for NaN.
 *
 * @example
 * const report = reportClassification({ probabilities, labels, classes: ['cat', 'dog'], ids: fileNames })
 * report.metrics.accuracy // 0.93
 */
export function reportClassification(
  input: ClassificationInput,
  { worst = 24, bins = 15 }: ClassificationOptions = {},
): ClassificationReport {
  const batch = checkInput(input)
  const { classes, ids, labels, slices = {} } = input
  const meter = createMeter<ClassificationBatch>(classificationMetrics, metricSpecs(classes.length, bins))
  meter.add(batch)
  const matrix = confusionMatrix.add(confusionMatrix.start(), batch)
  const confusion = classes.map((_, c) => matrix.counts.slice(c * classes.length, (c + 1) * classes.length))
  const correct = confusion.reduce((sum, row, c) => sum + row[c]!, 0)
  return {
    kind: 'classification',
    examples: labels.length,
    correct,
    classes,
    // What is not defined, such as the area under the curve of one class, is left out: JSON has no word for it.
    metrics: Object.fromEntries(Object.entries(meter.values()).filter(([, value]) => Number.isFinite(value))),
    accuracyInterval: wilsonInterval(correct, labels.length),
    perClass: classRows(matrix, classes),
    confusion,
    confusedPairs: confusedPairs(confusion, classes, 20),
    worstMistakes: worstMistakes(batch, classes, ids, worst),
    calibration: calibrationBins(calibrationError.add(calibrationError.start({ bins }), batch)).filter(
      (bin) => bin.count > 0,
    ),
    slices: scoreSlices(batch, slices),
  }
}
