/** Files of examples, one a row: CSV for models of tables, JSON lines for all. Used for bodies of `/predict` and for the files of jobs. */
import type { PredictInput } from '../bundle/index.ts'
import { type Manifest, targetsOf } from '../contract/manifest.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { type CsvHead, cellsOf, csvHead } from '../data/sources/csv-head.ts'
import { type RowRecord, rowRecords } from '../formats/row-records.ts'
import type { JobFormat, JobPosition } from '../store/jobs.ts'
import { exampleFrom } from './example-json.ts'
import { jsonFrom } from './json.ts'
import { RequestError } from './request-error.ts'

/** A model as far as its examples go. */
export interface RowModel {
  readonly name: string
  readonly manifest: Manifest
}

/** How the rows of one file are read. */
export interface RowForm {
  readonly format: JobFormat
  /** of CSV */
  readonly head: CsvHead | undefined
}

/** One row: an example, or why it is none. */
export interface RowInput {
  /** counted from 1, without the header */
  readonly row: number
  readonly line: number
  /** what is written when this row is: where the next one begins */
  readonly next: { readonly byte: number; readonly line: number }
  /** size in the file */
  readonly bytes: number
  readonly input: PredictInput | undefined
  readonly fault: string | undefined
}

/** Bytes that a row may have: a picture as base64 is long. */
export const longestRow: number = 16 * 2 ** 20

export const isTable = ({ manifest }: RowModel): boolean => manifest.preprocessing.kind === 'table'

/** The format that a content type or the name of a file stands for. */
export function rowFormatOf(type: string, file = ''): JobFormat | undefined {
  if (/^(text|application)\/(csv|tab-separated-values)$/.test(type)) return 'csv'
  if (/^(application|text)\/(x-)?(jsonl|ndjson|jsonlines)$/.test(type)) return 'jsonl'
  if (/\.(csv|tsv)$/i.test(file)) return 'csv'
  return /\.(jsonl|ndjson)$/i.test(file) ? 'jsonl' : undefined
}

/**
 * Looks at the beginning of a file. Throws QuernError `input` for a header that cannot be one, and for one that lacks columns of the model:
 * then no row could be used.
 *
 * @param beginning bytes of it, some rows at least
 */
export function rowFormFrom(beginning: Uint8Array, format: JobFormat, model: RowModel, file: string): RowForm {
  if (format === 'jsonl') return { format, head: undefined }
  const { preprocessing } = model.manifest
  if (preprocessing.kind !== 'table') {
    throw new QuernError('input', `model '${model.name}' takes pictures, not rows of a table`, {
      hint: 'Send JSON lines, each as {"image": "BASE64"}.',
    })
  }
  let head: CsvHead
  try {
    head = csvHead(textFrom(beginning, false), file, {})
  } catch (error) {
    // Its hints are those of a configuration.
    if (error instanceof QuernError) throw new QuernError(error.kind, error.message, { cause: error })
    throw error
  }
  const wanted = preprocessing.columns.map(({ name }) => name)
  const absent = wanted.filter((name) => !head.names.includes(name))
  if (absent.length > 0) {
    const [first] = absent
    const others = absent.length > 1 ? ` (and ${absent.length - 1} more)` : ''
    const free = head.names.filter((name) => !wanted.includes(name) && !targetsOf(preprocessing.target).includes(name))
    const hint = free.length > 0 ? suggestion(first!, free.slice(0, 20)) : undefined
    throw new QuernError('input', `${file} has no column '${first}'${others}, which model '${model.name}' reads`, {
      hint,
    })
  }
  return { format, head }
}

export interface ReadRowsOptions {
  readonly form: RowForm
  readonly model: RowModel
  /** of a file of which a part was read before */
  readonly from?: JobPosition | undefined
}

/** The rows of each chunk, in order. Empty lines are none, but in a table of one column, where they are a missing value. */
export async function* readRows(
  chunks: AsyncIterable<Uint8Array>,
  { form, model, from }: ReadRowsOptions,
): AsyncGenerator<RowInput[]> {
  const { head } = form
  const at = from && { byte: from.input, line: from.line }
  let row = from?.rows ?? 0
  let isHeader = head !== undefined && (at === undefined || at.byte === 0)
  let start = at?.byte ?? 0
  for await (const records of rowRecords(chunks, { delimiter: head?.delimiter, at, most: longestRow })) {
    const inputs: RowInput[] = []
    for (const record of records) {
      const bytes = record.end - start
      start = record.end
      const isEmpty = record.bytes.length === 0 && record.fault === undefined
      if (isEmpty && (head === undefined || head.names.length > 1 || isHeader)) continue
      if (isHeader) {
        checkHeader(record, head!)
        isHeader = false
        continue
      }
      const next = { byte: record.end, line: record.nextLine }
      inputs.push({ row: ++row, line: record.line, next, bytes, ...inputFrom(record, form, model) })
    }
    if (inputs.length > 0) yield inputs
  }
}

function checkHeader(record: RowRecord, { delimiter, names }: CsvHead): void {
  const cells = cellsOf(textFrom(record.bytes, true), delimiter).map((name) => name.trim())
  if (cells.length === names.length && cells.every((name, i) => name === names[i])) return
  throw new QuernError('input', `line ${record.line}: a name of a column holds a line break`)
}

function inputFrom(record: RowRecord, form: RowForm, model: RowModel): Pick<RowInput, 'input' | 'fault'> {
  if (record.fault !== undefined) return { input: undefined, fault: record.fault }
  try {
    const input = form.head ? rowFromCsv(record.bytes, form.head) : rowFromJson(record.bytes, model)
    return { input, fault: undefined }
  } catch (error) {
    if (error instanceof QuernError || error instanceof RequestError)
      return { input: undefined, fault: messageOf(error) }
    throw error
  }
}

function rowFromCsv(bytes: Uint8Array, { delimiter, names }: CsvHead): PredictInput {
  const cells = cellsOf(textFrom(bytes, true), delimiter)
  if (cells.length !== names.length) {
    throw new QuernError('input', `expected ${names.length} cells as in the header, found ${cells.length}`)
  }
  return Object.fromEntries(names.map((name, i) => [name, cells[i]]))
}

function rowFromJson(bytes: Uint8Array, model: RowModel): PredictInput {
  const value = jsonFrom(bytes, 'the line')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const expected = isTable(model) ? 'an object with a value for each column' : 'an object such as {"image": "BASE64"}'
    throw new QuernError('input', `the line must be ${expected}`)
  }
  return isTable(model) ? (value as PredictInput) : exampleFrom(value, model)
}

function textFrom(bytes: Uint8Array, fatal: boolean): string {
  try {
    return new TextDecoder('utf-8', { fatal }).decode(bytes)
  } catch (cause) {
    throw new QuernError('input', 'the bytes are not UTF-8', { cause })
  }
}
