/** Answers as lines of a file: CSV with a column for each answer, or JSON lines with all that the model said. A line for each row, in their order. */
import type { Answer } from '../bundle/task-pipeline.ts'
import { answersOf, type Manifest, numberNames, type TargetAnswer, targetsOf } from '../contract/manifest.ts'
import type { JobFormat } from '../store/jobs.ts'

export interface ResultForm {
  readonly results: JobFormat
  readonly topK: number
  readonly manifest: Pick<Manifest, 'labels' | 'preprocessing' | 'outputs'>
}

/** What came of a row. */
export type RowResult =
  | { readonly row: number; readonly predictions: readonly Answer[] }
  | { readonly row: number; readonly error: string }

/** Columns of a line of CSV: their names, and the cells of a row's answers; where there are none, every cell is empty. */
interface Columns {
  readonly names: readonly string[]
  cellsOf(answers: readonly Answer[]): (string | number)[]
}

function columnsOf({ topK, manifest }: ResultForm): Columns {
  const { labels, preprocessing, outputs } = manifest
  const several = answersOf(manifest)
  if (several) return targetColumns(several)
  if (labels.length > 0) return classColumns(Math.min(topK, labels.length))
  if (preprocessing.kind !== 'table') return numberColumns(['value'])
  const targets = targetsOf(preprocessing.target)
  const width = Number(outputs[0]!.shape[1] ?? 1)
  return numberColumns(targets.length === 1 && width === 1 ? ['value'] : numberNames(preprocessing, width))
}

/** `label,score,label2,score2,...` */
function classColumns(count: number): Columns {
  const places = Array.from({ length: count }, (_, i) => i)
  return {
    names: places.flatMap((i) => (i === 0 ? ['label', 'score'] : [`label${i + 1}`, `score${i + 1}`])),
    cellsOf: (answers) =>
      places.flatMap((i) => {
        const answer = answers[i]
        return answer && 'label' in answer ? [answer.label, answer.score] : ['', '']
      }),
  }
}

/** `value`, or the names of several numbers */
function numberColumns(names: readonly string[]): Columns {
  return {
    names,
    cellsOf: (answers) =>
      names.map((_, i) => {
        const answer = answers[i]
        return answer && 'value' in answer ? answer.value : ''
      }),
  }
}

/** Of several targets `species,species score,mass`: the best class of each with its score, or its number. */
function targetColumns(targets: readonly TargetAnswer[]): Columns {
  return {
    names: targets.flatMap(({ target, labels }) => (labels.length > 0 ? [target, `${target} score`] : [target])),
    cellsOf: (answers) =>
      targets.flatMap(({ target, labels }) => {
        const answer = answers.find((each) => each.target === target)
        if (labels.length > 0) return answer && 'label' in answer ? [answer.label, answer.score] : ['', '']
        return [answer && 'value' in answer ? answer.value : '']
      }),
  }
}

export interface ResultLines {
  /** of CSV: `row,label,score,label2,score2,...,error`, `row,value,error`, or with the names of several targets. JSON lines have none. */
  readonly header: string
  line(result: RowResult): string
}

export function resultLines(form: ResultForm): ResultLines {
  if (form.results === 'jsonl') return { header: '', line: (result) => `${JSON.stringify(result)}\n` }
  const { names, cellsOf } = columnsOf(form)
  return {
    header: lineOf(['row', ...names, 'error']),
    line(result) {
      const cells = cellsOf('predictions' in result ? result.predictions : [])
      return lineOf([result.row, ...cells, 'error' in result ? result.error : ''])
    },
  }
}

const lineOf = (cells: readonly (string | number)[]): string => `${cells.map(cellText).join(',')}\n`

function cellText(value: string | number): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
