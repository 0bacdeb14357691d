import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { samplePng } from '../../../test/sample-bundle.ts'
import { type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'
import type { QueueState } from '../engine/scheduler.ts'
import { inProcess } from '../in-process.ts'
import { Passage } from '../passage.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { routeName } from './route-names.ts'

let pipeline: Pipeline
beforeAll(async () => {
  pipeline = await samplePipeline()
})
afterAll(() => pipeline.release())

function measured(): SampleApp & { readonly metrics: Metrics; series(): Promise<string[]> } {
  const served = sampleApp([{ name: 'tiny', version: '1', pipeline }], {
    observers: [(passage) => metrics.observer(passage)],
  })
  const metrics = createMetrics({ catalog: served.catalog, process: false })
  const series = async (): Promise<string[]> =>
    (await metrics.page(served.traffic)).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return { ...served, metrics, series }
}

function passage(fields: Partial<Passage> = {}): Passage {
  const made = new Passage({
    id: 'i',
    kind: 'http',
    what: 'POST /predict/tiny',
    started: 0,
    deadline: 1,
    maxBodyBytes: 1,
  })
  return Object.assign(made, { model: 'tiny', version: '1', status: 200, ...fields })
}

describe('metrics', () => {
  test('count requests by model, route and status, refusals too, and time them', async () => {
    const { app, series, traffic } = measured()
    const body = await samplePng(1)
    for (const path of ['/predict/tiny', '/predict/tiny', '/predict/nobody', '/nowhere/qk_secret']) {
      await (await app.request(path, { method: 'POST', body })).text()
    }
    const lines = await series()
    expect(lines).toEqual(
      expect.arrayContaining([
        'quern_requests_total{model="tiny",version="1",route="predict",code="200"} 2',
        'quern_requests_total{model="",version="",route="predict",code="404"} 1',
        'quern_requests_total{model="",version="",route="other",code="404"} 1',
        'quern_request_duration_seconds_count{model="tiny",version="1"} 2',
        'quern_request_duration_seconds_bucket{le="0.005",model="tiny",version="1"} 2',
        `quern_http_bytes_total{direction="in"} ${2 * body.length}`,
        'quern_requests_running 0',
        'quern_draining 0',
        'quern_able 1',
        'quern_model_loaded{model="tiny",version="1"} 1',
      ]),
    )
    expect(lines.join()).not.toContain('secret')
    traffic.drain()
    expect(await series()).toContain('quern_draining 1')
  })

  test('take examples, tokens, waiting and computing of a passage', async () => {
    const { metrics, series } = measured()
    metrics.observer(
      passage({
        examples: 3,
        tokensIn: 7,
        tokensOut: 2,
        queuedMilliseconds: 4,
        computeMilliseconds: 20,
        milliseconds: 30,
      }),
    )
    expect(await series()).toEqual(
      expect.arrayContaining([
        'quern_examples_total{model="tiny",version="1"} 3',
        'quern_tokens_total{model="tiny",version="1",direction="in"} 7',
        'quern_tokens_total{model="tiny",version="1",direction="out"} 2',
        'quern_queue_duration_seconds_sum{model="tiny",version="1"} 0.004',
        'quern_compute_duration_seconds_sum{model="tiny",version="1"} 0.02',
        'quern_request_duration_seconds_sum{model="tiny",version="1"} 0.03',
      ]),
    )
  })

  test('look at the queue of a loaded version, and at its batches', async () => {
    const { metrics, series, catalog } = measured()
    await catalog.load('tiny')
    const queue: QueueState = { queued: 5, computing: 2, onBatch: undefined }
    metrics.onLoaded({ name: 'tiny', version: '1', manifest: pipeline.manifest, profile: undefined, queue })
    for (const rows of [1, 3, 16]) queue.onBatch!(rows, 1)
    expect(await series()).toEqual(
      expect.arrayContaining([
        'quern_queue_length{model="tiny",version="1"} 5',
        'quern_batches_computing{model="tiny",version="1"} 2',
        'quern_batch_examples_sum{model="tiny",version="1"} 20',
        'quern_batch_examples_bucket{le="4",model="tiny",version="1"} 2',
      ]),
    )
  })

  test('forget versions that left the catalog: there are never more series than versions that are there', async () => {
    const { metrics, series, catalog } = measured()
    metrics.observer(passage({ examples: 1 }))
    for (let i = 2; i < 40; i++) {
      const version = String(i)
      catalog.add(inProcess('tiny', version, pipeline))
      metrics.observer(passage({ version, examples: 1, what: `POST /predict/tiny${i}` }))
      const queue: QueueState = { queued: 0, computing: 0, onBatch: undefined }
      metrics.onLoaded({ name: 'tiny', version, manifest: pipeline.manifest, profile: undefined, queue })
      catalog.remove('tiny', version)
    }
    const lines = await series()
    expect(lines.filter((line) => /version="(?!1")\d+"/.test(line))).toEqual([])
    expect(lines).toContain('quern_requests_total{model="tiny",version="1",route="predict",code="200"} 1')
  })

  test('have the names of Prometheus: units at the end, counters end in _total, each with a help', async () => {
    const { metrics, traffic } = measured()
    const page = await metrics.page(traffic)
    const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!] as const)
    expect(types.length).toBeGreaterThan(12)
    for (const [name, type] of types) {
      expect(name).toMatch(/^quern_[a-z_]+$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(page).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'))
    }
  })
})

test('routes have few names, whatever is asked', () => {
  const names = [
    ['POST /predict', 'predict'],
    ['POST /predict/cats', 'predict'],
    ['POST /predictions', 'other'],
    ['POST /v2/models/cats/versions/1/infer', 'infer'],
    ['GET /v2/models/cats', 'protocol'],
    ['GET /v2/health/live', 'health'],
    ['POST /v1/embeddings', 'openai'],
    ['GET /models/cats/drift', 'models'],
    ['GET /jobs/1', 'jobs'],
    ['PROPFIND /..%2f..', 'other'],
    ['unreadable', 'unreadable'],
    ['GET unreadable', 'other'],
  ] as const
  for (const [what, name] of names) expect([what, routeName({ kind: 'http', what })]).toEqual([what, name])
  expect(routeName({ kind: 'job', what: 'job 1 part 2' })).toBe('job')
})
