/** Encoded tables between runs: what is read again, what is noticed, what is removed, and tables that are read from the disk while training. */
import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inspectData } from '../../src/actions/inspect.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { Project } from '../../src/actions/services.ts'
import { createRandom } from '../../src/core/random.ts'
import { copyOfExamples, type Dataset, exampleName } from '../../src/data/dataset.ts'
import { digestDatasets } from '../../src/data/digest.ts'
import { pruneCache } from '../../src/data/prune-cache.ts'
import { createFileBlobs } from '../../src/store/file-blobs.ts'
import type { TaskData } from '../../src/tasks/task.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

const rows = 700
/** Megabytes that hold no table. */
const none = 1e-6

/** Every kind of column, with gaps in values and in the target. */
function table(seed = 5): string {
  const random = createRandom(seed)
  const lines = Array.from({ length: rows }, (_, i) => {
    const [a, city] = [random.normal(), ['Bern', 'Basel', 'Chur'][random.integer(3)]!]
    const day = new Date(Date.UTC(2021, 0, 1 + random.integer(900))).toISOString().slice(0, 10)
    const note = `order ${random.integer(40)} was sent late and came back`
    const gap = random.uniform() < 0.1
    const state = i % 50 === 7 ? '' : a + (city === 'Chur' ? 1 : 0) > 0.3 ? 'bad' : 'good'
    const tags = ['x', 'y', 'z'].filter(() => random.uniform() < 0.4).join(';')
    return [gap ? '' : a.toFixed(5), city, day, note, tags, `"${a.toFixed(3)} 1 ${i % 7}"`, state].join(',')
  })
  return `a,city,day,note,tags,v,state\n${lines.join('\n')}\n`
}

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
})
afterAll(() => folder.remove())
const path = (name: string): string => join(folder.root, name)
const entries = async (): Promise<string[]> =>
  (await readdir(path('.quern/cache/tables')).catch(() => [])).filter((name) => name.endsWith('.rows'))

beforeEach(async () => {
  await rm(path('.quern/cache'), { recursive: true, force: true })
  await writeFile(path('rows.csv'), table())
})

function project(data: object = {}, more: object = {}): Project {
  const columns = { note: 'text', tags: 'set', v: 'vector' }
  const all = { source: 'rows.csv', target: 'state', columns, onMissingTarget: 'skip', ...data }
  const config = { task: 'tabular-classification', seed: 4, threads: 1, data: all, train: { epochs: 3 }, ...more }
  return resolveProject(config, { root: folder.root, what: 'test' })
}

const load = ({ task, config, root }: Project): Promise<TaskData> =>
  task.load(config, { root, cache: folder.services.cache })

/** All that is in the splits: cells of every column, names, answers. */
function contentOf({ splits, labels, preprocessing, report }: TaskData): unknown {
  const parts = Object.entries<Dataset>(splits).map(([name, part]) => {
    const columns = Object.keys({ ...part.columns, ...part.stored })
    const every = Int32Array.from({ length: part.length }, (_, i) => i)
    const values = Object.entries(copyOfExamples(part, columns, every).columns).sort(([a], [b]) => (a < b ? -1 : 1))
    return [name, values, Array.from(every, (i) => exampleName(part, i))]
  })
  return { parts, labels, preprocessing, broken: report.broken }
}

describe('a second run', () => {
  it('reads what the first one encoded: the same rows, names and fingerprint, without the table', async () => {
    const first = await load(project())
    expect(first.report.cached).toBe(0)
    const second = await load(project())
    expect(second.report.cached).toBe(second.report.examples)
    expect(second.report.broken).toHaveLength(14)
    expect(contentOf(second)).toEqual(contentOf(first))
    expect(await digestDatasets(second.splits)).toBe(await digestDatasets(first.splits))
    expect(await entries()).toHaveLength(1)
  })

  it.each([
    ['a column', { columns: { note: 'ignore', tags: 'set', v: 'vector' } }, {}],
    ['a feature', { columns: { note: 'text', tags: 'set', v: 'vector', a: { feature: 'quantile' } } }, {}],
    ['a split', { split: { validation: 0.2, test: 0.2 } }, {}],
    ['a rule', { clean: [{ rule: 'clip', columns: ['a'], min: -1, max: 1 }] }, {}],
    ['a seed', {}, { seed: 5 }],
  ])('of another configuration (%s) encodes anew', async (_, data, more) => {
    await load(project())
    const other = await load(project(data, more))
    expect(other.report.cached).toBe(0)
    expect(await entries()).toHaveLength(2)
    // What training alone reads changes no row.
    expect((await load(project({}, { train: { epochs: 9 } }))).report.cached).toBeGreaterThan(0)
  })

  it('notices a changed file, of the same length and time too', async () => {
    const before = contentOf(await load(project()))
    const { atime, mtime } = await stat(path('rows.csv'))
    await writeFile(path('rows.csv'), (await readFile(path('rows.csv'), 'utf8')).replace('Chur', 'Bern'))
    await utimes(path('rows.csv'), atime, mtime)
    const after = await load(project())
    expect(after.report.cached).toBe(0)
    expect(contentOf(after)).not.toEqual(before)
  })

  it('notices a picture that changed below an unchanged table', async () => {
    const all = await readdir(path('photos'), { recursive: true })
    const files = all.filter((name) => name.endsWith('.png')).map((name) => `photos/${name}`)
    const lines = files.slice(0, 40).map((file, i) => `${file},${i % 2 === 0 ? 'a' : 'b'}`)
    await writeFile(path('rows.csv'), `file,state\n${lines.join('\n')}\n`)
    const ours = project({ columns: { file: 'image' }, onMissingTarget: 'fail' })
    await load(ours)
    expect((await load(ours)).report.cached).toBe(40)
    await writeFile(path(files[0]!), await readFile(path(files.at(-1)!)))
    expect((await load(ours)).report.cached).toBe(0)
  })
})

describe('an entry that is damaged', () => {
  const damages: Readonly<Record<string, (rowsPath: string) => Promise<void>>> = {
    'a bit': async (file) => {
      const bytes = await readFile(file)
      bytes[1234]! ^= 1
      await writeFile(file, bytes)
    },
    'cut in half': async (file) => truncate(file, Math.floor((await stat(file)).size / 2)),
    'rows gone': (file) => rm(file),
    'half a description': async (file) => {
      const head = file.replace(/rows$/, 'json')
      await truncate(head, Math.floor((await stat(head)).size / 2))
    },
    'a description of nothing': (file) => writeFile(file.replace(/rows$/, 'json'), '{}'),
  }
  it.each(Object.keys(damages))('%s: is noticed, said, and made again', async (name) => {
    const first = contentOf(await load(project()))
    const [entry] = await entries()
    await damages[name]!(path(`.quern/cache/tables/${entry}`))
    const second = await load(project())
    expect(second.report.warnings.join()).toMatch(
      /cache of encoded rows \(tables\/[0-9a-f]+\) was damaged and is made again/,
    )
    expect(second.report.cached).toBe(0)
    expect(contentOf(second)).toEqual(first)
    const third = await load(project())
    expect(third.report.cached).toBe(third.report.examples)
    expect(third.report.warnings.join()).not.toContain('damaged')
  })

  it('rows whose description was never written are none', async () => {
    await load(project())
    const [entry] = await entries()
    await rm(path(`.quern/cache/tables/${entry!.replace(/rows$/, 'json')}`))
    expect((await load(project())).report).toMatchObject({ cached: 0 })
  })
})

describe('old entries', () => {
  const day = 86_400_000
  it('go by age, then by size, the longest unused first; half-written files go too; the current one stays', async () => {
    const root = path('.quern/cache')
    const store = createFileBlobs(root)
    const now = Date.now()
    const make = async (key: string, bytes: number, days: number): Promise<void> => {
      await store.write(key, new Uint8Array(bytes))
      await utimes(join(root, key), new Date(now - days * day), new Date(now - days * day))
    }
    await make('tables/ancient.rows', 10, 40)
    await make('tables/ancient.json', 10, 40)
    await make('images-old.pixels', 600, 20)
    await make('features/young.safetensors', 600, 2)
    await make('tables/current.rows', 600, 50)
    await make('tables/current.json', 10, 0)
    await writeFile(join(root, 'tables/.left.rows.1-2.tmp'), 'x')
    await utimes(join(root, 'tables/.left.rows.1-2.tmp'), new Date(now - 2 * day), new Date(now - 2 * day))
    await writeFile(join(root, 'tables/.busy.rows.1-2.tmp'), 'x')
    expect(await pruneCache(store, 'tables/current.json', now, { bytes: 1300 })).toEqual([
      'tables/ancient',
      'images-old',
    ])
    expect((await readdir(root, { recursive: true })).sort()).toEqual(
      [
        'features',
        'features/young.safetensors',
        'tables',
        'tables/.busy.rows.1-2.tmp',
        'tables/current.json',
        'tables/current.rows',
      ].sort(),
    )
    expect(await pruneCache(store, 'tables/current.json', now)).toEqual([])
  })
})

describe('a table that is larger than data.memory', () => {
  it.each([
    ['at random', {}],
    ['by group', { split: { by: 'group', column: 'city', validation: 0, test: 0.3 } }],
    [
      'by a column that is not to be learnt from',
      { columns: { city: 'ignore' }, split: { by: 'group', column: 'city', validation: 0, test: 0.3 } },
    ],
    ['by time', { split: { by: 'time', column: 'day' } }],
    ['in folds', { split: { by: 'k-fold', folds: 3, fold: 1 } }],
  ])('has the values that it has in memory, divided %s', async (_, data) => {
    const whole = await load(project(data))
    await rm(path('.quern/cache'), { recursive: true })
    const streamed = await load(project({ ...data, memory: none }))
    expect(Object.keys(streamed.splits.train.stored!)[0]).toBe('numbers')
    expect(streamed.splits.train.columns).not.toHaveProperty('numbers')
    expect(streamed.report.warnings.join()).toContain('larger than data.memory')
    expect(contentOf(streamed)).toEqual(contentOf(whole))
    const again = await load(project({ ...data, memory: none }))
    expect(again.report.cached).toBe(again.report.examples)
    expect(contentOf(again)).toEqual(contentOf(whole))
  })

  it('trains, evaluates, and repeats itself; a run on it can be resumed', async () => {
    const ours = project({ memory: none })
    const { result, events } = await train(folder.services, ours)
    const again = await train(folder.services, ours)
    expect(again.result.scores).toEqual(result.scores)
    expect(result.scores.test!.accuracy).toBeGreaterThan(0.7)
    expect(result.baselines!.linear!.test!.accuracy).toBeGreaterThan(0.7)
    const stop = new AbortController()
    const cut = await train(folder.services, ours, { signal: stop.signal }, (event) => {
      if (event.type === 'epoch') stop.abort()
    })
    expect(cut.result.state).toBe('interrupted')
    const resumed = await train(folder.services, ours, { resume: cut.result.run })
    expect(resumed.result.scores).toEqual(result.scores)
    expect(events.some(({ type }) => type === 'epoch')).toBe(true)
  })

  it('has weights of classes and sampling as any other', async () => {
    for (const more of [{ classWeights: 'balanced' }, { sampling: { name: 'over', ratio: 1 } }]) {
      const { result } = await train(folder.services, project({ memory: none }, { train: { epochs: 2, ...more } }))
      expect(result.state).toBe('finished')
    }
  })

  it('is inspected by some of its rows, and says so', async () => {
    const profile = await inspectData(folder.services, project({ memory: 0.1 }))
    if (profile.kind !== 'table') throw new Error('no table')
    expect(profile.notes.join()).toMatch(/Of 700 rows one in \d+ was looked at/)
    expect(profile.rows).toBeLessThan(400)
    expect(profile.columns.map(({ name, kind }) => `${name} ${kind}`)).toContain('note text')
  })

  describe('is cleaned by chunks', () => {
    const clean = [
      { rule: 'regex', columns: 'price', pattern: '[$,]' },
      { rule: 'trim', columns: 'city', case: 'lower' },
      { rule: 'map', columns: 'city', values: { bale: 'basel', '?': null } },
      { rule: 'convert', columns: 'size', to: 'cm', from: 'cm' },
      { rule: 'clip', columns: 'a', min: -1, max: 1 },
      { rule: 'drop', columns: 'day', where: { below: '2021-02-01' } },
      { rule: 'dedupe', columns: ['a', 'city', 'day'] },
    ]
    /** More rows than a chunk has, with what each rule is for. */
    const dirty = (): string => {
      const random = createRandom(8)
      const lines = Array.from({ length: 20_000 }, (_, i) => {
        const a = random.normal()
        const city = [' Bern', 'BERN ', 'Bale', '?', 'Chur'][random.integer(5)]!
        const day = new Date(Date.UTC(2021, random.integer(12), 1 + random.integer(28))).toISOString().slice(0, 10)
        const size = 150 + random.integer(50)
        const shown = i % 3 ? String(size) : `${(size / 100).toFixed(2)} m`
        const tags = ['x', 'y'].filter(() => random.uniform() < 0.4).join(';')
        return `${a.toFixed(2)},${city},${day},${shown},"$${1 + random.integer(9)},${100 + random.integer(900)}",${tags},${a > 0.2}`
      })
      return `a,city,day,size,price,tags,state\n${lines.join('\n')}\n`
    }
    const ours = (more: object) => project({ columns: { tags: 'set' }, clean, ...more })
    const swiss = { day: '%d.%m.%Y' }

    it('to the values and the report that it has in memory', { timeout: 60_000 }, async () => {
      await writeFile(path('rows.csv'), dirty())
      const whole = await load(ours({}))
      await rm(path('.quern/cache'), { recursive: true })
      const streamed = await load(ours({ memory: none }))
      expect(streamed.splits.train.stored).toBeDefined()
      expect(contentOf(streamed)).toEqual(contentOf(whole))
      const steps = streamed.report.cleaned!
      expect(steps.map(({ rows }) => rows)).toEqual(whole.report.cleaned!.map(({ rows }) => rows))
      expect(steps).toEqual(whole.report.cleaned)
      for (const { rows } of steps) expect(rows).toBeGreaterThan(100)
      // Names of rows are those of the file, from the cache too.
      const again = await load(ours({ memory: none }))
      expect(again.report.cached).toBe(again.report.examples)
      expect(contentOf(again)).toEqual(contentOf(whole))
    })

    it('and keeps how its dates are written', async () => {
      const written = dirty().replace(/(\d{4})-(\d\d)-(\d\d)/g, '$3.$2.$1')
      await writeFile(path('rows.csv'), written)
      const columns = { tags: 'set', day: { format: swiss.day } }
      const rules = clean.filter(({ rule }) => rule !== 'drop')
      const whole = await load(ours({ columns, clean: rules }))
      await rm(path('.quern/cache'), { recursive: true })
      const streamed = await load(ours({ columns, clean: rules, memory: none }))
      expect(streamed.preprocessing).toEqual(whole.preprocessing)
      expect(JSON.stringify(streamed.preprocessing)).toContain(swiss.day)
    })

    it('and names the row of a value that a rule cannot take, or that no row is left', async () => {
      const lines = dirty().split('\n')
      lines[15_000] = lines[15_000]!.replace(/,[^,]+,"/, ',180 ells,"')
      await writeFile(path('rows.csv'), lines.join('\n'))
      await expect(load(ours({ memory: none }))).rejects.toThrow(
        /^rows\.csv row 15000: column 'size': 'ells' is no unit/,
      )
      const none_ = [{ rule: 'drop', columns: 'day', where: { above: '1999-01-01' } }]
      await expect(load(ours({ memory: none, clean: none_ }))).rejects.toThrow(
        /data\.clean leaves no row: drop rows where day: above "1999-01-01": 20000/,
      )
    })

    it('but for a rule that keeps the last of equal rows: it is held in memory', async () => {
      const last = [{ rule: 'dedupe', columns: ['a', 'city'], keep: 'last' }]
      const data = await load(project({ memory: none, clean: last }))
      expect(data.report.cleaned).toMatchObject([{ dropped: true }])
      expect(data.splits.train.length).toBeGreaterThan(0)
    })
  })
})
