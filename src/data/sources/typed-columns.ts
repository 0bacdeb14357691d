/** Columns of texts that a file's reader can type while it reads: their beginning is all numbers, or dates of one format. */
import { dateFormats } from '../table/date-formats.ts'
import type { ColumnHint } from './decide-kind.ts'
import type { Sample } from './sample-kinds.ts'

/** What a reader types: numbers, and dates of one format. */
export interface ReaderTypes {
  readonly numbers: readonly string[]
  readonly dates: readonly string[]
  /** of all dates */
  readonly format: string | undefined
  /** texts that mean that there is no value */
  readonly missing: readonly string[]
}

/**
 * What the reader may try. A column is tried only as what it would be found to be, were all its rows like the first; dates that two formats read
 * are left to be asked about, and so are those of a second format, as a reader knows one. Undefined where nothing is to be tried.
 */
export function readerTypes(
  { counts }: Sample,
  names: readonly string[],
  hints: Readonly<Record<string, ColumnHint>>,
  missing: readonly string[],
): ReaderTypes | undefined {
  const numbers: string[] = []
  const dates: string[] = []
  let format: string | undefined
  for (const [i, name] of names.entries()) {
    const column = counts[i]!
    const hint = hints[name] ?? {}
    if (column.count === 0 || hint.format !== undefined) continue
    if (column.numbers === column.count && (hint.kind ?? 'number') === 'number') numbers.push(name)
    const fitting = dateFormats.filter((_, d) => column.dates[d] === column.count)
    if (fitting.length !== 1 || (hint.kind ?? 'date') !== 'date') continue
    format ??= fitting[0]
    if (format === fitting[0]) dates.push(name)
  }
  return numbers.length + dates.length > 0 ? { numbers, dates, format, missing } : undefined
}
