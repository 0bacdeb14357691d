import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { samplePng } from '../../test/sample-bundle.ts'
import { type SampleApp, sampleApp, samplePipeline } from '../../test/sample-server.ts'
import type { Pipeline } from '../bundle/index.ts'
import { QuernError } from '../core/errors.ts'

let pipeline: Pipeline
let served: SampleApp
beforeAll(async () => {
  pipeline = await samplePipeline()
})
afterAll(() => pipeline.release())

const fresh = (): SampleApp => {
  served = sampleApp([{ name: 'tiny', version: '1', pipeline }])
  return served
}

describe('every request', () => {
  test('gets an id, its own if harmless, and a line in the log without payload', async () => {
    const { app, lines } = fresh()
    const plain = await app.request('/v2/health/live?secret=1')
    expect(plain.headers.get('x-request-id')).toBe('id-0')
    expect(plain.headers.get('x-content-type-options')).toBe('nosniff')
    const named = await app.request('/nowhere', { headers: { 'x-request-id': 'mine-7' } })
    expect(named.headers.get('x-request-id')).toBe('mine-7')
    const hostile = await app.request('/nowhere', { headers: { 'x-request-id': 'a b"<>' } })
    expect(hostile.headers.get('x-request-id')).toBe('id-1')
    expect(lines).toEqual([
      'GET /v2/health/live 200 1.3 ms id-0',
      'GET /nowhere 404 1.3 ms mine-7',
      'GET /nowhere 404 1.3 ms id-1',
    ])
    expect(served.traffic.running).toBe(0)
  })

  test('that nobody answers gets 404 and a hint', async () => {
    const answer = await fresh().app.request('/predikt', { method: 'POST' })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({ error: 'there is nothing at POST /predikt; GET / lists what can be asked' })
  })

  test('that fails inside tells the client nothing but the id', async () => {
    const broken = {
      ...pipeline,
      manifest: pipeline.manifest,
      predict: () => Promise.reject(new TypeError('secret path')),
    }
    const app = sampleApp([{ name: 'tiny', version: '1', pipeline: broken as unknown as Pipeline }])
    const answer = await app.app.request('/predict', { method: 'POST', body: await samplePng(1) })
    expect(answer.status).toBe(500)
    expect(await answer.json()).toEqual({ error: 'the server failed; its log says more about request id-0' })
    expect(app.lines[0]).toBe('! request id-0 failed: secret path')
    const kinds = [
      ['numeric', 500],
      ['io', 500],
      ['unsupported', 501],
      ['missing', 404],
      ['input', 422],
    ] as const
    for (const [kind, status] of kinds) {
      const failing = { ...broken, predict: () => Promise.reject(new QuernError(kind, 'm', { hint: 'h.' })) }
      const { app } = sampleApp([{ name: 'tiny', version: '1', pipeline: failing as unknown as Pipeline }])
      const answer = await app.request('/predict', {
        method: 'POST',
        body: 'x',
        headers: { 'content-type': 'image/png' },
      })
      expect(answer.status).toBe(status)
      if (status < 500) expect(await answer.json()).toEqual({ error: 'm. h.' })
    }
  })
})

describe('bodies', () => {
  const post = (init: RequestInit) =>
    fresh().app.request('/predict', { method: 'POST', duplex: 'half', ...init } as RequestInit)

  test('with a told length that is too long are refused unread', async () => {
    let pulled = 0
    const body = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(++pulled)) }, { highWaterMark: 0 })
    const answer = await post({ body, headers: { 'content-length': '1000000000', 'content-type': 'image/png' } })
    expect(answer.status).toBe(413)
    expect(await answer.json()).toEqual({ error: 'the body may have 200000 bytes, received 1000000000' })
    expect(answer.headers.get('connection')).toBe('close')
    expect(pulled).toBe(0)
  })

  test('without a length are counted and stopped', async () => {
    let sent = 0
    const body = new ReadableStream({
      pull: (c) => {
        sent += 10_000
        c.enqueue(new Uint8Array(10_000))
      },
    })
    const answer = await post({ body, headers: { 'content-type': 'image/png' } })
    expect(answer.status).toBe(413)
    expect(sent).toBeLessThan(400_000)
  })

  test('that lie about their length are counted too', async () => {
    const body = new Uint8Array(300_000)
    const answer = await post({ body, headers: { 'content-length': '10', 'content-type': 'image/png' } })
    expect(answer.status).toBe(413)
  })

  test('that break off are the fault of the client', async () => {
    const body = new ReadableStream({ pull: (c) => c.error(new Error('gone')) })
    const answer = await post({ body, headers: { 'content-type': 'image/png' } })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({ error: 'the body ended too early (gone)' })
  })
})

describe('draining', () => {
  test('refuses newcomers but not probes', async () => {
    const { app, traffic } = fresh()
    expect(await (await app.request('/v2/health/ready')).json()).toEqual({ ready: true })
    traffic.drain()
    const refused = await app.request('/v2/models/tiny')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(refused.headers.get('connection')).toBe('close')
    const ready = await app.request('/v2/health/ready')
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false }])
    expect((await app.request('/v2/health/live')).status).toBe(200)
    expect((await app.request('/healthz')).status).toBe(503)
  })
})
