import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { sampleManifest } from '../../../test/sample-bundle.ts'
import { trainingProfile } from '../../bundle/profile/training-profile.ts'
import type { Manifest } from '../../contract/manifest.ts'
import type { TrainingProfile } from '../../contract/training-profile.ts'
import { createRandom } from '../../core/random.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { type DriftAlarm, DriftWatch } from './drift-watch.ts'

const manifest: Manifest = { ...sampleManifest, files: { 'model.onnx': { bytes: 1, sha256: 'a'.repeat(64) } } }
const random = createRandom(11)

/** Pictures whose pixels lie around `mean`, and answers. */
function examples(count: number, mean: number): { feeds: NamedTensors; results: NamedTensors } {
  const pixels = Uint8Array.from({ length: count * 144 }, () => mean - 40 + (random.uint32() % 80))
  const scores = Float32Array.from({ length: count * 5 }, () => (random.uint32() % 1000) / 1000)
  return {
    feeds: { pixels: { dtype: 'uint8', shape: [count, 1, 12, 12], data: pixels } },
    results: { probabilities: { dtype: 'float32', shape: [count, 5], data: scores } },
  }
}

function profile(): TrainingProfile {
  const { feeds, results } = examples(800, 120)
  const rows = Int32Array.from({ length: 800 }, (_, i) => i)
  return trainingProfile(manifest, { inputs: { tensors: feeds, rows }, outputs: { tensors: results, rows } })
}

const loaded = (more: Partial<LoadedVersion> = {}): LoadedVersion => ({
  ...{ name: 'tiny', version: '1', manifest, profile: profile() },
  queue: { queued: 0, computing: 0, onBatch: undefined },
  ...more,
})

function watch(version: LoadedVersion | undefined = loaded()) {
  const alarms: DriftAlarm[] = []
  /** from one look at the clock to the next */
  const time = { now: 0, step: 1000 }
  const clock = {
    now: () => {
      time.now += time.step
      return time.now
    },
  }
  const drift = new DriftWatch(
    { window: 200, minExamples: 100, psi: 0.25, ks: 0.3 },
    clock,
    (alarm) => void alarms.push(alarm),
  )
  if (version) drift.onLoaded(version)
  const ask = (count: number, mean: number): void => {
    for (let i = 0; i < count; i += 4) {
      const { feeds, results } = examples(4, mean)
      drift.add('tiny', '1', feeds, results)
    }
  }
  return { drift, alarms, ask, time, report: () => drift.report('tiny', '1')! }
}

describe('drift', () => {
  test('waits for enough examples, is silent while they are as in training, and tells of a change once', () => {
    const { ask, alarms, report } = watch()
    ask(40, 120)
    expect(report()).toMatchObject({ state: 'waiting', examples: 40, trainingExamples: 800 })
    ask(400, 120)
    expect(report()).toMatchObject({ state: 'same', examples: 200 })
    expect(alarms).toEqual([])
    ask(300, 180)
    expect(alarms.map(({ event }) => event)).toEqual(['drift'])
    const { state, inputs, outputs } = report()
    expect(state).toBe('drifted')
    const brightness = inputs.find(({ name }) => name === 'brightness')!
    // Every picture is brighter than all of training.
    expect(brightness.ks).toBe(1)
    expect(brightness.psi).toBeGreaterThan(5)
    expect(outputs.every(({ psi, ks = 0 }) => psi < 0.25 && ks < 0.3)).toBe(true)
    ask(400, 120)
    expect(alarms.map(({ event }) => event)).toEqual(['drift', 'recovered'])
    expect(report().state).toBe('same')
  })

  test('is looked at once a second of a busy model, and when the metrics are read', () => {
    const { ask, alarms, drift, report, time } = watch()
    const read = drift.register(new Registry())
    ask(400, 120)
    expect(report().state).toBe('same')
    // What is said of the first hundred is a matter of chance.
    alarms.length = 0
    time.step = 0
    ask(400, 180)
    expect([report().state, alarms.length]).toEqual(['drifted', 0])
    read()
    read()
    expect(alarms.map(({ event }) => event)).toEqual(['drift'])
  })

  test('looks at a few examples of a large request, and holds no more than the window', () => {
    const { drift, report } = watch()
    const { feeds, results } = examples(1000, 120)
    drift.add('tiny', '1', feeds, results)
    expect(report().examples).toBe(16)
    for (let i = 0; i < 50; i++) drift.add('tiny', '1', feeds, results)
    expect(report().examples).toBe(200)
  })

  test('of answers that were not asked for, of versions that are unknown or without a profile, is nothing', () => {
    const { drift, report, ask } = watch(loaded({ profile: undefined }))
    ask(200, 10)
    expect(report()).toMatchObject({ state: 'unknown', inputs: [], outputs: [] })
    expect(drift.report('tiny', '2')).toBeUndefined()
    const other = watch()
    const { feeds } = examples(4, 120)
    other.drift.add('tiny', '1', feeds, {})
    other.drift.add('nobody', '1', feeds, {})
    expect(other.report()).toMatchObject({ examples: 4 })
    expect(other.report().outputs.every(({ psi }) => psi === 0)).toBe(true)
  })

  test('goes on when the same version is loaded again, and begins anew with another model in its place', () => {
    const version = loaded()
    const { drift, report, ask } = watch(version)
    ask(120, 120)
    drift.onLoaded({ ...version })
    expect(report().examples).toBe(120)
    const files = { 'model.onnx': { bytes: 1, sha256: 'b'.repeat(64) } }
    drift.onLoaded({ ...version, manifest: { ...manifest, files } })
    expect(report().examples).toBe(0)
    drift.keep(() => false)
    expect(drift.report('tiny', '1')).toBeUndefined()
  })

  test('a profile of a stranger that names other measures is not believed', () => {
    const strange: TrainingProfile = {
      ...{ format: 1, examples: 9 },
      inputs: [
        { kind: 'names', name: 'brightness', values: ['a'], counts: [1, 1], missing: 0 },
        { kind: 'numbers', name: 'secrets', edges: [1], counts: [1, 1], missing: 0 },
      ],
      outputs: [{ kind: 'numbers', name: 'confidence', edges: [], counts: [0], missing: 0 }],
    }
    const { ask, report } = watch(loaded({ profile: strange }))
    ask(120, 120)
    expect(report().inputs).toEqual([])
    expect(report().outputs).toEqual([{ name: 'confidence', psi: 0, ks: 0 }])
  })
})
