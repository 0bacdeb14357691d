/** The server as a function from requests to answers: routes behind the gate. No socket, clock or chance: main.ts brings them. */
import { Hono } from 'hono'
import type { AppContext } from './context.ts'
import { createGate, type Gated, type GateOptions, type Traffic } from './gate.ts'
import { createModels, type ServedModel } from './models.ts'
import { healthRoutes } from './routes/health.ts'
import { inferenceProtocolRoutes } from './routes/inference-protocol.ts'
import { metadataRoutes } from './routes/metadata.ts'
import { predictRoutes } from './routes/predict.ts'

export interface AppOptions extends GateOptions {
  readonly models: readonly ServedModel[]
  /** of Quern */
  readonly version: string
}

export interface App {
  readonly app: Hono<Gated>
  readonly traffic: Traffic
}

/**
 * Throws when a model's name cannot be served or comes twice.
 *
 * @example
 * const { app } = createApp({ models: [{ name: 'digits', version: '1', pipeline }], maxBodyBytes: 1e6, log, clock, newId, version })
 * await app.request('/v2/health/ready')
 */
export function createApp(options: AppOptions): App {
  const { middleware, onError, traffic } = createGate(options)
  const context: AppContext = {
    models: createModels(options.models),
    version: options.version,
    maxBodyBytes: options.maxBodyBytes,
    traffic: () => traffic,
  }
  const app = new Hono<Gated>()
  app.use('*', middleware)
  app.onError(onError)
  for (const routes of [healthRoutes, inferenceProtocolRoutes, predictRoutes, metadataRoutes]) {
    app.route('/', routes(context))
  }
  app.notFound((c) => {
    const path = c.req.path.slice(0, 100)
    return c.json({ error: `there is nothing at ${c.req.method} ${path}; GET / lists what can be asked` }, 404)
  })
  return { app, traffic }
}
