/**
 * The one gate: every request passes it on its way in, and every answer, refusal and failure on its way out. Whatever has to
 * know of all traffic hangs here and nowhere else: request ids, the limit of the body, drain, timing and the log today; keys, quotas
 * (reserve in `enter`, settle in `leave`) and metrics later. Routes see a request only after `enter`, and read a body only
 * through `bodyOf`. (A streamed answer leaves when its headers do; the first route that streams must move `leave` to its end.)
 */
import type { Context, MiddlewareHandler } from 'hono'
import { messageOf } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import { errorAnswer, RequestError } from './request-error.ts'

export interface GateOptions {
  /** requests with a longer body are refused, before it is read where the length is told */
  readonly maxBodyBytes: number
  readonly log: Log
  readonly clock: Clock
  /** a new request id */
  readonly newId: () => string
}

/** What is known of one request from its first byte to its last. */
export interface Passage {
  readonly id: string
  readonly started: number
  readonly maxBodyBytes: number
}

/** Variables of Hono's context that the gate sets. */
export interface Gated {
  Variables: { passage: Passage }
}

/** What is on its way. Draining refuses newcomers and lets the others finish. */
export interface Traffic {
  readonly running: number
  readonly draining: boolean
  drain(): void
}

export interface Gate {
  readonly traffic: Traffic
  readonly middleware: MiddlewareHandler<Gated>
  /** Hono's onError: an exception of a route as an answer */
  readonly onError: (error: unknown, c: Context<Gated>) => Response
}

export function createGate(options: GateOptions): Gate {
  const { maxBodyBytes, log, clock, newId } = options
  const state = { running: 0, draining: false }

  const enter = (c: Context<Gated>, passage: Passage): void => {
    c.set('passage', passage)
    state.running++
    // Probes are answered to the end: they are how others learn that this server is leaving.
    if (state.draining && !isProbe(c.req.path)) throw new RequestError(503, 'the server is shutting down')
    refuseLongBody(c, maxBodyBytes)
  }
  const leave = (c: Context<Gated>, { id, started }: Passage): void => {
    state.running--
    c.header('x-request-id', id)
    c.header('x-content-type-options', 'nosniff')
    if (state.draining) c.header('connection', 'close')
    if (c.res.status === 503) c.header('retry-after', '1')
    const took = (clock.now() - started).toFixed(1)
    log.info(`${c.req.method} ${c.req.path} ${c.res.status} ${took} ms ${id}`)
  }
  const onError = (error: unknown, c: Context<Gated>): Response => {
    const { id } = c.get('passage')
    const { status, message } = errorAnswer(error, id)
    if (status === 500) log.warn(`request ${id} failed: ${messageOf(error)}`)
    // The rest of a body that nobody reads would be taken for the next request.
    if (status === 413) c.header('connection', 'close')
    return c.json({ error: message }, status)
  }
  return {
    traffic: {
      get running() {
        return state.running
      },
      get draining() {
        return state.draining
      },
      drain() {
        state.draining = true
      },
    },
    middleware: async (c, next) => {
      const passage = { id: requestId(c.req.header('x-request-id'), newId), started: clock.now(), maxBodyBytes }
      try {
        enter(c, passage)
        await next()
      } catch (error) {
        c.res = onError(error, c)
      } finally {
        leave(c, passage)
      }
    },
    onError,
  }
}

/** The client's own id when it is harmless in a log, else a new one. */
function requestId(given: string | undefined, newId: () => string): string {
  return given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : newId()
}

function isProbe(path: string): boolean {
  return path.startsWith('/v2/health/') || path === '/healthz'
}

function refuseLongBody(c: Context<Gated>, limit: number): void {
  const length = c.req.header('content-length')
  if (length !== undefined && Number(length) > limit) throw tooLong(limit, `${length}`)
}

function tooLong(limit: number, found: string): RequestError {
  return new RequestError(413, `the body may have ${limit} bytes, received ${found}`)
}

/** The bytes of the request: counted while they come in, since a length is not always told and need not be true. */
export async function bodyOf(c: Context<Gated>): Promise<Uint8Array> {
  const { maxBodyBytes } = c.get('passage')
  try {
    // With a length, the HTTP parser hands out no more than that, and the gate has compared it.
    if (c.req.header('content-length') !== undefined) {
      const bytes = new Uint8Array(await c.req.arrayBuffer())
      if (bytes.length > maxBodyBytes) throw tooLong(maxBodyBytes, String(bytes.length))
      return bytes
    }
    return await collect(c.req.raw.body, maxBodyBytes)
  } catch (cause) {
    if (cause instanceof RequestError) throw cause
    throw new RequestError(400, `the body ended too early (${messageOf(cause)})`, { cause })
  }
}

async function collect(stream: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of stream ?? []) {
    total += chunk.length
    if (total > limit) throw tooLong(limit, 'more')
    chunks.push(chunk)
  }
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
