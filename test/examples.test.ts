/** Every example runs, with fewer epochs; what it prints is what it promises. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTable } from '../examples/breast-cancer/write-table.ts'
import { writeTable as writeCustomers } from '../examples/churn/write-table.ts'
import { writeTable as writeHouses } from '../examples/house-prices/write-table.ts'
import { drawShapes } from '../examples/own-pictures/draw-shapes.ts'
import { writeTable as writePenguins } from '../examples/penguins/write-table.ts'
import { writeTable as writeDiabetes } from '../examples/pima/write-table.ts'
import { openModel } from '../src/actions/open-model.ts'
import { resolveProject } from '../src/actions/project.ts'
import { type TrainResult, trainModel } from '../src/actions/train.ts'
import type { Prediction } from '../src/bundle/task-pipeline.ts'
import { loadConfig } from '../src/cli/load-config.ts'
import { createServices } from '../src/cli/services.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const silent = { info: () => undefined, warn: () => undefined }

/** What a script of the examples prints. */
async function output(script: string, ...options: string[]): Promise<string> {
  const loader = script.endsWith('.ts') ? ['--import', './scripts/typescript.mjs'] : []
  const { stdout } = await promisify(execFile)(process.execPath, [...loader, join('examples', script), ...options], {
    cwd: root,
  })
  return stdout
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quern-examples-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('are all in the README, and here', async () => {
  const entries = await readdir(join(root, 'examples'), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  expect(folders.sort()).toEqual([
    'adapters',
    'breast-cancer',
    'bundle-elsewhere',
    'churn',
    'digit-strings',
    'digits',
    'gan',
    'gradients',
    'house-prices',
    'library',
    'own-pictures',
    'penguins',
    'pima',
    'reviews',
    'sequences',
    'several-inputs',
    'start-from',
    'transfer',
  ])
  const readme = await readFile(join(root, 'examples/README.md'), 'utf8')
  for (const name of folders) expect(readme).toContain(`[${name}](${name})`)
})

it('library/regression fits', async () => {
  const text = await output('library/regression.ts', '10')
  expect(Number(/epoch 10 {2}loss ([\d.]+)/.exec(text)![1])).toBeLessThan(0.3)
  expect(text).toContain('the model is an ONNX file of')
})

it('start-from/other-digits learns new digits from the file of old ones', async () => {
  const text = await output('start-from/other-digits.ts', '5', '60')
  expect(text).toContain("head behind 'hidden/Relu:out'")
  const [before, after] = /the old digits: ([\d.]+) right before, ([\d.]+) after/.exec(text)!.slice(1).map(Number)
  expect(before).toBeGreaterThan(0.9)
  expect(after).toBeLessThanOrEqual(before! + 0.02)
  expect(Number(/epoch 5 {2}accuracy ([\d.]+)/.exec(text)![1])).toBeGreaterThan(0.6)
})

it('library/two-branches fits', async () => {
  const text = await output('library/two-branches.ts', '3')
  expect(Number(/epoch 3 .* accuracy ([\d.]+)/.exec(text)![1])).toBeGreaterThan(0.9)
})

it('sequences/write-text learns to write', { timeout: 60_000 }, async () => {
  const text = await output('sequences/write-text.ts', '2', '6000')
  const losses = [...text.matchAll(/epoch \d+ {2}loss ([\d.]+)/g)].map(([, loss]) => Number(loss))
  expect(losses).toHaveLength(2)
  expect(losses[1]).toBeLessThan(losses[0]!)
  expect(text.slice(text.indexOf('A model is ')).trimEnd().length).toBeGreaterThan(150)
})

it('sequences/draw-digits learns to draw', { timeout: 60_000 }, async () => {
  const picture = await output('sequences/draw-digits.ts', '2', '320')
  const [first, second] = [...picture.matchAll(/epoch \d+ {2}loss ([\d.]+)/g)].map(([, loss]) => Number(loss))
  expect(second).toBeLessThan(first!)
  expect(picture.split('\n').filter((line) => /^[ .+#]{28}$/.test(line))).toHaveLength(14)
})

it('adapters/two-voices teaches two voices that each answer better than the base', { timeout: 120_000 }, async () => {
  const text = await output('adapters/two-voices.ts', '3', '8000', join(folder, 'voices'))
  for (const voice of ['shouting', 'typescript']) {
    const [, base, own] = new RegExp(`^${voice} +the base ([\\d.]+) {2}with its adapter ([\\d.]+)$`, 'm').exec(text)!
    expect(Number(own)).toBeLessThan(Number(base) - 0.3)
    const settings = JSON.parse(await readFile(join(folder, 'voices', voice, 'adapter_config.json'), 'utf8'))
    expect(settings).toMatchObject({ peft_type: 'LORA', r: 8 })
  }
  expect(text).toMatch(/^pages +the base ([\d.]+) {2}with its adapter \1$/m)
})

it('gan/digits trains two models and draws a grid of samples', { timeout: 120_000 }, async () => {
  const file = join(folder, 'samples.png')
  const text = await output('gan/digits.ts', '1', '96', file)
  expect(text).toMatch(/epoch 1 {2}discriminator \d\.\d+ {2}generator \d\.\d+/)
  expect([...(await readFile(file)).subarray(1, 4)]).toEqual([...'PNG'].map((c) => c.charCodeAt(0)))
})

it('gradients/rosenbrock takes the known steps of Newton’s method', async () => {
  const text = await output('gradients/rosenbrock.ts')
  // Dennis and Schnabel's table for the start (-1.2, 1): 24.2, 4.73, 1412, 0.056, 0.313, 1.9e-11, 3.4e-20
  const values = [...text.matchAll(/ = (\S+)/g)].map(([, value]) => Number(value))
  const expected = [24.2, 4.732, 1412, 0.05597, 0.3132, 1.853e-11]
  for (const [i, value] of expected.entries()) expect(values[i]! / value).toBeCloseTo(1, 3)
})

it('digit-strings learns to read strings without their alignment', async () => {
  const text = await output('digit-strings/train.ts', '2', '1000')
  const losses = [...text.matchAll(/^epoch \d {2}loss ([\d.]+)$/gm)].map(([, loss]) => Number(loss))
  expect(losses.length).toBe(2)
  expect(losses[1]!).toBeLessThan(losses[0]!)
  expect(text).toMatch(/% of 200 unseen strings read without a mistake/)
})

it('digits reads MNIST and begins to train', async () => {
  const home = join(root, 'examples/digits')
  const project = resolveProject(await loadConfig(join(home, 'quern.config.ts')), { root: home, what: 'digits' })
  // Runs and cache go elsewhere: the checkout stays clean.
  const services = createServices({ root: folder, cwd: folder, log: silent })
  const losses: number[] = []
  for await (const event of trainModel(services, project)) {
    if (event.type === 'data') expect(event.examples).toEqual({ train: 54_000, validation: 6000, test: 10_000 })
    if (event.type === 'step') losses.push(event.loss)
    if (losses.length === 30) break
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
})

it('breast-cancer trains a network that a linear model is near to', async () => {
  const home = join(folder, 'breast-cancer')
  await mkdir(home)
  await writeTable(join(home, 'breast-cancer.csv'))
  const config = await loadConfig(join(root, 'examples/breast-cancer/quern.config.ts'))
  const project = resolveProject(config, { root: home, what: 'breast-cancer' })
  const services = createServices({ root: home, cwd: home, log: silent })
  const run = trainModel(services, project)
  let next = await run.next()
  while (!next.done) {
    if (next.value.type === 'data') expect(next.value.examples).toEqual({ train: 398, validation: 57, test: 114 })
    next = await run.next()
  }
  expect(next.value.scores.test!.areaUnderRoc).toBeGreaterThan(0.97)
}, 120_000)

describe.each([
  ['pima', 'diabetes.csv', writeDiabetes, 'areaUnderRoc', 0.7, 1, 30],
  ['churn', 'customers.csv', writeCustomers, 'sensitivityAt95Specificity', 0.5, 1, 12],
  ['house-prices', 'houses.csv', writeHouses, 'rootMeanSquaredError', 0.08, 0.2, 20],
  ['penguins', 'penguins.csv', writePenguins, 'sexAccuracy', 0.8, 1, 30],
] as const)('%s', (name, file, write, metric, least, most, epochs) => {
  it('trains on the real table, as its configuration says', { timeout: 120_000 }, async () => {
    const home = join(folder, name)
    await mkdir(home)
    await write(join(home, file))
    const raw = (await loadConfig(join(root, 'examples', name, 'quern.config.ts'))) as { train: object }
    const quick = { ...raw, train: { ...raw.train, epochs } }
    const run = trainModel(
      createServices({ root: home, cwd: home, log: silent }),
      resolveProject(quick, { root: home, what: name }),
    )
    let next = await run.next()
    while (!next.done) next = await run.next()
    const score = next.value.scores.test![metric]!
    expect(score).toBeGreaterThan(least)
    expect(score).toBeLessThan(most)
  })
})

describe('own-pictures', () => {
  let result: TrainResult

  beforeAll(async () => {
    await cp(join(root, 'examples/own-pictures/quern.config.ts'), join(folder, 'quern.config.ts'))
    await drawShapes(join(folder, 'photos'), 20)
    const raw = (await loadConfig(join(folder, 'quern.config.ts'))) as { train: object }
    const quick = { ...raw, train: { ...raw.train, epochs: 2 } }
    const project = resolveProject(quick, { root: folder, what: 'shapes' })
    const run = trainModel(createServices({ root: folder, cwd: folder, log: silent }), project)
    for (;;) {
      const next = await run.next()
      if (!next.done) continue
      result = next.value
      break
    }
  })

  it('trains a model of its own layers', () => {
    expect(result.state).toBe('finished')
    expect(Object.keys(result.scores)).toEqual(['validation', 'test'])
  })

  it('is used by bundle-elsewhere without Quern, with the same answer', async () => {
    const services = createServices({ root: folder, cwd: folder, log: silent })
    const bundle = join(folder, result.bundle!)
    const picture = join(folder, 'photos/square/3.png')
    const opened = await openModel(services, bundle)
    const predictions = (await opened.pipeline.predict(await readFile(picture), { topK: 3 })) as Prediction[]
    await opened.pipeline.release()
    const text = await output('bundle-elsewhere/classify.mjs', bundle, picture)
    for (const { label, score } of predictions) expect(text).toContain(`${score.toFixed(4)}  ${label}`)
  })
})
