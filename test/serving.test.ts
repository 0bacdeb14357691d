/** The whole server on a socket, with real bundles in real threads, while models come, go and are swapped. */
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { hasFreeBatch } from '../src/serve/bundle-entry.ts'
import { inferBody, type LiveServer, liveServer } from './live-server.ts'
import { sampleManifest } from './sample-bundle.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function setUp(): Promise<LiveServer> {
  const live = await liveServer()
  closing.push(live.close)
  return live
}

const infer = (url: string, seed = 1, headers: Record<string, string> = {}, version = '') =>
  fetch(`${url}/v2/models/tiny${version}/infer`, { method: 'POST', body: inferBody(seed), headers })

describe('a server', () => {
  test('answers many at once, each with its own', async () => {
    const { server, passages } = await setUp()
    const seeds = Array.from({ length: 40 }, (_, i) => i + 1)
    const alone: unknown[] = []
    for (const seed of seeds)
      alone.push(((await (await infer(server.url, seed)).json()) as { outputs: unknown }).outputs)
    const answers = await Promise.all(seeds.map((seed) => infer(server.url, seed)))
    const together = (await Promise.all(answers.map((answer) => answer.json()))) as { outputs: unknown }[]
    expect(together.map(({ outputs }) => outputs)).toEqual(alone)
    expect(passages).toHaveLength(80)
    expect(
      passages.every(
        ({ examples, status, computeMilliseconds }) => examples === 1 && status === 200 && computeMilliseconds > 0,
      ),
    ).toBe(true)
    expect(passages[0]!.bytesOut).toBeGreaterThan(300)
  })

  test('loses no request while versions are swapped, unloaded and removed', async () => {
    const { server, catalog, entry, passages } = await setUp()
    let isOver = false
    const ask = async () => {
      const statuses: number[] = []
      while (!isOver) statuses.push((await infer(server.url)).status)
      return statuses
    }
    const clients = Promise.all([ask(), ask(), ask(), ask()])
    for (let version = 2; version <= 6; version++) {
      await catalog.swap(entry(String(version)))
      catalog.remove('tiny', String(version - 1))
      await new Promise((resolve) => setTimeout(resolve, 20))
      catalog.unload('tiny')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    isOver = true
    const statuses = (await clients).flat()
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(statuses.length).toBeGreaterThan(20)
    expect(new Set(passages.map(({ version }) => version)).size).toBeGreaterThan(2)
    expect(catalog.find('tiny')).toMatchObject({ version: '6', users: 0 })
  })

  test('notices that a client left', async () => {
    const { server, catalog, entry, passages } = await setUp()
    let letGo = (): void => undefined
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const slow = entry('2')
    catalog.add({ ...slow, load: () => held.then(slow.load) })
    const text = inferBody(1)
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `POST /v2/models/tiny/versions/2/infer HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
    while (catalog.find('tiny', '2').users === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    socket.destroy()
    while (passages.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(passages[0]).toMatchObject({ status: 499, failure: 'the client left', examples: 0 })
    letGo()
    while (catalog.find('tiny', '2').users > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await infer(server.url)).status).toBe(200)
  })

  test('keeps deadlines', async () => {
    const { server, catalog, entry } = await setUp()
    const slow = entry('2')
    const wait = () => new Promise((resolve) => setTimeout(resolve, 60))
    catalog.add({ ...slow, load: () => wait().then(slow.load) })
    const late = await infer(server.url, 1, { 'x-timeout-ms': '20' }, '/versions/2')
    expect(late.status).toBe(504)
    expect((await infer(server.url, 1, { 'x-timeout-ms': '5000' }, '/versions/2')).status).toBe(200)
    expect((await infer(server.url, 1, { 'x-timeout-ms': 'soon' })).status).toBe(400)
  })

  test('lets a shadow compute the same, and tells who watches', async () => {
    const { server, catalog, entry, shadows } = await setUp()
    catalog.add(entry('2'))
    catalog.setAliases('tiny', { stable: '1', shadow: '2' })
    const answer = (await (await infer(server.url)).json()) as { model_version: string }
    expect(answer.model_version).toBe('1')
    while (shadows.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const same = { examples: 1, agreeing: 1, differences: 0, largestDifference: 0 }
    expect(shadows[0]).toEqual({ name: 'tiny', version: '1', shadow: '2', ...same })
  })

  test('is not ready when nothing can compute', async () => {
    const { server, engine } = await setUp()
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    await engine.close()
    expect((await fetch(`${server.url}/healthz`)).status).toBe(503)
    expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200)
  })
})

test('only models with one free first axis are batched', () => {
  const [input] = sampleManifest.inputs
  const [output] = sampleManifest.outputs
  expect(hasFreeBatch({ inputs: [input!], outputs: [output!] })).toBe(true)
  expect(hasFreeBatch({ inputs: [input!], outputs: [{ ...output!, shape: [1, 5] }] })).toBe(false)
  expect(hasFreeBatch({ inputs: [{ ...input!, shape: [1, 1, 12, 12] }], outputs: [output!] })).toBe(false)
  expect(hasFreeBatch({ inputs: [input!], outputs: [{ ...output!, shape: ['rows', 5] }] })).toBe(false)
})
