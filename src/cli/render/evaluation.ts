/** A classification report as text: the scores, the classes, what is taken for what. */
import type { ClassificationReport, ClassRow } from '../../evaluate/classification.ts'
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

export function evaluationLines(report: ClassificationReport, split: string, { colors, width }: Terminal): string[] {
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
    ...table(
      [
        { title: 'metric', value: ([name]: [string, number]) => formatName(name) },
        { title: 'value', align: 'right', value: ([, value]: [string, number]) => formatScore(value) },
      ],
      others,
      { width, title: dim },
    ),
    '',
    ...table(classes, rows, { width, title: dim }),
    ...(rows.length < perClass.length ? [dim(`... the ${rows.length} worst of ${perClass.length} classes`)] : []),
    ...(pairs.length > 0 ? ['', dim('most often taken for another')] : []),
    ...pairs.map(
      ({ label, predicted, count }) => `${formatCount(count)} x ${harmless(label)} as ${harmless(predicted)}`,
    ),
  ]
}
