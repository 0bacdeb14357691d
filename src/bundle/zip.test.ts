import { strToU8, zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { exportSample, sampleFiles } from '../../test/sample-bundle.ts'
import { openBundle } from './bundle.ts'
import { unzipBundle, zipBundle } from './zip.ts'

const signature = (bytes: Uint8Array, last: number, from = 0): number => {
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] === 0x50 && bytes[i + 1] === 0x4b && bytes[i + 2] === last && bytes[i + 3] === last + 1) return i
  }
  return -1
}

describe('a bundle as a zip', () => {
  test('comes back, and is the same bytes each time', async () => {
    const files = await sampleFiles()
    const zip = await zipBundle(files, 'tiny')
    expect(await zipBundle(files, 'tiny')).toEqual(zip)
    expect((await openBundle(unzipBundle(zip, 'tiny.zip'), 'tiny.zip')).model).toEqual(exportSample())
  })

  test('may stand in a folder inside', async () => {
    const files = await sampleFiles()
    const inside: Record<string, Uint8Array> = {}
    for (const name of await files.list('')) inside[`my-model/${name}`] = await files.read(name)
    const store = unzipBundle(zipSync({ 'my-model': {}, ...inside }), 'tiny.zip')
    expect((await openBundle(store, 'tiny.zip')).manifest.name).toBe('tiny')
  })
})

describe('a hostile or damaged zip', () => {
  test('other bytes, or cut off', async () => {
    const zip = await zipBundle(await sampleFiles(), 'tiny')
    for (const bytes of [new Uint8Array(), strToU8('hello'), zip.subarray(0, zip.length - 30), zip.subarray(0, 1000)]) {
      expect(() => unzipBundle(bytes, 'x.zip')).toThrow(
        `x.zip: no whole zip file: its directory is missing in ${bytes.length}`,
      )
    }
  })

  test('damaged in the middle', async () => {
    const zip = await zipBundle(await sampleFiles(), 'tiny')
    for (let at = 40; at < zip.length; at += Math.ceil(zip.length / 60)) {
      const changed = zip.slice()
      changed[at]! ^= 0xff
      // Either the zip is refused, or the checksums of the bundle find it; the directory's own bytes do not matter.
      const opened = await Promise.resolve()
        .then(() => openBundle(unzipBundle(changed, 'x.zip'), 'x.zip'))
        .catch((error) => error)
      if (opened instanceof Error) expect(opened.name).toBe('QuernError')
      else expect(opened.model).toEqual(exportSample())
    }
  })

  test.each(['../evil', '/evil', 'a/../../evil', 'a\\evil'])('an entry named %j', (name) => {
    expect(() => unzipBundle(zipSync({ [name]: strToU8('x') }), 'x.zip')).toThrow('x.zip: the entry')
  })

  test('a bomb that says so', () => {
    const zip = zipSync({ big: new Uint8Array(5_000_000) })
    expect(zip.length).toBeLessThan(10_000)
    expect(() => unzipBundle(zip, 'x.zip', { maxBytes: 1_000_000 })).toThrow(
      "x.zip: 'big' makes it 5000000 bytes unpacked, allowed are 1000000",
    )
  })

  test('a bomb that claims to be small', () => {
    const zip = zipSync({ big: new Uint8Array(5_000_000) })
    new DataView(zip.buffer).setUint32(signature(zip, 3) + 22, 10, true)
    expect(() => unzipBundle(zip, 'x.zip', { maxBytes: 1_000_000 })).toThrow(/unpacks to more/)
  })

  test('too many files', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, strToU8('x')]))
    expect(() => unzipBundle(zipSync(many), 'x.zip', { maxFiles: 10 })).toThrow('more than 10 files')
  })
})
