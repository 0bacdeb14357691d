/** The server as a function from requests to answers: routes behind the gate. No socket, clock or chance: main.ts brings them. */
import { Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import type { Catalog } from './catalog.ts'
import type { AppContext } from './context.ts'
import { errorBody } from './error-body.ts'
import { createGate, type Gated, type GateOptions, type Traffic } from './gate.ts'
import { Jobs, type JobsOptions } from './jobs/jobs.ts'
import { adminRoutes } from './routes/admin.ts'
import { methodsAt } from './routes/endpoints.ts'
import { healthRoutes } from './routes/health.ts'
import { inferenceProtocolRoutes } from './routes/inference-protocol.ts'
import { jobRoutes } from './routes/jobs.ts'
import { metadataRoutes } from './routes/metadata.ts'
import { openAiModelRoutes } from './routes/openai.ts'
import { predictRoutes } from './routes/predict.ts'
import { repositoryRoutes } from './routes/repository.ts'
import { watchingRoutes } from './routes/watching.ts'
import { answerUnaddressed, answerUnreadable } from './unreadable.ts'
import type { Watching } from './watch/watching.ts'

export interface AppOptions extends GateOptions {
  readonly catalog: Catalog
  /** of Quern */
  readonly version: string
  readonly reload?: AppContext['reload']
  /** that the server's parser takes, to be named where there were more; default Node's, 16 KiB */
  readonly maxHeaderBytes?: number
  /** metrics, drift and quality; its observers are given apart */
  readonly watching?: Watching | undefined
  /** where batch jobs are kept and how many; without it none are taken */
  readonly jobs?: JobsOptions | undefined
  /** origins whose pages may ask, '*' for all; default: none but the server's own */
  readonly cors?: readonly string[]
}

export interface App {
  readonly app: Hono<Gated>
  readonly traffic: Traffic
  /** for the server's 'clientError', and for requests without an address */
  readonly onClientError: ReturnType<typeof answerUnreadable>
  readonly onUnaddressed: ReturnType<typeof answerUnaddressed>
  /** to be opened before the first request, and closed before the catalog */
  readonly jobs: Jobs | undefined
}

/** THE table of what can be asked, a file a resource. */
const resources: readonly ((context: AppContext) => Hono<Gated>)[] = [
  healthRoutes,
  inferenceProtocolRoutes,
  repositoryRoutes,
  predictRoutes,
  jobRoutes,
  openAiModelRoutes,
  metadataRoutes,
  watchingRoutes,
  adminRoutes,
]

/**
 * @example
 * const { app } = createApp({ catalog, authenticate: publicAccess, observers: [], maxBodyBytes: 1e6, log, clock, newId, version })
 * await app.request('/v2/health/ready')
 */
export function createApp(options: AppOptions): App {
  const gate = createGate({ ...options, maxFileBytes: options.jobs?.limits.maxFileBytes })
  const {
    catalog,
    version,
    maxBodyBytes,
    maxHeaderBytes = 16_384,
    reload,
    watching,
    cors: origins = [],
    newId,
    log,
  } = options
  const jobs = options.jobs && new Jobs(options.jobs, { gate, catalog, newId, log })
  const context: AppContext = { catalog, gate, version, watching, maxBodyBytes, reload, jobs }
  const app = new Hono<Gated>()
  // Before the gate, so that a page may read why it was refused; the question whether it may ask passes the gate first.
  if (origins.length > 0)
    app.use(
      '*',
      corsFor(origins, (method) => method !== 'OPTIONS'),
    )
  app.use('*', gate.middleware)
  app.onError(gate.onError)
  if (origins.length > 0)
    app.use(
      '*',
      corsFor(origins, (method) => method === 'OPTIONS'),
    )
  for (const routes of resources) app.route('/', routes(context))
  app.notFound((c) => {
    const path = c.req.path.slice(0, 100)
    const others = methodsAt(c.req.path)
    if (others.length > 0) {
      const message = `${path} takes ${others.join(' and ')}, received ${c.req.method}`
      return c.json(errorBody(path, 405, message), 405, { allow: others.join(', ') })
    }
    const message = `there is nothing at ${c.req.method} ${path}; GET / lists what can be asked`
    return c.json(errorBody(path, 404, message), 404)
  })
  const { traffic } = gate
  return {
    app,
    traffic,
    onClientError: answerUnreadable(gate, maxHeaderBytes),
    onUnaddressed: answerUnaddressed(gate),
    jobs,
  }
}

/** Lets pages of these origins read answers to requests of some methods. */
function corsFor(origins: readonly string[], isFor: (method: string) => boolean): MiddlewareHandler<Gated> {
  const allowMethods = ['GET', 'HEAD', 'POST', 'DELETE']
  const allow = cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods,
    exposeHeaders: ['x-request-id', 'retry-after'],
  })
  return (c, next) => (isFor(c.req.method) ? allow(c, next) : next())
}
