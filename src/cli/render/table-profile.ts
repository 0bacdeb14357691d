/** The profile of a table as text. */
import { repeatedRows } from '../../data/table-advice.ts'
import { beyondGuessing } from '../../data/table-leakage.ts'
import type { ColumnProfile, TableProfile } from '../../data/table-profile.ts'
import type { Terminal } from '../terminal.ts'
import { cleaningLines } from './cleaning.ts'
import { formatCount, formatScore } from './numbers.ts'
import { type Column, table } from './table.ts'
import { cut, harmless } from './text-width.ts'

const mostColumns = 60
const widestValue = 40
const bars = ' \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588'

/** Counts as a row of bars. */
function sparkline(counts: readonly number[]): string {
  const most = Math.max(1, ...counts)
  return counts.map((count) => bars[count === 0 ? 0 : 1 + Math.floor((count / most) * 7)]).join('')
}

function summary({ kind, numbers, top, distinct }: ColumnProfile): string {
  if (numbers) {
    const [least, , middle, , most] = numbers.quartiles
    const shown = kind === 'date' ? (x: number) => new Date(x).toISOString().slice(0, 10) : formatScore
    return `${shown(least)} .. ${shown(middle)} .. ${shown(most)}  ${sparkline(numbers.histogram)}`
  }
  const named = (top ?? [])
    .slice(0, 3)
    .map(({ value, count }) => `${cut(harmless(value), widestValue)} ${formatCount(count)}`)
  return named.length > 0 && distinct > named.length ? `${named.join(', ')}, ...` : named.join(', ')
}

export function tableProfileLines(profile: TableProfile, { colors, width }: Terminal): string[] {
  const { rows, columns, targets, splits, labels, majority, duplicates, near, cleaned, advice } = profile
  const shown = columns.slice(0, mostColumns)
  const form: Column<ColumnProfile>[] = [
    { title: 'column', value: ({ name }) => (targets.includes(name) ? `${name} (target)` : name) },
    { title: 'kind', value: ({ kind, role }) => (role === undefined ? kind : `${kind}, ${role}`) },
    { title: 'missing', align: 'right', value: ({ missing }) => (missing === 0 ? '' : formatCount(missing)) },
    { title: 'different', align: 'right', value: ({ distinct }) => formatCount(distinct) },
    {
      title: 'alone',
      align: 'right',
      value: ({ alone }) => (alone === undefined ? '' : formatScore(beyondGuessing(alone, majority))),
    },
    { title: 'values', value: summary },
  ]
  const parts = Object.entries(splits).map(([name, { rows: count, classes }]) => {
    const counts = classes.map((n, i) => `${harmless(labels[i]!)} ${formatCount(n)}`)
    return `${name.padEnd(12)} ${formatCount(count)} rows${counts.length > 0 && counts.length <= 10 ? ` (${counts.join(', ')})` : ''}`
  })
  return [
    colors.bold(
      `${formatCount(rows)} rows, ${columns.length} columns, ${targets.length > 1 ? 'targets' : 'target'} ${targets.map(harmless).join(', ')}`,
    ),
    '',
    ...table(form, shown, { width, title: colors.dim }),
    ...(columns.length > shown.length
      ? [colors.dim(`... and ${columns.length - shown.length} more columns: --json has all`)]
      : []),
    '',
    ...parts,
    `${'duplicates'.padEnd(12)} ${duplicates.rows === 0 ? 'none' : repeatedRows(duplicates.rows)}`,
    ...(near.pairs > 0 ? [`${'nearly same'.padEnd(12)} ${formatCount(near.pairs)} pairs of rows`] : []),
    ...cleaningLines(cleaned),
    '',
    ...(advice.length === 0 ? [colors.green('Nothing stands in the way of training.')] : [colors.bold('What to do')]),
    ...advice.map((sentence) => `${colors.yellow('-')} ${harmless(sentence)}`),
  ]
}
