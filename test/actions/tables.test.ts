/** The whole way of tables: a file with every kind of column, two tasks, bundles that take raw values. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluateModel } from '../../src/actions/evaluate.ts'
import { inspectData } from '../../src/actions/inspect.ts'
import { type OpenedModel, openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { scoreDataset } from '../../src/actions/score-dataset.ts'
import type { Project } from '../../src/actions/services.ts'
import { type TrainResult, trainModel } from '../../src/actions/train.ts'
import type { Estimate, Prediction } from '../../src/bundle/task-pipeline.ts'
import type { NumberBins } from '../../src/contract/training-profile.ts'
import { createRandom } from '../../src/core/random.ts'
import { exampleName } from '../../src/data/dataset.ts'
import { readTableRows } from '../../src/data/sources/table-rows.ts'
import { answerOf, sampleApp } from '../sample-server.ts'
import { createProjectFolder, type ProjectFolder } from './project-folder.ts'

const rows = 400
const header = 'id,age,income,city,member,joined,note,risk,price'

/** Risk and price follow from the columns, with some noise; some values are missing. */
function table(): string {
  const random = createRandom(3)
  const lines = Array.from({ length: rows }, (_, i) => {
    const age = 20 + random.integer(50)
    const income = Math.exp(9 + random.normal())
    const city = ['Bern', 'Basel', 'Chur'][random.integer(3)]!
    const member = random.uniform() < 0.5
    const day = new Date(Date.UTC(2020, 0, 1 + random.integer(1000))).toISOString().slice(0, 10)
    const note = random.uniform() < 0.5 ? 'pays late and asks for more time' : 'pays at once, no questions so far'
    const score = (age - 45) / 15 + (city === 'Chur' ? 1.5 : -0.5) + (note.includes('late') ? 1.5 : -1.5)
    const risk = score + 0.3 * random.normal() > 0 ? 'high' : 'low'
    const price = 100 * score + (member ? 50 : 0) + 1000 + 5 * random.normal()
    const shown = random.uniform() < 0.1 ? '' : String(age)
    return [
      `c${i}`,
      shown,
      income.toFixed(2),
      city,
      member ? 'yes' : 'no',
      day,
      note.replace(',', ''),
      risk,
      price.toFixed(3),
    ]
  })
  return `${header}\n${lines.map((line) => line.join(',')).join('\n')}\n`
}

/** All that an iteration yields. */
async function collected<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of from) all.push(item)
  return all
}

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
  await writeFile(join(folder.root, 'rows.csv'), table())
})
afterAll(() => folder.remove())

function project(task: string, data: object, more: object = {}): Project {
  const config = { task, seed: 1, data: { source: 'rows.csv', ...data }, train: { epochs: 15 }, ...more }
  return resolveProject(config, { root: folder.root, what: 'test' })
}

async function train(of: Project): Promise<TrainResult> {
  const events = trainModel(folder.services, of)
  let next = await events.next()
  while (!next.done) next = await events.next()
  return next.value
}

const columns = { note: 'text' }

describe('classification', () => {
  const ours = () => project('tabular-classification', { target: 'risk', columns: { ...columns, price: 'ignore' } })
  let result: TrainResult
  let model: OpenedModel
  beforeAll(async () => {
    result = await train(ours())
    model = await openModel(folder.services, result.run)
  }, 60_000)
  afterAll(() => model.pipeline.release())

  it('finds the kinds, leaves out the identifier, and learns', () => {
    const { preprocessing, labels, baselines } = model.bundle.manifest
    if (preprocessing.kind !== 'table') throw new Error('no table')
    expect(preprocessing.columns.map(({ name, kind, feature }) => [name, kind, feature])).toEqual([
      ['age', 'number', 'standard'],
      ['income', 'number', 'standard'],
      ['city', 'category', 'embedding'],
      ['member', 'boolean', 'boolean'],
      ['joined', 'date', 'date'],
      ['note', 'text', 'bag'],
    ])
    expect(labels).toEqual(['high', 'low'])
    expect(result.scores.test!.areaUnderRoc).toBeGreaterThan(0.9)
    expect(Object.keys(baselines!)).toEqual(['linear', 'commonest class'])
    expect(result.baselines).toEqual(baselines)
    expect(baselines!['commonest class']!.test!.areaUnderRoc).toBe(0.5)
    expect(baselines!.linear!.test!.areaUnderRoc).toBeGreaterThan(0.9)
  })

  it('keeps how the columns and answers of the training split were spread', async () => {
    const { profile, manifest } = model.bundle
    expect(profile!.examples).toBe(manifest.lineage.data.examples.train)
    const named = Object.fromEntries(profile!.inputs.map((bins) => [bins.name, bins]))
    const names = ['age', 'income', 'city', 'member', 'joined[0]', 'mean of note']
    expect(Object.keys(named)).toEqual(expect.arrayContaining(names))
    expect(named.city).toMatchObject({ kind: 'names', values: expect.arrayContaining(['Chur']) as string[] })
    const age = named.age as NumberBins
    expect(age.counts.reduce((sum, count) => sum + count, age.missing)).toBe(profile!.examples)
    expect(profile!.outputs.map(({ name }) => name)).toEqual(['class', 'confidence'])
  })

  it('answers raw rows with the bits of evaluation', async () => {
    const of = ours()
    const data = await of.task.load(of.config, { root: of.root })
    const test = data.splits.test!
    const { probabilities } = await scoreDataset(model.pipeline, test)
    const raw = await collected(readTableRows('rows.csv', { root: folder.root }))
    const rows = Array.from(
      { length: test.length },
      (_, i) => raw.find(({ name }) => name === exampleName(test, i))!.row,
    )
    const together = (await model.pipeline.predictBatch(rows, { batchSize: 256 })) as Prediction[][]
    for (const [i, answers] of together.entries()) {
      const scores = data.labels.map((label) => answers.find((answer) => answer.label === label)!.score)
      expect(scores).toEqual(Array.from(probabilities!.data.subarray(i * 2, i * 2 + 2)))
      // Alone a product of one row goes through another kernel: the last bit may differ.
      const [alone] = (await model.pipeline.predict(rows[i]!)) as Prediction[]
      expect(alone!.score).toBeCloseTo(answers[0]!.score, 5)
    }
  })

  it('takes typed values, counts what it has not seen, and names a column that vanished', async () => {
    const row = { age: 60, income: 9000.5, city: 'Chur', member: true, joined: '2021-05-01', note: 'late' }
    const text = { ...row, age: '60', income: '9000.5', member: 'yes' }
    expect(await model.pipeline.predict(row)).toEqual(await model.pipeline.predict(text))
    await model.pipeline.predict({ ...row, city: 'Genf', age: null })
    expect([...model.pipeline.unseen]).toEqual([['city', 1]])
    const { city, ...rest } = row
    await expect(model.pipeline.predict(rest)).rejects.toThrow(/no column 'city', which the model was trained on/)
    await expect(model.pipeline.predict({ ...rest, town: city })).rejects.toThrow(/no column 'city'/)
    await expect(model.pipeline.predict({ ...row, age: 'old' })).rejects.toThrow(
      /'age' must hold a finite number, received "old"/,
    )
    await expect(model.pipeline.predict({ ...row, joined: '1.5.2021' })).rejects.toThrow(/'joined' must hold a date/)
  })

  it('answers rows over HTTP, and says what is wrong with one', async () => {
    const { app } = sampleApp([{ name: 'risk', version: '1', pipeline: model.pipeline }])
    const post = async (body: object) =>
      answerOf(
        await app.request('/predict', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      )
    const row = { age: null, income: 9000, city: 'Chur', member: 'no', joined: '2021-05-01', note: 'late' }
    const expected = await model.pipeline.predict(row)
    expect(await post({ row })).toEqual({ status: 200, body: expected })
    const { body } = await post({ rows: [row, { ...row, age: 30 }] })
    expect(body).toHaveLength(2)
    const { city, ...rest } = row
    expect(await post({ row: rest })).toEqual({
      status: 422,
      body: { error: expect.stringContaining("'city'") as string },
    })
    expect(city).toBe('Chur')
  })

  it('writes a report with the simple models beside it', async () => {
    const { report, baselines, files } = await evaluateModel(folder.services, ours(), {
      model: result.run,
      split: 'test',
    })
    expect(report.kind).toBe('classification')
    expect(Object.keys(baselines)).toEqual(['linear', 'commonest class'])
    const html = new TextDecoder().decode(await folder.services.folder(folder.root).read(files.html))
    expect(html).toContain('Beside simple models')
  })

  it('is inspected: the target in another form is a leak', async () => {
    const text = table().split('\n')
    const leaky = text.map((line, i) =>
      line === '' ? '' : `${line},${i === 0 ? 'code' : line.includes(',high,') ? 'H' : 'L'}`,
    )
    await writeFile(join(folder.root, 'leaky.csv'), leaky.join('\n'))
    const profile = await inspectData(
      folder.services,
      project('tabular-classification', { source: 'leaky.csv', target: 'risk' }),
    )
    if (profile.kind !== 'table') throw new Error('no table')
    expect(profile.columns.find(({ name }) => name === 'code')).toMatchObject({ kind: 'category', alone: 1 })
    expect(profile.advice.join('\n')).toMatch(/Leak\? Column 'code' alone tells the target/)
    expect(profile.advice.join('\n')).toMatch(/[Cc]olumn 'id' is left out: it looks like an identifier/)
    expect(profile.columns.find(({ name }) => name === 'age')!.missing).toBeGreaterThan(0)
  })
})

it('a transformer over columns of every kind, gaps and all', { timeout: 60_000 }, async () => {
  const data = {
    target: 'risk',
    columns: { ...columns, price: 'ignore', age: { feature: 'standard' }, income: { feature: 'periodic' } },
  }
  const model = { name: 'ftTransformer', size: 16, blocks: 2, heads: 4 }
  const ours = project('tabular-classification', data, {
    model,
    baselines: false,
    train: { epochs: 12, optimizer: { name: 'adam', learningRate: 0.004 } },
  })
  const result = await train(ours)
  expect(result.scores.test!.areaUnderRoc).toBeGreaterThan(0.85)
  const opened = await openModel(folder.services, result.run)
  try {
    const row = { age: null, income: 9000, city: 'Genf', member: 'no', joined: '2020-02-01', note: 'pays at once' }
    const [best, other] = (await opened.pipeline.predict(row)) as Prediction[]
    expect(best!.score + other!.score).toBeCloseTo(1, 5)
    expect(opened.pipeline.unseen.get('city')).toBe(1)
  } finally {
    await opened.pipeline.release()
  }
})

describe('regression', () => {
  it('estimates in the unit of the target, better than the mean', async () => {
    const ours = project(
      'tabular-regression',
      { target: 'price', columns: { ...columns, risk: 'ignore' } },
      { train: { epochs: 40 } },
    )
    const result = await train(ours)
    expect(result.scores.test!.r2).toBeGreaterThan(0.8)
    const model = await openModel(folder.services, result.run)
    expect(model.bundle.manifest.labels).toEqual([])
    expect(model.bundle.manifest.baselines!.mean!.test!.r2).toBeLessThan(0.05)
    const row = {
      age: 60,
      income: 9000,
      city: 'Chur',
      member: true,
      joined: '2021-05-01',
      note: 'pays late and asks for more time',
    }
    const [answer] = (await model.pipeline.predict(row)) as Estimate[]
    expect(answer!.target).toBe('price')
    expect(Math.abs(answer!.value - 1450)).toBeLessThan(120)
    await model.pipeline.release()
    const { report } = await evaluateModel(folder.services, ours, { model: result.run, split: 'test' })
    expect(report.kind).toBe('regression')
  }, 60_000)
})

describe('what cannot be learnt from', () => {
  const load = async (text: string, data: object, task = 'tabular-classification') => {
    await writeFile(join(folder.root, 'bad.csv'), text)
    const of = project(task, { source: 'bad.csv', ...data })
    return of.task.load(of.config, { root: folder.root })
  }
  const twenty = (line: (i: number) => string) => Array.from({ length: 40 }, (_, i) => line(i)).join('\n')

  it.each([
    [
      'a missing target',
      `a,y\n${twenty((i) => `${i},${i === 7 ? '' : i % 2 ? 'p' : 'q'}`)}\n`,
      {},
      /bad\.csv row 8: the target 'y' has no value \(1 of 40/,
    ],
    [
      'one member of a class',
      `a,y\n${twenty((i) => `${i},${i === 3 ? 'rare' : i % 2 ? 'p' : 'q'}`)}\n`,
      {},
      /class 'rare' has one example, bad\.csv row 4/,
    ],
    ['one class', `a,y\n${twenty((i) => `${i},p`)}\n`, {}, /two classes or more, column 'y' holds only p/],
    [
      'no such target',
      `first,risky\n1,2\n`,
      {},
      /data\.target is 'y', which bad\.csv does not have\. Known: first, risky/,
    ],
    ['nothing but the target', `y\n${twenty((i) => (i % 2 ? 'p' : 'q'))}\n`, {}, /no column is left to learn from/],
    [
      'an unknown feature',
      `a,y\n${twenty((i) => `${i},${i % 2 ? 'p' : 'q'}`)}\n`,
      { columns: { a: { feature: 'standart' } } },
      /unknown feature 'standart'. Did you mean 'standard'/,
    ],
    [
      'an unfit feature',
      `a,y\n${twenty((i) => `${i},${i % 2 ? 'p' : 'q'}`)}\n`,
      { columns: { a: { feature: 'bag' } } },
      /feature 'bag' does not take column 'a', which holds number/,
    ],
  ])('%s', async (_, text, data, message) => {
    await expect(load(text, { target: 'y', ...data })).rejects.toThrow(message)
  })

  it('text for a regression, and rows without a target when they may go', async () => {
    const text = `a,y\n${twenty((i) => `${i},${i % 4 === 3 ? '' : i % 2 ? 'p' : 'q'}`)}\n`
    await expect(load(text, { target: 'y' }, 'tabular-regression')).rejects.toThrow(
      /column 'y' must hold numbers, and 30 of 30 values are something else: "\w+" in row 1/,
    )
    const data = await load(text, { target: 'y', onMissingTarget: 'skip' })
    expect(data.report.examples).toBe(30)
    expect(data.report.broken[0]).toEqual({ name: 'bad.csv row 4', reason: "no value of 'y'" })
  })
})
