/** Values as they come from outside (JSON, a file's text) as columns of the kinds that a model was trained on. */
import { QuernError } from '../../core/errors.ts'
import { parseDate } from './date-formats.ts'
import { bitmap, type Column, type ColumnKind } from './table.ts'

/** Texts that mean that there is no value, unless the configuration names others. */
export const missingTexts: readonly string[] = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None']

/** Texts that mean true and false, in lower case. */
export const booleanTexts: Readonly<Record<string, boolean>> = { true: true, false: false, yes: true, no: false }

export interface CellForm {
  readonly name: string
  readonly kind: ColumnKind
  /** format of the dates */
  readonly format?: string | undefined
  /** texts that mean that there is no value */
  readonly missing: readonly string[]
}

/**
 * A column of values of any origin: numbers and booleans as they are, or as texts; dates as texts of the column's format, or
 * as ISO 8601. Missing is what is absent, null, NaN or one of the texts for it.
 * Throws `input`, with the column and what came, for a value of another kind.
 */
export function columnFromValues(form: CellForm, values: readonly unknown[]): Column {
  const { name, kind } = form
  const cells = values.map((value) => cellFrom(value, form))
  const valid = bitmap(cells.length, (row) => cells[row] !== undefined)
  if (kind === 'number' || kind === 'date') {
    return { name, kind, valid, values: Float64Array.from(cells, (cell) => (cell as number | undefined) ?? 0) }
  }
  if (kind === 'boolean') {
    return { name, kind, valid, values: Uint8Array.from(cells, (cell) => (cell === true ? 1 : 0)) }
  }
  const dictionary: string[] = []
  const places = new Map<string, number>()
  const codes = Int32Array.from(cells, (cell) => {
    if (cell === undefined) return 0
    const text = cell as string
    let place = places.get(text)
    if (place === undefined) {
      place = dictionary.push(text) - 1
      places.set(text, place)
    }
    return place
  })
  return { name, kind, valid, values: codes, dictionary }
}

function cellFrom(value: unknown, form: CellForm): number | string | boolean | undefined {
  const { kind, missing } = form
  if (value === undefined || value === null || Number.isNaN(value)) return undefined
  const text = typeof value === 'string' ? value.trim() : undefined
  if (text !== undefined && missing.includes(text)) return undefined
  switch (kind) {
    case 'number': {
      const number = typeof value === 'number' ? value : text === undefined ? Number.NaN : numberFrom(text)
      if (Number.isFinite(number)) return number
      throw wrong(form, 'a finite number', value)
    }
    case 'boolean': {
      const truth = typeof value === 'boolean' ? value : booleanTexts[text?.toLowerCase() ?? '']
      if (truth !== undefined) return truth
      throw wrong(form, 'true or false', value)
    }
    case 'date': {
      const time = value instanceof Date ? value.getTime() : text === undefined ? undefined : dateFrom(text, form)
      if (time !== undefined && Number.isFinite(time)) return time
      throw wrong(form, `a date such as ${form.format ?? '%Y-%m-%d'}`, value)
    }
    default:
      if (typeof value === 'object') throw wrong(form, 'a text', value)
      return text ?? String(value)
  }
}

/** Decimal numbers, with or without an exponent; not '0x10', not '1,000'. */
function numberFrom(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
}

function dateFrom(text: string, { format }: CellForm): number | undefined {
  const found = format === undefined ? undefined : parseDate(text, format)
  if (found !== undefined) return found
  // ISO 8601 says itself what it is.
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined
  const isZoned = /(Z|[+-]\d{2}:\d{2})$/.test(text)
  const iso = text.replace(' ', 'T')
  const time = Date.parse(iso.length === 10 || isZoned ? iso : `${iso}Z`)
  return Number.isNaN(time) ? undefined : time
}

function wrong({ name }: CellForm, expected: string, value: unknown): QuernError {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? typeof value)
  return new QuernError(
    'input',
    `column '${name}' must hold ${expected}, received ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`,
  )
}
