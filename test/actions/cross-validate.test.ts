/** A project validated in parts, of tables and of pictures. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { crossValidate, type FoldScores } from '../../src/actions/cross-validate.ts'
import { findProjectRate } from '../../src/actions/find-learning-rate.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { Project } from '../../src/actions/services.ts'
import type { FromChoice } from '../../src/actions/start-from.ts'
import { createRandom } from '../../src/core/random.ts'
import { tensor } from '../../src/core/tensor.ts'
import { createDataset, exampleName, subset } from '../../src/data/dataset.ts'
import { splitByFold } from '../../src/data/fold-split.ts'
import { dense, flatten, sequential } from '../../src/nn/index.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
  const random = createRandom(8)
  const lines = Array.from({ length: 90 }, (_, i) => {
    const isIll = i % 3 === 0
    return `${(random.normal() + (isIll ? 3 : 0)).toFixed(3)},${random.normal().toFixed(3)},${isIll ? 'ill' : 'well'}`
  })
  await writeFile(join(folder.root, 'rows.csv'), `x,y,state\n${lines.join('\n')}\n`)
})
afterAll(() => folder.remove())

const project = (data: object = {}): Project =>
  resolveProject(
    {
      task: 'tabular-classification',
      data: { source: 'rows.csv', target: 'state', ...data },
      model: 'linear',
      train: { epochs: 12, batchSize: 6, optimizer: { name: 'adam', learningRate: 0.05 } },
    },
    { root: folder.root, what: 'test' },
  )

async function collected(of: Project, folds: number, repeats: number, choice: FromChoice = {}) {
  const parts: FoldScores[] = []
  const events = crossValidate(folder.services, of, { folds, repeats, ...choice })
  for (;;) {
    const next = await events.next()
    if (next.done) return { parts, summary: next.value }
    parts.push(next.value)
  }
}

it('scores each part once in each repeat, and tells mean and deviation', async () => {
  const { parts, summary } = await collected(project(), 3, 2)
  expect(parts.map(({ repeat, fold }) => [repeat, fold])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 1],
    [2, 2],
    [2, 3],
  ])
  for (const { examples } of parts) expect(examples).toEqual({ train: 54, validation: 6, test: 30 })
  const values = parts.map(({ scores }) => scores.accuracy!)
  const mean = values.reduce((a, b) => a + b) / 6
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 5)
  expect(summary.metrics.accuracy!.mean).toBeCloseTo(mean, 12)
  expect(summary.metrics.accuracy!.deviation).toBeCloseTo(deviation, 12)
  expect(mean).toBeGreaterThan(0.8)
  const kept = JSON.parse(await readFile(join(folder.root, summary.file), 'utf8'))
  expect(kept.parts).toEqual(parts)
  expect(await folder.services.runs.list()).toEqual([])
}, 60_000)

it('refuses parts at random where rows belong together', async () => {
  const grouped = project({ split: { by: 'group', column: 'x' } })
  await expect(collected(grouped, 3, 1)).rejects.toThrow('data.split goes by group')
  await expect(collected(project(), 1, 1)).rejects.toThrow('--folds must be a whole number of at least 2, received 1')
})

it('starts from the model that the project or the command line names', async () => {
  const optimizer = { name: 'adam', learningRate: 0.01 }
  const first = await train(
    folder.services,
    folder.project({ model: 'cnn', train: { epochs: 30, batchSize: 16, optimizer } }),
  )
  const still = { epochs: 1, batchSize: 16, optimizer: { name: 'sgd', learningRate: 1e-6 } }
  const from = { model: first.result.run, head: 'keep' }
  const found = await collected(folder.project({ from, train: still }), 3, 1)
  const chosen = await collected(folder.project({ train: still }), 3, 1, { from: first.result.run, adapter: 'lora' })
  const plain = await collected(folder.project({ train: still }), 3, 1)
  expect(chosen.parts).not.toEqual(plain.parts)
  // What is as good as not trained knows what the base has learnt, or nothing.
  const [known, guessed] = [found, plain].map(({ summary }) => summary.metrics.accuracy!.mean)
  expect(known).toBeGreaterThan(guessed! + 0.1)
}, 60_000)

it('refuses a model that does not answer what the task asks', async () => {
  const model = sequential([flatten(), dense({ units: 5 })])
  await expect(collected(folder.project({ model }), 3, 1)).rejects.toThrow(/the model must answer \[batch, 3\]/)
  await expect(findProjectRate(folder.services, folder.project({ model }))).rejects.toThrow(/must answer \[batch, 3\]/)
})

it('divides pictures into parts of each class, whatever their order', () => {
  const count = 34
  const columns = {
    label: tensor(
      'int32',
      [count],
      Int32Array.from({ length: count }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    ),
  }
  const all = createDataset({ columns, labels: ['a', 'b'], names: (row) => `p${String(row).padStart(2, '0')}` })
  const reversed = subset(
    all,
    Array.from({ length: count }, (_, i) => count - 1 - i),
  )
  const fold = { folds: 3, repeat: 0, stratified: true, validation: 0.2 }
  const seen: string[] = []
  for (const number of [0, 1, 2]) {
    const [here, there] = [all, reversed].map((data) => splitByFold(data, { ...fold, fold: number }, createRandom(1)))
    const namesOf = (of: typeof here, name: 'train' | 'validation' | 'test') =>
      Array.from({ length: of![name]!.length }, (_, i) => exampleName(of![name]!, i)).sort()
    for (const name of ['train', 'validation', 'test'] as const)
      expect(namesOf(here, name)).toEqual(namesOf(there, name))
    seen.push(...namesOf(here, 'test'))
    const rare = Array.from(here!.test!.rows).filter((row) => row % 4 === 0).length
    expect(rare).toBe(3)
    expect(here!.train!.length + here!.validation!.length + here!.test!.length).toBe(count)
  }
  expect(seen.sort()).toEqual(Array.from({ length: count }, (_, i) => `p${String(i).padStart(2, '0')}`))
})
