/** Several targets at once, classes and numbers, on real penguins: from the configuration to what a server answers and says of itself. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { writeTable } from '../../examples/penguins/write-table.ts'
import { evaluateModel } from '../../src/actions/evaluate.ts'
import { findProjectRate } from '../../src/actions/find-learning-rate.ts'
import { inspectData } from '../../src/actions/inspect.ts'
import { type OpenedModel, openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { scoreDataset } from '../../src/actions/score-dataset.ts'
import type { TrainProgress, TrainResult } from '../../src/actions/train.ts'
import type { Estimate, Prediction } from '../../src/bundle/task-pipeline.ts'
import { exampleName } from '../../src/data/dataset.ts'
import { answerOf, sampleApp } from '../sample-server.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

const target = { species: 'class', sex: 'class', mass: 'number' }
const row = { island: 'Biscoe', beakLength: 50, beakDepth: 15, flipperLength: 225 }

let folder: ProjectFolder
let events: TrainProgress[]
let result: TrainResult
let model: OpenedModel

function project(more: object = {}, data: object = {}) {
  const source = { source: 'penguins.csv', target, onMissingTarget: 'skip', split: { validation: 0.15, test: 0.25 } }
  const training = { epochs: 40, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.005 } }
  const config = { task: 'tabular-classification', seed: 2, data: { ...source, ...data }, train: training, ...more }
  return resolveProject(config, { root: folder.root, what: 'penguins' })
}

beforeAll(async () => {
  folder = await createProjectFolder()
  await writeTable(join(folder.root, 'penguins.csv'))
  ;({ events, result } = await train(folder.services, project()))
  model = await openModel(folder.services, result.run)
}, 60_000)
afterAll(async () => {
  await model.pipeline.release()
  await folder.remove()
})

describe('training', () => {
  it('tells the loss and the metrics of each target', () => {
    const epochs = events.filter((event) => event.type === 'epoch')
    const { loss, speciesLoss, sexLoss, massLoss, ...metrics } = epochs.at(-1)!.train
    expect(speciesLoss! + sexLoss! + massLoss!).toBeCloseTo(loss!, 5)
    const named = ['Accuracy', 'AreaUnderRoc']
    const classes = ['species', 'sex'].flatMap((name) => named.map((metric) => `${name}${metric}`))
    expect(Object.keys(metrics)).toEqual([...classes, 'massMeanAbsoluteError', 'massR2'])
    for (const each of ['speciesLoss', 'sexLoss', 'massLoss']) {
      expect(epochs.at(-1)!.train[each]).toBeLessThan(epochs[0]!.train[each]!)
    }
  })

  it('learns all of them, beside simple models of all of them', () => {
    const { scores, baselines } = result
    expect(scores.test!.speciesAccuracy).toBeGreaterThan(0.95)
    expect(scores.test!.sexAccuracy).toBeGreaterThan(0.8)
    expect(scores.test!.massR2).toBeGreaterThan(0.75)
    expect(Object.keys(baselines!)).toEqual(['linear', 'commonest classes and means'])
    const { linear, 'commonest classes and means': constant } = baselines!
    expect(linear!.test!.speciesAccuracy).toBeGreaterThan(0.95)
    expect(linear!.test!.massR2).toBeGreaterThan(0.7)
    // The mean explains nothing, and the commonest of three species is less than half of all.
    expect(Math.abs(constant!.test!.massR2!)).toBeLessThan(0.05)
    expect(constant!.test!.speciesAccuracy).toBeLessThan(0.5)
  })

  it('tries learning rates', { timeout: 30_000 }, async () => {
    const found = await findProjectRate(folder.services, project())
    expect(found.points.length).toBeGreaterThan(10)
  })

  it('takes layers of the right width alone', async () => {
    const { dense } = await import('../../src/nn/index.ts')
    const own = project({ model: dense({ units: 5 }), train: { epochs: 1 } })
    await expect(train(folder.services, own)).rejects.toThrow(/must end in 6 numbers for its targets.*5/)
  })

  it.each([
    [{ sampling: 'over' }, /train\.sampling goes by the classes of one target/],
    [{ classWeights: { Adelie: 2 } }, /train\.classWeights goes by the classes of one target/],
  ])('refuses %j', async (more, message) => {
    await expect(train(folder.services, project({ train: { epochs: 1, ...more } }))).rejects.toThrow(message)
  })

  it('weighs the classes of each target', { timeout: 30_000 }, async () => {
    const weighed = project({ train: { epochs: 2, classWeights: 'balanced' }, baselines: false })
    const plain = project({ train: { epochs: 2 }, baselines: false })
    const first = (of: TrainProgress[]) => of.find((event) => event.type === 'epoch')!.train
    const [with_, without] = [await train(folder.services, weighed), await train(folder.services, plain)]
    expect(first(with_.events).speciesLoss).not.toBeCloseTo(first(without.events).speciesLoss!, 4)
  })
})

describe('a bundle', () => {
  it('says what it answers of each target', () => {
    const { preprocessing, outputs, labels } = model.bundle.manifest
    expect(labels).toEqual([])
    expect(outputs.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['species/probabilities', 'batch', 3],
      ['sex/probabilities', 'batch', 2],
      ['mass/estimate', 'batch', 1],
    ])
    expect(preprocessing).toMatchObject({
      target: ['species', 'sex', 'mass'],
      answers: [
        { target: 'species', output: 'species/probabilities', labels: ['Adelie', 'Chinstrap', 'Gentoo'] },
        { target: 'sex', output: 'sex/probabilities', labels: ['FEMALE', 'MALE'] },
        { target: 'mass', output: 'mass/estimate', labels: [] },
      ],
    })
  })

  it('answers as it was scored', async () => {
    const { task, config } = project()
    const data = await task.load(config, { root: folder.root })
    const test = data.splits.test!
    const scored = await scoreDataset(model.pipeline, test)
    const table = (await readFile(join(folder.root, 'penguins.csv'), 'utf8')).trim().split('\n')
    const names = table[0]!.split(',')
    for (const i of [0, 7]) {
      const line = Number(/row (\d+)$/.exec(exampleName(test, i))![1])
      const cells = table[line]!.split(',')
      const given = Object.fromEntries(names.map((name, at) => [name, cells[at] === '' ? null : cells[at]]))
      const answers = await model.pipeline.predict(given)
      const species = answers.filter((answer) => answer.target === 'species') as Prediction[]
      const gentoo = species.find(({ label }) => label === 'Gentoo')!
      expect(gentoo.score).toBeCloseTo(scored['species/probabilities']!.data[3 * i + 2]!, 4)
      const mass = answers.at(-1) as Estimate
      expect(mass.target).toBe('mass')
      expect(mass.value / scored['mass/estimate']!.data[i]!).toBeCloseTo(1, 4)
    }
  })

  it('gives the best of each target', async () => {
    const answers = await model.pipeline.predict(row, { topK: 1 })
    expect(answers.map(({ target }) => target)).toEqual(['species', 'sex', 'mass'])
    expect(answers[0]).toMatchObject({ target: 'species', label: 'Gentoo' })
    expect(answers[1]).toMatchObject({ target: 'sex', label: 'MALE' })
    expect((answers[2] as Estimate).value).toBeGreaterThan(4800)
    expect((answers[2] as Estimate).value).toBeLessThan(6200)
  })

  it('has a card and a profile with each of them', async () => {
    const files = folder.services.folder(join(folder.root, result.bundle!))
    const read = async (name: string) => new TextDecoder().decode((await files.read(name))!)
    const card = await read('README.md')
    expect(card).toContain('Labels of species')
    expect(card).toContain("estimates 'mass'")
    const profile = JSON.parse(await read('profile.json')) as { outputs: { name: string }[] }
    expect(profile.outputs.map(({ name }) => name)).toEqual([
      ...['species', 'species confidence', 'sex', 'sex confidence', 'mass'],
    ])
  })
})

describe('evaluation', () => {
  it('reports each target by itself', { timeout: 30_000 }, async () => {
    const { report, baselines } = await evaluateModel(folder.services, project(), { model: result.run, split: 'test' })
    if (report.kind !== 'several') throw new Error('not several')
    expect(report.targets.map(({ name, report }) => [name, report.kind])).toEqual([
      ['species', 'classification'],
      ['sex', 'classification'],
      ['mass', 'regression'],
    ])
    expect(report.metrics.speciesAccuracy).toBe(report.targets[0]!.report.metrics.accuracy)
    expect(report.metrics).toEqual(model.bundle.manifest.metrics.test)
    expect(baselines.linear!.massR2).toBeTypeOf('number')
    const page = await readFile(join(folder.root, `.quern/runs/${result.run}/report.html`), 'utf8')
    for (const each of ['Target: species', 'Target: sex', 'Target: mass']) expect(page).toContain(each)
    expect(page.match(/Beside simple models/g)).toHaveLength(3)
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, id] of page.matchAll(/ aria-labelledby="([^"]+)"/g)) expect(ids).toContain(id)
    expect(page.match(/<h1>/g)).toHaveLength(1)
    expect(page.match(/class="eyebrow"/g)).toHaveLength(1)
  })

  it('is refused for other targets', async () => {
    const other = project({}, { target: ['species', 'sex'] })
    await expect(evaluateModel(folder.services, other, { model: result.run, split: 'test' })).rejects.toThrow(
      /answers 'species \(Adelie, Chinstrap, Gentoo\), sex \(FEMALE, MALE\), mass \(number\)'; the configuration asks for/,
    )
  })
})

it('inspects them', async () => {
  const profile = await inspectData(folder.services, project())
  expect(profile).toMatchObject({ kind: 'table', targets: ['species', 'sex', 'mass'], rows: 333 })
})

it('streams them from the disk where they are larger than memory, to the same targets', async () => {
  const [small, whole] = [project({}, { memory: 0.001 }), project()]
  const options = { root: folder.root, cache: folder.services.cache }
  const streamed = await small.task.load(small.config, options)
  const loaded = await whole.task.load(whole.config, { root: folder.root })
  expect(streamed.splits.train.stored).toBeDefined()
  expect(streamed.splits.train.columns.target).toEqual(loaded.splits.train.columns.target)
  expect(streamed.preprocessing).toEqual(loaded.preprocessing)
  // The cache is asked a second time.
  const again = await small.task.load(small.config, options)
  expect(again.report.cached).toBe(333)
  expect(again.preprocessing).toEqual(loaded.preprocessing)
})

it.each([
  [{ species: 'number', sex: 'class' }, /regression needs numbers, column 'species' holds category/],
  [['species', 'mas'], /'mas', which penguins\.csv does not have.*'mass'/],
  [['species', 'beakLength'], /column 'beakLength' holds 164 different values: too many for classes/],
])('refuses targets %j', async (given, message) => {
  const ours = project({}, { target: given, columns: { species: 'category' } })
  await expect(ours.task.load(ours.config, { root: folder.root })).rejects.toThrow(message)
})

describe('served', () => {
  it('answers as its OpenAPI document says', async () => {
    const { app } = sampleApp([{ name: 'penguins', version: '1', pipeline: model.pipeline }])
    const document = (await (await app.request('/openapi.json')).json()) as {
      paths: Record<
        string,
        { post: { responses: Record<string, { content: Record<string, { schema: { $ref: string } }> }> } }
      >
      components: { schemas: Record<string, { anyOf?: unknown }> }
    }
    const { schema } = document.paths['/predict/{model}']!.post.responses['200']!.content['application/json']!
    expect(schema.$ref).toBe('#/components/schemas/Predictions')
    const predictions = z.fromJSONSchema(document.components.schemas.Predictions as never)
    const send = (body: unknown, accept = 'application/json') =>
      app.request('/predict/penguins?topK=2', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify(body),
      })
    const { status, body } = await answerOf(await send({ rows: [row, { ...row, flipperLength: 180 }] }))
    expect(status).toBe(200)
    expect(body).toEqual(await model.pipeline.predictBatch([row, { ...row, flipperLength: 180 }], { topK: 2 }))
    expect(body[0].map(({ target }: Estimate) => target)).toEqual(['species', 'species', 'sex', 'sex', 'mass'])
    expect(predictions.parse(body)).toEqual(body)
    // The schema tells answers from what is none: a score beyond 1, a target that is no text.
    expect(predictions.safeParse([{ target: 'species', label: 'Gentoo', score: 2 }]).success).toBe(false)
    expect(predictions.safeParse([{ target: 1, label: 'Gentoo', score: 0.5 }]).success).toBe(false)
    const text = await (await send({ rows: [row] }, 'text/csv')).text()
    const [header, line] = text.split('\n')
    expect(header).toBe('row,species,species score,sex,sex score,mass,error')
    expect(line).toMatch(/^1,Gentoo,0\.\d+,MALE,0\.\d+,[45]\d{3}[.\d]*,$/)
  })

  it('gives each target as a tensor of its own', async () => {
    const { app } = sampleApp([{ name: 'penguins', version: '1', pipeline: model.pipeline }])
    const about = await answerOf(await app.request('/v2/models/penguins'))
    expect(about.body.outputs).toEqual([
      { name: 'species/probabilities', datatype: 'FP32', shape: [-1, 3] },
      { name: 'sex/probabilities', datatype: 'FP32', shape: [-1, 2] },
      { name: 'mass/estimate', datatype: 'FP32', shape: [-1, 1] },
    ])
  })
})
