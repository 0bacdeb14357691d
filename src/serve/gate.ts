/**
 * The one gate: every request passes it on its way in, and every answer, stream, job, refusal and failure on its way out. Whatever has to
 * know of all traffic hangs here and nowhere else. On the way in: request id, limit of the body, drain, the key and its scope, limits on what
 * runs at once, the deadline. On the way out, once, after the last byte: the finished Passage goes to the observers (log, metrics, metering).
 * Routes see a request only after `enter`, and read a body only through `bodyOf` (body.ts).
 */
import type { Context, MiddlewareHandler } from 'hono'
import { messageOf } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { KeyScope } from '../store/keys.ts'
import { refuseLongBody } from './body.ts'
import { headerOf, setHeader } from './connection.ts'
import { type AnswerEnd, afterBody, onConnectionEnd } from './end-of-answer.ts'
import { errorBody } from './error-body.ts'
import { loggedAddress, withoutKeys } from './logged-text.ts'
import { Passage, type ResultObserver } from './passage.ts'
import { type Authenticate, challengeFor, keyFrom, type Principal, scopeOf } from './principal.ts'
import { errorAnswer, RequestError } from './request-error.ts'
import { secureHeaders } from './secure-headers.ts'

/** Told of every passage when it is over. What it throws is logged and changes nothing. */
export type Observer = (passage: Passage) => void

export interface GateOptions {
  /** requests with a longer body are refused, before it is read where the length is told */
  readonly maxBodyBytes: number
  /** of the bodies of all requests that run; more are answered 503. Default 256 MiB, or the largest body */
  readonly maxBodiesBytes?: number | undefined
  /** the same for the files of jobs, which are written to the disk as they come; default: as other bodies */
  readonly maxFileBytes?: number | undefined
  /** what failed inside is told to it, and what observers throw */
  readonly log: Log
  readonly clock: Clock
  /** a new request id */
  readonly newId: () => string
  /** who holds a key */
  readonly authenticate: Authenticate
  readonly observers: readonly Observer[]
  /** told of what models compute, while it is at hand; what it throws is logged */
  readonly onResults?: ResultObserver | undefined
  /** requests at once, of everybody; more are answered 503. Default 1000 */
  readonly maxRunning?: number
  /** how long a request may take when it does not say so itself, and the most it may ask for. Default 60 s */
  readonly maxMilliseconds?: number
}

/** Variables of Hono's context that the gate sets. */
export interface Gated {
  Variables: { passage: Passage }
}

/** What is on its way. Draining refuses newcomers and lets the others finish. */
export interface Traffic {
  readonly running: number
  readonly draining: boolean
  /** of the bodies that are in memory */
  readonly bodyBytes: number
  drain(): void
}

/** Work that no client waits for on a connection: a part of a job. */
export interface JobPart {
  /** such as 'job 7f3a part 12' */
  readonly what: string
  readonly principal: Principal
  readonly signal?: AbortSignal
  /** default: below every request */
  readonly priority?: number
  readonly maxMilliseconds?: number
}

export interface Gate {
  readonly traffic: Traffic
  readonly middleware: MiddlewareHandler<Gated>
  /** Hono's onError: an exception of a route as an answer */
  readonly onError: (error: unknown, c: Context<Gated>) => Response
  /** Of an answer whose status is long sent, such as a stream of events: told to the observers as its status, and returned as the body of an error. */
  readonly onStreamError: (error: unknown, c: Context<Gated>) => unknown
  /**
   * Ends what cannot be read to its end, with an answer of so many bytes that others write: counted, and told to the observers like what is refused here. Returns its id.
   * @param running of the request that broke off; absent where no request came
   */
  refuseUnreadable(status: number, failure: string, bytes: number, running?: Passage): string
  /** Lets a part of a job pass: counted, refused while draining, and told to the observers like a request. Throws what `work` throws. */
  pass<T>(part: JobPart, work: (passage: Passage) => Promise<T>): Promise<T>
}

/** A body that was compressed on its way is no JSON, no CSV and no picture: its bytes do not say why. */
function compressed(c: Context<Gated>, status: number): string | undefined {
  if (status !== 400 && status !== 415 && status !== 422) return undefined
  const coding = headerOf(c, 'content-encoding')?.slice(0, 40)
  if (coding === undefined || /^(identity)?$/i.test(coding)) return undefined
  return `the body is compressed (Content-Encoding: ${coding}), which is not read: send it as it is`
}

/** The priority of jobs, unless they say another. */
const jobPriority = -10

export function createGate(options: GateOptions): Gate {
  const { maxBodyBytes, log, clock, newId, authenticate, observers } = options
  const { maxRunning = 1000, maxMilliseconds = 60_000, maxFileBytes = maxBodyBytes } = options
  const most = Math.max(options.maxBodiesBytes ?? 2 ** 28, maxBodyBytes)
  const state = { running: 0, draining: false, bodyBytes: 0 }
  /** of every key that was ever used: entries that come and go with requests would make a Map's table anew all the time (see PassageNote) */
  const runningOf = new Map<string, { count: number }>()

  /** Throws when the request may not go on; a promise where its key is looked up elsewhere. */
  const enter = (c: Context<Gated>, passage: Passage): Promise<void> | undefined => {
    const scope = scopeOf(c.req.method, c.req.path)
    // Probes are answered to the end: they are how others learn that this server is leaving, or has too much to do.
    if (scope === undefined) return undefined
    if (state.draining) throw new RequestError(503, 'the server is shutting down')
    if (state.running > maxRunning) throw new RequestError(503, `the server answers ${maxRunning} requests already`)
    refuseLongBody(c, c.req.path === '/jobs' ? Math.max(maxFileBytes, maxBodyBytes) : maxBodyBytes)
    const key = keyFrom(c.req.path, (name) => headerOf(c, name))
    const found = authenticate(key)
    if (found instanceof Promise) return found.then((principal) => admit(c, passage, scope, principal, key))
    admit(c, passage, scope, found, key)
    return undefined
  }

  const admit = (
    c: Context<Gated>,
    passage: Passage,
    scope: KeyScope,
    principal: Principal | undefined,
    key: string | undefined,
  ): void => {
    if (!principal) throw refusedKey(key)
    passage.principal = principal
    passage.priority = principal.priority ?? 0
    if (!principal.scopes.includes(scope)) {
      const who = key === undefined ? 'whoever sends no key' : 'this key'
      throw new RequestError(403, `${who} may not do that: it needs the scope '${scope}'`)
    }
    const own = runningOf.get(principal.id) ?? { count: 0 }
    if (own.count >= (principal.maxRunning ?? Infinity)) {
      throw new RequestError(
        429,
        `this key has ${own.count} ${own.count === 1 ? 'request' : 'requests'} running, as many as it may have`,
      )
    }
    if (own.count++ === 0) runningOf.set(principal.id, own)
    passage.hold(() => own.count--)
    const asked = headerOf(c, 'x-timeout-ms')
    if (asked !== undefined) passage.deadline = passage.started + timeoutFrom(asked, maxMilliseconds)
  }

  const leave = (passage: Passage, { isWhole, bytes }: AnswerEnd): void => {
    if (passage.state === 'ended') return
    state.running--
    state.bodyBytes -= passage.bodyBytes
    passage.bytesOut = bytes
    if (!isWhole) {
      // What failed on its way is no client that left.
      if (passage.status < 500) passage.status = 499
      passage.failure ??= 'the client left'
      passage.abort()
    }
    passage.finish(clock.now())
    for (const observe of observers) {
      try {
        observe(passage)
      } catch (error) {
        log.warn(`an observer failed at request ${passage.id}: ${messageOf(error)}`)
      }
    }
  }

  const failed = (error: unknown, c: Context<Gated>): ReturnType<typeof errorAnswer> => {
    const passage = c.get('passage')
    const answer = errorAnswer(error, passage.id)
    const { status } = answer
    const message = compressed(c, status) ?? answer.message
    const failure = status === 500 ? messageOf(error) : message
    // One that has ended was told already, as what it was then.
    if (passage.state === 'running') Object.assign(passage, { status, failure })
    if (status === 500) log.warn(`request ${passage.id} failed: ${failure}`)
    return { ...answer, message }
  }

  const onError = (error: unknown, c: Context<Gated>): Response => {
    const { status, message, retryAfterSeconds } = failed(error, c)
    // The rest of a body that nobody reads would be taken for the next request.
    if (status === 413 || error instanceof NoRoomForBody) c.header('connection', 'close')
    if (status === 401) c.header('www-authenticate', challengeFor(c.req.path, headerOf(c, 'accept')))
    if (retryAfterSeconds !== undefined) c.header('retry-after', String(Math.max(1, Math.ceil(retryAfterSeconds))))
    return c.json(errorBody(c.req.path, status, message), status as 400)
  }

  const { onResults: observeResults } = options
  const onResults: ResultObserver | undefined =
    observeResults &&
    ((passage, feeds, results) => {
      try {
        observeResults(passage, feeds, results)
      } catch (error) {
        log.warn(`an observer failed at request ${passage.id}: ${messageOf(error)}`)
      }
    })

  const takeBodyBytes = (bytes: number): void => {
    if (state.bodyBytes + bytes > most) throw new NoRoomForBody()
    state.bodyBytes += bytes
  }

  const begin = (kind: Passage['kind'], id: string, what: string, limit: number, traceparent?: string): Passage => {
    const started = clock.now()
    state.running++
    return new Passage({
      id,
      kind,
      what,
      started,
      deadline: started + limit,
      maxBodyBytes,
      traceparent,
      onResults,
      takeBodyBytes,
    })
  }

  return {
    traffic: {
      get running() {
        return state.running
      },
      get draining() {
        return state.draining
      },
      get bodyBytes() {
        return state.bodyBytes
      },
      drain() {
        state.draining = true
      },
    },
    onError,
    onStreamError(error, c) {
      const { status, message } = failed(error, c)
      return errorBody(c.req.path, status, message)
    },
    middleware: async (c, next) => {
      const id = requestId(headerOf(c, 'x-request-id'), newId)
      const traceparent = headerOf(c, 'traceparent')
      const passage = begin('http', id, `${c.req.method} ${c.req.path}`, maxMilliseconds, traceparent)
      c.set('passage', passage)
      setHeader(c, 'x-request-id', id)
      for (const [name, value] of secureHeaders) setHeader(c, name, value)
      if (state.draining) setHeader(c, 'connection', 'close')
      const hasConnection = onConnectionEnd(c, passage, (end) => leave(passage, end))
      try {
        const entering = enter(c, passage)
        if (entering) await entering
        await next()
      } catch (error) {
        c.res = onError(error, c)
      }
      if (passage.state === 'running') passage.status = c.res.status
      if (state.draining) c.res.headers.set('connection', 'close')
      if (!hasConnection) c.res = afterBody(c.res, (end) => leave(passage, end))
    },
    refuseUnreadable(status, failure, bytes, running) {
      const passage = running ?? begin('http', newId(), 'unreadable', maxMilliseconds)
      passage.status = status
      passage.failure = failure
      passage.abort()
      leave(passage, { isWhole: true, bytes })
      return passage.id
    },
    async pass(part, work) {
      if (state.draining) throw new RequestError(503, 'the server is shutting down')
      const passage = begin('job', newId(), part.what, part.maxMilliseconds ?? maxMilliseconds)
      passage.principal = part.principal
      passage.priority = part.priority ?? jobPriority
      const stop = (): void => passage.abort()
      part.signal?.addEventListener('abort', stop, { once: true })
      if (part.signal?.aborted) stop()
      try {
        const result = await work(passage)
        passage.status = 200
        return result
      } catch (error) {
        const { status, message } = errorAnswer(error, passage.id)
        passage.status = status
        passage.failure = status === 500 ? messageOf(error) : message
        throw error
      } finally {
        part.signal?.removeEventListener('abort', stop)
        leave(passage, { isWhole: true, bytes: 0 })
      }
    },
  }
}

/** Many large bodies at once: each is within its limit, all together would fill the memory. */
class NoRoomForBody extends RequestError {
  constructor() {
    super(503, 'the server holds as many bodies as it may')
  }
}

/** One line for each passage, without what was in it. */
export function logObserver(log: Log): Observer {
  return ({ what, status, milliseconds, id }) =>
    log.info(`${loggedAddress(what)} ${status} ${milliseconds.toFixed(1)} ms ${withoutKeys(id)}`)
}

/** The client's own id when it is harmless in a log, else a new one. */
function requestId(given: string | undefined, newId: () => string): string {
  return given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : newId()
}

function refusedKey(key: string | undefined): RequestError {
  if (key === undefined) return new RequestError(401, "this server needs a key: send 'Authorization: Bearer KEY'")
  return new RequestError(401, 'the key is not known, was revoked, or has expired')
}

function timeoutFrom(text: string, most: number): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Math.min(Number(text), most)
  throw new RequestError(
    400,
    `x-timeout-ms must be a whole number of milliseconds from 1 to 999999999, received ${JSON.stringify(text.slice(0, 40))}`,
  )
}
