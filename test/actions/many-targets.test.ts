/** Targets of several numbers, and of any number of labels. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { crossValidate, type FoldScores } from '../../src/actions/cross-validate.ts'
import { evaluateModel } from '../../src/actions/evaluate.ts'
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
    const [wide, deep] = [(100 * a).toFixed(2), (a - b).toFixed(4)]
    return `${a.toFixed(4)},${b.toFixed(4)},${labels.join(';')},${wide} ${deep},${wide},${deep}`
  })
  await writeFile(join(folder.root, 'days.csv'), `a,b,labels,numbers,wide,deep\n${lines.join('\n')}\n`)
})
afterAll(() => folder.remove())

const others = { numbers: 'ignore', wide: 'ignore', deep: 'ignore' }

const split = { validation: 0, test: 0.25, stratified: false }
const quick = { epochs: 20, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.01 } }

function project(task: string, target: string | string[] | Record<string, string>, columns: object, more: object = {}) {
  const data = { source: 'days.csv', target, columns, split }
  return resolveProject({ task, seed: 2, data, train: quick, ...more }, { root: folder.root, what: 'days' })
}

it('labels that do not exclude each other', { timeout: 60_000 }, async () => {
  const ours = project('tabular-multilabel', 'labels', { labels: 'set', ...others })
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
})

it('several numbers, each in its own unit', { timeout: 60_000 }, async () => {
  const ours = project('tabular-regression', 'numbers', { ...others, numbers: 'vector', labels: 'ignore' })
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

it('inspects labels by the rows themselves: all columns are compared, and none is said to tell everything', async () => {
  const random = createRandom(4)
  const lines = Array.from({ length: 300 }, () => {
    const [a, b] = [random.normal(), random.normal()]
    return `${a.toFixed(4)},${b.toFixed(4)},${a > 0 ? 'warm' : ''}${b > 0 ? ';wet' : ''}`
  })
  // Two rows a second time, one of them with other labels.
  lines.push(lines[3]!, lines[5]!.replace(/[^,]*$/, 'cold'))
  await writeFile(join(folder.root, 'twice.csv'), `a,b,labels\n${lines.join('\n')}\n`)
  const data = { source: 'twice.csv', target: 'labels', columns: { labels: 'set' }, split }
  const ours = resolveProject({ task: 'tabular-multilabel', data }, { root: folder.root, what: 'twice' })
  const profile = await inspectData(folder.services, ours)
  if (profile.kind !== 'table') throw new Error('no table')
  expect(profile.duplicates).toMatchObject({
    rows: 1,
    contradictions: 2,
    first: ['twice.csv row 4 = twice.csv row 301'],
  })
  // Rows without a label count: they are those that have none of them.
  expect(profile).toMatchObject({ rows: 302, skipped: [] })
  expect(profile.columns.filter(({ alone }) => alone !== undefined)).toEqual([])
  expect(profile.advice.join('\n')).not.toMatch(/Leak/)
})

it('labels are validated in parts of the rows', { timeout: 60_000 }, async () => {
  const ours = project('tabular-multilabel', 'labels', { labels: 'set', ...others }, { model: 'linear' })
  const parts: FoldScores[] = []
  const events = crossValidate(folder.services, ours, { folds: 3, repeats: 1 })
  for (;;) {
    const next = await events.next()
    if (next.done) break
    parts.push(next.value)
  }
  expect(parts.map(({ examples }) => examples.test)).toEqual([80, 80, 80])
  for (const { scores } of parts) expect(scores.accuracy).toBeGreaterThan(0.8)
})

it('several columns are answered by their names, and reported one by one', { timeout: 60_000 }, async () => {
  const ours = project('tabular-regression', ['wide', 'deep'], { numbers: 'ignore', labels: 'ignore' })
  const { result } = await train(folder.services, ours)
  const { report } = await evaluateModel(folder.services, ours, { model: result.run, split: 'test' })
  if (report.kind !== 'regression') throw new Error('no estimates')
  expect(report.examples).toBe(60)
  expect(report.outputs!.map(({ name }) => name)).toEqual(['wide', 'deep'])
  for (const { metrics } of report.outputs!) expect(metrics.r2).toBeGreaterThan(0.95)
  const [wide, deep] = report.outputs!
  // Each in its own unit.
  expect(wide!.metrics.rootMeanSquaredError!).toBeGreaterThan(10 * deep!.metrics.rootMeanSquaredError!)
  expect(report.worstMisses.some(({ id }) => id.endsWith(' wide'))).toBe(true)
  expect(report.worstMisses.some(({ id }) => id.endsWith(' deep'))).toBe(true)
  const model = await openModel(folder.services, result.run)
  try {
    expect(model.bundle.manifest.preprocessing).toMatchObject({ target: ['wide', 'deep'] })
    // What is answered may stand in a row.
    const answers = (await model.pipeline.predict({ a: 1, b: -0.5, deep: 7 })) as Estimate[]
    expect(answers.map(({ target }) => target)).toEqual(['wide', 'deep'])
    expect(Math.abs(answers[0]!.value - 100)).toBeLessThan(20)
    expect(Math.abs(answers[1]!.value - 1.5)).toBeLessThan(0.4)
  } finally {
    await model.pipeline.release()
  }
  const profile = await inspectData(folder.services, ours)
  expect(profile).toMatchObject({ kind: 'table', targets: ['wide', 'deep'] })
  expect(profile.advice.join('\n')).not.toMatch(/Leak/)
})

it.each([
  ['tabular-multilabel', ['labels', 'wide'], /data\.target.*names several columns, and tabular-multilabel answers one/],
  [
    'tabular-regression',
    { wide: 'number', labels: 'class' },
    /data\.target.*names classes: take 'tabular-classification'/,
  ],
  [
    'tabular-classification',
    { wide: 'number', deep: 'number' },
    /data\.target.*names no class: take 'tabular-regression'/,
  ],
])('%s of such columns is refused', (task, target, message) => {
  expect(() => project(task, target, {})).toThrow(message)
})

it.each([
  [['wide', 'labels'], /regression needs numbers, column 'labels' holds category/],
  [['wide', 'wide'], /data\.target names 'wide' twice/],
  [['wide', 'dep'], /'dep', which days\.csv does not have.*'deep'/],
  [['wide', 'numbers'], /regression needs numbers, column 'numbers' holds vector/],
])('regression of %s is refused', async (target, message) => {
  const kinds = { labels: 'category', ...(target.includes('numbers') ? { numbers: 'vector' } : {}) }
  const ours = project('tabular-regression', target, kinds)
  await expect(ours.task.load(ours.config, { root: folder.root })).rejects.toThrow(message)
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
