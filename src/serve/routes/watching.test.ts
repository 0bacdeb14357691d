/** The routes over a real engine: what is asked passes worker threads, windows, labels and files as it does at work. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sampleFiles, sampleManifest, samplePixels, samplePng } from '../../../test/sample-bundle.ts'
import { answerOf, owner, sampleApp } from '../../../test/sample-server.ts'
import { type Bundle, openBundle } from '../../bundle/index.ts'
import { trainingProfile } from '../../bundle/profile/training-profile.ts'
import { createPictureDecoder } from '../../data/picture-decoder.ts'
import { createFeedbackStore } from '../../store/feedback.ts'
import { createMemoryBlobs } from '../../store/memory-blobs.ts'
import { createPayloadStore } from '../../store/payloads.ts'
import { type App, createApp } from '../app.ts'
import { bundleEntry } from '../bundle-entry.ts'
import { Catalog } from '../catalog.ts'
import { Engine } from '../engine/engine.ts'
import type { Principal } from '../principal.ts'
import { createWatching } from '../watch/watching.ts'

const clock = { now: () => performance.now() }
const wallClock = { now: () => 1_795_000_000_000 + performance.now() }
const log = { info: () => undefined, warn: (line: string) => void warnings.push(line) }
const warnings: string[] = []
const limits = { maxAgeMilliseconds: 1e9, maxBytes: 1e7 }
const payloads = createPayloadStore(createMemoryBlobs(), { key: new Uint8Array(32), clock: wallClock, limits })
const principals: Record<string, Principal> = {
  all: owner,
  shop: { id: 'shop', scopes: ['infer'] },
  prometheus: { id: 'prometheus', scopes: ['metrics'] },
}

let engine: Engine
let served: App

async function profiled(): Promise<Bundle> {
  const bundle = await openBundle(await sampleFiles(), 'tiny')
  const rows = Int32Array.from({ length: 60 }, (_, i) => i)
  const manifest = { ...sampleManifest, files: {} }
  const profile = trainingProfile(manifest, {
    inputs: { tensors: { pixels: { dtype: 'uint8', shape: [60, 1, 12, 12], data: samplePixels(60) } }, rows },
    outputs: {
      tensors: { probabilities: { dtype: 'float32', shape: [60, 5], data: new Float32Array(300).fill(0.2) } },
      rows,
    },
  })
  return { ...bundle, profile }
}

beforeAll(async () => {
  engine = new Engine({ workers: 1, clock, log })
  const catalog = new Catalog({ clock, log })
  const watching = createWatching({
    ...{ catalog, clock, wallClock, log, version: '1', process: false },
    drift: { window: 100, minExamples: 10, psi: 0.2, ks: 0.2 },
    quality: { window: 100, remember: 100, store: createFeedbackStore(createMemoryBlobs(), 1e6) },
    payloads: { share: 1, store: payloads, chance: () => 0.5 },
  })
  const bundle = await profiled()
  const open = async (): Promise<Bundle> => bundle
  const images = await createPictureDecoder()
  const entry = { name: 'tiny', version: '1', manifest: bundle.manifest, open, engine, images }
  catalog.add(bundleEntry({ ...entry, onLoaded: watching.onLoaded }))
  let id = 0
  served = createApp({
    ...{ catalog, clock, log, version: '1', watching, maxBodyBytes: 1e6 },
    newId: () => `r${id++}`,
    authenticate: (key) => principals[key ?? ''],
    observers: watching.observers,
    onResults: watching.onResults,
  })
})
afterAll(() => engine.close())

function ask(path: string, key: string, body?: unknown): Promise<Response> {
  const isBytes = body instanceof Uint8Array
  const headers = { 'x-api-key': key, ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }) }
  const init =
    body === undefined
      ? {}
      : { method: 'POST', body: isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }
  return Promise.resolve(served.app.request(path, { headers, ...init }))
}

describe('a model at work', () => {
  const ids: string[] = []
  const labels: string[] = []
  test('is measured: requests, drift of what is asked, and no payload in any of it', async () => {
    for (let i = 0; i < 12; i++) {
      const answer = await ask('/predict/tiny', 'shop', await samplePng(i))
      ids.push(answer.headers.get('x-request-id')!)
      labels.push(((await answer.json()) as { label: string }[])[0]!.label)
    }
    const { status, body } = await answerOf(await ask('/models/tiny/drift', 'prometheus'))
    expect(status).toBe(200)
    expect(body.versions[0]).toMatchObject({ version: '1', state: 'drifted', examples: 12, trainingExamples: 60 })
    expect(body.versions[0].inputs.map(({ name }: { name: string }) => name)).toEqual([
      'brightness',
      'contrast',
      'roughness',
    ])
    expect(warnings[0]).toMatch(/^model tiny, version 1, drifts from its training data \(10 examples/)
    const page = await (await ask('/metrics', 'prometheus')).text()
    for (const line of [
      'quern_requests_total{model="tiny",version="1",route="predict",code="200"} 12',
      'quern_examples_total{model="tiny",version="1"} 12',
      'quern_compute_duration_seconds_count{model="tiny",version="1"} 12',
      'quern_batch_examples_count{model="tiny",version="1"} 12',
      'quern_drift_alarm{model="tiny",version="1"} 1',
    ]) {
      expect(page).toContain(`${line}\n`)
    }
    expect(page).toMatch(/quern_drift_psi\{model="tiny",version="1",side="inputs",measure="brightness"\} \d/)
  })

  test('takes labels, and says how good it was', async () => {
    const first = await answerOf(await ask('/feedback', 'shop', { request: ids[0], label: labels[0] }))
    expect(first).toEqual({ status: 200, body: { labelled: 1 } })
    const other = labels[1] === 'ant' ? 'bee' : 'ant'
    const list = [
      { request: ids[1], label: other },
      { request: ids[2], labels: [labels[2]] },
    ]
    expect(await answerOf(await ask('/feedback', 'shop', list))).toMatchObject({ body: { labelled: 2 } })
    const { body } = await answerOf(await ask('/models/tiny/quality', 'prometheus'))
    expect(body.versions[0]).toMatchObject({ labelled: 3, examples: 3, trained: { accuracy: 0.875 } })
    expect(body.versions[0].metrics.accuracy).toBeCloseTo(2 / 3, 12)
    expect(await (await ask('/metrics', 'prometheus')).text()).toContain('metric="accuracy"} 0.66666')
  })

  test('says what is wrong with a label', async () => {
    const wrong = [
      [{ request: 'nobody', label: 'ant' }, 404, "request 'nobody' is not known"],
      [{ request: ids[3], label: 'fox' }, 422, 'no class "fox"'],
      [{ request: ids[0], label: 'ant' }, 409, 'has its label already'],
      [{ request: ids[3] }, 400, "give 'label' or 'labels'"],
      [{ request: ids[3], labels: ['ant', 'bee'] }, 422, 'had 1 example, received 2 labels'],
      [[], 400, 'the request'],
      [{ request: ids[3], label: true }, 400, "'label' expected string or number or array or record, received true"],
      [
        { request: ids[3], label: { a: true } },
        400,
        "'label.a' expected string or number or array or null, received true",
      ],
      [{ request: ids[3], label: { class: 'ant' } }, 422, 'answers one thing: a label is no object'],
    ] as const
    for (const [given, status, message] of wrong) {
      const answer = await answerOf(await ask('/feedback', 'shop', given))
      expect([JSON.stringify(given), answer.status]).toEqual([JSON.stringify(given), status])
      expect(answer.body.error).toContain(message)
    }
    // The right request, but of another key.
    expect((await ask('/feedback', 'all', { request: ids[3], label: 'ant' })).status).toBe(404)
  })

  test('keeps the samples that were asked for, encrypted', async () => {
    await expect.poll(async () => (await payloads.list()).length).toBe(12)
    const [first] = await payloads.list()
    const content = new TextDecoder('latin1').decode(await payloads.read(first!.id))
    expect(content).toContain('"input/pixels":{"dtype":"U8","shape":[1,1,12,12]')
    expect(content).toContain('"output/probabilities"')
  })
})

test('scopes keep models, measurements and labels apart; what is not there is said', async () => {
  for (const path of ['/metrics', '/models/tiny/drift', '/models/tiny/quality', '/models/tiny/shadow']) {
    expect([path, (await ask(path, 'shop')).status, (await ask(path, '')).status]).toEqual([path, 403, 401])
  }
  expect((await ask('/feedback', 'prometheus', { request: 'x', label: 'y' })).status).toBe(403)
  expect((await ask('/models/nobody/drift', 'prometheus')).status).toBe(404)
})

test('a server that watches nothing says so', async () => {
  const { app } = sampleApp([])
  for (const path of ['/metrics', '/models/tiny/drift', '/models/tiny/quality', '/models/tiny/shadow']) {
    expect([path, (await app.request(path)).status]).toEqual([path, 409])
  }
})
