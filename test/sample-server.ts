/** The app of the server around the sample bundle, with a clock and ids that stand still. */
import { createPipeline, type Pipeline } from '../src/bundle/index.ts'
import { createSharpDecoder } from '../src/data/sharp-decoder.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { type App, createApp } from '../src/serve/app.ts'
import type { ServedModel } from '../src/serve/models.ts'
import { sampleBundle } from './sample-bundle.ts'

export async function samplePipeline(): Promise<Pipeline> {
  return createPipeline(await sampleBundle(), { backend: createNodeBackend(), images: await createSharpDecoder() })
}

export interface SampleApp extends App {
  /** what the log was told */
  readonly lines: string[]
}

export function sampleApp(models: readonly ServedModel[], maxBodyBytes = 200_000): SampleApp {
  const lines: string[] = []
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(`! ${line}`) }
  let id = 0
  let now = 0
  const clock = { now: () => (now += 1.25) }
  return { ...createApp({ models, maxBodyBytes, log, clock, newId: () => `id-${id++}`, version: '0.1.0' }), lines }
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
