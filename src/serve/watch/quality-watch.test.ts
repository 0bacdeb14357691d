import { describe, expect, test } from 'vitest'
import { sampleManifest } from '../../../test/sample-bundle.ts'
import type { Manifest } from '../../contract/manifest.ts'
import { createFeedbackStore } from '../../store/feedback.ts'
import { createMemoryBlobs } from '../../store/memory-blobs.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { Passage } from '../passage.ts'
import type { Principal } from '../principal.ts'
import type { ExampleLabel } from './example-label.ts'
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
  type Row = readonly number[] | Readonly<Record<string, readonly number[]>>
  const asked = (id: string, rows: readonly Row[], principal = shop): void => {
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
      const outputs = Array.isArray(row) ? { [of.outputs[0]!.name]: row } : row
      const results = Object.entries(outputs).map(([name, numbers]) => [
        name,
        { dtype: 'float32' as const, shape: [1, numbers.length], data: Float32Array.from(numbers) },
      ])
      quality.onResults(passage, Object.fromEntries(results))
    }
    quality.observe(passage)
  }
  const right = (id: string, ...labels: (ExampleLabel | null)[]): Promise<number> =>
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
    await expect(right('a', 'ant')).rejects.toThrow(
      "request 'a' had 2 examples, received 1 label: 'labels' has one for each",
    )
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

const birds: Manifest = {
  ...manifest,
  ...{ task: 'tabular-classification', labels: [] },
  outputs: [
    { name: 'species/probabilities', dtype: 'float32', shape: ['batch', 3] },
    { name: 'mass/estimate', dtype: 'float32', shape: ['batch', 1] },
    { name: 'sex/probabilities', dtype: 'float32', shape: ['batch', 2] },
  ],
  preprocessing: {
    ...{ kind: 'table', columns: [], missing: [] },
    target: ['species', 'mass', 'sex'],
    answers: [
      { target: 'species', output: 'species/probabilities', labels: ['Adelie', 'Gentoo', 'Chinstrap'] },
      { target: 'mass', output: 'mass/estimate', labels: [] },
      { target: 'sex', output: 'sex/probabilities', labels: ['m', 'f'] },
    ],
  },
}
const bird = (species: number, mass: number, sex: number) => ({
  'species/probabilities': [0, 1, 2].map((place) => (place === species ? 0.8 : 0.1)),
  'mass/estimate': [mass],
  'sex/probabilities': [0, 1].map((place) => (place === sex ? 0.7 : 0.3)),
})

describe('labels of several targets', () => {
  test('are told target by target, as they become known, and each has a quality of its own', async () => {
    const { asked, right, report } = watched({ of: birds })
    asked('a', [bird(0, 4000, 0), bird(1, 5000, 1), bird(2, 3000, 0)])
    expect(await right('a', { species: 'Adelie', mass: 4100, sex: 'm' }, { species: 'Adelie', mass: null }, null)).toBe(
      4,
    )
    expect(report()).toMatchObject({ labelled: 4, examples: 2 })
    expect(report().targets).toEqual([
      { target: 'species', labelled: 2, examples: 2 },
      { target: 'mass', labelled: 1, examples: 1 },
      { target: 'sex', labelled: 1, examples: 1 },
    ])
    expect(report().metrics).toMatchObject({ speciesAccuracy: 0.5, massMeanAbsoluteError: 100, sexAccuracy: 1 })
    // The rest of the second example, and the third.
    expect(await right('a', null, { mass: 5300 }, { sex: 'f' })).toBe(2)
    expect(report().metrics).toMatchObject({ speciesAccuracy: 0.5, massMeanAbsoluteError: 200, sexAccuracy: 0.5 })
    await expect(right('a', null, { mass: 1, sex: 'm' }, null)).rejects.toThrow(
      "example 1 of this request has its label for 'mass' already",
    )
    // None of what was refused was kept.
    expect(await right('a', null, { sex: 'f' }, null)).toBe(1)
  })

  test('are counted on by the next server', async () => {
    const first = watched({ of: birds, window: 3 })
    for (let i = 0; i < 5; i++) {
      first.asked(String(i), [bird(i % 3, 4000, 0)])
      await first.right(String(i), { mass: 4000 + i, ...(i < 2 ? { species: 'Adelie' } : {}) })
    }
    expect(first.report().metrics).toMatchObject({ massMeanAbsoluteError: 3, speciesAccuracy: 0.5 })
    const second = watched({ of: birds, window: 3, blobs: first.blobs })
    await expect.poll(() => second.report().targets).toMatchObject([{ examples: 2 }, { examples: 3 }, { examples: 0 }])
    expect(second.report().metrics).toEqual(first.report().metrics)
  })

  test('that do not fit are refused by their names', async () => {
    const { asked, right, report } = watched({ of: birds })
    asked('a', [bird(0, 4000, 0)])
    const wrong: readonly [ExampleLabel, string][] = [
      [
        'Adelie',
        'model \'tiny\' answers species, mass, sex: a label is an object with what is known of them, such as {"species": ...}',
      ],
      [{ specis: 'Adelie' }, 'no target "specis". Did you mean \'species\'?'],
      [
        { species: 'Emperor' },
        "the target 'species' of model 'tiny' has no class \"Emperor\"; it has Adelie, Gentoo, Chinstrap",
      ],
      [
        { mass: 'heavy' },
        "the target 'mass' of model 'tiny' estimates a number: a label is a number, received \"heavy\"",
      ],
      [{ mass: [1, 2] }, 'received [1,2]'],
    ]
    for (const [label, message] of wrong) {
      const refused = await right('a', label).catch((error) => error)
      expect([refused.status, refused.message]).toEqual([422, expect.stringContaining(message)])
    }
    expect(report()).toMatchObject({ labelled: 0, examples: 0, metrics: {} })
  })

  test('of outputs that were not asked for are refused, the others taken', async () => {
    const { asked, right } = watched({ of: birds })
    const { 'mass/estimate': _, ...others } = bird(0, 4000, 0)
    asked('a', [others])
    await expect(right('a', { mass: 4000 })).rejects.toMatchObject({
      status: 422,
      message: "request 'a' has no answer for 'mass' to example 0",
    })
    expect(await right('a', { species: 'Adelie' })).toBe(1)
  })

  test('are those of the columns where one output has all numbers', async () => {
    const { asked, right, report } = watched({
      of: {
        ...regression,
        outputs: [{ name: 'estimate', dtype: 'float32', shape: ['batch', 2] }],
        preprocessing: { kind: 'table', columns: [], missing: [], target: ['length', 'width'] },
      },
    })
    asked('a', [[10, 20]])
    expect(await right('a', { width: 26 })).toBe(1)
    expect(report()).toMatchObject({
      metrics: { widthMeanAbsoluteError: 6 },
      targets: [{ examples: 0 }, { examples: 1 }],
    })
    expect(await right('a', { length: 12 })).toBe(1)
    expect(report().metrics).toMatchObject({ lengthMeanAbsoluteError: 2, widthMeanAbsoluteError: 6 })
  })
})

test('labels that do not exclude each other are told as a list, and each is a question of yes or no', async () => {
  const { asked, right, report } = watched({ of: { ...manifest, task: 'tabular-multilabel' } })
  asked('a', [[0.9, 0.8, 0.1, 0.2, 0.3]])
  asked('b', [[0.9, 0.1, 0.1, 0.1, 0.1]])
  await expect(right('a', 'ant')).rejects.toThrow(
    'a label is the list of those that are right, such as ["ant"] or [], received "ant"',
  )
  await expect(right('a', ['ant', 'fox'])).rejects.toThrow('no class "fox"')
  expect(await right('a', ['bee', 'ant'])).toBe(1)
  expect(report().metrics.accuracy).toBe(1)
  expect(await right('b', [])).toBe(1)
  expect(report().metrics.accuracy).toBeCloseTo(0.9, 12)
})

test('labels of a vector are lists of its length', async () => {
  const shape = ['batch', 3]
  const { asked, right, report } = watched({
    of: { ...regression, outputs: [{ name: 'value', dtype: 'float32', shape }] },
  })
  asked('a', [[1, 2, 3]])
  await expect(right('a', [1, 2])).rejects.toThrow('estimates 3 numbers: a label is a list of as many, received [1,2]')
  expect(await right('a', [1, 2, 6])).toBe(1)
  expect(report().metrics.meanAbsoluteError).toBeCloseTo(1, 6)
})

test('answers that are no numbers take no label, and those that nothing can be compared with say so', async () => {
  const { asked, right, report } = watched({ of: regression })
  asked('a', [[Number.NaN]])
  await expect(right('a', 3)).rejects.toMatchObject({ status: 422, message: "request 'a' has no answer to example 0" })
  expect(report().examples).toBe(0)
  const free = watched({ of: { ...regression, outputs: [{ name: 'value', dtype: 'float32', shape: ['batch', 'n'] }] } })
  free.asked('a', [[1, 2, 3]])
  expect(free.quality.report('tiny', '1')).toBeUndefined()
  await expect(free.right('a', [1, 2, 3])).rejects.toMatchObject({
    status: 422,
    message: "model 'tiny' answers nothing that a label could be compared with",
  })
})
