import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createMemoryBlobs } from './memory-blobs.ts'
import { createPayloadStore, payloadKeyFrom } from './payloads.ts'

const key = new Uint8Array(32).map((_, i) => i)
const day = 86_400_000
const text = (content: Uint8Array): string => new TextDecoder().decode(content)
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

function stored(limits: { maxAgeMilliseconds?: number; maxBytes?: number } = {}) {
  const blobs = createMemoryBlobs()
  const clock = { at: 1_795_000_000_000, now: () => clock.at }
  const all = { maxAgeMilliseconds: day, maxBytes: 1e6, ...limits }
  const open = (with_: Uint8Array | undefined = key) => createPayloadStore(blobs, { key: with_, clock, limits: all })
  return { blobs, clock, open, store: open() }
}

describe('payloads', () => {
  test('come back with the key, and are nothing but noise without', async () => {
    const { blobs, store, open } = stored()
    const content = bytes('age 61, diagnosis unknown '.repeat(20))
    const id = await store.add(content)
    expect(text(await open().read(id))).toBe(text(content))
    const file = await blobs.read(id)
    expect(text(file)).not.toContain('diagnosis')
    expect(await store.list()).toEqual([{ id, time: 1_795_000_000_000, bytes: file.length }])
    await expect(open(new Uint8Array(randomBytes(32))).read(id)).rejects.toThrow('its key is another')
  })

  test('the same content twice is two files that have nothing in common', async () => {
    const { blobs, store } = stored()
    const [a, b] = await Promise.all([store.add(bytes('same')), store.add(bytes('same'))])
    expect(a).not.toBe(b)
    expect(Buffer.from(await blobs.read(a)).subarray(8)).not.toEqual(Buffer.from(await blobs.read(b)).subarray(8))
  })

  test('a changed byte, a shorter file and another name are noticed', async () => {
    const { blobs, store } = stored()
    const id = await store.add(bytes('content'))
    const file = await blobs.read(id)
    for (const at of [0, 9, 22, file.length - 1]) {
      const changed = file.map((byte, i) => (i === at ? byte ^ 1 : byte))
      await blobs.write(id, changed)
      await expect(store.read(id), String(at)).rejects.toThrow(`payload ${id} cannot be read`)
    }
    await blobs.write(id, file.subarray(0, 20))
    await expect(store.read(id)).rejects.toThrow('no encrypted payload')
    const other = id.replace(/^\d{13}/, '1790000000000')
    await blobs.write(other, file)
    await expect(store.read(other)).rejects.toThrow('it was changed')
    await expect(store.read('../keys.json')).rejects.toThrow('is no id of a payload')
  })

  test('go by age, and the oldest when there are too many bytes', async () => {
    const { store, clock, open } = stored({ maxBytes: 1000 })
    const ids: string[] = []
    for (let i = 0; i < 8; i++) {
      clock.at += 1000
      ids.push(await store.add(new Uint8Array(200)))
    }
    expect((await store.list()).map(({ id }) => id)).toEqual(ids.slice(-4))
    clock.at += day - 1500
    // Another process, that knows what is there from the names alone.
    expect(await open(undefined).prune()).toBe(2)
    expect((await store.list()).map(({ id }) => id)).toEqual(ids.slice(-2))
  })
})

test('keys are 32 bytes, as hexadecimal digits or in base64', () => {
  const hex = Buffer.from(key).toString('hex')
  for (const form of [
    hex,
    hex.toUpperCase(),
    Buffer.from(key).toString('base64'),
    ` ${Buffer.from(key).toString('base64url')}\n`,
  ]) {
    expect(payloadKeyFrom(form, 'KEY')).toEqual(key)
  }
  for (const form of ['', 'password', hex.slice(2), `${hex}00`, Buffer.from(key.subarray(1)).toString('base64')]) {
    expect(() => payloadKeyFrom(form, 'KEY'), form).toThrow('KEY must be 32 random bytes')
  }
})
