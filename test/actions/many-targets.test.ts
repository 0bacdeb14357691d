/** Targets of several numbers, and of any number of labels. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inspectData } from '../../src/actions/inspect.ts'
import { openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { Estimate, Prediction } from '../../src/bundle/task-pipeline.ts'
import { createRandom } from '../../src/core/random.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
  const random = createRandom(9)
  const lines = Array.from({ length: 240 }, () => {
    const [a, b] = [random.normal(), random.normal()]
    const labels = [a > 0 ? 'warm' : '', b > 0.5 ? 'wet' : '', a + b > 0 ? 'windy' : ''].filter((label) => label !== '')
    return `${a.toFixed(4)},${b.toFixed(4)},${labels.join(';')},${(100 * a).toFixed(2)} ${(a - b).toFixed(4)}`
  })
  await writeFile(join(folder.root, 'days.csv'), `a,b,labels,numbers\n${lines.join('\n')}\n`)
})
afterAll(() => folder.remove())

const split = { validation: 0, test: 0.25, stratified: false }
const quick = { epochs: 20, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.01 } }

function project(task: string, target: string, columns: object, more: object = {}) {
  const data = { source: 'days.csv', target, columns, split }
  return resolveProject({ task, seed: 2, data, train: quick, ...more }, { root: folder.root, what: 'days' })
}

it('labels that do not exclude each other', { timeout: 60_000 }, async () => {
  const ours = project('tabular-multilabel', 'labels', { labels: 'set', numbers: 'ignore' })
  const { result } = await train(folder.services, ours)
  const { baselines, labels } = (await openModel(folder.services, result.run)).bundle.manifest
  expect(labels).toEqual(['warm', 'wet', 'windy'])
  expect(result.scores.test!.accuracy).toBeGreaterThan(0.9)
  expect(Object.keys(baselines!)).toEqual(['linear', 'share of each label'])
  expect(baselines!['share of each label']!.test!.accuracy).toBeLessThan(result.scores.test!.accuracy!)
  const model = await openModel(folder.services, result.run)
  try {
    const answers = (await model.pipeline.predict({ a: 2, b: 2 })) as Prediction[]
    // All of them hold at once: the scores do not share one whole.
    expect(answers.map(({ label }) => label).sort()).toEqual(['warm', 'wet', 'windy'])
    for (const { score } of answers) expect(score).toBeGreaterThan(0.7)
    for (const { score } of (await model.pipeline.predict({ a: -2, b: -2 })) as Prediction[])
      expect(score).toBeLessThan(0.3)
  } finally {
    await model.pipeline.release()
  }
  expect((await inspectData(folder.services, ours)).kind).toBe('table')
})

it('several numbers, each in its own unit', { timeout: 60_000 }, async () => {
  const ours = project('tabular-regression', 'numbers', { numbers: 'vector', labels: 'ignore' })
  const { result } = await train(folder.services, ours)
  expect(result.scores.test!.r2).toBeGreaterThan(0.95)
  const model = await openModel(folder.services, result.run)
  try {
    const [first, second] = (await model.pipeline.predict({ a: 1, b: -0.5 })) as Estimate[]
    expect([first!.target, second!.target]).toEqual(['numbers[0]', 'numbers[1]'])
    expect(Math.abs(first!.value - 100)).toBeLessThan(20)
    expect(Math.abs(second!.value - 1.5)).toBeLessThan(0.4)
  } finally {
    await model.pipeline.release()
  }
})

it.each([
  ['tabular-multilabel', 'a', {}, /labels need sets, column 'a' holds number/],
  ['tabular-regression', 'labels', { labels: 'category' }, /regression needs numbers, column 'labels' holds category/],
])('%s of %s is refused', async (task, target, columns, message) => {
  const ours = project(task, target, target === 'a' ? { a: 'number' } : columns)
  await expect(ours.task.load(ours.config, { root: folder.root })).rejects.toThrow(message)
})

it('vectors of two lengths are refused with the row', async () => {
  await writeFile(join(folder.root, 'uneven.csv'), `a,y\n${'1,1 2\n'.repeat(9)}2,1 2 3\n`)
  const data = { source: 'uneven.csv', target: 'y', columns: { y: 'vector' }, split }
  const ours = resolveProject({ task: 'tabular-regression', data }, { root: folder.root, what: 'uneven' })
  await expect(ours.task.load(ours.config, { root: folder.root })).rejects.toThrow(
    /uneven\.csv row 10: the target 'y' has 3 numbers, others 2/,
  )
})
