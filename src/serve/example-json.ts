/** Examples as JSON writes them: a picture as text, or the numbers of the graph's input, nested. */
import { z } from 'zod'
import type { PredictInput } from '../bundle/index.ts'
import type { Manifest } from '../contract/manifest.ts'
import { parseWith } from '../contract/parse.ts'
import type { DType } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { bytesFromBase64 } from './base64.ts'
import { RequestError } from './request-error.ts'
import { shapeOfNested, tensorFromJson } from './tensor-json.ts'

/** Examples that a request may hold. */
export const mostExamples = 1000

export const nestedNumbers: z.ZodType<unknown[]> = z.custom<unknown[]>(
  (value) => Array.isArray(value),
  'expected an array',
)

const example = z.strictObject({
  image: z.string().optional(),
  inputs: z.union([z.string(), nestedNumbers]).optional(),
})

/** `{ "image": BASE64 }` or `{ "inputs": [...] }`: one example. */
export function exampleFrom(value: unknown, model: { readonly manifest: Manifest }): PredictInput {
  const { image, inputs } = parseWith(example, value, 'the line', 'input')
  const given = image ?? inputs
  if (given === undefined || (image !== undefined && inputs !== undefined)) {
    throw new QuernError('input', `the line must hold either 'image' or 'inputs'`)
  }
  if (typeof given === 'string') return bytesFromBase64(given, image === undefined ? 'inputs' : 'image')
  const found = examplesFromNumbers(given, model)
  if (!found.many) return found.inputs[0]!
  throw new QuernError('input', `a line holds one example, received ${found.inputs.length}`)
}

/** Nested numbers: one example, or a batch of them when there is one level more. */
export function examplesFromNumbers(
  data: readonly unknown[],
  { manifest }: { readonly manifest: Manifest },
): { readonly inputs: readonly PredictInput[]; readonly many: boolean } {
  const port = manifest.inputs[0]!
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
  if (examples.length > mostExamples) {
    throw new RequestError(400, `a request may hold ${mostExamples} examples, received ${examples.length}`)
  }
  const dtype = port.dtype as DType
  const inputs = examples.map((example, i) => {
    const what = many ? `inputs[${i}]` : 'inputs'
    if (!Array.isArray(example)) throw new QuernError('input', `${what} must be an array`)
    return tensorFromJson(dtype, found, example, what)
  })
  return { inputs, many }
}
