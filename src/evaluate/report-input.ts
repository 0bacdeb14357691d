/** What a report is made of, besides the numbers of the evaluation. All of it is plain data that the caller gathered. */
import type { CleaningStep } from '../contract/clean.ts'
import type { SeveralReport, SingleReport } from './several.ts'

export type Report = SingleReport | SeveralReport

/** One epoch of training. Metrics by name; what was not measured is left out. */
export interface EpochRecord {
  /** from 1 */
  readonly epoch: number
  readonly loss: number
  readonly metrics?: Readonly<Record<string, number>>
  readonly validationLoss?: number
  readonly validationMetrics?: Readonly<Record<string, number>>
  readonly learningRate?: number
  readonly seconds?: number
}

/** Where the numbers come from: enough to repeat them. */
export interface Provenance {
  readonly task: string
  readonly model: string
  /** trainable numbers */
  readonly parameters?: number
  readonly data: string
  /** the examples that were evaluated: 'test', 'validation' */
  readonly split: string
  readonly trainingExamples?: number
  readonly seed?: number
  /** ISO 8601 */
  readonly date: string
  /** program -> version */
  readonly versions: Readonly<Record<string, string>>
  readonly run?: string
  /** further lines, name -> text: batch size, optimiser, ... */
  readonly more?: Readonly<Record<string, string>>
}

export interface ReportInput<R extends Report = Report> {
  readonly title: string
  readonly provenance: Provenance
  readonly report: R
  readonly history?: readonly EpochRecord[]
  /** epoch whose weights were evaluated, when it is not the last */
  readonly bestEpoch?: number
  /** example id -> picture as a data URI (PNG, JPEG, WebP or GIF, base64); other texts are not shown */
  readonly thumbnails?: ReadonlyMap<string, string>
  /** show the pictures' pixels instead of smoothing them: for small ones such as 28 x 28 */
  readonly pixelated?: boolean
  /** metrics of simple models that were trained on the same rows, by their names */
  readonly baselines?: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** what the cleaning rules did to the data, before it was divided */
  readonly cleaned?: readonly CleaningStep[]
}

/** metrics.json: the numbers of a report without the prose, for programs. */
export interface MetricsFile {
  readonly format: 'quern.metrics'
  readonly version: 1
  readonly provenance: Provenance
  readonly report: Report
  readonly baselines: NonNullable<ReportInput['baselines']>
  readonly history: readonly EpochRecord[]
  readonly bestEpoch?: number
}

/** The content of metrics.json. */
export function metricsFileFrom({
  provenance,
  report,
  history = [],
  bestEpoch,
  baselines = {},
}: ReportInput): MetricsFile {
  const base = { format: 'quern.metrics', version: 1, provenance, report, baselines, history } as const
  return bestEpoch === undefined ? base : { ...base, bestEpoch }
}
