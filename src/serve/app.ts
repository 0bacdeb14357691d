/** The server as a function from requests to answers: routes behind the gate. No socket, clock or chance: main.ts brings them. */
import { Hono } from 'hono'
import type { Catalog } from './catalog.ts'
import type { AppContext } from './context.ts'
import { createGate, type Gated, type GateOptions, type Traffic } from './gate.ts'
import { healthRoutes } from './routes/health.ts'
import { inferenceProtocolRoutes } from './routes/inference-protocol.ts'
import { metadataRoutes } from './routes/metadata.ts'
import { predictRoutes } from './routes/predict.ts'

export interface AppOptions extends GateOptions {
  readonly catalog: Catalog
  /** of Quern */
  readonly version: string
}

export interface App {
  readonly app: Hono<Gated>
  readonly traffic: Traffic
}

/**
 * @example
 * const { app } = createApp({ catalog, authenticate: publicAccess, observers: [], maxBodyBytes: 1e6, log, clock, newId, version })
 * await app.request('/v2/health/ready')
 */
export function createApp(options: AppOptions): App {
  const gate = createGate(options)
  const { catalog, version, maxBodyBytes } = options
  const context: AppContext = { catalog, gate, version, maxBodyBytes }
  const app = new Hono<Gated>()
  app.use('*', gate.middleware)
  app.onError(gate.onError)
  for (const routes of [healthRoutes, inferenceProtocolRoutes, predictRoutes, metadataRoutes]) {
    app.route('/', routes(context))
  }
  app.notFound((c) => {
    const path = c.req.path.slice(0, 100)
    return c.json({ error: `there is nothing at ${c.req.method} ${path}; GET / lists what can be asked` }, 404)
  })
  return { app, traffic: gate.traffic }
}
