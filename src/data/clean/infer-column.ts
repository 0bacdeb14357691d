/** What a column of cleaned values holds: looked at again, since texts may have become numbers. */
import { QuernError } from '../../core/errors.ts'
import type { ColumnHint } from '../sources/decide-kind.ts'
import { booleanTexts, columnFromValues, keepsTexts } from '../table/cells.ts'
import { dateFormats, parseDate } from '../table/date-formats.ts'
import type { Column, ColumnKind } from '../table/table.ts'
import { type CellValue, numberOf } from './value-rules.ts'

/** A share of a column's values from which on the others are taken for mistakes, as in sources. */
const most = 0.9
/** Texts of more words than this are prose. */
const wordsOfText = 4

interface Inferred {
  readonly kind: ColumnKind
  readonly format?: string | undefined
}

/** The column, with its kind and the format of its dates. Throws `input` with the first rows that are not what the others are. */
export function columnFromCleaned(
  name: string,
  cells: readonly CellValue[],
  { hint, nameOf }: { hint: ColumnHint; nameOf(row: number): string },
): { column: Column; format: string | undefined } {
  const { kind, format } =
    hint.kind || hint.format ? { kind: hint.kind ?? 'date', format: hint.format } : infer(cells, hint)
  const form = { name, kind, format, missing: [] }
  const wrong: number[] = []
  if (kind === 'number' && !hint.kind) {
    for (const [row, cell] of cells.entries()) {
      if (cell !== undefined && numberOf(cell) === undefined && wrong.push(row) === 3) break
    }
  }
  if (wrong.length > 0) {
    const first = wrong.map((row) => `${JSON.stringify(String(cells[row]))} in ${nameOf(row)}`).join(', ')
    throw new QuernError('input', `column '${name}' holds numbers behind data.clean, but for some values: ${first}`, {
      hint: `Add them to the rules, or set data.columns['${name}'] to 'category'.`,
    })
  }
  try {
    return { column: columnFromValues(form, cells), format }
  } catch (error) {
    throw named(error, cells, form, nameOf)
  }
}

/** The error with the row in which it arose. */
function named(
  error: unknown,
  cells: readonly CellValue[],
  form: Parameters<typeof columnFromValues>[0],
  nameOf: (row: number) => string,
): unknown {
  for (const [row, cell] of cells.entries()) {
    try {
      columnFromValues(form, [cell])
    } catch (cause) {
      if (cause instanceof QuernError) return new QuernError('input', `${nameOf(row)}: ${cause.message}`, { cause })
    }
  }
  return error
}

function infer(cells: readonly CellValue[], hint: ColumnHint): Inferred {
  const present = cells.filter((cell) => cell !== undefined)
  const all = (test: (cell: string | number | boolean) => boolean): boolean => present.every(test)
  const numbers = present.reduce<number>((sum, cell) => sum + (numberOf(cell) === undefined ? 0 : 1), 0)
  if (present.length === 0 || numbers >= most * present.length) return { kind: 'number' }
  if (all((cell) => typeof cell === 'boolean' || booleanTexts[String(cell).toLowerCase()] !== undefined)) {
    const isTexts = present.every((cell) => typeof cell === 'string')
    return { kind: isTexts && keepsTexts(hint, new Set(present).size) ? 'category' : 'boolean' }
  }
  const formats = dateFormats.filter((format) => all((cell) => parseDate(String(cell), format) !== undefined))
  if (formats.length === 1) return { kind: 'date', format: formats[0] }
  const words = present.reduce<number>((sum, cell) => sum + String(cell).split(' ').length, 0)
  const isText = words > wordsOfText * present.length && new Set(present).size > present.length / 2
  return { kind: isText ? 'text' : 'category' }
}
