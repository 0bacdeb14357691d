/** The composition root of the server: the app on a socket, with real time and real ids, and its orderly end. */
import { randomUUID } from 'node:crypto'
import { createServer, maxHeaderSize, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { messageOf, QuernError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { type AppOptions, createApp } from './app.ts'
import type { Catalog } from './catalog.ts'
import { type GateOptions, logObserver, type Observer, type Traffic } from './gate.ts'
import type { Jobs } from './jobs/jobs.ts'
import { defaultPatience, type Patience, patienceOptions } from './patience.ts'
import type { Authenticate } from './principal.ts'
import type { Watching } from './watch/watching.ts'

export interface ServerOptions {
  /** each version becomes /v2/models/{name}/versions/{version}; closed with the server */
  readonly catalog: Catalog
  /** who holds a key; `publicAccess` lets everybody use the models */
  readonly authenticate: Authenticate
  /** told of every request when it is over, besides the log */
  readonly observers?: readonly Observer[]
  /** writes of every request; default: a line of `log` */
  readonly requestLog?: Observer | undefined
  /** metrics, drift, quality, traces */
  readonly watching?: Watching | undefined
  /** limits of what runs at once and how long; see GateOptions */
  readonly limits?: Pick<GateOptions, 'maxRunning' | 'maxMilliseconds' | 'maxBodiesBytes'>
  /** default 127.0.0.1: this machine alone */
  readonly host?: string
  /** default 8080; 0 takes any free one */
  readonly port?: number
  /** default 16 MiB */
  readonly maxBodyBytes?: number
  /** a line for each request, without what was in it */
  readonly log: Log
  readonly reload?: AppOptions['reload']
  /** where batch jobs are kept; without it none are taken */
  readonly jobs?: AppOptions['jobs']
  readonly cors?: readonly string[] | undefined
  /** texts of the PEM files; with them the server speaks HTTPS */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
  /** with clients; parts that are left out are the default's */
  readonly patience?: Partial<Patience>
  /** how long requests that run may go on after `close`; default 10 s */
  readonly drainMilliseconds?: number
  /** of Quern */
  readonly version?: string
}

export interface RunningServer {
  /** such as 'http://127.0.0.1:8080' */
  readonly url: string
  /**
   * Takes no new connection or request, lets what runs finish until the deadline, then releases the models. Resolves when
   * all is gone, or at the deadline when a run that has begun takes longer; the second call waits for the same end.
   */
  close(): Promise<void>
}

/**
 * Listens and answers. What the catalog has loaded before is warm: the first request is as fast as the others.
 * Throws when the port is taken or the host is not this machine's.
 *
 * @example
 * const server = await startServer({ catalog, authenticate: publicAccess, port: 8080, log })
 * await server.close()   // at SIGTERM: whoever owns the process listens for signals
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const {
    catalog,
    authenticate,
    limits = {},
    observers = [],
    log,
    requestLog = logObserver(log),
    watching,
    reload,
    jobs: jobsOptions,
    cors,
    tls,
    host = '127.0.0.1',
    port = 8080,
    maxBodyBytes = 16 * 2 ** 20,
    version = '',
  } = options
  const { app, traffic, onClientError, onUnaddressed, jobs } = createApp({
    catalog,
    authenticate,
    ...limits,
    observers: [requestLog, ...(watching?.observers ?? []), ...observers],
    onResults: watching?.onResults,
    watching,
    maxBodyBytes,
    maxHeaderBytes: maxHeaderSize,
    log,
    clock: { now: () => performance.now() },
    newId: randomUUID,
    version,
    ...(reload ? { reload } : {}),
    jobs: jobsOptions,
    ...(cors ? { cors } : {}),
  })
  const patience = { ...defaultPatience, ...options.patience }
  const listener = getRequestListener(app.fetch, { errorHandler: onUnaddressed })
  // Node would refuse a request without Host by itself, with nobody told.
  const serverOptions = { ...patienceOptions(patience), requireHostHeader: false }
  const server = tls
    ? createSecureServer({ ...serverOptions, ...tls, handshakeTimeout: patience.headers }, listener)
    : createServer(serverOptions, listener)
  const connections = connectionsOf(server)
  // Node would refuse what a client expects besides 100-continue by itself, and hang up on one that takes this for a proxy.
  server.on('checkExpectation', listener)
  server.on('connect', (_, socket) => {
    // Node has let go of this one.
    socket.on('error', () => undefined)
    onClientError(new Error('CONNECT is for proxies'), socket)
  })
  server.on('clientError', onClientError)
  server.setTimeout((limits.maxMilliseconds ?? 60_000) + patience.silence)
  const address = await listen(server, host, port)
  await jobs?.open()
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    log.warn(`listening on ${host}: whoever reaches this machine can reach the server`)
  }
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  let closing: Promise<void> | undefined
  return {
    url: `${tls ? 'https' : 'http'}://${name}:${address.port}`,
    close: () => (closing ??= shutDown(server, connections, traffic, jobs, options)),
  }
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(cause, host, port)))
    server.listen(port, host, () => resolve(server.address() as AddressInfo))
  })
}

function listenError(cause: unknown, host: string, port: number): QuernError {
  const code = (cause as { code?: string }).code
  const known: Readonly<Record<string, [string, string]>> = {
    EADDRINUSE: [
      `port ${port} of ${host} is taken`,
      'Stop the other program, give another port, or 0 for any free one.',
    ],
    EACCES: [
      `port ${port} of ${host} may not be used by this user`,
      'Ports below 1024 need rights: give a higher one.',
    ],
    EADDRNOTAVAIL: [`${host} is no address of this machine`, 'Give 127.0.0.1, or 0.0.0.0 for all of its addresses.'],
    ENOTFOUND: [`the host '${host}' is not known`, 'Give an address, such as 127.0.0.1.'],
  }
  const [message, hint] = known[code ?? ''] ?? [`cannot listen on ${host}:${port}: ${messageOf(cause)}`, undefined]
  return new QuernError('io', message, { hint, cause })
}

/** Where a connection stands in the list of all. */
const placeKey: unique symbol = Symbol('place')

/** All that are open, also those where no TLS or HTTP was spoken yet. A list, and no Set, whose old tables would keep connections that are gone (see PassageNote). */
function connectionsOf(server: Server): readonly Socket[] {
  const open: (Socket & { [placeKey]?: number })[] = []
  server.on('connection', (socket: (typeof open)[number]) => {
    socket[placeKey] = open.push(socket) - 1
    socket.once('close', () => {
      const place = socket[placeKey]!
      const last = open.pop()!
      if (last === socket) return
      open[place] = last
      last[placeKey] = place
    })
  })
  return open
}

async function shutDown(
  server: Server,
  connections: readonly Socket[],
  traffic: Traffic,
  jobs: Jobs | undefined,
  options: ServerOptions,
): Promise<void> {
  const { catalog, log, drainMilliseconds = 10_000 } = options
  traffic.drain()
  const paused = jobs?.close()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // For Node one that sent nothing yet is busy.
  for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
  let timer: ReturnType<typeof setTimeout> | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      if (traffic.running > 0) {
        log.warn(`${traffic.running} request(s) did not finish within ${drainMilliseconds} ms and are cut off`)
      }
      for (const socket of connections) socket.destroy()
      resolve()
    }, drainMilliseconds)
  })
  await closed
  // A run that has begun cannot be stopped: beyond the deadline it is not waited for, be it a job's or that of a client who has left.
  await Promise.race([Promise.resolve(paused).then(() => catalog.close()), deadline])
  clearTimeout(timer)
}
