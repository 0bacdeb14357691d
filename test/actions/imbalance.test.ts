/** Classes of which there are few examples: what the configuration can do for them, from the file to what the model finds. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findProjectRate } from '../../src/actions/find-learning-rate.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { trainModel } from '../../src/actions/train.ts'
import { createRandom } from '../../src/core/random.ts'
import { createProjectFolder, type ProjectFolder } from './project-folder.ts'

let folder: ProjectFolder
beforeAll(async () => {
  folder = await createProjectFolder()
  const random = createRandom(11)
  // One row in twelve is ill, and lies a deviation and a half beside the others.
  const lines = Array.from({ length: 900 }, (_, i) => {
    const isIll = i % 12 === 0
    const [x, y] = [random.normal() + (isIll ? 1.5 : 0), random.normal()]
    return `${x.toFixed(4)},${y.toFixed(4)},${isIll ? 'ill' : 'well'},${(x + y).toFixed(4)}`
  })
  await writeFile(join(folder.root, 'rows.csv'), `x,y,state,sum\n${lines.join('\n')}\n`)
})
afterAll(() => folder.remove())

function projectOf(more: object, task = 'tabular-classification') {
  const target = task === 'tabular-classification' ? 'state' : 'sum'
  const config = {
    task,
    seed: 2,
    data: {
      source: 'rows.csv',
      target,
      columns: target === 'state' ? { sum: 'ignore' } : {},
      split: { validation: 0.4, test: 0 },
    },
    model: 'linear',
    baselines: false,
    train: { epochs: 6, optimizer: { name: 'adam', learningRate: 0.05 }, ...more },
  }
  return resolveProject(config, { root: folder.root, what: 'test' })
}

async function train(more: object, task?: string) {
  const events = trainModel(folder.services, projectOf(more, task))
  let steps = 0
  for (;;) {
    const next = await events.next()
    if (next.done) return { scores: next.value.scores.validation!, steps }
    if (next.value.type === 'started') steps = next.value.stepsPerEpoch
  }
}

it('finds rare examples that plain training overlooks, by weights and by other epochs', async () => {
  const plain = await train({})
  expect(plain.scores.recall!).toBeLessThan(0.6)
  expect(plain.steps).toBe(Math.ceil(540 / 32))
  const weighed = await train({ classWeights: 'balanced' })
  expect(weighed.scores.recall!).toBeGreaterThan(0.65)
  const over = await train({ sampling: 'over' })
  expect(over.scores.recall!).toBeGreaterThan(0.65)
  expect(over.steps).toBe(Math.ceil((2 * 495) / 32))
  const under = await train({ sampling: { name: 'under', ratio: 0.5 }, epochs: 25 })
  expect(under.scores.recall!).toBeGreaterThan(0.6)
  expect(under.steps).toBe(Math.ceil((3 * 45) / 32))
  // Focal loss lets go of what is easy: the same order of rows, less certain answers.
  const focal = await train({ focal: { gamma: 4 } })
  expect(focal.scores.areaUnderRoc!).toBeCloseTo(plain.scores.areaUnderRoc!, 1)
  expect(focal.scores.crossEntropy!).toBeGreaterThan(plain.scores.crossEntropy!)
}, 60_000)

it('tries learning rates on the epochs that training would see', async () => {
  const points = async (more: object) => (await findProjectRate(folder.services, projectOf(more))).points
  const [plain, over] = [await points({}), await points({ sampling: 'over' })]
  // The batches hold other rows.
  expect(over[0]!.loss).not.toBe(plain[0]!.loss)
  expect(await points({ sampling: { name: 'under', ratio: 1 } })).not.toEqual(over)
})

it('refuses what does not fit, and says what there is', async () => {
  await expect(train({ classWeights: { il: 3 } })).rejects.toThrow("Did you mean 'ill'?")
  await expect(train({ focal: true, labelSmoothing: 0.1 })).rejects.toThrow('cannot be combined')
  await expect(train({ sampling: 'both' })).rejects.toThrow('"over"|"under"')
  for (const more of [{ classWeights: 'balanced' }, { sampling: 'over' }, { focal: true }]) {
    const [key] = Object.keys(more)
    await expect(train(more, 'tabular-regression')).rejects.toThrow(`train.${key} goes by classes`)
  }
})
