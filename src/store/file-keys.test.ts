import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createFileBlobs } from './file-blobs.ts'
import { createKeyStore } from './file-keys.ts'
import { createMemoryBlobs } from './memory-blobs.ts'

const start = Date.UTC(2026, 10, 23)
let time = start
const setTime = (now: number): void => {
  time = now
}
afterEach(() => setTime(start))
const clock = { now: () => time }

describe('keys', () => {
  test('a key is found by itself alone, and is kept as a hash', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'quern-keys-'))
    try {
      const store = createKeyStore(createFileBlobs(folder), clock)
      const { key, record } = await store.create({ name: 'shop', scopes: ['infer'], plan: 'pro', priority: 3 })
      expect(key).toMatch(/^qk_[\w-]{12}_[\w-]{43}$/)
      expect(await store.find(key)).toEqual(record)
      const text = await readFile(join(folder, 'keys.json'), 'utf8')
      expect(text).not.toContain(key.slice(16))
      expect(text).toContain(record.sha256)
      const other = (await store.create({ name: 'b', scopes: ['admin'] })).key
      const wrong = [
        `${key}x`,
        key.slice(0, -1),
        key.slice(0, 16) + other.slice(16),
        '',
        'qk_',
        record.sha256,
        record.id,
      ]
      for (const text of wrong) expect(await store.find(text), text).toBeUndefined()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('expired and revoked keys are nobody', async () => {
    const store = createKeyStore(createMemoryBlobs(), clock)
    const expires = new Date(start + 5000).toISOString()
    const short = await store.create({ name: 'short', scopes: ['infer'], expires })
    const long = await store.create({ name: 'long', scopes: ['infer'] })
    setTime(start + 4999)
    expect(await store.find(short.key)).toEqual(short.record)
    setTime(start + 5000)
    expect(await store.find(short.key)).toBeUndefined()
    expect(await store.find(long.key)).toEqual(long.record)
    const revoked = await store.revoke(long.record.id.slice(0, 6))
    expect(revoked.revoked).toBe(new Date(start + 5000).toISOString())
    expect(await store.find(long.key)).toBeUndefined()
    expect(await store.revoke(long.key)).toEqual(revoked)
    await expect(store.revoke('nope')).rejects.toThrow("there is no key 'nope'")
  })

  test('another process sees a change within a second', async () => {
    const blobs = createMemoryBlobs()
    const [server, shell] = [createKeyStore(blobs, clock), createKeyStore(blobs, clock)]
    expect(await server.find('qk_')).toBeUndefined()
    const { key, record } = await shell.create({ name: 'shop', scopes: ['infer'] })
    setTime(start + 1000)
    expect(await server.find(key)).toEqual(record)
    await shell.revoke(record.id)
    setTime(start + 2000)
    expect(await server.find(key)).toBeUndefined()
  })

  test('keys that are made at the same time are all kept', async () => {
    const store = createKeyStore(createMemoryBlobs(), clock)
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.create({ name: `k${i}`, scopes: ['infer'] })))
    expect((await store.list()).map(({ name }) => name)).toEqual(Array.from({ length: 20 }, (_, i) => `k${i}`))
  })

  const record = { id: 'a', name: 'a', sha256: '0'.repeat(64), scopes: ['infer'], created: '2026-11-23T00:00:00.000Z' }
  test.each([
    ['no JSON', '{'],
    ['another form', '{"format":2,"keys":[]}'],
    ['an expiry that is no time', JSON.stringify({ format: 1, keys: [{ ...record, expires: 'soon' }] })],
    ['a short hash', JSON.stringify({ format: 1, keys: [{ ...record, sha256: '00' }] })],
    ['an unknown scope', JSON.stringify({ format: 1, keys: [{ ...record, scopes: ['root'] }] })],
  ])('a damaged file lets nobody in: %s', async (_, text) => {
    const blobs = createMemoryBlobs()
    await blobs.write('keys.json', new TextEncoder().encode(text))
    await expect(createKeyStore(blobs, clock).find('qk_')).rejects.toThrow('keys.json is damaged')
  })
})
