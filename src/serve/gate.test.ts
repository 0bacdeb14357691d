import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { samplePng } from '../../test/sample-bundle.ts'
import { owner, type SampleApp, sampleApp, samplePipeline } from '../../test/sample-server.ts'
import type { Pipeline } from '../bundle/index.ts'
import { QuernError } from '../core/errors.ts'
import { createGate } from './gate.ts'
import type { Passage } from './passage.ts'
import { type Authenticate, type Principal, publicAccess } from './principal.ts'

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
    expect(served.traffic.running).toBe(3)
    // A passage ends with the last byte of its answer.
    for (const answer of [plain, named, hostile]) await answer.text()
    expect(lines).toEqual([
      'GET /v2/health/live 200 3.8 ms id-0',
      'GET /nowhere 404 3.8 ms mine-7',
      'GET /nowhere 404 3.8 ms id-1',
    ])
    expect(served.traffic.running).toBe(0)
  })

  test('writes nothing into the log that a terminal obeys, and no key', async () => {
    const { app, lines } = fresh()
    await (await app.request('/%0a2026%1b[2J%E2%80%AE%c2%9b/qk_abcdefghijkl')).text()
    await (await app.request(`/${'x'.repeat(5000)}`, { headers: { 'x-request-id': 'qk_abcdefghijkl' } })).text()
    expect(lines[0]).toMatch(/^GET \/%0A2026%1B\[2J%E2%80%AE%C2%9B\/qk_\[hidden\] 404 /)
    expect(lines[1]!.length).toBeLessThan(300)
    expect(lines[1]).toMatch(/ qk_\[hidden\]$/)
  })

  test('that nobody answers gets 404 and a hint', async () => {
    const answer = await fresh().app.request('/predikt', { method: 'POST' })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({ error: 'there is nothing at POST /predikt; GET / lists what can be asked' })
  })

  test('by another method than an address takes gets 405 and those that it takes', async () => {
    const { app } = fresh()
    for (const [method, path, allow] of [
      ['PUT', '/predict/tiny', 'POST'],
      ['GET', '/predict', 'POST'],
      ['POST', '/v2/health/live', 'GET, HEAD'],
      ['PATCH', '/jobs/7', 'GET, DELETE, HEAD'],
    ] as const) {
      const answer = await app.request(path, { method })
      expect([path, answer.status, answer.headers.get('allow')]).toEqual([path, 405, allow])
    }
    expect((await app.request('/v2/health/live', { method: 'HEAD' })).status).toBe(200)
    const refused = await app.request('/v1/embeddings')
    expect([refused.status, await refused.json()]).toMatchObject([405, { error: { type: 'invalid_request_error' } }])
  })

  test('that fails inside tells the client nothing but the id', async () => {
    const broken = {
      ...pipeline,
      manifest: pipeline.manifest,
      infer: () => Promise.resolve({}),
      predict: () => Promise.reject(new TypeError('secret path')),
    }
    const app = sampleApp([{ name: 'tiny', version: '1', pipeline: broken as unknown as Pipeline }])
    const answer = await app.app.request('/predict', { method: 'POST', body: await samplePng(1) })
    expect(answer.status).toBe(500)
    expect(await answer.json()).toEqual({ error: 'the server failed; its log says more about request id-0' })
    expect(app.lines[0]).toBe('! request id-0 failed: secret path')
    const kinds = [
      ['numeric', 422],
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

  test('of all requests together have a limit too: who comes then is sent away, and finds room later', async () => {
    const { app, traffic } = sampleApp([{ name: 'tiny', version: '1', pipeline }], { maxBodiesBytes: 250_000 })
    const half = new Uint8Array(150_000)
    const send = (body: Uint8Array<ArrayBuffer> | ReadableStream) =>
      app.request('/predict', {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body,
        duplex: 'half',
      } as RequestInit)
    let finish = (): void => undefined
    const slow = new ReadableStream({
      start(c) {
        c.enqueue(half)
        finish = () => c.close()
      },
    })
    const first = send(slow)
    await vi.waitFor(() => expect(traffic.bodyBytes).toBe(150_000))
    const second = await send(half)
    expect(second.status).toBe(503)
    expect(await second.json()).toEqual({ error: 'the server holds as many bodies as it may' })
    expect([second.headers.get('retry-after'), second.headers.get('connection')]).toEqual(['1', 'close'])
    expect(traffic.bodyBytes).toBe(150_000)
    finish()
    const answer = await first
    expect(answer.status).toBe(422)
    await answer.text()
    expect(traffic.bodyBytes).toBe(0)
    const third = await send(half)
    expect(third.status).toBe(422)
    await third.text()
    expect(traffic).toMatchObject({ bodyBytes: 0, running: 0 })
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

describe('a passage', () => {
  const withObserver = (more: object = {}) => {
    const seen: Passage[] = []
    const observers = [
      () => {
        throw new Error('broken observer')
      },
      (passage: Passage) => void seen.push(passage),
    ]
    return { ...sampleApp([{ name: 'tiny', version: '1', pipeline }], { observers, ...more }), seen }
  }

  test('ends once, at the last byte of a stream, and an observer that fails harms nobody', async () => {
    const { app, seen, traffic, lines } = withObserver()
    let more: ReadableStreamDefaultController<Uint8Array> | undefined
    let released = 0
    app.get('/stream', (c) => {
      c.get('passage').hold(() => released++)
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          more = controller
        },
      })
      return c.body(body)
    })
    const answer = await app.request('/stream')
    const reader = answer.body!.getReader()
    more!.enqueue(new Uint8Array(5))
    await reader.read()
    expect([seen.length, traffic.running, released]).toEqual([0, 1, 0])
    more!.enqueue(new Uint8Array(7))
    more!.close()
    while (!(await reader.read()).done);
    expect([seen.length, traffic.running, released]).toEqual([1, 0, 1])
    expect(seen[0]).toMatchObject({ status: 200, bytesOut: 12, what: 'GET /stream', kind: 'http', state: 'ended' })
    expect(lines).toContain('! an observer failed at request id-0: broken observer')
  })

  test('of a reader that leaves is 499 and tells the route so', async () => {
    const { app, seen } = withObserver()
    let signal: AbortSignal | undefined
    app.get('/stream', (c) => {
      signal = c.get('passage').signal
      return c.body(new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(3)) }))
    })
    const reader = (await app.request('/stream')).body!.getReader()
    await reader.read()
    await reader.cancel()
    expect(signal!.aborted).toBe(true)
    expect(seen[0]).toMatchObject({ status: 499, failure: 'the client left' })
  })

  test('knows model, version, key, bytes and examples; refusals pass it too', async () => {
    const { app, seen } = withObserver()
    const body = await samplePng(1)
    await (await app.request('/predict/tiny', { method: 'POST', body })).text()
    await (await app.request('/predict/nobody', { method: 'POST', body })).text()
    expect(seen[0]).toMatchObject({ model: 'tiny', version: '1', status: 200, bytesIn: body.length })
    expect(seen[0]!.principal!.id).toBe('owner')
    expect(seen[1]).toMatchObject({ model: undefined, status: 404 })
    expect(seen[1]!.failure).toContain("there is no model 'nobody'")
  })
})

describe('results', () => {
  test('of every run are told to who watches, with the trace of the caller; what watching throws harms nobody', async () => {
    const seen: unknown[] = []
    const lines: string[] = []
    const gate = createGate({
      maxBodyBytes: 1,
      log: { info: () => undefined, warn: (line) => void lines.push(line) },
      clock: { now: () => 1 },
      newId: () => 'id',
      authenticate: () => undefined,
      observers: [],
      onResults: (passage, feeds, results) => {
        seen.push([passage.id, feeds, results])
        throw new Error('broken observer')
      },
    })
    const tensor = { dtype: 'float32', shape: [1], data: Float32Array.of(1) } as const
    await gate.pass({ what: 'job 1', principal: owner }, async (passage) => {
      passage.runOptions().onResults!({ x: tensor }, undefined, { y: tensor })
    })
    expect(seen).toEqual([['id', { x: tensor }, { y: tensor }]])
    expect(lines).toEqual(['an observer failed at request id: broken observer'])
    const { app } = fresh()
    let traceparent: string | undefined
    app.get('/trace', (c) => {
      traceparent = c.get('passage').traceparent
      return c.text('')
    })
    const header = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await app.request('/trace', { headers: { traceparent: header } })
    expect(traceparent).toBe(header)
  })
})

describe('keys', () => {
  const reader: Principal = { id: 'reader', scopes: ['infer'], maxRunning: 1 }
  const authenticate: Authenticate = async (key) => (key === 'right' ? reader : undefined)
  const app = () => sampleApp([{ name: 'tiny', version: '1', pipeline }], { authenticate }).app
  const ask = (headers: Record<string, string>, path = '/v2') => app().request(path, { headers })

  test('are asked for on every path but the probes', async () => {
    for (const path of ['/', '/v2', '/nowhere', '/metrics', '/predict', '/openapi.json']) {
      const answer = await ask({}, path)
      expect([path, answer.status, answer.headers.get('www-authenticate')]).toEqual([path, 401, 'Bearer'])
    }
    for (const path of ['/healthz', '/v2/health/live', '/v2/health/ready'])
      expect((await ask({}, path)).status).toBe(200)
  })

  test('come in two headers; wrong ones and missing scopes are told apart', async () => {
    expect((await ask({ authorization: 'Bearer right' })).status).toBe(200)
    expect((await ask({ 'x-api-key': 'right' })).status).toBe(200)
    expect((await ask({ authorization: 'Bearer wrong' })).status).toBe(401)
    const refused = await ask({ 'x-api-key': 'right' }, '/metrics')
    expect(refused.status).toBe(403)
    expect(await refused.json()).toEqual({ error: "this key may not do that: it needs the scope 'metrics'" })
    const open = sampleApp([], { authenticate: publicAccess }).app
    const text = await (await open.request('/metrics')).text()
    expect(text).toBe(`{"error":"whoever sends no key may not do that: it needs the scope 'metrics'"}`)
  })

  test('ask for a time that is one', async () => {
    const answer = await fresh().app.request('/v2', { headers: { 'x-timeout-ms': '0' } })
    expect([answer.status, await answer.text()]).toEqual([
      400,
      '{"error":"x-timeout-ms must be a whole number of milliseconds from 1 to 999999999, received \\"0\\""}',
    ])
  })

  test('have their own limit of what runs at once: 429, and room again afterwards', async () => {
    const { app } = sampleApp([{ name: 'tiny', version: '1', pipeline }], { authenticate })
    const headers = { 'x-api-key': 'right' }
    const first = await app.request('/v2', { headers })
    const second = await app.request('/v2', { headers })
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1'])
    await first.text()
    expect((await app.request('/v2', { headers })).status).toBe(200)
  })
})

describe('jobs', () => {
  test('pass the gate: observed, cancelled, refused while draining', async () => {
    const seen: Passage[] = []
    const gate = createGate({
      maxBodyBytes: 1,
      log: { info: () => undefined, warn: () => undefined },
      clock: { now: () => 1 },
      newId: () => 'id',
      authenticate: () => undefined,
      observers: [(passage) => void seen.push(passage)],
    })
    const principal: Principal = { id: 'k', scopes: ['infer'] }
    expect(await gate.pass({ what: 'job 1', principal }, async ({ priority }) => priority)).toBe(-10)
    const failing = gate.pass({ what: 'job 2', principal }, () => Promise.reject(new QuernError('input', 'bad row')))
    await expect(failing).rejects.toThrow('bad row')
    const signal = AbortSignal.abort()
    expect(await gate.pass({ what: 'job 3', principal, signal }, async (p) => p.signal.aborted)).toBe(true)
    expect(seen.map(({ kind, what, status, failure }) => [kind, what, status, failure])).toEqual([
      ['job', 'job 1', 200, undefined],
      ['job', 'job 2', 400, 'bad row'],
      ['job', 'job 3', 200, undefined],
    ])
    gate.traffic.drain()
    await expect(gate.pass({ what: 'job 4', principal }, async () => 1)).rejects.toThrow('shutting down')
    expect(gate.traffic.running).toBe(0)
  })
})
