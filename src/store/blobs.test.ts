/** One suite for every blob store: what the port promises, whoever keeps it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppendableBlobStore, blobsWithin } from './blobs.ts'
import { createFileBlobs } from './file-blobs.ts'
import { createMemoryBlobs } from './memory-blobs.ts'

let root = ''
let folders = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-blobs-'))
})
afterAll(() => rm(root, { recursive: true }))

const stores: readonly (readonly [string, () => AppendableBlobStore])[] = [
  ['memory', createMemoryBlobs],
  ['files', () => createFileBlobs(join(root, `store-${folders++}`))],
  ['within memory', () => blobsWithin(createMemoryBlobs(), 'a/b')],
  ['within files', () => blobsWithin(createFileBlobs(join(root, `store-${folders++}`)), 'a/b')],
]

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe.each(stores)('%s', (_, make) => {
  test('gives back what was written, as a plain Uint8Array of its own', async () => {
    const store = make()
    const given = bytes(1, 2, 3)
    await store.write('a/b.bin', given)
    given[0] = 9
    const read = await store.read('a/b.bin')
    expect(read.constructor).toBe(Uint8Array)
    expect(read).toEqual(bytes(1, 2, 3))
  })

  test('replaces, also by something shorter', async () => {
    const store = make()
    await store.write('x', new Uint8Array(100))
    await store.write('x', bytes(7))
    expect(await store.read('x')).toEqual(bytes(7))
  })

  test('any bytes, none too', async () => {
    const store = make()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (value) => {
        await store.write('any', value)
        expect(await store.read('any')).toEqual(value)
      }),
      { numRuns: 20 },
    )
  })

  test('a missing blob is an error that names it', async () => {
    await expect(make().read('not/here')).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringContaining("not/here'"),
    })
    expect(await make().exists('not/here')).toBe(false)
  })

  test('a folder of blobs is no blob', async () => {
    const store = make()
    await store.write('a/b', bytes(1))
    expect(await store.exists('a')).toBe(false)
    await expect(store.read('a')).rejects.toMatchObject({ kind: 'missing' })
  })

  test('lists by prefix, sorted, whole names and parts of names', async () => {
    const store = make()
    expect(await store.list('')).toEqual([])
    for (const key of ['b/2', 'a', 'b/1', 'bc', 'b/c/3']) await store.write(key, bytes())
    expect(await store.list('')).toEqual(['a', 'b/1', 'b/2', 'b/c/3', 'bc'])
    expect(await store.list('b')).toEqual(['b/1', 'b/2', 'b/c/3', 'bc'])
    expect(await store.list('b/')).toEqual(['b/1', 'b/2', 'b/c/3'])
    expect(await store.list('b/c/3')).toEqual(['b/c/3'])
    expect(await store.list('z/')).toEqual([])
  })

  test('removes, and says nothing when there was nothing', async () => {
    const store = make()
    await store.write('a/b/c', bytes(1))
    await store.remove('a/b/c')
    await store.remove('a/b/c')
    expect(await store.list('')).toEqual([])
    await store.write('a/b', bytes(2))
    expect(await store.read('a/b')).toEqual(bytes(2))
  })

  test('appends to nothing and to something', async () => {
    const store = make()
    await store.append('log/a', bytes(1))
    await store.append('log/a', bytes(2, 3))
    expect(await store.read('log/a')).toEqual(bytes(1, 2, 3))
  })

  test('of many that create the same blob one succeeds', async () => {
    const store = make()
    const won = await Promise.all(Array.from({ length: 8 }, (_, i) => store.create('id/claim', bytes(i))))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect(await store.read('id/claim')).toEqual(bytes(won.indexOf(true)))
    expect(await store.list('')).toEqual(['id/claim'])
  })

  test('writes at the same time leave one of them, whole', async () => {
    const store = make()
    const values = Array.from({ length: 6 }, (_, i) => new Uint8Array(50_000).fill(i))
    await Promise.all(values.map((value) => store.write('busy', value)))
    expect(values).toContainEqual(await store.read('busy'))
    expect(await store.list('')).toEqual(['busy'])
  })

  test.each([
    '',
    '/',
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a//b',
    'a/',
    './a',
    'a\\..\\x',
    'C:/x',
    'a\0b',
    'a/.b.1.tmp',
  ])('refuses the key %j', async (key) => {
    const store = make()
    await store.write('a/b', bytes(1))
    const works = [
      () => store.read(key),
      () => store.write(key, bytes(2)),
      () => store.exists(key),
      () => store.remove(key),
      () => store.append(key, bytes(2)),
      () => store.create(key, bytes(2)),
    ]
    for (const work of works) await expect((async () => work())()).rejects.toMatchObject({ kind: 'input' })
    expect(await store.list('')).toEqual(['a/b'])
  })
})
