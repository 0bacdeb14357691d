/** How good answers were, by the metrics that the model was trained with. */
import type { Manifest } from '../../contract/manifest.ts'
import { classificationMetrics, createMeter, type MetricSpec, regressionMetrics } from '../../metrics/index.ts'
import type { ClassificationBatch, RegressionBatch } from '../../metrics/metric.ts'
import { RequestError } from '../request-error.ts'

/** An answer and what would have been right. */
export interface Judged {
  /** the first output for one example */
  readonly answer: Float32Array
  /** the place of the class, or the number */
  readonly truth: number
}

export interface Judge {
  /** numbers of an answer */
  readonly width: number
  /** Throws RequestError 422 for what is no class of the model, or no number. */
  truthFrom(label: string | number): number
  /** Metrics by name; those that are not defined, such as of one class alone, are left out. */
  score(judged: readonly Judged[]): Record<string, number>
}

/** Undefined where an answer is neither classes nor one number, such as that of several targets. */
export function judgeOf(manifest: Manifest): Judge | undefined {
  const { labels, outputs } = manifest
  if (outputs.length > 1) return undefined
  const sizes = outputs[0]!.shape.slice(1)
  const width = sizes.reduce<number>((product, size) => product * Number(size), 1)
  if (labels.length > 1 && width === labels.length) return classJudge(manifest)
  return labels.length === 0 && width === 1 ? numberJudge(manifest) : undefined
}

function classJudge({ name, labels, lineage }: Manifest): Judge {
  const places = new Map(labels.map((label, place) => [label, place]))
  const classes = labels.length
  return {
    width: classes,
    truthFrom(label) {
      const place = places.get(String(label))
      if (place !== undefined) return place
      const shown = JSON.stringify(String(label).slice(0, 60))
      throw new RequestError(422, `model '${name}' has no class ${shown}; it has ${labels.slice(0, 10).join(', ')}`)
    },
    score(judged) {
      const probabilities = new Float32Array(judged.length * classes)
      for (const [i, { answer }] of judged.entries()) probabilities.set(answer, i * classes)
      const batch: ClassificationBatch = { probabilities, classes, labels: judged.map(({ truth }) => truth) }
      return scored(specsOf(lineage.config), ['accuracy', 'f1'], (specs) => {
        const meter = createMeter<ClassificationBatch>(classificationMetrics, specs)
        meter.add(batch)
        return meter.values()
      })
    },
  }
}

function numberJudge({ name, lineage }: Manifest): Judge {
  return {
    width: 1,
    truthFrom(label) {
      const number = typeof label === 'number' ? label : Number.NaN
      if (Number.isFinite(number)) return number
      throw new RequestError(422, `model '${name}' estimates a number: a label is a number, received a text`)
    },
    score(judged) {
      const predictions = Float32Array.from(judged, ({ answer }) => answer[0]!)
      const batch: RegressionBatch = { predictions, targets: judged.map(({ truth }) => truth) }
      return scored(specsOf(lineage.config), ['meanAbsoluteError', 'rootMeanSquaredError', 'r2'], (specs) => {
        const meter = createMeter<RegressionBatch>(regressionMetrics, specs)
        meter.add(batch)
        return meter.values()
      })
    },
  }
}

/** As the configuration wrote them; a bundle of a stranger may say anything there. */
function specsOf({ metrics }: Manifest['lineage']['config']): readonly MetricSpec[] {
  return Array.isArray(metrics) ? (metrics as MetricSpec[]) : []
}

function scored(
  own: readonly MetricSpec[],
  usual: readonly MetricSpec[],
  compute: (specs: readonly MetricSpec[]) => Record<string, number>,
): Record<string, number> {
  const named = new Set(own.map((spec) => (typeof spec === 'string' ? spec : spec?.name)))
  const values: Record<string, number> = {}
  for (const spec of [...own, ...usual.filter((name) => !named.has(name as string))]) {
    try {
      for (const [key, value] of Object.entries(compute([spec]))) if (Number.isFinite(value)) values[key] = value
    } catch {
      // A metric that does not exist here, or that these answers do not have.
    }
  }
  return values
}
