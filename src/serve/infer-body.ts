/**
 * Bodies of the Open Inference Protocol's infer request and answer: JSON, or JSON followed by the raw bytes of tensors, one after another.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { z } from 'zod'
import type { Port } from '../contract/manifest.ts'
import { parseWith } from '../contract/parse.ts'
import type { DType } from '../core/dtype.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import { jsonFrom } from './json.ts'
import { RequestError } from './request-error.ts'
import { bytesFromTensor, tensorFromBytes } from './tensor-binary.ts'
import { datatypeOf, datatypes, jsonFromTensor, tensorFromJson } from './tensor-json.ts'

/** A list whose elements are looked at later, once: millions of numbers are not taken one by one through a schema. */
const list = z.custom<unknown[]>((value) => Array.isArray(value), 'expected an array')
const name = z.string().max(1024)

export interface InferInput {
  readonly name: string
  readonly shape: readonly number[]
  readonly datatype: string
  readonly parameters?: { readonly binary_data_size?: number | undefined } | undefined
  readonly data?: readonly unknown[] | undefined
}

export interface InferRequest {
  readonly id?: string | undefined
  readonly parameters?: { readonly binary_data_output?: boolean | undefined } | undefined
  readonly inputs: readonly InferInput[]
  readonly outputs?:
    | readonly {
        readonly name: string
        readonly parameters?: { readonly binary_data?: boolean | undefined } | undefined
      }[]
    | undefined
}

/** Other keys are let through: clients add their own. */
export const inferRequest: z.ZodType<InferRequest> = z.looseObject({
  id: z.string().max(1024).optional(),
  parameters: z.looseObject({ binary_data_output: z.boolean().optional() }).optional(),
  inputs: z
    .array(
      z.looseObject({
        name,
        shape: z.array(z.int().nonnegative()).min(1).max(16),
        datatype: z.string(),
        parameters: z.looseObject({ binary_data_size: z.int().nonnegative().optional() }).optional(),
        data: list.optional(),
      }),
    )
    .min(1)
    .max(100),
  outputs: z
    .array(z.looseObject({ name, parameters: z.looseObject({ binary_data: z.boolean().optional() }).optional() }))
    .max(100)
    .optional(),
})

/**
 * Whether a value is a request of the plainest form, as most are: tensors with their data, all outputs. What it accepts `inferRequest` accepts too, in twenty times the
 * time; what it does not may still be right.
 */
export function isPlainRequest(value: unknown): value is InferRequest {
  if (typeof value !== 'object' || value === null) return false
  const { id, parameters, inputs, outputs } = value as { [Key in keyof InferRequest]?: unknown }
  if (parameters !== undefined || outputs !== undefined || !Array.isArray(inputs)) return false
  const isNamed = id === undefined || (typeof id === 'string' && id.length <= 1024)
  return isNamed && inputs.length > 0 && inputs.length <= 100 && inputs.every(isPlainInput)
}

function isPlainInput(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { name, shape, datatype, parameters, data } = value as { [Key in keyof InferInput]?: unknown }
  if (typeof name !== 'string' || name.length > 1024 || typeof datatype !== 'string') return false
  if (parameters !== undefined || !Array.isArray(data) || !Array.isArray(shape)) return false
  return shape.length > 0 && shape.length <= 16 && shape.every((size) => Number.isSafeInteger(size) && size >= 0)
}

/** The header that says how many bytes of the body are JSON. */
export const jsonLengthHeader = 'inference-header-content-length'

export interface InferBody {
  readonly request: InferRequest
  readonly tensors: Readonly<Record<string, Tensor>>
}

/**
 * @param jsonLength the header's value; undefined where all is JSON
 * @param ports of the model that is asked
 * @throws QuernError `input`, RequestError 400
 */
export function inferBodyFrom(
  bytes: Uint8Array,
  jsonLength: string | undefined,
  { model, ports }: { readonly model: string; readonly ports: readonly Port[] },
): InferBody {
  const length = jsonLength === undefined ? bytes.length : lengthFrom(jsonLength, bytes.length)
  const value = jsonFrom(bytes.subarray(0, length))
  const request = isPlainRequest(value) ? value : parseWith(inferRequest, value, 'the request', 'input')
  const tensors: Record<string, Tensor> = {}
  let at = length
  for (const input of request.inputs) {
    const port = ports.find((port) => port.name === input.name)
    if (!port) {
      const known = ports.map(({ name }) => name)
      throw new QuernError('input', `model '${model}' has no input '${input.name}'. ${suggestion(input.name, known)}`)
    }
    if (tensors[port.name]) throw new QuernError('input', `input '${port.name}' comes twice`)
    const size = input.parameters?.binary_data_size
    if (size !== undefined && size > bytes.length - at) {
      throw new QuernError(
        'input',
        `input '${port.name}' has a binary_data_size of ${size}, ${bytes.length - at} bytes follow the JSON for it`,
      )
    }
    tensors[port.name] = inputTensor(input, port, size === undefined ? undefined : bytes.subarray(at, at + size))
    at += size ?? 0
  }
  if (at !== bytes.length) {
    throw new RequestError(400, `${bytes.length - at} bytes behind the JSON belong to no input: give binary_data_size`)
  }
  return { request, tensors }
}

function lengthFrom(text: string, most: number): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= most) return Number(text)
  const found = JSON.stringify(text.slice(0, 40))
  throw new RequestError(
    400,
    `Inference-Header-Content-Length must be a number up to the body's ${most} bytes, received ${found}`,
  )
}

function inputTensor({ name, shape, datatype, data }: InferInput, port: Port, bytes: Uint8Array | undefined): Tensor {
  const expected = datatypeOf(port.dtype)
  if (datatype !== expected) {
    const known = Object.values(datatypes)
    const hint = known.includes(datatype) || datatype === expected ? '' : `. ${suggestion(datatype, known)}`
    throw new QuernError('input', `input '${name}' must be ${expected}, received ${datatype.slice(0, 40)}${hint}`)
  }
  if ((data === undefined) === (bytes === undefined)) {
    const found = data ? 'both' : 'neither'
    throw new QuernError('input', `input '${name}' must have 'data' or a binary_data_size, received ${found}`)
  }
  // The manifest's types were checked when the bundle was opened.
  const dtype = port.dtype as DType
  const what = `input '${name}'`
  return data ? tensorFromJson(dtype, shape, data, what) : tensorFromBytes(dtype, shape, bytes!, what)
}

export interface InferAnswer {
  /** a text where all is JSON: it leaves in one piece with the headers */
  readonly body: string | Uint8Array<ArrayBuffer>
  /** of the JSON at its beginning; undefined where it is all */
  readonly jsonLength: number | undefined
}

/**
 * The answer to a request, each output in the form that it asked for. Objects are written out: one that spreads another and adds a property (`{ ...about, data }`) takes Node 20 six
 * microseconds and memory that only a collection of the whole heap gives back.
 */
export function inferAnswer(
  model: { readonly name: string; readonly version: string },
  { id, parameters, outputs = [] }: InferRequest,
  results: Readonly<Record<string, Tensor>>,
): InferAnswer {
  const raw: Uint8Array[] = []
  const described = Object.entries(results).map(([name, tensor]) => {
    const { shape, dtype } = tensor
    const own = outputs.find((output) => output.name === name)?.parameters?.binary_data
    if (!(own ?? parameters?.binary_data_output ?? false)) {
      return { name, shape, datatype: datatypeOf(dtype), data: jsonFromTensor(tensor, `output '${name}'`) }
    }
    const bytes = bytesFromTensor(tensor)
    raw.push(bytes)
    return { name, shape, datatype: datatypeOf(dtype), parameters: { binary_data_size: bytes.length } }
  })
  const text = JSON.stringify({ model_name: model.name, model_version: model.version, id, outputs: described })
  if (raw.length === 0) return { body: text, jsonLength: undefined }
  const json = new TextEncoder().encode(text)
  const body = new Uint8Array(raw.reduce((sum, bytes) => sum + bytes.length, json.length))
  body.set(json)
  let at = json.length
  for (const bytes of raw) {
    body.set(bytes, at)
    at += bytes.length
  }
  return { body, jsonLength: json.length }
}
