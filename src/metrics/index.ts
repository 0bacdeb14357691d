/** The tables of metrics by name: Keras' names where it has one. To add a metric, write its record and add it here. */
import { QuernError, suggestion } from '../core/errors.ts'
import { accuracy } from './accuracy.ts'
import { areaUnderRoc } from './area-under-roc.ts'
import { brierScore } from './brier-score.ts'
import { calibrationError } from './calibration-error.ts'
import { crossEntropy } from './cross-entropy.ts'
import { f1 } from './f1.ts'
import { meanAbsoluteError } from './mean-absolute-error.ts'
import { meanSquaredError } from './mean-squared-error.ts'
import type { ClassificationBatch, Metric, MetricConfig, RegressionBatch } from './metric.ts'
import { precision } from './precision.ts'
import { r2 } from './r2.ts'
import { recall } from './recall.ts'
import { rootMeanSquaredError } from './root-mean-squared-error.ts'
import { sensitivityAtSpecificity } from './sensitivity-at-specificity.ts'
import { topKAccuracy } from './top-k-accuracy.ts'

/** A metric whose state nobody but the metric looks into. */
export type NumberMetric<Batch> = Metric<unknown, Batch, number>

export const classificationMetrics: readonly NumberMetric<ClassificationBatch>[] = [
  accuracy,
  topKAccuracy,
  crossEntropy,
  precision,
  recall,
  f1,
  calibrationError,
  brierScore,
  areaUnderRoc,
  sensitivityAtSpecificity,
]

export const regressionMetrics: readonly NumberMetric<RegressionBatch>[] = [
  meanSquaredError,
  meanAbsoluteError,
  rootMeanSquaredError,
  r2,
]

/** A metric as the configuration writes it: its name, or its name and options. */
export type MetricSpec = string | (MetricConfig & { readonly name: string })

/** Metric of a table by name. Errors: `config`, with the nearest known name. */
export function metricNamed<Batch>(table: readonly NumberMetric<Batch>[], name: string): NumberMetric<Batch> {
  const found = table.find((metric) => metric.name === name)
  if (found) return found
  throw new QuernError('config', `unknown metric '${name}'`, {
    hint: suggestion(
      name,
      table.map((metric) => metric.name),
    ),
  })
}

/** Several metrics folded over the same batches. */
export interface Meter<Batch> {
  add(batch: Batch): void
  /** values so far, in the order asked for; keys are names, `topKAccuracy` with k as `top3Accuracy`, `sensitivityAt95Specificity` */
  values(): Record<string, number>
  /** as `values`, where those that take as long as all that was added are of the last examples alone */
  soFar(): Record<string, number>
  /** keys for which a higher value is better */
  readonly higherIsBetter: ReadonlySet<string>
  /** what was added so far, as plain JSON, for a checkpoint in the middle of an epoch */
  save(): readonly unknown[]
  /** goes on from what `save` gave */
  load(states: readonly unknown[]): void
}

/** The key of a metric of one target of several: 'age' and 'meanAbsoluteError' make 'ageMeanAbsoluteError'. */
export function metricOfTarget(target: string, key: string): string {
  return `${target}${key[0]!.toUpperCase()}${key.slice(1)}`
}

/** The key under which a metric's value stands. */
export function metricKey(spec: MetricSpec): string {
  if (typeof spec === 'string') return metricKey({ name: spec })
  if (spec.name === 'topKAccuracy') return `top${spec.k ?? 5}Accuracy`
  if (spec.name === 'sensitivityAtSpecificity') {
    return `sensitivityAt${Number(((spec.specificity ?? 0.9) * 100).toFixed(2))}Specificity`
  }
  return spec.average === undefined || spec.average === 'macro'
    ? spec.name
    : `${spec.average}${spec.name[0]!.toUpperCase()}${spec.name.slice(1)}`
}

/**
 * A meter of the metrics that were asked for.
 *
 * @example
 * const meter = createMeter(classificationMetrics, ['accuracy', { name: 'topKAccuracy', k: 3 }])
 * meter.add({ probabilities: Float32Array.of(0.9, 0.1, 0, 0), labels: [0], classes: 4 })
 * meter.values() // { accuracy: 1, top3Accuracy: 1 }
 */
export function createMeter<Batch>(table: readonly NumberMetric<Batch>[], specs: readonly MetricSpec[]): Meter<Batch> {
  const entries = specs.map((spec) => {
    const metric = metricNamed(table, typeof spec === 'string' ? spec : spec.name)
    return { key: metricKey(spec), metric, state: metric.start(typeof spec === 'string' ? undefined : spec) }
  })
  return {
    add(batch) {
      for (const entry of entries) entry.state = entry.metric.add(entry.state, batch)
    },
    values: () => Object.fromEntries(entries.map(({ key, metric, state }) => [key, metric.value(state)])),
    soFar: () =>
      Object.fromEntries(
        entries.map(({ key, metric, state }) => [key, metric.value(metric.recent ? metric.recent(state) : state)]),
      ),
    higherIsBetter: new Set(entries.filter(({ metric }) => metric.better === 'higher').map(({ key }) => key)),
    save: () => entries.map((entry) => entry.state),
    load: (states) => {
      for (const [i, entry] of entries.entries()) entry.state = states[i]
    },
  }
}
