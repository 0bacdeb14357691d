/** What goes wrong around a server that runs: threads that die, clients that leave, flood, dawdle or lie, memory that is short. */
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { chanceOf } from '../src/serve/aliases.ts'
import { dial, inferBody, type LiveOptions, type LiveServer, liveServer, until } from './live-server.ts'
import { owner } from './sample-server.ts'

const workers: Worker[] = []
beforeAll(() => void process.on('worker', (worker) => void workers.push(worker)))
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  workers.length = 0
})

async function setUp(options: LiveOptions = {}): Promise<LiveServer> {
  const live = await liveServer(options)
  closing.push(live.close)
  return live
}

const infer = (url: string, body = inferBody(1), headers: Record<string, string> = {}, model = 'tiny') =>
  fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body, headers })

const head = (more: readonly string[]): string =>
  [...['POST /v2/models/tiny/infer HTTP/1.1', 'host: x'], ...more, '', ''].join('\r\n')

/** A message that is none: the thread dies of it as of any fault of a program. (By terminate() the runtime's binding would end the process, were it computing.) */
const dies = (worker: Worker): Promise<void> =>
  new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.postMessage(null)
  })

/** Keeps a worker busy for long enough to come in between. */
const longBody = inferBody(1, 6000)

describe('a worker that dies', () => {
  test('is replaced, and what it computed is computed by another', async () => {
    const { server, engine, lines } = await setUp()
    const running = infer(server.url, longBody)
    const statuses = Promise.all(Array.from({ length: 6 }, () => infer(server.url).then(({ status }) => status)))
    await new Promise((resolve) => setTimeout(resolve, 30))
    const ended = dies(workers[0]!)
    expect((await running).status).toBe(200)
    expect(new Set(await statuses)).toEqual(new Set([200]))
    await ended
    expect(lines).toEqual(["a worker died and is replaced: Cannot read properties of null (reading 'type')"])
    await until(() => engine.alive === 2)
  })

  test('with the last of its kind: not ready, then ready again, and who waited is answered', async () => {
    const { server, engine } = await setUp()
    const ready = async () => (await fetch(`${server.url}/v2/health/ready`)).status
    await Promise.all(workers.map(dies))
    expect([engine.alive, await ready()]).toEqual([0, 503])
    const waiting = infer(server.url)
    await until(() => engine.alive === 2)
    expect(await ready()).toBe(200)
    expect((await waiting).status).toBe(200)
  })
})

describe('a client that leaves', () => {
  test('is not computed for', async () => {
    const { server, catalog, passages } = await setUp({ workers: 1 })
    const { model, release } = await catalog.lease('tiny')
    const rows = 10_000
    const feeds = { pixels: { dtype: 'uint8' as const, shape: [rows, 1, 12, 12], data: new Uint8Array(rows * 144) } }
    const busy = Promise.all(Array.from({ length: 10 }, () => model.pipeline({}).infer(feeds)))
    const text = inferBody(2)
    const { socket } = dial(server.url)
    socket.write(`${head([`content-length: ${text.length}`])}${text}`)
    await until(() => catalog.find('tiny').users === 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    socket.destroy()
    await until(() => passages.length === 1)
    expect(passages[0]).toMatchObject({ status: 499, failure: 'the client left', examples: 0, computeMilliseconds: 0 })
    // It did not wait for its turn: the others still compute.
    expect(await Promise.race([busy, Promise.resolve('computing')])).toBe('computing')
    await busy
    release()
  })
})

describe('pipelined requests', () => {
  const request = (text: string): string => `${head([`content-length: ${text.length}`])}${text}`

  test('of a client that leaves end with its connection, those whose turn had not come too', async () => {
    const { server, catalog, passages } = await setUp()
    const { socket } = dial(server.url)
    // More than the listeners that Node finds suspicious.
    socket.write(request(longBody) + request(inferBody(2)).repeat(20))
    await until(() => catalog.find('tiny').users > 1)
    socket.destroy()
    await until(() => passages.length === 21)
    expect(passages.map(({ status }) => status)).toEqual(new Array(21).fill(499))
    expect(catalog.find('tiny').users).toBe(0)
  })

  test('that came whole are answered before what cannot be read behind them', async () => {
    const { server, passages } = await setUp()
    const line = dial(server.url)
    line.socket.write(`${request(longBody)}${request(inferBody(2))}nonsense\r\n\r\n`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    line.socket.write('more of it')
    const statuses = (await line.ended).match(/HTTP\/1\.1 \d+/g)
    expect(statuses).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400'])
    await until(() => passages.length === 3)
    expect(passages.map(({ what, status }) => [what, status])).toEqual([
      ['POST /v2/models/tiny/infer', 200],
      ['POST /v2/models/tiny/infer', 200],
      ['unreadable', 400],
    ])
  })
})

describe('bodies and headers', () => {
  test('that claim or send a gigabyte are refused, on many connections at once, in flat memory', async () => {
    const { server } = await setUp()
    const before = process.memoryUsage().rss
    const piece = 'x'.repeat(2 ** 20)
    const claims = Array.from({ length: 20 }, () => {
      const line = dial(server.url)
      line.socket.write(`${head([`content-length: ${2 ** 30}`])}${piece}`)
      return line.ended
    })
    // Without a length, up to the limit.
    const chunked = Array.from({ length: 5 }, () => {
      const line = dial(server.url)
      line.socket.write(head(['transfer-encoding: chunked']))
      const send = (): void => {
        if (line.socket.destroyed) return
        if (line.socket.write(`100000\r\n${piece}\r\n`)) setImmediate(send)
        else line.socket.once('drain', send)
      }
      send()
      return line.ended
    })
    for (const answer of await Promise.all([...claims, ...chunked])) {
      // The answer may overtake what is still on its way: then the connection was cut before it was read.
      if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    }
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(300)
    expect((await infer(server.url)).status).toBe(200)
  })

  test('of many connections at once take no more memory than all may have, and give it back when they leave', async () => {
    const live = await liveServer({ limits: { maxBodiesBytes: 20 * 2 ** 20 } })
    closing.push(live.close)
    const piece = 'x'.repeat(9 * 2 ** 20)
    const lines = Array.from({ length: 6 }, () => {
      const line = dial(live.server.url)
      // Each is within its limit, and stops before its end.
      line.socket.write(`${head([`content-length: ${10 * 2 ** 20}`])}${piece}`)
      return line
    })
    await until(() => live.passages.length === 4)
    expect(live.passages.map(({ status }) => status)).toEqual([503, 503, 503, 503])
    for (const { socket } of lines) socket.destroy()
    await until(() => live.passages.length === 6)
    const again = await infer(live.server.url)
    expect(again.status).toBe(200)
  })

  test('of clients that left before their bodies were read take no memory for good', async () => {
    const text = inferBody(1)
    const knows: (() => void)[] = []
    const authenticate = async () => {
      await new Promise<void>((resolve) => knows.push(resolve))
      return owner
    }
    const room = { maxBodyBytes: text.length, limits: { maxBodiesBytes: text.length } }
    const { server, passages } = await setUp({ authenticate, ...room })
    const { socket } = dial(server.url)
    socket.write(`${head([`content-length: ${text.length}`])}${text}`)
    await until(() => knows.length === 1)
    socket.destroy()
    await until(() => passages.length === 1)
    knows[0]!()
    const again = infer(server.url, text)
    await until(() => knows.length === 2)
    knows[1]!()
    expect((await again).status).toBe(200)
  })

  test('of clients that leave when they were refused are no second request', async () => {
    const { server, passages } = await setUp({ authenticate: () => undefined })
    for (const more of ['', '\r\nno chunk\r\n']) {
      const line = dial(server.url)
      line.socket.write(`${head(['transfer-encoding: chunked'])}5\r\nhello${more}`)
      await until(() => line.text().includes('401'))
      line.socket.end()
      expect((await line.ended).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401'])
    }
    expect(passages.map(({ status }) => status)).toEqual([401, 401])
  })

  test('of too many or too long headers are 431', async () => {
    const { server, passages } = await setUp()
    const flood = Array.from({ length: 2000 }, (_, i) => `x-header-${i}: ${'a'.repeat(20)}`)
    const one = [`x-long: ${'a'.repeat(100_000)}`]
    for (const headers of [flood, one]) {
      const line = dial(server.url)
      line.socket.write(head(headers))
      const answer = await line.ended
      expect(answer).toMatch(/^HTTP\/1\.1 431 /)
      expect(answer).toMatch(/x-request-id: [\w-]{36}\r\n/)
      expect(answer).toContain('{"error":"all headers together may have 16384 bytes, received more"}')
    }
    expect(passages.map(({ what, status }) => [what, status])).toEqual(new Array(2).fill(['unreadable', 431]))
  })

  test('that are no HTTP are 400, and smuggled lengths too', async () => {
    const { server, passages } = await setUp()
    const wrong = [
      'nonsense\r\n\r\n',
      head(['content-length: 5', 'transfer-encoding: chunked']),
      head(['content-length: 5', 'content-length: 6']),
      head(['content-length: -1']),
    ]
    for (const text of wrong) {
      const line = dial(server.url)
      line.socket.write(text)
      const answer = await line.ended
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain('{"error":"this cannot be read as HTTP/1.1: ')
      expect(answer).not.toContain('nonsense')
    }
    expect(passages.map(({ what, status }) => [what, status])).toEqual(wrong.map(() => ['unreadable', 400]))
    for (const [text, why] of [
      ['GET /v2 HTTP/1.1\r\n\r\n', 'Missing host header'],
      ['GET /v2 HTTP/1.1\r\nhost: a/b@c\r\n\r\n', 'Invalid host header'],
      ['OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n', 'Invalid URL'],
      ['CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 'CONNECT is for proxies'],
    ] as const) {
      const line = dial(server.url)
      line.socket.write(text)
      const answer = await line.ended
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain(why)
      expect(passages.at(-1)).toMatchObject({ what: 'unreadable', status: 400 })
    }
    const expecting = dial(server.url)
    expecting.socket.write('GET /v2 HTTP/1.1\r\nhost: x\r\nexpect: more\r\nconnection: close\r\n\r\n')
    expect(await expecting.ended).toMatch(/^HTTP\/1\.1 200 /)
    const secure = dial(server.url)
    secure.socket.write(Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3))
    expect(await secure.ended).toContain('this address speaks HTTP, received the beginning of HTTPS')
    expect((await infer(server.url)).status).toBe(200)
  })
})

describe('several models', () => {
  test('share a memory budget: the one that rested longest leaves, nobody fails', async () => {
    const small = await setUp()
    const { bytes } = small.entry('1')
    const { server, catalog, entry } = await setUp({ memoryBytes: bytes * 2.5 })
    for (const name of ['ants', 'bees']) catalog.add(entry('1', { name }))
    const states = () => Object.fromEntries(catalog.all.map(({ name, state }) => [name, state]))
    for (const name of ['ants', 'tiny', 'bees']) expect((await infer(server.url, undefined, {}, name)).status).toBe(200)
    expect(states()).toEqual({ ants: 'unloaded', tiny: 'ready', bees: 'ready' })
    const round = ['ants', 'bees', 'tiny', 'ants', 'tiny', 'bees']
    for (const name of round) expect((await infer(server.url, undefined, {}, name)).status).toBe(200)
    // Nobody is put out who computes.
    const leases = [await catalog.lease('tiny'), await catalog.lease('bees')]
    const refused = await infer(server.url, undefined, {}, 'ants')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    for (const { release } of leases) release()
    expect((await infer(server.url, undefined, {}, 'ants')).status).toBe(200)
  })

  test('of one name share the requests as the canary says, the same request always alike', async () => {
    const { server, catalog, entry } = await setUp()
    catalog.add(entry('2'))
    catalog.setAliases('tiny', { stable: '1', canary: { version: '2', share: 0.3 } })
    const ids = Array.from({ length: 60 }, (_, i) => `request-${i}`)
    const answered = await Promise.all(
      ids.map(async (id) => {
        const answer = await infer(server.url, undefined, { 'x-request-id': id })
        return ((await answer.json()) as { model_version: string }).model_version
      }),
    )
    expect(answered).toEqual(ids.map((id) => (chanceOf(id) < 0.3 ? '2' : '1')))
    expect(new Set(answered).size).toBe(2)
  })
})
