/** A classification report as text: the scores, the classes, what is taken for what. */
import type { ClassificationReport, ClassRow } from '../../evaluate/classification.ts'
import type { RegressionReport } from '../../evaluate/regression.ts'
import type { Report } from '../../evaluate/report-input.ts'
import { eachTarget, type SingleReport } from '../../evaluate/several.ts'
import type { Terminal } from '../terminal.ts'
import { formatCount, formatName, formatPercent, formatScore } from './numbers.ts'
import { type Column, table } from './table.ts'
import { harmless } from './text-width.ts'

/** Classes that a terminal shows; all of them stand in the report. */
const mostClasses = 30
const mostPairs = 5

const score = (title: string, pick: (row: ClassRow) => number): Column<ClassRow> => ({
  title,
  align: 'right',
  value: (row) => formatScore(pick(row)),
})

/** The report of any task. */
export function evaluationLines(report: Report, split: string, terminal: Terminal): string[] {
  if (report.kind === 'several') {
    return report.targets.flatMap(({ name, report: own }, i) => [
      ...(i === 0 ? [] : ['']),
      terminal.colors.bold(`target ${harmless(name)}`),
      ...evaluationLines(own, split, terminal),
    ])
  }
  return report.kind === 'classification'
    ? classificationLines(report, split, terminal)
    : estimateLines(report, split, terminal)
}

function metricLines(metrics: readonly (readonly [string, number])[], { colors, width }: Terminal): string[] {
  return table(
    [
      { title: 'metric', value: ([name]: readonly [string, number]) => formatName(name) },
      { title: 'value', align: 'right', value: ([, value]: readonly [string, number]) => formatScore(value) },
    ],
    metrics,
    { width, title: colors.dim },
  )
}

function estimateLines(
  { examples, metrics, worstMisses, outputs = [] }: RegressionReport,
  split: string,
  terminal: Terminal,
): string[] {
  const { bold, dim } = terminal.colors
  const worst = worstMisses.slice(0, mostPairs)
  return [
    `${bold(`root mean squared error ${formatScore(metrics.rootMeanSquaredError!)}`)} on ${formatCount(examples)} ${split} examples`,
    '',
    ...metricLines(Object.entries(metrics), terminal),
    '',
    ...outputLines(outputs, terminal),
    dim('furthest off'),
    ...worst.map(
      ({ id, target, prediction }) => `${harmless(id)}  is ${formatScore(target)}, said ${formatScore(prediction)}`,
    ),
  ]
}

/** Of several numbers: each by itself. */
function outputLines(outputs: NonNullable<RegressionReport['outputs']>, { colors, width }: Terminal): string[] {
  if (outputs.length === 0) return []
  type Output = (typeof outputs)[number]
  const shown = ['rootMeanSquaredError', 'meanAbsoluteError', 'r2']
  const columns: Column<Output>[] = [
    { title: 'number', value: ({ name }) => name },
    ...shown.map(
      (metric): Column<Output> => ({
        title: formatName(metric),
        align: 'right',
        value: ({ metrics }) => (metrics[metric] === undefined ? '' : formatScore(metrics[metric])),
      }),
    ),
  ]
  return [...table(columns, outputs, { width, title: colors.dim }), '']
}

type Baselines = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Simple models beside the one that was trained. */
export function baselineLines(report: Report, baselines: Baselines, terminal: Terminal): string[] {
  if (report.kind !== 'several') return besideLines(report, baselines, terminal, 'beside simple models')
  return eachTarget(report, baselines).flatMap(({ name, report: own, baselines: beside }) =>
    besideLines(own, beside, terminal, `${harmless(name)} beside simple models`),
  )
}

function besideLines(
  { kind, metrics }: SingleReport,
  baselines: Baselines,
  { colors, width }: Terminal,
  title: string,
): string[] {
  const rows = Object.entries({ 'this model': metrics, ...baselines })
  if (rows.length < 2) return []
  const shown =
    kind === 'classification'
      ? ['accuracy', 'areaUnderRoc', 'crossEntropy']
      : ['rootMeanSquaredError', 'meanAbsoluteError', 'r2']
  const columns: Column<(typeof rows)[number]>[] = [
    { title, value: ([name]) => name },
    ...shown.map(
      (metric): Column<(typeof rows)[number]> => ({
        title: formatName(metric),
        align: 'right',
        value: ([, scores]) => (scores[metric] === undefined ? '' : formatScore(scores[metric])),
      }),
    ),
  ]
  return ['', ...table(columns, rows, { width, title: colors.dim })]
}

function classificationLines(report: ClassificationReport, split: string, terminal: Terminal): string[] {
  const { colors, width } = terminal
  const { examples, correct, metrics, accuracyInterval, perClass, confusedPairs } = report
  const { bold, dim } = colors
  const { low, high } = accuracyInterval
  const accuracy = metrics.accuracy ?? correct / examples
  const classes: Column<ClassRow>[] = [
    { title: 'class', value: ({ label }) => label },
    score('precision', ({ precision }) => precision),
    score('recall', ({ recall }) => recall),
    score('f1', ({ f1 }) => f1),
    { title: 'examples', align: 'right', value: ({ support }) => formatCount(support) },
  ]
  // Many classes: the worst are what somebody wants to see.
  const rows =
    perClass.length > mostClasses ? [...perClass].sort((a, b) => a.f1 - b.f1).slice(0, mostClasses) : perClass
  const others = Object.entries(metrics).filter(([name]) => name !== 'accuracy')
  const pairs = confusedPairs.slice(0, mostPairs)
  return [
    bold(`accuracy ${formatScore(accuracy)}`) +
      ` on ${formatCount(examples)} ${split} examples, ${formatCount(examples - correct)} wrong ` +
      dim(`(95 % interval ${formatPercent(low)} to ${formatPercent(high)})`),
    '',
    ...metricLines(others, terminal),
    '',
    ...table(classes, rows, { width, title: dim }),
    ...(rows.length < perClass.length ? [dim(`... the ${rows.length} worst of ${perClass.length} classes`)] : []),
    ...(pairs.length > 0 ? ['', dim('most often taken for another')] : []),
    ...pairs.map(
      ({ label, predicted, count }) => `${formatCount(count)} x ${harmless(label)} as ${harmless(predicted)}`,
    ),
  ]
}
