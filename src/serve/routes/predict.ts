/**
 * `POST /predict` and `/predict/{model}`: a picture in any of the forms that clients have at hand, or rows of a table, labels with scores out, or estimates. One input
 * gives `[{ label, score }, ...]`; several, or a field named for several, give a list of such lists.
 */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Pipeline, PredictInput } from '../../bundle/index.ts'
import { parseWith } from '../../contract/parse.ts'
import type { DType } from '../../core/dtype.ts'
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { bytesFromBase64 } from '../base64.ts'
import { bodyOf } from '../body.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'
import { type ModelInUse, useModel } from '../models.ts'
import { inputErrorsAs, RequestError } from '../request-error.ts'
import { shapeOfNested, tensorFromJson } from '../tensor-json.ts'

const mostInputs = 1000

/** For one example. */
type Answers = Awaited<ReturnType<Pipeline['predict']>>

interface Asked {
  readonly inputs: readonly PredictInput[]
  /** the answer is a list of lists */
  readonly many: boolean
  readonly topK?: number | undefined
}

export function predictRoutes({ catalog }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  const use = (c: Context<Gated>, name: string): Promise<ModelInUse> => useModel(catalog, c.get('passage'), name)
  app.post('/predict', async (c) => c.json(await predict(c, await use(c, catalog.only()))))
  app.post('/predict/:model', async (c) => c.json(await predict(c, await use(c, c.req.param('model')))))
  return app
}

async function predict(c: Context<Gated>, model: ModelInUse): Promise<Answers | Answers[]> {
  const { inputs, many, topK = topKFrom(c.req.query('topK')) } = await read(c, model)
  const options = topK === undefined ? {} : { topK }
  const { pipeline } = model
  // The request was understood; that the model cannot use what is in it is another kind of wrong.
  return inputErrorsAs<Answers | Answers[]>(422, () =>
    many ? pipeline.predictBatch(inputs, options) : pipeline.predict(inputs[0]!, options),
  )
}

function topKFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new RequestError(
    400,
    `topK must be a whole number from 1 to 999999, received ${JSON.stringify(text.slice(0, 40))}`,
  )
}

/** Forms of the body by its content type. `curl --data-binary` calls every file a form, so that counts as a picture too. */
async function read(c: Context<Gated>, model: ModelInUse): Promise<Asked> {
  const header = c.req.header('content-type') ?? 'application/octet-stream'
  const type = header.split(';')[0]!.trim().toLowerCase()
  if (type === 'application/json' || type.endsWith('+json')) return fromJson(jsonFrom(await bodyOf(c)), model)
  if (type === 'multipart/form-data') return fromForm(await bodyOf(c), header)
  const isBytes = type === 'application/octet-stream' || type === 'application/x-www-form-urlencoded'
  if (!isBytes && !type.startsWith('image/')) {
    throw new RequestError(
      415,
      `the body must be a picture (image/png, image/jpeg, image/webp), multipart/form-data or application/json, received ${type.slice(0, 80)}`,
    )
  }
  const bytes = await bodyOf(c)
  if (bytes.length === 0) throw new RequestError(400, 'the body is empty, expected a picture')
  return { inputs: [bytes], many: false }
}

const pluralFields = new Set(['files', 'images', 'files[]', 'images[]'])

async function fromForm(bytes: Uint8Array, contentType: string): Promise<Asked> {
  let form: FormData
  try {
    const headers = { 'content-type': contentType }
    form = await new Response(bytes as Uint8Array<ArrayBuffer>, { headers }).formData()
  } catch (cause) {
    throw new RequestError(400, 'the multipart body is damaged or its boundary is wrong', { cause })
  }
  const files: [string, File][] = []
  for (const [name, value] of form.entries()) if (typeof value !== 'string') files.push([name, value])
  if (files.length === 0) throw new RequestError(400, 'the form holds no file')
  if (files.length > mostInputs) {
    throw new RequestError(400, `a request may hold ${mostInputs} pictures, received ${files.length}`)
  }
  const inputs = await Promise.all(files.map(async ([, file]) => new Uint8Array(await file.arrayBuffer())))
  const topK = form.get('topK')
  return {
    inputs,
    many: files.length > 1 || pluralFields.has(files[0]![0]),
    topK: topKFrom(typeof topK === 'string' ? topK : undefined),
  }
}

const list = z.custom<unknown[]>((value) => Array.isArray(value), 'expected an array')

const row = z.record(z.string(), z.unknown())

interface PredictRequest {
  readonly row?: Readonly<Record<string, unknown>> | undefined
  readonly rows?: readonly Readonly<Record<string, unknown>>[] | undefined
  readonly image?: string | undefined
  readonly images?: readonly string[] | undefined
  readonly inputs?: string | readonly unknown[] | undefined
  readonly topK?: number | undefined
}

export const predictRequest: z.ZodType<PredictRequest> = z.strictObject({
  /** values by the names of a table's columns; numbers as numbers, texts as texts, null where there is none */
  row: row.optional(),
  rows: z.array(row).min(1).max(mostInputs).optional(),
  /** base64 or a data URI */
  image: z.string().optional(),
  images: z.array(z.string()).min(1).max(mostInputs).optional(),
  /** numbers as the graph takes them, one example or a batch; or a picture as text, as other servers call it */
  inputs: z.union([z.string(), list]).optional(),
  topK: z.int().positive().optional(),
})

function fromJson(value: unknown, model: ModelInUse): Asked {
  const { row, rows, image, images, inputs, topK } = parseWith(predictRequest, value, 'the request', 'input')
  const given = [row, rows, image, images, inputs].filter((part) => part !== undefined)
  if (given.length !== 1) {
    throw new RequestError(
      400,
      `the request must hold one of 'row', 'rows', 'image', 'images' and 'inputs', received ${given.length}`,
    )
  }
  if (row) return { inputs: [row], many: false, topK }
  if (rows) return { inputs: rows, many: true, topK }
  if (images) return { inputs: images.map((text, i) => bytesFromBase64(text, `images[${i}]`)), many: true, topK }
  if (typeof inputs === 'string') return { inputs: [bytesFromBase64(inputs, 'inputs')], many: false, topK }
  if (inputs === undefined) return { inputs: [bytesFromBase64(image!, 'image')], many: false, topK }
  return { ...fromNumbers(inputs, model), topK }
}

/** Nested numbers: one example, or a batch of them when there is one level more. */
function fromNumbers(data: readonly unknown[], model: ModelInUse): Asked {
  const port = model.manifest.inputs[0]!
  const shape = shapeOfNested(data)
  const many = shape.length === port.shape.length
  const size = port.shape.slice(1)
  const found = many ? shape.slice(1) : shape
  if (found.length !== size.length || found.some((dim, i) => dim !== size[i]) || (many && shape[0] === 0)) {
    throw new QuernError(
      'input',
      `inputs must be nested as ${formatShape(size)}, or [n, ${size.join(', ')}] for n examples, received ${formatShape(shape)}`,
    )
  }
  const examples = many ? (data as unknown[][]) : [data]
  if (examples.length > mostInputs) {
    throw new RequestError(400, `a request may hold ${mostInputs} examples, received ${examples.length}`)
  }
  const dtype = port.dtype as DType
  const inputs = examples.map((example, i) => {
    const what = many ? `inputs[${i}]` : 'inputs'
    if (!Array.isArray(example)) throw new QuernError('input', `${what} must be an array`)
    return tensorFromJson(dtype, found, example, what)
  })
  return { inputs, many }
}
