/** The evaluation of several targets: a report of each by itself, and all metrics by the names of their targets. */
import { metricOfTarget } from '../metrics/index.ts'
import type { ClassificationReport } from './classification.ts'
import type { RegressionReport } from './regression.ts'

/** What can be told of one target. */
export type SingleReport = ClassificationReport | RegressionReport

export interface TargetReport {
  /** of the target */
  readonly name: string
  readonly report: SingleReport
}

export interface SeveralReport {
  readonly kind: 'several'
  readonly examples: number
  /** of all targets, the name of each in front: `speciesAccuracy` */
  readonly metrics: Readonly<Record<string, number>>
  readonly targets: readonly TargetReport[]
}

type Scores = Readonly<Record<string, number>>

export function reportSeveral(targets: readonly TargetReport[]): SeveralReport {
  const metrics = targets.flatMap(({ name, report }) =>
    Object.entries(report.metrics).map(([key, value]) => [metricOfTarget(name, key), value] as const),
  )
  return { kind: 'several', examples: targets[0]!.report.examples, metrics: Object.fromEntries(metrics), targets }
}

/** The targets one by one, beside what simple models reach at each. */
export function eachTarget(
  { targets }: SeveralReport,
  baselines: Readonly<Record<string, Scores>> = {},
): (TargetReport & { readonly baselines: Readonly<Record<string, Scores>> })[] {
  return targets.map(({ name, report }) => {
    const ofTarget = (scores: Scores): Scores =>
      Object.fromEntries(
        Object.keys(report.metrics).flatMap((key) => {
          const value = scores[metricOfTarget(name, key)]
          return value === undefined ? [] : [[key, value] as const]
        }),
      )
    const own = Object.entries(baselines).map(([baseline, scores]) => [baseline, ofTarget(scores)] as const)
    return { name, report, baselines: Object.fromEntries(own) }
  })
}
