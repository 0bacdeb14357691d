/**
 * OpenAI's HTTP API: its models, and its routes for what models do. A task's record says which of them it answers; the others are refused in the
 * form that OpenAI's clients understand, with the address where the model can be asked instead.
 */
import { type Context, Hono } from 'hono'
import { taskPipelineOf } from '../../bundle/index.ts'
import { bodyOf } from '../body.ts'
import type { VersionInfo } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import { errorBody } from '../error-body.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'

/** Routes that take a model's name in their body. */
export const openAiRoutes = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/moderations',
  '/v1/responses',
] as const

export function openAiModelRoutes({ catalog }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/v1/models', (c) =>
    c.json({ object: 'list', data: catalog.names.map((name) => listed(catalog.find(name))) }),
  )
  app.get('/v1/models/:model', (c) => {
    const name = c.req.param('model')
    return catalog.names.includes(name) ? c.json(listed(catalog.find(name))) : unknownModel(c, name)
  })
  for (const path of openAiRoutes) {
    app.post(path, async (c) => {
      const { model } = (jsonFrom(await bodyOf(c)) ?? {}) as { model?: unknown }
      if (typeof model !== 'string') return refused(c, "'model' must be the name of a model", 'model')
      if (!catalog.names.includes(model)) return unknownModel(c, model)
      const { manifest } = catalog.find(model)
      const known = taskPipelineOf(manifest, `model '${model}'`).openai ?? []
      const others = known.length === 0 ? `ask it at POST /predict/${model}` : `it answers ${known.join(', ')}`
      return refused(c, `model '${model}' (${manifest.task}) does not answer ${path}: ${others}`, 'model')
    })
  }
  return app
}

function listed({ name, manifest }: VersionInfo): Record<string, unknown> {
  const created = Math.floor(Date.parse(manifest.created) / 1000)
  return { id: name, object: 'model', created: Number.isFinite(created) ? created : 0, owned_by: 'quern' }
}

function refused(c: Context<Gated>, message: string, param: string): Response {
  c.get('passage').failure = message
  return c.json(errorBody(c.req.path, 400, message, { param }), 400)
}

function unknownModel(c: Context<Gated>, name: string): Response {
  const message = `there is no model ${JSON.stringify(name.slice(0, 100))}; GET /v1/models lists them`
  c.get('passage').failure = message
  return c.json(errorBody(c.req.path, 404, message, { param: 'model', code: 'model_not_found' }), 404)
}
