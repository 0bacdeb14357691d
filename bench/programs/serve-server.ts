/**
 * The server under load, as `quern serve` starts it and watched as it is by default, around a model with random parameters. Commands come as lines, each answered by a line of JSON:
 * `memory`, `swap` (the next version, loaded while requests are answered), `quit`.
 *
 * usage: serve-server JSON of ServerProgramOptions
 */

import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { exportGraph } from '../../src/bundle/export-graph.ts'
import { memoryFiles, openBundle, writeBundle } from '../../src/bundle/index.ts'
import { trainingProfile } from '../../src/bundle/profile/training-profile.ts'
import type { Manifest } from '../../src/contract/manifest.ts'
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { bundleEntry } from '../../src/serve/bundle-entry.ts'
import { Catalog, type CatalogEntry } from '../../src/serve/catalog.ts'
import { Engine } from '../../src/serve/engine/engine.ts'
import { startServer } from '../../src/serve/main.ts'
import { publicAccess } from '../../src/serve/principal.ts'
import { createWatching } from '../../src/serve/watch/watching.ts'
import { createFeedbackStore } from '../../src/store/feedback.ts'
import { createMemoryBlobs } from '../../src/store/memory-blobs.ts'

export interface ServerProgramOptions {
  /** units of the dense layers between 64 pixels and 10 classes */
  readonly units: readonly number[]
  readonly workers: number
  readonly maxRows: number
  readonly maxQueued?: number
  /** where the model is written, for what the server is measured against */
  readonly modelFile?: string
}

const options = JSON.parse(process.argv[2]!) as ServerProgramOptions
const shape = [1, 8, 8]
const model = nn.sequential([
  nn.rescaling({ scale: 1 / 255 }),
  nn.flatten(),
  ...options.units.map((units) => nn.dense({ units, activation: 'relu' })),
  nn.dense({ units: 10, activation: 'softmax' }),
])
const inputs = [{ name: 'pixels', dtype: 'uint8' as const, shape }]
const symbolic = { name: 'pixels', type: { dtype: 'uint8' as const, shape: ['batch', ...shape] } }
const { parameters } = nn.trace(model, [symbolic], { table, training: false })
const values = nn.initialParameters(parameters, createRandom(7))
const onnx = exportGraph({ model, inputs, output: 'probabilities', parameters: values, table, name: 'mlp' })
if (options.modelFile !== undefined) writeFileSync(options.modelFile, onnx)

const files = memoryFiles()
const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`)
const described: Omit<Manifest, 'files'> = {
  format: 1,
  task: 'image-classification',
  name: 'mlp',
  created: '2026-01-01T00:00:00.000Z',
  inputs: [{ name: 'pixels', dtype: 'uint8', shape: ['batch', ...shape] }],
  outputs: [{ name: 'probabilities', dtype: 'float32', shape: ['batch', 10] }],
  preprocessing: { kind: 'image', height: 8, width: 8, channels: 1, fit: 'cover', background: [0, 0, 0] },
  labels,
  metrics: {},
  lineage: {
    run: 'bench',
    seed: 7,
    config: {},
    data: { examples: {}, sha256: '0'.repeat(64) },
    epochs: 0,
    bestEpoch: 0,
    seconds: 0,
  },
  versions: {},
}
await writeBundle(files, { model: onnx, manifest: described, profile: profileOfNoise() })
const { manifest } = await openBundle(files, 'mlp')

/** Drift is measured against a hundred pictures of noise. */
function profileOfNoise(): ReturnType<typeof trainingProfile> {
  const random = createRandom(8)
  const rows = Int32Array.from({ length: 100 }, (_, i) => i)
  const data = Uint8Array.from({ length: 6400 }, () => random.uint32() & 255)
  const scores = Float32Array.from({ length: 1000 }, () => random.uniform())
  return trainingProfile(
    { ...described, files: {} },
    {
      inputs: { tensors: { pixels: { dtype: 'uint8', shape: [100, ...shape], data } }, rows },
      outputs: { tensors: { probabilities: { dtype: 'float32', shape: [100, 10], data: scores } }, rows },
    },
  )
}

const clock = { now: () => performance.now() }
const log = { info: () => undefined, warn: (line: string) => console.error(line) }
const engine = new Engine({ workers: options.workers, clock, log })
const catalog = new Catalog({ clock, log })
const watching = createWatching({
  ...{ catalog, clock, wallClock: { now: Date.now }, log, version: '' },
  drift: { window: 2000, minExamples: 200, psi: Infinity, ks: 1 },
  quality: { window: 1000, remember: 10_000, store: createFeedbackStore(createMemoryBlobs(), 1e8) },
})
const { maxRows, maxQueued } = options
let count = 0
const next = (): CatalogEntry => {
  const version = String(++count)
  const open = () => openBundle(files, 'mlp')
  return bundleEntry({
    name: 'mlp',
    version,
    manifest,
    open,
    engine,
    images: undefined,
    batching: { maxRows, maxQueued },
    onLoaded: watching.onLoaded,
  })
}
await catalog.swap(next())
const server = await startServer({ catalog, authenticate: publicAccess, port: 0, log, watching })
const say = (value: unknown): void => console.log(JSON.stringify(value))
say({ port: Number(new URL(server.url).port) })

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'memory') {
    globalThis.gc?.()
    const { rss, heapUsed } = process.memoryUsage()
    say({ rss: rss / 2 ** 20, heap: heapUsed / 2 ** 20, handles: process.getActiveResourcesInfo().length })
  } else if (line === 'swap') {
    const old = String(count)
    await catalog.swap(next())
    catalog.remove('mlp', old)
    say({ version: count })
  } else if (line === 'quit') break
}
await server.close()
await engine.close()
// The pipe of commands would keep the process.
process.exit(0)
