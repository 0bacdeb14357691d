/** What tables of users are like, from the file to the answer: words for yes and no, long texts, rows that cannot be read, times as JavaScript writes them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectData } from '../../src/actions/inspect.ts'
import { openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { trainModel } from '../../src/actions/train.ts'
import type { Prediction } from '../../src/bundle/task-pipeline.ts'
import type { NameBins } from '../../src/contract/training-profile.ts'
import type { TableProfile } from '../../src/data/table-profile.ts'
import { createProjectFolder, type ProjectFolder } from './project-folder.ts'

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
})
afterAll(() => folder.remove())

/** A file of 60 rows and a project that learns `y` of it. */
async function projectOf(head: string, row: (i: number) => string, data: object = {}, encoding?: 'latin1') {
  const text = `${head}\n${Array.from({ length: 60 }, (_, i) => row(i)).join('\n')}\n`
  await writeFile(join(folder.root, 'rows.csv'), Buffer.from(text, encoding ?? 'utf8'))
  const config = {
    task: 'tabular-classification',
    data: { source: 'rows.csv', target: 'y', ...data },
    train: { epochs: 1 },
  }
  return resolveProject(config, { root: folder.root, what: 'test' })
}

type Project = Awaited<ReturnType<typeof projectOf>>
const inspect = async (project: Project) => (await inspectData(folder.services, project)) as TableProfile

async function trained(project: Project) {
  const events = trainModel(folder.services, project)
  let next = await events.next()
  while (!next.done) next = await events.next()
  return openModel(folder.services, next.value.run)
}

/** Classes by turns, so that every split has both. */
const turns = (i: number, ...texts: string[]): string => texts[i % texts.length]!

describe('classes', () => {
  it('that are yes and no are answered so, behind cleaning rules too', async () => {
    const clean = [{ rule: 'trim', columns: 'y' }]
    for (const data of [{}, { clean }]) {
      const { bundle, pipeline } = await trained(await projectOf('a,y', (i) => `${i},${turns(i, 'Yes', 'no')}`, data))
      const answers = (await pipeline.predict({ a: 1 })) as Prediction[]
      await pipeline.release()
      expect(bundle.manifest.labels).toEqual(['Yes', 'no'])
      expect(answers.map(({ label }) => label).sort()).toEqual(['Yes', 'no'])
    }
  }, 60_000)

  it('of one meaning and several spellings are one class; a column to learn from is what it was', async () => {
    const several = await inspect(await projectOf('a,y', (i) => `${i},${turns(i, 'Yes', 'no', 'yes', 'NO')}`))
    expect(several.labels).toEqual(['false', 'true'])
    const read = await inspect(await projectOf('a,y', (i) => `${turns(i, 'yes', 'no', 'no')},${turns(i, 'p', 'q')}`))
    expect(read.columns[0]!.kind).toBe('boolean')
  })
})

it('a value of thousands of characters leaves a bundle that opens, and is told from one of another length', async () => {
  const long = (length: number): string => 'parcel late '.repeat(length)
  const of = await projectOf('note,y', (i) => `${turns(i, long(100), long(101), 'fine')},${turns(i, 'p', 'q')}`)
  const { bundle, pipeline } = await trained(of)
  await pipeline.release()
  const { values, counts } = bundle.profile!.inputs.find(({ name }) => name === 'note') as NameBins
  expect(values.map((value) => value.length).every((length) => length <= 500)).toBe(true)
  const [fine, short, longer] = [...values].sort()
  expect(fine).toBe('fine')
  expect(short).toMatch(/^parcel late .* … \(1199\)$/)
  expect(longer).toMatch(/ … \(1211\)$/)
  expect(counts.at(-1)).toBe(0)
}, 60_000)

describe('an inspection', () => {
  it('says once that a column is left out, and names few of many equal rows', async () => {
    const { advice } = await inspect(
      await projectOf('a,b,n,y', (i) => `${turns(i, '1', '2')},x,,${turns(i, 'p', 'q')}`),
    )
    const left = advice.filter((sentence) => /column 'n' is left out/i.test(sentence))
    expect(left).toEqual(["Column 'n' is left out: it has no value."])
    expect(advice.find((sentence) => sentence.startsWith('58 rows repeat'))).toBe(
      '58 rows repeat an earlier one (rows.csv row 1 = rows.csv row 3 = rows.csv row 5 = rows.csv row 7 and 26 more, rows.csv row 2 = rows.csv row 4 = rows.csv row 6 = rows.csv row 8 and 26 more).',
    )
  })

  it('says what training will stop at, unless that may be left out', async () => {
    const row = (i: number): string => (i === 7 ? '1' : i === 9 ? '9,' : `${i},${turns(i, 'p', 'q')}`)
    const { advice, rows } = await inspect(await projectOf('a,y', row))
    expect(rows).toBe(58)
    expect(advice).toContain(
      "Training stops at lines that do not fit: mend them, or leave them out with data.onBroken: 'skip'.",
    )
    expect(advice).toContain(
      "Training stops at a row without 'y': fill it in, or leave such rows out with data.onMissingTarget: 'skip'.",
    )
    const skipping = await projectOf('a,y', row, { onBroken: 'skip', onMissingTarget: 'skip' })
    expect((await inspect(skipping)).advice.filter((sentence) => /stops/.test(sentence))).toEqual([])
    expect((await inspect(skipping)).advice.join()).toContain('2 rows were left out: rows.csv line 9')
  })

  it('of a file in another encoding names the encoding, not a file without rows', async () => {
    const project = await projectOf('ä,y', (i) => `Müller,${turns(i, 'p', 'q')}`, {}, 'latin1')
    await expect(inspect(project)).rejects.toThrow(/rows\.csv line 2: the bytes are not UTF-8; no row is left of 60/)
    await expect(inspect(project)).rejects.toMatchObject({
      hint: expect.stringContaining("data.csv.encoding: 'latin-1'"),
    })
  })

  it('names a column without a name by its place', async () => {
    const { columns } = await inspect(
      await projectOf(',a,y', (i) => `${i},${turns(i, '1', '2', '3')},${turns(i, 'p', 'q')}`),
    )
    expect(columns.map(({ name }) => name)).toEqual(['column 1', 'a', 'y'])
  })
})

it('numbers that are written for people are told of before they are trained on as names', async () => {
  const row = (i: number): string => `"$${1 + (i % 9)},${100 + i}.00";${i};${turns(i, 'p', 'q')}`.replaceAll(';', ',')
  const load = async (data: object) => {
    const { task, config, root } = await projectOf('price,a,y', row, data)
    return (await task.load(config, { root })).report.warnings.filter((text) => text.includes('written as'))
  }
  expect(await load({})).toEqual([
    expect.stringMatching(/^column 'price' holds numbers written as '\$1,100.00', which/),
  ])
  expect(await load({ columns: { price: 'category' } })).toEqual([])
  expect(await load({ clean: [{ rule: 'regex', columns: 'price', pattern: '[$,]' }] })).toEqual([])
})

it.each([
  ['Date.toISOString', (time: Date) => time.toISOString()],
  ['pandas', (time: Date) => `${time.toISOString().slice(0, 23).replace('T', ' ')}456`],
  ['Python', (time: Date) => `${time.toISOString().slice(0, 23)}456`],
])('times as %s writes them are dates, to the millisecond', async (_, written) => {
  const time = (i: number): Date => new Date(Date.UTC(2024, 0, 1 + i, i % 24, i, i, 7 + i))
  const { columns } = await inspect(await projectOf('t,y', (i) => `${written(time(i))},${turns(i, 'p', 'q')}`))
  expect(columns[0]).toMatchObject({ kind: 'date', distinct: 60 })
  expect(columns[0]!.numbers!.quartiles[0]).toBe(time(0).getTime())
  expect(columns[0]!.numbers!.quartiles[4]).toBe(time(59).getTime())
})
