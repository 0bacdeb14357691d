/** Open Inference Protocol v2 over HTTP: the server, its models, tensors in and tensors out; infer-body.ts has the two forms of tensors. */
import { type Context, Hono } from 'hono'
import type { Port } from '../../contract/manifest.ts'
import { bodyOf } from '../body.ts'
import type { VersionInfo } from '../catalog.ts'
import { headerOf } from '../connection.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { inferAnswer, inferBodyFrom, jsonLengthHeader } from '../infer-body.ts'
import { useModel } from '../models.ts'
import { datatypeOf } from '../tensor-json.ts'

export function inferenceProtocolRoutes({ catalog, version }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/v2', (c) => c.json({ name: 'quern', version, extensions: ['binary_tensor_data', 'model_repository'] }))
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version'] as const) {
    const find = (c: Context<Gated>): VersionInfo => catalog.find(c.req.param('model')!, c.req.param('version'))
    app.get(base, (c) => {
      const model = find(c)
      return c.json(metadata(model, catalog.versions(model.name)))
    })
    app.get(`${base}/ready`, (c) => {
      // One that is not loaded is loaded by its first request: it can be asked.
      const { name, state } = find(c)
      const ready = state === 'ready' || state === 'unloaded'
      return c.json({ name, ready }, ready ? 200 : 503)
    })
    app.post(`${base}/infer`, async (c) => {
      const model = await useModel(catalog, c.get('passage'), c.req.param('model')!, c.req.param('version'))
      const about = { model: model.name, ports: model.manifest.inputs }
      const { request, tensors } = inferBodyFrom(await bodyOf(c), headerOf(c, jsonLengthHeader), about)
      const asked = request.outputs?.map(({ name }) => name)
      const results = await model.pipeline.infer(tensors, asked?.length ? asked : undefined)
      const { body, jsonLength } = inferAnswer(model, request, results)
      if (jsonLength === undefined) return c.body(body, 200, { 'content-type': 'application/json' })
      return c.body(body, 200, {
        'content-type': 'application/octet-stream',
        [jsonLengthHeader]: String(jsonLength),
      })
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
