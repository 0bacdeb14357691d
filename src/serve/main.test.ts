import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { samplePng } from '../../test/sample-bundle.ts'
import { samplePipeline } from '../../test/sample-server.ts'
import { selfSigned } from '../../test/self-signed.ts'
import type { Pipeline } from '../bundle/index.ts'
import { Catalog } from './catalog.ts'
import { inProcess } from './in-process.ts'
import { type RunningServer, startServer } from './main.ts'
import { publicAccess } from './principal.ts'

/** A sample pipeline whose predictions wait to be let go. */
async function slowPipeline() {
  const pipeline = await samplePipeline()
  let letGo = (): void => {}
  let started = (): void => {}
  const gate = new Promise<void>((resolve) => (letGo = resolve))
  const entered = new Promise<void>((resolve) => (started = resolve))
  let released = false
  const slow = {
    manifest: pipeline.manifest,
    infer: pipeline.infer.bind(pipeline),
    predict: async (input: Uint8Array) => {
      started()
      await gate
      expect(released).toBe(false)
      return pipeline.predict(input)
    },
    release: async () => {
      released = true
      await pipeline.release()
    },
  } as unknown as Pipeline
  return { slow, letGo, entered, isReleased: () => released }
}

const lines: string[] = []
const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(`! ${line}`) }
let server: RunningServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
  lines.length = 0
})

const catalogOf = (pipeline: Pipeline) => {
  const catalog = new Catalog({ clock: { now: () => performance.now() }, log })
  catalog.add(inProcess('tiny', '1', pipeline))
  return catalog
}
const start = async (pipeline: Pipeline, more: object = {}) => {
  const catalog = catalogOf(pipeline)
  await catalog.load('tiny')
  server = await startServer({ catalog, authenticate: publicAccess, port: 0, log, ...more })
  return server
}

describe('a server on a socket', () => {
  test('answers, warm and only on this machine', async () => {
    const { url } = await start(await samplePipeline())
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const answer = await fetch(`${url}/predict?topK=1`, { method: 'POST', body: await samplePng(1) })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toHaveLength(1)
    expect(lines.filter((line) => line.startsWith('!'))).toEqual([])
  })

  test('announces that others can reach it', async () => {
    await start(await samplePipeline(), { host: '0.0.0.0' })
    expect(lines[0]).toContain('! listening on 0.0.0.0')
  })

  test('refuses a long body before it was sent, and goes on', async () => {
    const { url } = await start(await samplePipeline(), { maxBodyBytes: 100_000 })
    const long = await fetch(`${url}/predict`, { method: 'POST', body: new Uint8Array(3_000_000) }).catch((e) => e)
    // The answer may overtake a body that is still on its way: then the client sees a closed connection.
    if (long instanceof Response) expect(long.status).toBe(413)
    const chunks = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(10_000)) })
    const endless = { method: 'POST', body: chunks, duplex: 'half' } as RequestInit
    const stopped = await fetch(`${url}/predict`, endless).catch((e) => e)
    if (stopped instanceof Response) expect(stopped.status).toBe(413)
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200)
  })

  test('says that the port is taken, or the host is not ours', async () => {
    const { url } = await start(await samplePipeline())
    const port = Number(new URL(url).port)
    const more = { catalog: catalogOf(await samplePipeline()), authenticate: publicAccess }
    const taken = await startServer({ ...more, port, log }).catch((error) => error)
    expect(taken.message).toBe(`port ${port} of 127.0.0.1 is taken`)
    const foreign = await startServer({ ...more, port: 0, host: '192.0.2.1', log }).catch((error) => error)
    expect(foreign.message).toBe('192.0.2.1 is no address of this machine')
    await more.catalog.close()
  })
})

test('pages of every origin may ask where the configuration says so, of those listed else', async () => {
  for (const [origins, allowed] of [
    [['*'], '*'],
    [['https://shop.example'], 'https://shop.example'],
    [['https://other.example'], null],
  ] as const) {
    const { url, close } = await start(await samplePipeline(), { cors: origins })
    const answer = await fetch(`${url}/v2`, { headers: { origin: 'https://shop.example' } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(allowed)
    await close()
  }
})

describe('drain', () => {
  test('a request that runs is finished, new ones are refused, then the models go', async () => {
    const { slow, letGo, entered, isReleased } = await slowPipeline()
    const { url, close } = await start(slow)
    const running = fetch(`${url}/predict`, { method: 'POST', body: await samplePng(1) })
    await entered
    const closing = close()
    await expect(fetch(`${url}/v2/health/live`)).rejects.toThrow()
    expect(isReleased()).toBe(false)
    letGo()
    const answer = await running
    expect(answer.status).toBe(200)
    expect(answer.headers.get('connection')).toBe('close')
    expect(await answer.json()).toHaveLength(5)
    await closing
    expect(isReleased()).toBe(true)
    await close()
  })

  test('after the deadline what still runs is cut off', async () => {
    const { slow, letGo, entered } = await slowPipeline()
    const { url, close } = await start(slow, { drainMilliseconds: 100 })
    const running = fetch(`${url}/predict`, { method: 'POST', body: await samplePng(1) }).catch((e) => e)
    await entered
    await close()
    expect(await running).toBeInstanceOf(Error)
    expect(lines.join()).toContain('! 1 request(s) did not finish within 100 ms and are cut off')
    letGo()
  })

  test('a connection on which nothing was said yet is closed at once, a handshake that does not end at the deadline', async () => {
    for (const tls of [undefined, selfSigned()]) {
      const { url, close } = await start(await samplePipeline(), { drainMilliseconds: 2000, tls })
      // Of those that are gone none is in the place of another one.
      const gone = [await connected(url), await connected(url)]
      const [silent, begun] = [await connected(url), await connected(url)]
      for (const { socket, closed } of gone) {
        socket.destroy()
        await closed
      }
      begun.socket.write(tls ? Uint8Array.of(0x16, 3, 1, 0, 100, 1) : 'GET ')
      await new Promise((resolve) => setTimeout(resolve, 50))
      const before = performance.now()
      const closing = close()
      await silent.closed
      expect(performance.now() - before).toBeLessThan(1000)
      await closing
      await begun.closed
      expect(performance.now() - before).toBeLessThan(4000)
    }
  })
})

async function connected(url: string): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, closed }
}
