/** Answers as lines of a file: CSV with a column for each answer, or JSON lines with all that the model said. A line for each row, in their order. */
import type { Answer } from '../bundle/task-pipeline.ts'
import type { Manifest } from '../contract/manifest.ts'
import type { JobFormat } from '../store/jobs.ts'

export interface ResultForm {
  readonly results: JobFormat
  readonly topK: number
  readonly manifest: Pick<Manifest, 'labels'>
}

/** What came of a row. */
export type RowResult =
  | { readonly row: number; readonly predictions: readonly Answer[] }
  | { readonly row: number; readonly error: string }

/** Answers that a line of CSV has columns for; a regression has one, its value. */
function answersOf({ topK, manifest: { labels } }: ResultForm): number {
  return labels.length === 0 ? 0 : Math.min(topK, labels.length)
}

/** The first line of CSV: `row,label,score,label2,score2,...,error` or `row,value,error`. JSON lines have none. */
export function resultHeader(form: ResultForm): string {
  if (form.results === 'jsonl') return ''
  const count = answersOf(form)
  const pairs = Array.from({ length: count }, (_, i) => (i === 0 ? 'label,score' : `label${i + 1},score${i + 1}`))
  return `${['row', ...(count === 0 ? ['value'] : pairs), 'error'].join(',')}\n`
}

export function resultLine(form: ResultForm, result: RowResult): string {
  if (form.results === 'jsonl') return `${JSON.stringify(result)}\n`
  const predictions = 'predictions' in result ? result.predictions : []
  const count = answersOf(form)
  const cells: (string | number)[] = [result.row]
  if (count === 0) {
    const [answer] = predictions
    cells.push(answer && 'value' in answer ? answer.value : '')
  }
  for (let i = 0; i < count; i++) {
    const answer = predictions[i]
    cells.push(...(answer && 'label' in answer ? [answer.label, answer.score] : ['', '']))
  }
  cells.push('error' in result ? result.error : '')
  return `${cells.map(cellText).join(',')}\n`
}

function cellText(value: string | number): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
