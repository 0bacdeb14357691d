import { beforeAll, describe, expect, test } from 'vitest'
import { sampleManifest } from '../../test/sample-bundle.ts'
import type { Manifest } from '../contract/manifest.ts'
import { type Aliases, chanceOf, resolveVersion } from './aliases.ts'
import { Catalog, type CatalogEntry } from './catalog.ts'
import { syncCatalog } from './sync-catalog.ts'

/** Entries that note when they are loaded and released; what they answer with is nobody's concern here. */
function setUp(memoryBytes?: number) {
  const events: string[] = []
  let now = 0
  const lines: string[] = []
  const log = { info: () => undefined, warn: (line: string) => void lines.push(line) }
  const catalog = new Catalog({
    clock: { now: () => ++now },
    log,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  })
  const entry = (name: string, version: string, more: Partial<CatalogEntry> & { readonly hash?: string } = {}) => {
    const { hash = 'a', ...rest } = more
    return {
      name,
      version,
      manifest: { ...manifest, files: { 'model.onnx': { bytes: 1, sha256: hash } } },
      bytes: 100,
      load: async () => {
        events.push(`+${name}/${version}`)
        await Promise.resolve()
        return {
          pipeline: () => {
            throw new Error('not asked')
          },
          release: async () => void events.push(`-${name}/${version}`),
        }
      },
      ...rest,
    }
  }
  return { catalog, entry, events, lines }
}

let manifest: Manifest
beforeAll(() => {
  manifest = { ...sampleManifest, files: {} }
})

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a catalog', () => {
  test('loads a version once, when it is first asked for', async () => {
    const { catalog, entry, events } = setUp()
    catalog.add(entry('cats', '1'))
    expect(catalog.find('cats').state).toBe('unloaded')
    const asked = [catalog.lease('cats'), catalog.lease('cats', '1')]
    expect(catalog.find('cats').state).toBe('loading')
    const leases = await Promise.all(asked)
    expect([events, catalog.find('cats').state, catalog.find('cats').users]).toEqual([['+cats/1'], 'ready', 2])
    for (const lease of leases) {
      lease.release()
      lease.release()
    }
    expect(catalog.find('cats').users).toBe(0)
  })

  test('within its memory lets the least recently used go, never one in use', async () => {
    const { catalog, entry, events } = setUp(250)
    for (const name of ['a', 'b', 'c', 'd']) catalog.add(entry(name, '1'))
    const a = await catalog.lease('a')
    await catalog.load('b')
    await catalog.load('c')
    expect(events).toEqual(['+a/1', '+b/1', '-b/1', '+c/1'])
    const c = await catalog.lease('c')
    await expect(catalog.lease('d')).rejects.toMatchObject({ status: 503 })
    a.release()
    await catalog.load('d')
    expect(events.slice(4)).toEqual(['-a/1', '+d/1'])
    c.release()
    catalog.add(entry('huge', '1', { bytes: 1000 }))
    await expect(catalog.lease('huge')).rejects.toThrow("model 'huge' needs 1 MB, the server has 0 MB for all models")
  })

  test('keeps a removed, unloaded or replaced version for those who use it', async () => {
    const { catalog, entry, events } = setUp()
    catalog.add(entry('cats', '1'))
    const user = await catalog.lease('cats')
    catalog.remove('cats', '1')
    expect(() => catalog.find('cats')).toThrow("there is no model 'cats'. This server has none.")
    expect(events).toEqual(['+cats/1'])
    user.release()
    expect(events).toEqual(['+cats/1', '-cats/1'])

    await catalog.swap(entry('dogs', '1'))
    const old = await catalog.lease('dogs')
    catalog.unload('dogs')
    const fresh = await catalog.lease('dogs')
    expect(events.slice(2)).toEqual(['+dogs/1', '+dogs/1'])
    old.release()
    expect(events.at(-1)).toBe('-dogs/1')
    await catalog.swap(entry('dogs', '1', { hash: 'b' }))
    expect(events.slice(5)).toEqual(['+dogs/1'])
    fresh.release()
    expect(events.slice(6)).toEqual(['-dogs/1'])
  })

  test('a swap moves the stable name when the new version is ready, and nothing when it fails', async () => {
    const { catalog, entry } = setUp()
    await catalog.swap(entry('cats', '1'))
    let letGo = (): void => undefined
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const slow = entry('cats', '2')
    const swapping = catalog.swap({ ...slow, load: () => held.then(slow.load) })
    await settled()
    expect(catalog.find('cats').version).toBe('1')
    letGo()
    await swapping
    expect(catalog.find('cats').version).toBe('2')
    const broken = { ...entry('cats', '3'), load: () => Promise.reject(new Error('bad file')) }
    await expect(catalog.swap(broken)).rejects.toThrow('bad file')
    expect(catalog.versions('cats').map(({ version }) => version)).toEqual(['1', '2'])
    expect(catalog.find('cats').version).toBe('2')
  })

  test('says what failed, and tries again when it is asked again', async () => {
    const { catalog, entry, lines } = setUp()
    let isBroken = true
    const good = entry('cats', '1')
    catalog.add({ ...good, load: () => (isBroken ? Promise.reject(new Error('no disk')) : good.load()) })
    await expect(catalog.load('cats')).rejects.toMatchObject({ status: 503, cause: { message: 'no disk' } })
    expect(catalog.find('cats')).toMatchObject({ state: 'failed', reason: 'no disk', users: 0 })
    expect(lines).toEqual(["version 1 of model 'cats' could not be loaded: no disk"])
    isBroken = false
    await catalog.load('cats')
    expect(catalog.find('cats').state).toBe('ready')
  })

  test('closes after the last load', async () => {
    const { catalog, entry, events } = setUp()
    await catalog.swap(entry('a', '1'))
    await catalog.swap(entry('b', '1'))
    await catalog.close()
    expect(events.slice(2).sort()).toEqual(['-a/1', '-b/1'])
  })
})

describe('aliases', () => {
  test('name versions; a canary gets its share', () => {
    const aliases = { stable: '1', canary: { version: '2', share: 0.2 }, shadow: '3' }
    expect(resolveVersion(aliases, undefined, 0.1, '3')).toBe('2')
    expect(resolveVersion(aliases, undefined, 0.2, '3')).toBe('1')
    expect(resolveVersion({}, undefined, 0, '3')).toBe('3')
    expect(['stable', 'canary', 'shadow', '2'].map((name) => resolveVersion(aliases, name, 0.5, '9'))).toEqual([
      '1',
      '2',
      '3',
      '2',
    ])
  })

  test('the same request always gets the same version, and ids spread evenly', () => {
    const ids = Array.from({ length: 10_000 }, (_, i) => `request-${i}`)
    expect(chanceOf('request-1')).toBe(chanceOf('request-1'))
    const share = ids.filter((id) => chanceOf(id) < 0.1).length / ids.length
    expect(share).toBeGreaterThan(0.085)
    expect(share).toBeLessThan(0.115)
  })

  test('must point to versions that there are, and forget those that go', async () => {
    const { catalog, entry } = setUp()
    catalog.add(entry('cats', '1'))
    catalog.add(entry('cats', '2'))
    expect(() => catalog.setAliases('cats', { shadow: '9' })).toThrow("has no version '9'. Known: 1, 2.")
    catalog.setAliases('cats', { stable: '1', canary: { version: '2', share: 1 } })
    expect(catalog.find('cats', undefined, 0.5).version).toBe('2')
    catalog.remove('cats', '2')
    expect(catalog.aliases('cats')).toEqual({ stable: '1' })
    expect(catalog.find('cats', undefined, 0.5).version).toBe('1')
  })
})

describe('a configuration that is read again', () => {
  test('loads what is new or changed, lets go what is gone, leaves the rest alone', async () => {
    const { catalog, entry, events } = setUp()
    await syncCatalog(catalog, [entry('a', '1'), entry('a', '2'), entry('b', '1')], { a: { stable: '1' } })
    expect(catalog.find('a').version).toBe('1')
    events.length = 0
    const changes = await syncCatalog(catalog, [entry('a', '2', { hash: 'new' }), entry('b', '1'), entry('c', '1')], {})
    expect(changes).toEqual({ loaded: ['a/2', 'c/1'], removed: ['a/1'] })
    expect(events.sort()).toEqual(['+a/2', '+c/1', '-a/1', '-a/2'])
    expect(catalog.find('a').version).toBe('2')
  })

  test('takes up what was changed in the manifest alone', async () => {
    const { catalog, entry } = setUp()
    const before = entry('a', '1')
    await syncCatalog(catalog, [before], {})
    const after = { ...before, manifest: { ...before.manifest, labels: ['an ant', 'bee', 'cat', 'dog', 'eel'] } }
    expect(await syncCatalog(catalog, [after], {})).toEqual({ loaded: ['a/1'], removed: [] })
    expect(catalog.find('a').manifest.labels[0]).toBe('an ant')
  })

  test('is refused with a model that has no room even alone, before anything changes', async () => {
    const { catalog, entry, events } = setUp(150 * 2 ** 20)
    await syncCatalog(catalog, [entry('a', '1')], {})
    const large = entry('b', '1', { bytes: 150 * 2 ** 20 + 1 })
    await expect(syncCatalog(catalog, [entry('a', '1', { hash: 'new' }), large], {})).rejects.toMatchObject({
      kind: 'config',
      message: "model 'b' needs 151 MB, the server has 150 MB for all models",
    })
    expect([events, catalog.names]).toEqual([['+a/1'], ['a']])
  })

  test('is refused with two models of one address and aliases that lead nowhere, before anything changes', async () => {
    const { catalog, entry, events } = setUp()
    const wrong: readonly [readonly CatalogEntry[], Record<string, Aliases>, string][] = [
      [[entry('a', '1'), entry('a', '1', { hash: 'b' })], {}, "two of the models are version '1' of 'a'"],
      [[entry('cats', '1')], { cat: { stable: '1' } }, "aliases.cat: there is no model 'cat'"],
      [
        [entry('a', '1')],
        { a: { stable: '1', canary: { version: '2', share: 0.1 } } },
        "aliases.a.canary: model 'a' has no version '2'",
      ],
    ]
    for (const [entries, aliases, message] of wrong) {
      await expect(syncCatalog(catalog, entries, aliases)).rejects.toMatchObject({ kind: 'config', message })
    }
    expect([events, catalog.names]).toEqual([[], []])
  })
})
