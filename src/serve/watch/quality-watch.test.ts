import { describe, expect, test } from 'vitest'
import { sampleManifest } from '../../../test/sample-bundle.ts'
import type { Manifest } from '../../contract/manifest.ts'
import { createFeedbackStore } from '../../store/feedback.ts'
import { createMemoryBlobs } from '../../store/memory-blobs.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { Passage } from '../passage.ts'
import type { Principal } from '../principal.ts'
import { QualityWatch } from './quality-watch.ts'

const manifest: Manifest = { ...sampleManifest, files: {} }
const regression: Manifest = {
  ...manifest,
  labels: [],
  outputs: [{ name: 'value', dtype: 'float32', shape: ['batch', 1] }],
  lineage: { ...manifest.lineage, config: { metrics: ['meanAbsoluteError', { name: 'noSuchMetric' }] } },
}
const shop: Principal = { id: 'shop', scopes: ['infer'] }
const other: Principal = { id: 'other', scopes: ['infer'] }

function watched({ of = manifest, remember = 100, window = 50, blobs = createMemoryBlobs() } = {}) {
  const warnings: string[] = []
  const quality = new QualityWatch({
    ...{ remember, window, store: createFeedbackStore(blobs, 1e6), clock: { now: () => 0 } },
    log: { info: () => undefined, warn: (line) => void warnings.push(line) },
  })
  const queue = { queued: 0, computing: 0, onBatch: undefined }
  const loaded: LoadedVersion = { name: 'tiny', version: '1', manifest: of, profile: undefined, queue }
  quality.onLoaded(loaded)
  let started = 0
  const asked = (id: string, rows: readonly (readonly number[])[], principal = shop): void => {
    const passage = new Passage({
      id,
      kind: 'http',
      what: 'POST /predict',
      started: started++,
      deadline: 9,
      maxBodyBytes: 9,
    })
    Object.assign(passage, { model: 'tiny', version: '1', principal })
    // Of one request the answers may come in parts.
    for (const row of rows) {
      const data = Float32Array.from(row)
      quality.onResults(passage, { [of.outputs[0]!.name]: { dtype: 'float32', shape: [1, row.length], data } })
    }
    quality.observe(passage)
  }
  const right = (id: string, ...labels: (string | number | null)[]): Promise<number> =>
    quality.give(shop, [{ request: id, labels }])
  return { quality, asked, right, blobs, warnings, report: () => quality.report('tiny', '1')! }
}

const ant = [0.6, 0.1, 0.1, 0.1, 0.1]
const bee = [0.1, 0.6, 0.1, 0.1, 0.1]

describe('labels of classes', () => {
  test('become accuracy, beside that of the test split', async () => {
    const { asked, right, report } = watched()
    expect(report()).toMatchObject({ labelled: 0, examples: 0, metrics: {}, trained: { accuracy: 0.875 } })
    asked('a', [ant])
    asked('b', [ant, bee, bee])
    expect(await right('a', 'ant')).toBe(1)
    expect(await right('b', 'bee', 'bee', null)).toBe(2)
    expect(report()).toMatchObject({ labelled: 3, examples: 3 })
    expect(report().metrics.accuracy).toBeCloseTo(2 / 3, 12)
    // What was not known then can be told later.
    await expect(right('b', null, 'bee', null)).rejects.toMatchObject({ status: 409 })
    expect(await right('b', null, null, 'ant')).toBe(1)
    expect(report().metrics.accuracy).toBe(0.5)
  })

  test('are taken from who asked, for answers that are remembered, and only once', async () => {
    const { asked, right, quality } = watched({ remember: 3 })
    for (const id of ['a', 'b', 'c', 'd']) asked(id, [ant])
    await expect(right('a', 'ant')).rejects.toMatchObject({ status: 404 })
    asked('e', [ant], other)
    await expect(right('e', 'ant')).rejects.toMatchObject({ status: 404 })
    expect(await quality.give(other, [{ request: 'e', labels: ['ant'] }])).toBe(1)
    expect(await right('d', 'ant')).toBe(1)
    await expect(right('d', 'ant')).rejects.toMatchObject({ status: 409 })
  })

  test('that do not fit change nothing: unknown classes, too few, one bad of many', async () => {
    const { asked, right, quality, report, blobs } = watched()
    asked('a', [ant, ant])
    asked('b', [ant])
    await expect(right('a', 'ant', 'fox')).rejects.toThrow(/no class "fox"; it has ant, bee/)
    await expect(right('a', 'ant')).rejects.toThrow("request 'a' had 2 examples, received 1 labels")
    const mixed = [
      { request: 'b', labels: ['ant'] },
      { request: 'x', labels: ['ant'] },
    ]
    await expect(quality.give(shop, mixed)).rejects.toMatchObject({ status: 404 })
    await expect(quality.give(shop, [mixed[0]!, mixed[0]!])).rejects.toMatchObject({ status: 422 })
    expect(report().examples).toBe(0)
    expect(await blobs.list('')).toEqual([])
    expect(await right('b', 'ant')).toBe(1)
  })

  test('belong to the newer answer when a client uses an id again', async () => {
    const { asked, right, report } = watched()
    asked('a', [ant])
    asked('a', [bee, bee])
    expect(await right('a', 'bee', 'bee')).toBe(2)
    expect(report().metrics.accuracy).toBe(1)
  })

  test('are counted over a window, and by the next server too', async () => {
    const first = watched({ window: 4 })
    for (let i = 0; i < 6; i++) {
      first.asked(String(i), [ant])
      await first.right(String(i), i < 4 ? 'bee' : 'ant')
    }
    expect(first.report()).toMatchObject({ labelled: 6, examples: 4 })
    expect(first.report().metrics.accuracy).toBe(0.5)
    const second = watched({ window: 4, blobs: first.blobs })
    await expect.poll(() => second.report().examples).toBe(4)
    expect(second.report()).toMatchObject({ labelled: 0, metrics: first.report().metrics })
  })

  test('of a disk that is full are not counted, and can be told again', async () => {
    const blobs = createMemoryBlobs()
    let isFull = true
    const { asked, right, report } = watched({
      blobs: {
        ...blobs,
        append: (key, bytes) => (isFull ? Promise.reject(new Error('no space left')) : blobs.append(key, bytes)),
      },
    })
    asked('a', [ant])
    await expect(right('a', 'ant')).rejects.toThrow('no space left')
    expect(report().examples).toBe(0)
    isFull = false
    expect(await right('a', 'ant')).toBe(1)
  })
})

test('labels of a regression are numbers; metrics that the configuration invents are left out', async () => {
  const { asked, right, report } = watched({ of: regression })
  asked('a', [[10], [20]])
  await expect(right('a', '10', null)).rejects.toMatchObject({ status: 422 })
  expect(await right('a', 12, 20)).toBe(2)
  expect(report().metrics).toEqual({
    meanAbsoluteError: 1,
    rootMeanSquaredError: expect.closeTo(Math.SQRT2, 6),
    r2: expect.any(Number),
  })
})

test('answers that are neither classes nor a number take no labels', async () => {
  const { quality, asked, right } = watched({
    of: { ...regression, outputs: [{ name: 'value', dtype: 'float32', shape: ['batch', 7] }] },
  })
  asked('a', [[1, 2, 3, 4, 5, 6, 7]])
  expect(quality.report('tiny', '1')).toBeUndefined()
  await expect(right('a', 1)).rejects.toMatchObject({ status: 404 })
})
