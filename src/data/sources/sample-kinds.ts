/** What the first rows of columns of texts look like: all there is to know of a short table, and of a long one what is worth counting over all rows. */
import { booleanTexts, isNumberText } from '../table/cells.ts'
import { dateFormats, dateLengths, parseDate } from '../table/date-formats.ts'
import type { Counts } from './count-kinds.ts'
import { type DuckDBConnection, sqlName } from './duckdb.ts'

const mostRows = 10_000
const mostCells = 2_000_000

/** What strptime leaves out around a date. */
const spaces = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g

export interface Sample {
  readonly rows: number
  /** there are no more rows than these */
  readonly isWhole: boolean
  /** of each column */
  readonly counts: readonly Counts[]
}

/** Counts over the beginning of a relation whose cells are texts as they are; those in `missing` are no values. */
export async function sampleKinds(
  connection: DuckDBConnection,
  relation: string,
  names: readonly string[],
  missing: readonly string[],
): Promise<Sample> {
  const most = Math.max(1, Math.min(mostRows, Math.floor(mostCells / names.length)))
  const cells = names.map((name) => `CAST(${sqlName(name)} AS VARCHAR)`).join(', ')
  const reader = await connection.runAndReadAll(`SELECT ${cells} FROM ${relation} LIMIT ${most + 1}`)
  // No rows, no columns.
  const columns = reader.getColumns()
  const rows = reader.currentRowCount
  const none = new Set(missing)
  const counts = names.map((_, i) => countsOf((columns[i] ?? []) as readonly (string | null)[], none))
  return { rows, isWhole: rows <= most, counts }
}

const isDateCandidate = (text: string): boolean =>
  text.length >= dateLengths.least && text.length <= dateLengths.most && /^\d/.test(text)

function countsOf(cells: readonly (string | null)[], missing: ReadonlySet<string>): Counts {
  // As SQL trims: spaces alone.
  const texts = cells.flatMap((cell) => {
    const text = cell?.replaceAll(/^ +| +$/g, '')
    return text === undefined || missing.has(text) ? [] : [text]
  })
  let [numbers, booleans, anyDate, words] = [0, 0, 0, 0]
  const dates = dateFormats.map(() => 0)
  for (const text of texts) {
    words += text.split(' ').length
    if (isNumberText(text)) numbers++
    else if (Object.hasOwn(booleanTexts, text.toLowerCase())) booleans++
    else if (isDateCandidate(text.replaceAll(spaces, ''))) {
      const fitting = dateFormats.map((format) => parseDate(text, format) !== undefined)
      if (fitting.includes(true)) anyDate++
      for (const [d, fits] of fitting.entries()) if (fits) dates[d]!++
    }
  }
  const count = texts.length
  return {
    ...{ count, missing: cells.length - count, distinct: new Set(texts).size, words: count === 0 ? 0 : words / count },
    ...{ numbers, booleans, dates, anyDate },
  }
}
