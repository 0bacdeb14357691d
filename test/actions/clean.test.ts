/** Cleaning rules, from a dirty file to a bundle that takes dirty rows. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inspectData } from '../../src/actions/inspect.ts'
import { openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { trainModel } from '../../src/actions/train.ts'
import type { Prediction } from '../../src/bundle/task-pipeline.ts'
import { createRandom } from '../../src/core/random.ts'
import { createProjectFolder, type ProjectFolder } from './project-folder.ts'

const clean = [
  { rule: 'trim', columns: 'city', case: 'lower' },
  { rule: 'regex', columns: 'income', pattern: '[$ ,]' },
  { rule: 'convert', columns: 'height', to: 'cm', from: 'cm' },
  { rule: 'clip', columns: 'height', min: 100, max: 220 },
  { rule: 'map', columns: 'state', values: { ok: 'well', '?': null } },
  { rule: 'drop', columns: 'state', where: { missing: true } },
  { rule: 'dedupe' },
]

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
  const random = createRandom(5)
  const lines = Array.from({ length: 120 }, (_, i) => {
    const height = 150 + random.integer(50)
    const shown = i % 3 === 0 ? `${(height / 2.54).toFixed(1)} in` : String(height)
    const state = i === 7 ? '?' : height > 175 ? 'ill' : i % 2 ? 'well' : 'ok'
    return `${i % 2 ? 'Bern' : ' BERN '},"$${random.integer(9)},${100 + random.integer(900)}",${shown},${state}`
  })
  const last = lines.at(-1)!
  await writeFile(join(folder.root, 'rows.csv'), `city,income,height,state\n${[...lines, last].join('\n')}\n`)
})
afterAll(() => folder.remove())

const project = (rules: readonly object[]) =>
  resolveProject(
    {
      task: 'tabular-classification',
      data: { source: 'rows.csv', target: 'state', clean: rules, columns: { city: 'category' } },
      model: 'linear',
      baselines: false,
      train: { epochs: 2 },
    },
    { root: folder.root, what: 'test' },
  )

it('reports each rule, keeps those for values in the bundle, and applies them to rows to predict', async () => {
  const events = trainModel(folder.services, project(clean))
  let next = await events.next()
  const cleaned =
    next.value && 'report' in next.value && typeof next.value.report === 'object' ? next.value.report.cleaned : []
  expect(cleaned!.map(({ rows, dropped }) => [rows, dropped])).toEqual([
    [121, false],
    [121, false],
    [40, false],
    [0, false],
    [expect.any(Number), false],
    [1, true],
    [1, true],
  ])
  expect(cleaned!.at(-1)!.examples).toEqual(['rows.csv row 121: as rows.csv row 120'])
  while (!next.done) next = await events.next()
  const result = next.value
  const page = await readFile(join(folder.root, result.report!), 'utf8')
  expect(page).toContain('What was cleaned')
  expect(page).toContain('rows.csv row 121: as rows.csv row 120')
  const kept = JSON.parse(await readFile(join(folder.root, '.quern/runs', result.run, 'data.json'), 'utf8'))
  expect(kept.report.cleaned).toEqual(cleaned)
  const model = await openModel(folder.services, result.run)
  try {
    const { preprocessing } = model.bundle.manifest
    expect(preprocessing).toMatchObject({
      columns: [
        { name: 'city', kind: 'category' },
        { name: 'income', kind: 'number' },
        { name: 'height', kind: 'number' },
      ],
      clean: [{ rule: 'trim' }, { rule: 'regex' }, { rule: 'convert' }, { rule: 'clip' }],
    })
    const ask = async (row: Record<string, string | number>) => (await model.pipeline.predict(row)) as Prediction[]
    const tidy = await ask({ city: 'bern', income: 1200, height: 177.8 })
    expect(await ask({ city: ' BERN', income: '$ 1,200', height: '70 in' })).toEqual(tidy)
    expect(await ask({ city: 'Bern', income: '1200', height: '5000' })).toEqual(
      await ask({ city: 'bern', income: 1200, height: 220 }),
    )
    await expect(ask({ city: 'bern', income: 1, height: '70 inn' })).rejects.toThrow(
      "column 'height': 'inn' is no unit that is known. Did you mean 'in'?",
    )
  } finally {
    await model.pipeline.release()
  }
}, 60_000)

it('says in the configuration what is wrong with a rule, and inspects what is left', async () => {
  expect(() => project([{ rule: 'clipp', columns: 'height', max: 3 }])).toThrow('data.clean')
  expect(() => project([{ rule: 'clip', columns: 'height', maxx: 3 }])).toThrow("Did you mean 'max'?")
  const bad = project([{ rule: 'regex', columns: 'income', pattern: '(a+)+' }])
  await expect(inspectData(folder.services, bad)).rejects.toThrow('can take without end')
  const profile = await inspectData(folder.services, project(clean))
  expect(profile).toMatchObject({
    rows: 119,
    duplicates: { rows: 0 },
    cleaned: [{ rows: 121 }, {}, {}, {}, {}, {}, {}],
  })
  const kept = JSON.parse(await readFile(join(folder.root, '.quern/profile.json'), 'utf8'))
  expect(kept).toEqual(JSON.parse(JSON.stringify(profile)))
  const page = await readFile(join(folder.root, '.quern/profile.html'), 'utf8')
  for (const text of ['What to do', 'What was cleaned', 'height', 'svg class="small"', 'Almost the same']) {
    expect(page).toContain(text)
  }
}, 60_000)

it('names numbers that are written for people and near identifiers, and the rules that it advises work', async () => {
  const random = createRandom(7)
  const lines = Array.from({ length: 200 }, (_, i) => {
    const price = `${1 + random.integer(9)}.${100 + random.integer(900)},${random.integer(10)}5`
    const rate = i % 40 === 0 ? 'k.A.' : `${random.integer(100)},${random.integer(10)}`
    // Ten customers come twice.
    return `C${i % 190};${price};${rate};${i % 3 ? 'ja' : 'nein'}`
  })
  await writeFile(join(folder.root, 'german.csv'), `nummer;preis;satz;bleibt\n${lines.join('\n')}\n`)
  const look = async (more: object) => {
    const data = { source: 'german.csv', target: 'bleibt', ...more }
    const raw = { task: 'tabular-classification', name: 'x', data }
    const found = await inspectData(
      folder.services,
      resolveProject(raw, { root: folder.root, what: 'the configuration' }),
    )
    if (found.kind !== 'table') throw new Error('no table')
    return { advice: found.advice.join('\n'), kinds: found.columns.map(({ name, kind }) => `${name} ${kind}`) }
  }
  const before = await look({})
  expect(before.kinds).toEqual(['nummer category', 'preis category', 'satz category', 'bleibt category'])
  expect(before.advice).toContain("Column 'nummer' has 190 different values in 200 rows: if it names the rows")
  const [preis, satz] = ['preis', 'satz'].map((name) => {
    const rules = new RegExp(`'${name}' holds numbers written as '[\\d.,]+'.*?: (\\{.*\\}); texts`).exec(
      before.advice,
    )![1]!
    return new Function(`return [${rules}]`)() as object[]
  })
  expect([preis!.length, satz!.length]).toEqual([2, 1])
  const after = await look({
    columns: { nummer: 'ignore' },
    clean: [...preis!, ...satz!],
    missing: ['', 'k.A.', 'k.A'],
  })
  expect(after.kinds).toEqual(['preis number', 'satz number', 'bleibt category'])
  expect(after.advice).not.toContain('written as')
}, 60_000)
