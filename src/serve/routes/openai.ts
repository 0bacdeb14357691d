/**
 * OpenAI's HTTP API: its models, and its routes for what models do. A task's record says which of them it answers; the others are refused in the
 * form that OpenAI's clients understand, with the address where the model can be asked instead.
 */
import { type Context, Hono } from 'hono'
import { type Answer, taskPipelineOf } from '../../bundle/index.ts'
import { bodyOf } from '../body.ts'
import type { VersionInfo } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import { errorBody } from '../error-body.ts'
import { mostExamples } from '../example-json.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'
import { type ModelInUse, useModel } from '../models.ts'
import { outcomesOf } from '../outcomes.ts'
import { inputErrorsAs, RequestError } from '../request-error.ts'

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
      const body = jsonFrom(await bodyOf(c))
      const { model: name } = (body ?? {}) as { model?: unknown }
      if (typeof name !== 'string') return refused(c, "'model' must be the name of a model", 'model')
      if (!catalog.names.includes(name)) return unknownModel(c, name)
      const model = await useModel(catalog, c.get('passage'), name)
      const refusal = refusalOf(path, model)
      if (refusal !== undefined) return refused(c, refusal, 'model')
      return c.json(await answerOf(c, path, model, body))
    })
  }
  return app
}

/** Why a model does not answer a route, and where it can be asked; undefined where it does. */
function refusalOf(path: string, { name, manifest }: ModelInUse): string | undefined {
  const { openai = {} } = taskPipelineOf(manifest, `model '${name}'`)
  const lacks = openai[path]?.lacks(manifest)
  if (openai[path] && lacks === undefined) return undefined
  const known = Object.keys(openai).filter((each) => openai[each]!.lacks(manifest) === undefined)
  const reason = lacks === undefined ? '' : `, since ${lacks}`
  const others = known.length === 0 ? `ask it at POST /predict/${name}` : `it answers ${known.join(', ')}`
  return `model '${name}' (${manifest.task}) does not answer ${path}${reason}: ${others}`
}

async function answerOf(
  c: Context<Gated>,
  path: string,
  { name, manifest, pipeline }: ModelInUse,
  body: unknown,
): Promise<Record<string, unknown>> {
  const question = taskPipelineOf(manifest, `model '${name}'`).openai![path]!.read(body, manifest)
  const { inputs, topK, tokens } = question
  if (inputs.length > mostExamples) {
    throw new RequestError(400, `a request may hold ${mostExamples} inputs, received ${inputs.length}`)
  }
  const answers: Answer[][] = []
  await inputErrorsAs(422, async () => {
    for await (const outcome of outcomesOf(pipeline, inputs, topK)) {
      if ('error' in outcome) throw outcome.error
      answers.push([...outcome.predictions])
    }
  })
  const passage = c.get('passage')
  passage.tokensIn += tokens
  return question.answer({ id: passage.id, model: name }, answers)
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
