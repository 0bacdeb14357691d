/** Bodies of `/predict`, by their content type: a picture, a form of pictures or a table, rows of a table, JSON. */
import type { Context } from 'hono'
import { z } from 'zod'
import type { PredictInput } from '../bundle/index.ts'
import { parseWith } from '../contract/parse.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import type { JobFormat } from '../store/jobs.ts'
import { bytesFromBase64 } from './base64.ts'
import { bodyOf } from './body.ts'
import { headerOf } from './connection.ts'
import { examplesFromNumbers, mostExamples, nestedNumbers } from './example-json.ts'
import type { Gated } from './gate.ts'
import { jsonFrom } from './json.ts'
import { RequestError } from './request-error.ts'
import { isTable, type RowModel, readRows, rowFormatOf, rowFormFrom } from './row-inputs.ts'

/** What a request asks for. */
export interface PredictBody {
  readonly inputs: readonly PredictInput[]
  /** of an input in messages, such as 'row 3 (line 4)' */
  readonly nameOf: (index: number) => string
  /** the answer is a list of lists */
  readonly many: boolean
  readonly topK?: number | undefined
}

/** The bodies of files whose sender did not say what they are: `curl --data-binary` calls every file a form. */
const untyped: ReadonlySet<string> = new Set([
  'application/octet-stream',
  'application/x-www-form-urlencoded',
  'text/plain',
])

export async function readPredictBody(c: Context<Gated>, model: RowModel): Promise<PredictBody> {
  const header = headerOf(c, 'content-type') ?? 'application/octet-stream'
  const type = header.split(';')[0]!.trim().toLowerCase()
  if (type === 'application/json' || type.endsWith('+json')) return fromJson(jsonFrom(await bodyOf(c)), model)
  if (type === 'multipart/form-data') return fromForm(await bodyOf(c), header, model)
  const format = rowFormatOf(type) ?? (isTable(model) && untyped.has(type) ? 'csv' : undefined)
  if (isTable(model) ? format !== undefined : format === 'jsonl') {
    return fromRows(await bodyOf(c), format!, model, 'the body')
  }
  if (isTable(model) || !(type.startsWith('image/') || (untyped.has(type) && type !== 'text/plain'))) {
    throw wrongType(model, type)
  }
  const bytes = await bodyOf(c)
  if (bytes.length === 0) throw new RequestError(400, 'the body is empty, expected a picture')
  return { inputs: [bytes], nameOf: () => 'the body', many: false }
}

function wrongType(model: RowModel, type: string): RequestError {
  const expected = isTable(model)
    ? 'rows (text/csv, application/jsonl)'
    : 'a picture (image/png, image/jpeg, image/webp)'
  return new RequestError(
    415,
    `the body must be ${expected}, multipart/form-data or application/json, received ${type.slice(0, 80)}`,
  )
}

async function fromRows(bytes: Uint8Array, format: JobFormat, model: RowModel, what: string): Promise<PredictBody> {
  const form = rowFormFrom(bytes, format, model, what)
  const inputs: PredictInput[] = []
  const names: string[] = []
  for await (const rows of readRows(once(bytes), { form, model })) {
    for (const { row, line, input, fault } of rows) {
      const name = `row ${row} (line ${line})`
      if (fault !== undefined) throw new RequestError(422, `${name}: ${fault}`)
      names.push(name)
      inputs.push(input!)
    }
    if (inputs.length > mostExamples) {
      throw new RequestError(
        400,
        `a request may hold ${mostExamples} rows, received ${inputs.length}: send a job (/jobs)`,
      )
    }
  }
  if (inputs.length === 0) throw new RequestError(400, `${what} has no rows`)
  return { inputs, nameOf: (i) => names[i]!, many: true }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const pluralFields = new Set(['files', 'images', 'files[]', 'images[]'])

async function fromForm(bytes: Uint8Array, contentType: string, model: RowModel): Promise<PredictBody> {
  const form = await formFrom(bytes, contentType)
  const files = filesOf(form)
  const topK = topKFrom(form.get('topK') ?? undefined)
  if (files.length > mostExamples) {
    throw new RequestError(400, `a request may hold ${mostExamples} pictures, received ${files.length}`)
  }
  const [[field, first]] = files as [(typeof files)[0]]
  const format = rowFormatOf(first.type.split(';')[0]!, first.name) ?? (isTable(model) ? 'csv' : undefined)
  if (isTable(model) || format === 'jsonl') {
    if (files.length > 1) throw new RequestError(400, `the form may hold one file of rows, received ${files.length}`)
    const rows = new Uint8Array(await first.arrayBuffer())
    return { ...(await fromRows(rows, format!, model, `the file ${JSON.stringify(first.name.slice(0, 100))}`)), topK }
  }
  const inputs = await Promise.all(files.map(async ([, file]) => new Uint8Array(await file.arrayBuffer())))
  const nameOf = (i: number): string => `file ${i + 1} (${JSON.stringify(files[i]![1].name.slice(0, 100))})`
  return { inputs, nameOf, many: files.length > 1 || pluralFields.has(field), topK }
}

/** The fields of a multipart body. */
export async function formFrom(bytes: Uint8Array, contentType: string): Promise<FormData> {
  try {
    const headers = { 'content-type': contentType }
    return await new Response(bytes as Uint8Array<ArrayBuffer>, { headers }).formData()
  } catch (cause) {
    throw new RequestError(400, 'the multipart body is damaged or its boundary is wrong', { cause })
  }
}

/** The files of a form, with the names of their fields; at least one. */
export function filesOf(form: FormData): [field: string, file: File][] {
  const files: [string, File][] = []
  for (const [name, value] of form.entries()) if (typeof value !== 'string') files.push([name, value])
  if (files.length === 0) throw new RequestError(400, 'the form holds no file')
  return files
}

/** Answers for each example, as a text: from the address or from a form. */
export function topKFrom(text: unknown): number | undefined {
  if (text === undefined) return undefined
  if (typeof text === 'string' && /^[1-9]\d{0,5}$/.test(text)) return Number(text)
  const found = JSON.stringify(typeof text === 'string' ? text.slice(0, 40) : 'a file')
  throw new RequestError(400, `topK must be a whole number from 1 to 999999, received ${found}`)
}

const row = z.record(z.string(), z.unknown())

interface PredictRequest {
  readonly row?: Readonly<Record<string, unknown>> | undefined
  readonly rows?: readonly Readonly<Record<string, unknown>>[] | undefined
  readonly image?: string | undefined
  readonly images?: readonly string[] | undefined
  readonly inputs?: string | readonly unknown[] | undefined
  readonly topK?: number | undefined
}

const requestKeys: readonly (keyof PredictRequest)[] = ['row', 'rows', 'image', 'images', 'inputs', 'topK']

export const predictRequest: z.ZodType<PredictRequest> = z.strictObject({
  /** values by the names of a table's columns; numbers as numbers, texts as texts, null where there is none */
  row: row.optional(),
  rows: z.array(row).min(1).max(mostExamples).optional(),
  /** base64 or a data URI */
  image: z.string().optional(),
  images: z.array(z.string()).min(1).max(mostExamples).optional(),
  /** numbers as the graph takes them, one example or a batch; or a picture as text, as other servers call it */
  inputs: z.union([z.string(), nestedNumbers]).optional(),
  topK: z.int().positive().optional(),
})

/** A row that is sent as it is: not a word of it is one of a request, and the model reads a column of that name. */
function refuseBareRows(value: unknown, { name, manifest: { preprocessing } }: RowModel): void {
  const [first] = Array.isArray(value) ? value : [value]
  if (preprocessing.kind !== 'table' || typeof first !== 'object' || first === null) return
  const column = preprocessing.columns.find((column) => Object.hasOwn(first, column.name))?.name
  if (column === undefined || requestKeys.some((key) => Object.hasOwn(first, key))) return
  const [key, form] = Array.isArray(value) ? ['rows', '[{ ... }]'] : ['row', '{ ... }']
  throw new RequestError(
    400,
    `the request holds what stands below '${key}' for model '${name}': send { "${key}": ${form} }`,
  )
}

function fromJson(value: unknown, model: RowModel): PredictBody {
  refuseBareRows(value, model)
  const request = parseWith(predictRequest, value, 'the request', 'input')
  const { row, rows, image, images, inputs, topK } = request
  const given = [row, rows, image, images, inputs].filter((part) => part !== undefined)
  if (given.length !== 1) {
    throw new RequestError(
      400,
      `the request must hold one of 'row', 'rows', 'image', 'images' and 'inputs', received ${given.length}`,
    )
  }
  const one = (input: PredictInput, name: string): PredictBody => {
    return { inputs: [input], nameOf: () => name, many: false, topK }
  }
  if (row) return one(row, 'row')
  if (rows) return { inputs: rows, nameOf: (i) => `rows[${i}]`, many: true, topK }
  if (images) {
    const nameOf = (i: number): string => `images[${i}]`
    return { inputs: images.map((text, i) => bytesFromBase64(text, nameOf(i))), nameOf, many: true, topK }
  }
  if (image !== undefined) return one(bytesFromBase64(image, 'image'), 'image')
  if (typeof inputs === 'string') return one(bytesFromBase64(inputs, 'inputs'), 'inputs')
  return { ...examplesFromNumbers(inputs!, model), nameOf: (i) => `inputs[${i}]`, topK }
}

/** What a failure within one of several inputs is told as. */
export function namedFailure(body: PredictBody, index: number, error: QuernError): QuernError {
  return new QuernError(error.kind, `${body.nameOf(index)}: ${messageOf(error)}`, { hint: error.hint, cause: error })
}
