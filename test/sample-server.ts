/** The app of the server around the sample bundle, with a clock and ids that stand still. */
import { createPipeline, type Pipeline } from '../src/bundle/index.ts'
import { createPictureDecoder } from '../src/data/picture-decoder.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { type App, type AppOptions, createApp } from '../src/serve/app.ts'
import { Catalog } from '../src/serve/catalog.ts'
import { type GateOptions, logObserver } from '../src/serve/gate.ts'
import { inProcess } from '../src/serve/in-process.ts'
import type { Principal } from '../src/serve/principal.ts'
import { keyScopes } from '../src/store/keys.ts'
import { sampleBundle } from './sample-bundle.ts'

export async function samplePipeline(): Promise<Pipeline> {
  return createPipeline(await sampleBundle(), { backend: createNodeBackend(), images: await createPictureDecoder() })
}

/** A model of this process by its address. */
export interface ServedModel {
  readonly name: string
  readonly version: string
  readonly pipeline: Pipeline
}

export interface SampleApp extends App {
  readonly catalog: Catalog
  /** what the log was told */
  readonly lines: string[]
}

/** May do everything. */
export const owner: Principal = { id: 'owner', scopes: keyScopes }

/** Everybody may do everything, unless `more` says otherwise. */
export function sampleApp(
  models: readonly ServedModel[],
  { observers = [], ...more }: Partial<GateOptions & Pick<AppOptions, 'jobs'>> = {},
): SampleApp {
  const lines: string[] = []
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(`! ${line}`) }
  let id = 0
  let now = 0
  const clock = { now: () => (now += 1.25) }
  const catalog = new Catalog({ clock, log })
  for (const { name, version, pipeline } of models) catalog.add(inProcess(name, version, pipeline))
  const gate = { maxBodyBytes: 200_000, authenticate: () => owner, log, clock, newId: () => `id-${id++}`, ...more }
  const app = createApp({ catalog, version: '0.1.0', observers: [logObserver(log), ...observers], ...gate })
  return { ...app, catalog, lines }
}

/** An answer as tests look at it: any JSON. */
export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test compares it as a whole
  readonly body: any
}

export async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: await response.json() }
}
