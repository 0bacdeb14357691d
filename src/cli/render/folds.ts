/** Scores of the parts of a validation in parts, as text. */
import type { CrossValidation, FoldScores } from '../../actions/cross-validate.ts'
import type { Terminal } from '../terminal.ts'
import { scoreParts } from './epochs.ts'
import { formatName, formatScore } from './numbers.ts'
import { type Column, table } from './table.ts'

/** One part: its first scores. */
export function foldLine({ fold, repeat, scores }: FoldScores, folds: number, repeats: number): string {
  const again = repeats > 1 ? `  repeat ${repeat}/${repeats}` : ''
  return `fold ${fold}/${folds}${again}  ${scoreParts(scores).slice(0, 4).join('  ')}`
}

/** Mean and deviation of every metric over all parts. */
export function foldSummary({ metrics }: CrossValidation, { width, colors }: Terminal): string[] {
  type Row = readonly [string, { readonly mean: number; readonly deviation: number }]
  const columns: Column<Row>[] = [
    { title: 'metric', value: ([name]) => formatName(name) },
    { title: 'mean', align: 'right', value: ([, { mean }]) => formatScore(mean) },
    { title: 'deviation', align: 'right', value: ([, { deviation }]) => formatScore(deviation) },
  ]
  return table(columns, Object.entries(metrics), { width, title: colors.dim })
}
