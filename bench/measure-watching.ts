/**
 * Processor time of what looks on at a request: one picture of 3 x 224 x 224, and one row of numbers; all that is on by default, and each part by
 * itself. Turns of a thousand, one kind after another, so that a busy machine is as bad to all.
 */
import { binsFrom } from '../src/bundle/profile/bins.ts'
import { measuresOf } from '../src/bundle/profile/training-profile.ts'
import type { Manifest } from '../src/contract/manifest.ts'
import { createRandom } from '../src/core/random.ts'
import type { NamedTensors } from '../src/runtime/backend.ts'
import { Catalog } from '../src/serve/catalog.ts'
import { Passage } from '../src/serve/passage.ts'
import { createStructuredLog } from '../src/serve/watch/passage-log.ts'
import { createWatching, type Watching } from '../src/serve/watch/watching.ts'
import { createFeedbackStore } from '../src/store/feedback.ts'
import { createMemoryBlobs } from '../src/store/memory-blobs.ts'
import type { BenchContext, Figure } from './record.ts'
import { rounded } from './statistics.ts'

/** Microseconds of processor time: a tenth of what a whole server may add to the median. */
const limit = 50
const turn = 1000
const random = createRandom(3)
const quiet = { info: () => undefined, warn: () => undefined }
const clock = { now: () => performance.now() }

interface Served {
  readonly manifest: Manifest
  /** many, so that bins and caches are not always the same */
  readonly feeds: readonly NamedTensors[]
  readonly results: readonly NamedTensors[]
}

export async function measureWatching(context: BenchContext): Promise<Figure> {
  const requests = context.number('requests')
  const kinds = { picture: picture(), row: row(context.number('columns')) }
  const { observer: log } = createStructuredLog({ write: () => undefined })
  const cases: [string, (i: number) => void][] = []
  for (const [kind, served] of Object.entries(kinds)) {
    const all = watch(served, { drift: true, quality: true })
    const plain = watch(served, { drift: false, quality: false })
    const drift = watch(served, { drift: true, quality: false })
    cases.push(
      [`${kind}: a passage alone`, (i) => void passage(i)],
      [`${kind}: metrics and traces`, asked(plain, served)],
      [`${kind}: with drift`, asked(drift, served)],
      [`${kind}: with answers kept for labels too`, asked(all, served)],
      [`${kind}: with a line of JSON too`, asked(all, served, log)],
    )
  }
  const spent = new Map(cases.map(([name]) => [name, 0]))
  for (let done = -turn; done < requests; done += turn) {
    for (const [name, run] of cases) {
      const before = process.cpuUsage()
      for (let i = 0; i < turn; i++) run(done + i + turn)
      const { user, system } = process.cpuUsage(before)
      // The first turn is the warm-up.
      if (done >= 0) spent.set(name, spent.get(name)! + user + system)
    }
    context.progress(`${Math.max(0, done + turn)} of ${requests}`)
  }
  const microseconds = Object.fromEntries([...spent].map(([name, time]) => [name, rounded(time / requests)]))
  const added = Object.keys(kinds).map((kind) => {
    const [alone, whole] = [`${kind}: a passage alone`, `${kind}: with a line of JSON too`]
    return microseconds[whole]! - microseconds[alone]!
  })
  const value = rounded(Math.max(...added))
  return { unit: 'microseconds of processor time a request', value, floor: limit, better: 'lower', microseconds }
}

function passage(i: number): Passage {
  const made = new Passage({
    ...{ id: `request-${i}`, kind: 'http', what: 'POST /predict/model', started: i, deadline: i, maxBodyBytes: 1 },
  })
  const fields = { model: 'model', version: '1', status: 200, examples: 1, milliseconds: 1.5, computeMilliseconds: 0.5 }
  return Object.assign(made, fields)
}

function asked({ onResults, observers }: Watching, { feeds, results }: Served, log?: (passage: Passage) => void) {
  return (i: number): void => {
    const one = passage(i)
    onResults(one, feeds[i % feeds.length]!, results[i % results.length]!)
    for (const observe of observers) observe(one)
    log?.(one)
  }
}

function watch({ manifest, feeds, results }: Served, on: { drift: boolean; quality: boolean }): Watching {
  const catalog = new Catalog({ clock, log: quiet })
  const watching = createWatching({
    ...{ catalog, clock, wallClock: clock, log: quiet, version: '', process: false },
    drift: on.drift ? { window: 2000, minExamples: 200, psi: 1e9, ks: 1 } : undefined,
    quality: on.quality
      ? { window: 1000, remember: 10_000, store: createFeedbackStore(createMemoryBlobs(), 1e6) }
      : undefined,
  })
  const { inputs, outputs } = measuresOf(manifest)
  const binsOf = ({ list, read }: typeof inputs, tensors: readonly NamedTensors[]) => {
    const into = new Float64Array(list.length)
    const rows = tensors.map((one) => {
      read(one, 0, into)
      return into.slice()
    })
    return list.map((measure, k) =>
      binsFrom(
        measure,
        Float64Array.from(rows, (values) => values[k]!),
      ),
    )
  }
  const profile = {
    format: 1,
    examples: feeds.length,
    inputs: binsOf(inputs, feeds),
    outputs: binsOf(outputs, results),
  } as const
  const queue = { queued: 0, computing: 0, onBatch: undefined }
  watching.onLoaded({ name: 'model', version: '1', manifest, profile, queue })
  return watching
}

const count = 300
const labels = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu', 'hen', 'ibis', 'jay']

function manifestOf(parts: Pick<Manifest, 'inputs' | 'preprocessing' | 'task'>): Manifest {
  return {
    ...{ format: 1, name: 'model', created: '2000-01-01T00:00:00.000Z', labels, metrics: {}, versions: {}, files: {} },
    outputs: [{ name: 'probabilities', dtype: 'float32', shape: ['batch', labels.length] }],
    lineage: {
      ...{ run: 'none', seed: 0, config: {}, epochs: 0, bestEpoch: 0, seconds: 0 },
      data: { examples: {}, sha256: '0'.repeat(64) },
    },
    ...parts,
  }
}

const answers = (): NamedTensors[] =>
  Array.from({ length: count }, () => ({
    probabilities: {
      dtype: 'float32',
      shape: [1, labels.length],
      data: Float32Array.from(labels, () => random.uniform()),
    },
  }))

function picture(): Served {
  const shape = ['batch', 3, 224, 224]
  const manifest = manifestOf({
    task: 'image-classification',
    inputs: [{ name: 'pixels', dtype: 'uint8', shape }],
    preprocessing: { kind: 'image', height: 224, width: 224, channels: 3, fit: 'cover', background: [255, 255, 255] },
  })
  const feeds = Array.from({ length: count }, (): NamedTensors => {
    const data = new Uint8Array(3 * 224 * 224).fill(random.uint32() & 255)
    return { pixels: { dtype: 'uint8', shape: [1, 3, 224, 224], data } }
  })
  return { manifest, feeds, results: answers() }
}

function row(columns: number): Served {
  const manifest = manifestOf({
    task: 'tabular-classification',
    inputs: [{ name: 'numbers', dtype: 'float64', shape: ['batch', columns] }],
    preprocessing: {
      ...{ kind: 'table', target: 'class', missing: [] },
      columns: Array.from({ length: columns }, (_, i) => {
        return { name: `x${i}`, kind: 'number', feature: 'standard', state: { mean: 0, deviation: 1, gaps: false } }
      }),
    },
  })
  const feeds = Array.from({ length: count }, (): NamedTensors => {
    const data = Float64Array.from({ length: columns }, () => random.uniform())
    return { numbers: { dtype: 'float64', shape: [1, columns], data } }
  })
  return { manifest, feeds, results: answers() }
}
