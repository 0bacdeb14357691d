/**
 * Open Inference Protocol v2 over HTTP, its JSON form: tensors in, tensors out. The binary extension is not spoken yet.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Port } from '../../contract/manifest.ts'
import { parseWith } from '../../contract/parse.ts'
import type { DType } from '../../core/dtype.ts'
import { QuernError, suggestion } from '../../core/errors.ts'
import type { Tensor } from '../../core/tensor.ts'
import { bodyOf } from '../body.ts'
import type { VersionInfo } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'
import { type ModelInUse, useModel } from '../models.ts'
import { RequestError } from '../request-error.ts'
import { datatypeOf, datatypes, jsonFromTensor, tensorFromJson } from '../tensor-json.ts'

/** A list whose elements are looked at later, once: millions of numbers are not taken one by one through a schema. */
const list = z.custom<unknown[]>((value) => Array.isArray(value), 'expected an array')
const parameters = z.looseObject({}).optional()

/** Other keys are let through: clients add their own. */
const inferRequest = z.looseObject({
  id: z.string().max(1024).optional(),
  parameters,
  inputs: z
    .array(
      z.looseObject({
        name: z.string(),
        shape: z.array(z.int().nonnegative()).min(1).max(16),
        datatype: z.string(),
        parameters,
        data: list,
      }),
    )
    .min(1)
    .max(100),
  outputs: z
    .array(z.looseObject({ name: z.string(), parameters }))
    .max(100)
    .optional(),
})

type InferRequest = z.output<typeof inferRequest>
type InferInput = InferRequest['inputs'][number]

export function inferenceProtocolRoutes({ catalog, version }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/v2', (c) => c.json({ name: 'quern', version, extensions: [] }))
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version'] as const) {
    const find = (c: Context<Gated>): VersionInfo => catalog.find(c.req.param('model')!, c.req.param('version'))
    app.get(base, (c) => {
      const model = find(c)
      return c.json(metadata(model, catalog.versions(model.name)))
    })
    app.get(`${base}/ready`, (c) => c.json({ name: find(c).name, ready: true }))
    app.post(`${base}/infer`, async (c) => {
      const model = await useModel(catalog, c.get('passage'), c.req.param('model')!, c.req.param('version'))
      if (c.req.header('inference-header-content-length') !== undefined) {
        throw new RequestError(400, 'the binary form of tensors is not supported: send JSON data')
      }
      return c.json(await infer(model, parseWith(inferRequest, jsonFrom(await bodyOf(c)), 'the request', 'input')))
    })
  }
  return app
}

function metadata({ name, manifest }: VersionInfo, versions: readonly VersionInfo[]): Record<string, unknown> {
  const { inputs, outputs } = manifest
  // A size that is free is -1 in the protocol.
  const port = ({ name, dtype, shape }: Port): Record<string, unknown> => ({
    name,
    datatype: datatypeOf(dtype),
    shape: shape.map((dim) => (typeof dim === 'number' ? dim : -1)),
  })
  return {
    name,
    versions: versions.map((model) => model.version),
    platform: 'onnx_onnxruntime',
    inputs: inputs.map(port),
    outputs: outputs.map(port),
  }
}

async function infer(model: ModelInUse, request: InferRequest): Promise<Record<string, unknown>> {
  const tensors: Record<string, Tensor> = {}
  const ports = model.manifest.inputs
  for (const input of request.inputs) {
    const port = ports.find(({ name }) => name === input.name)
    if (!port) {
      const known = ports.map(({ name }) => name)
      throw new QuernError(
        'input',
        `model '${model.name}' has no input '${input.name}'. ${suggestion(input.name, known)}`,
      )
    }
    if (tensors[port.name]) throw new QuernError('input', `input '${port.name}' comes twice`)
    tensors[port.name] = inputTensor(input, port)
  }
  const asked = request.outputs?.map(({ name }) => name)
  const results = await model.pipeline.infer(tensors, asked?.length ? asked : undefined)
  return {
    model_name: model.name,
    model_version: model.version,
    ...(request.id === undefined ? {} : { id: request.id }),
    outputs: Object.entries(results).map(([name, tensor]) => ({
      name,
      shape: tensor.shape,
      datatype: datatypeOf(tensor.dtype),
      data: jsonFromTensor(tensor, `output '${name}'`),
    })),
  }
}

function inputTensor({ name, shape, datatype, data }: InferInput, port: Port): Tensor {
  const expected = datatypeOf(port.dtype)
  if (datatype !== expected) {
    const known = Object.values(datatypes)
    const hint = known.includes(datatype) || datatype === expected ? '' : `. ${suggestion(datatype, known)}`
    throw new QuernError('input', `input '${name}' must be ${expected}, received ${datatype.slice(0, 40)}${hint}`)
  }
  // The manifest's types were checked when the bundle was opened.
  return tensorFromJson(port.dtype as DType, shape, data, `input '${name}'`)
}
