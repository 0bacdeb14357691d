/** Values as they come from outside (JSON, a file's text) as columns of the kinds that a model was trained on. */
import { QuernError } from '../../core/errors.ts'
import { parseDate } from './date-formats.ts'
import { bitmap, type Column, type ColumnKind } from './table.ts'

/** Texts that mean that there is no value, unless the configuration names others. */
export const missingTexts: readonly string[] = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None']

/** Texts that mean true and false, in lower case. */
export const booleanTexts: Readonly<Record<string, boolean>> = { true: true, false: false, yes: true, no: false }

/**
 * Whether texts that mean true and false stay as they are written. Whoever wrote yes and no as classes wants to be answered yes and no; of more
 * spellings than two, those of one meaning are one class.
 */
export const keepsTexts = (
  { kind, isTarget = false }: { readonly kind?: ColumnKind | undefined; readonly isTarget?: boolean | undefined },
  distinct: number,
): boolean => isTarget && kind === undefined && distinct <= 2

export interface CellForm {
  readonly name: string
  readonly kind: ColumnKind
  /** format of the dates; of sets and vectors that are one text, what stands between the members */
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
  const codes = createCodes()
  if (kind === 'vector' || kind === 'set') {
    const lists = cells as readonly (readonly (number | string)[] | undefined)[]
    const offsets = offsetsOf(lists)
    const all = lists.flatMap((list) => list ?? [])
    if (kind === 'vector') return { name, kind, valid, values: Float64Array.from(all as number[]), offsets }
    const values = Int32Array.from(all as string[], (text) => codes.codeOf(text))
    return { name, kind, valid, values, offsets, dictionary: codes.dictionary }
  }
  const places = Int32Array.from(cells, (cell) => (cell === undefined ? 0 : codes.codeOf(cell as string)))
  return { name, kind, valid, values: places, dictionary: codes.dictionary }
}

/** Texts as numbers: places in a list that only grows. */
export interface Codes {
  readonly dictionary: string[]
  codeOf(text: string): number
}

export function createCodes(): Codes {
  const dictionary: string[] = []
  const places = new Map<string, number>()
  return {
    dictionary,
    codeOf(text) {
      let place = places.get(text)
      if (place === undefined) {
        place = dictionary.push(text) - 1
        places.set(text, place)
      }
      return place
    },
  }
}

/** Where the cells of each row begin: one more than there are rows. */
export function offsetsOf(lists: readonly ({ readonly length: number } | undefined)[]): Int32Array {
  const offsets = new Int32Array(lists.length + 1)
  for (const [i, list] of lists.entries()) offsets[i + 1] = offsets[i]! + (list?.length ?? 0)
  return offsets
}

type Cell = number | string | boolean | readonly (number | string)[] | undefined

function cellFrom(value: unknown, form: CellForm): Cell {
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
    case 'set':
    case 'vector':
      return listFrom(value, form)
    default:
      if (typeof value === 'object') throw wrong(form, 'a text', value)
      return text ?? String(value)
  }
}

/** What may stand between the members of a set that is one text; the first that occurs counts. */
const setSeparators = [/;/, /\|/, /,/]
const vectorSeparators = [/[,;]/, /\s+/]

/** A list as it is, `["a", "b"]` as JSON or as databases write it, or `a;b`. Members count once. */
export function listFrom(value: unknown, form: CellForm): (string | number)[] {
  const { kind, format } = form
  const given =
    typeof value === 'string' ? itemsOf(value.trim(), kind === 'set' ? setSeparators : vectorSeparators, format) : value
  const items = Array.isArray(given) || ArrayBuffer.isView(given) ? Array.from(given as ArrayLike<unknown>) : [given]
  if (kind === 'set') {
    if (items.every((item) => typeof item === 'string' || typeof item === 'number'))
      return [...new Set(items.map(String))]
    throw wrong(form, 'a list of texts', value)
  }
  const numbers = items.map((item) => (typeof item === 'string' ? numberFrom(item) : item))
  if (numbers.length > 0 && numbers.every((number) => Number.isFinite(number))) return numbers as number[]
  throw wrong(form, 'a list of finite numbers', value)
}

function itemsOf(text: string, separators: readonly RegExp[], given: string | undefined): unknown[] {
  if (text.startsWith('[') && text.endsWith(']')) {
    try {
      return JSON.parse(text) as unknown[]
    } catch {
      return itemsOf(text.slice(1, -1), separators, given)
    }
  }
  const separator = given ?? separators.find((each) => each.test(text))
  const items = separator === undefined ? [text] : text.split(separator)
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

/** Decimal numbers, with or without an exponent; not '0x10', not '1,000'. */
function numberFrom(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/** Whether a text is a decimal number. */
export function isNumberText(text: string): boolean {
  return Number.isFinite(numberFrom(text))
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
