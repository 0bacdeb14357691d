/**
 * The model repository extension of the Open Inference Protocol: what could be asked, loaded and unloaded. Models come from the server's
 * configuration alone: nobody sends one by this way.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
 */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { parseWith } from '../../contract/parse.ts'
import { bodyOf } from '../body.ts'
import type { VersionState } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'
import { RequestError } from '../request-error.ts'

export const indexRequest: z.ZodType<{ readonly ready?: boolean | undefined }> = z.looseObject({
  ready: z.boolean().optional(),
})
export const changeRequest: z.ZodType<{ readonly parameters?: Readonly<Record<string, unknown>> | undefined }> =
  z.looseObject({ parameters: z.looseObject({}).optional() })

const stateNames: Readonly<Record<VersionState, string>> = {
  ready: 'READY',
  loading: 'LOADING',
  unloaded: 'UNAVAILABLE',
  failed: 'UNAVAILABLE',
}

export function repositoryRoutes({ catalog }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.post('/v2/repository/index', async (c) => {
    const { ready = false } = parseWith(indexRequest, await optionalJson(c), 'the request', 'input')
    const listed = catalog.all.filter(({ state }) => !ready || state === 'ready')
    return c.json(
      listed.map(({ name, version, state, reason }) => ({
        name,
        version,
        state: stateNames[state],
        reason:
          reason === undefined ? (state === 'unloaded' ? 'unloaded' : '') : 'it could not be loaded; the log says why',
      })),
    )
  })
  app.post('/v2/repository/models/:model/load', async (c) => {
    await refuseContent(c)
    await catalog.load(c.req.param('model'))
    return c.json({})
  })
  app.post('/v2/repository/models/:model/unload', async (c) => {
    await refuseContent(c)
    for (const { name, version } of catalog.versions(c.req.param('model'))) catalog.unload(name, version)
    return c.json({})
  })
  return app
}

async function optionalJson(c: Context<Gated>): Promise<unknown> {
  const bytes = await bodyOf(c)
  return bytes.length === 0 ? {} : jsonFrom(bytes)
}

/** Parameters such as `config` or `file:1/model.onnx` would bring a model along. */
async function refuseContent(c: Context<Gated>): Promise<void> {
  const { parameters = {} } = parseWith(changeRequest, await optionalJson(c), 'the request', 'input')
  const unknown = Object.keys(parameters).find((key) => key !== 'unload_dependents')
  if (unknown === undefined) return
  throw new RequestError(
    400,
    `the parameter ${JSON.stringify(unknown.slice(0, 40))} is not supported: models come from the server's configuration`,
  )
}
