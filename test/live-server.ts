/** The whole server on a socket of this machine, with the sample bundle in real threads. */
import { connect, type Socket } from 'node:net'
import { type Bundle, openBundle } from '../src/bundle/index.ts'
import type { ShadowReport } from '../src/serve/aliases.ts'
import { bundleEntry } from '../src/serve/bundle-entry.ts'
import { Catalog, type CatalogEntry, type CatalogOptions } from '../src/serve/catalog.ts'
import { Engine } from '../src/serve/engine/engine.ts'
import { type RunningServer, type ServerOptions, startServer } from '../src/serve/main.ts'
import type { Passage } from '../src/serve/passage.ts'
import { sampleFiles, samplePixels } from './sample-bundle.ts'
import { owner } from './sample-server.ts'

export interface LiveServer {
  readonly server: RunningServer
  readonly catalog: Catalog
  readonly engine: Engine
  /** the sample bundle under a version, and a name: default 'tiny' */
  readonly entry: (
    version: string,
    more?: Partial<CatalogEntry>,
    batching?: { readonly maxRows?: number },
  ) => CatalogEntry
  /** warnings */
  readonly lines: readonly string[]
  readonly passages: readonly Passage[]
  readonly shadows: readonly ShadowReport[]
  close(): Promise<void>
}

export interface LiveOptions extends Partial<ServerOptions> {
  /** default 2 */
  readonly workers?: number
  readonly memoryBytes?: CatalogOptions['memoryBytes']
}

/** Version 1 of 'tiny' is loaded; whoever asks may do everything. */
export async function liveServer({ workers = 2, memoryBytes, ...options }: LiveOptions = {}): Promise<LiveServer> {
  const lines: string[] = []
  const log = { info: () => undefined, warn: (line: string) => void lines.push(line) }
  const clock = { now: () => performance.now() }
  const engine = new Engine({ workers, clock, log })
  const shadows: ShadowReport[] = []
  const catalog = new Catalog({
    clock,
    log,
    isAble: () => engine.alive > 0,
    onShadow: (report) => void shadows.push(report),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  })
  const files = await sampleFiles()
  const open = (): Promise<Bundle> => openBundle(files, 'tiny')
  const { manifest } = await open()
  const entry: LiveServer['entry'] = (version, more = {}, batching = {}) => {
    const { name = 'tiny' } = more
    return { ...bundleEntry({ name, version, manifest, open, engine, images: undefined, batching }), ...more }
  }
  await catalog.swap(entry('1'))
  const passages: Passage[] = []
  const observers = [(passage: Passage) => void passages.push(passage)]
  const server = await startServer({ catalog, authenticate: () => owner, observers, port: 0, log, ...options })
  const close = async (): Promise<void> => {
    await server.close()
    await engine.close()
  }
  return { catalog, engine, entry, lines, passages, server, shadows, close }
}

/** A request of the Open Inference Protocol for examples of the sample bundle. */
export function inferBody(seed: number, rows = 1): string {
  const data = [...samplePixels(Math.max(seed, rows)).slice(0, rows * 144)]
  return JSON.stringify({ inputs: [{ name: 'pixels', shape: [rows, 1, 12, 12], datatype: 'UINT8', data }] })
}

/** Until something is so; the limit of the test's time ends it otherwise. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

export interface Line {
  readonly socket: Socket
  /** what came, when the server has closed the connection */
  readonly ended: Promise<string>
  /** what came up to now */
  readonly text: () => string
}

/** A connection on which a test writes what no client would. */
export function dial(url: string): Line {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  // A server that hangs up in the middle of a request is what is looked for.
  socket.on('error', () => undefined)
  const ended = new Promise<string>((resolve) => socket.on('close', () => resolve(text)))
  return { socket, ended, text: () => text }
}
