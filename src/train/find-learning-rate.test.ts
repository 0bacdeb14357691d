import { expect, test } from 'vitest'
import { bytesOf, digits, linear, prepare } from '../../test/run-training.ts'
import { createRandom } from '../core/random.ts'
import type { EpochSampler } from '../data/class-sampling.ts'
import { findLearningRate, type RateTestOptions, suggestions } from './find-learning-rate.ts'

const point = (learningRate: number, smoothed: number) => ({ learningRate, loss: smoothed, smoothed })

test('suggests where the loss falls fastest, and a tenth of where it is least', () => {
  const losses = [2.3, 2.3, 2.2, 1.6, 1.2, 1.1, 3, 9]
  const points = losses.map((loss, i) => point(10 ** (i - 6), loss))
  expect(suggestions(points)).toEqual({ steepest: 1e-3, minimumTenth: 1e-2 })
  expect(suggestions([point(1, 1), point(10, 2), point(100, 3)])).toEqual({
    steepest: undefined,
    minimumTenth: undefined,
  })
  expect(suggestions([])).toEqual({ steepest: undefined, minimumTenth: undefined })
})

test('what wavers before the loss falls is no fall, however steep it is', () => {
  const random = createRandom(2)
  const points = Array.from({ length: 100 }, (_, i) => {
    const trend = i < 50 ? 2 : i < 80 ? 2 - (i - 50) / 20 : 0.5 + (i - 80) / 5
    return point(10 ** (i / 12.5 - 7), trend + (i < 8 ? 0.4 : 0.02) * random.normal())
  })
  const { steepest } = suggestions(points)
  expect(steepest).toBeGreaterThan(points[50]!.learningRate)
  expect(steepest).toBeLessThan(points[80]!.learningRate)
})

test('a convolutional network: the loss falls, then runs away; everything is put back bit for bit', async () => {
  const train = digits(0, 320)
  const { step } = await prepare({ train, ema: { decay: 0.9 } })
  const before = bytesOf(step)
  const done: number[] = []
  const test = { step, train, batchSize: 16, random: createRandom(1), from: 1e-5, steps: 60 }
  const found = await findLearningRate({ ...test, onProgress: (n) => done.push(n) })
  expect(bytesOf(step)).toEqual(before)
  expect(done).toEqual(found.points.map((_, i) => i + 1))
  expect(found.points[0]!.learningRate).toBe(1e-5)
  expect(found.points[0]!.smoothed).toBeCloseTo(found.points[0]!.loss, 5)
  const [steepest, tenth] = [found.steepest!, found.minimumTenth!]
  expect(steepest).toBeGreaterThan(1e-4)
  expect(steepest).toBeLessThan(0.3)
  expect(tenth).toBeGreaterThan(1e-4)
  // The same again, since it began from the same place.
  expect((await findLearningRate(test)).points).toEqual(found.points)
  await step.release()
})

test('a sampler chooses the examples: as on the data that it leaves over', async () => {
  const [few, all] = [digits(0, 64), digits(0, 320)]
  const points = async (of: Pick<RateTestOptions, 'train' | 'sampler'>) => {
    const { step } = await prepare({ train: all })
    const found = await findLearningRate({ step, batchSize: 16, random: createRandom(1), steps: 10, ...of })
    await step.release()
    return found.points
  }
  const sampler: EpochSampler = { length: few.length, draw: (_, into) => into.set(few.rows) }
  const sampled = await points({ train: all, sampler })
  expect(sampled).toEqual(await points({ train: few }))
  expect(sampled).not.toEqual(await points({ train: all }))
})

test('plain gradient descent diverges: it stops there and restores', async () => {
  const { step, options } = await prepare({ ...linear, optimizer: 'sgd' })
  const before = bytesOf(step)
  const test = { step, train: options.train, batchSize: options.batchSize, random: createRandom(1) }
  const found = await findLearningRate({ ...test, to: 1e30, steps: 60 })
  expect(found.reason).toBe('diverged')
  expect(found.points.length).toBeLessThan(60)
  expect(bytesOf(step)).toEqual(before)
  const stopped = await findLearningRate({ ...test, signal: AbortSignal.abort() })
  expect(stopped).toEqual({ points: [], reason: 'interrupted', steepest: undefined, minimumTenth: undefined })
  await step.release()
})

test.each([
  [{ from: 0 }, 'the first learning rate must be above 0, received 0'],
  [{ from: 1, to: 1 }, 'the last learning rate must be above the first (1), received 1'],
  [{ steps: 9 }, 'a rate test has a whole number of at least 10 steps, received 9'],
  [{ smoothing: 1 }, 'smoothing must be a number >= 0 and < 1, received 1'],
  [{ divergence: 1 }, 'divergence must be a number above 1, received 1'],
])('refuses %j', async (options, message) => {
  const { step, options: loop } = await prepare(linear)
  const given = { step, train: loop.train, batchSize: loop.batchSize, random: createRandom(1), ...options }
  await expect(findLearningRate(given)).rejects.toThrow(message)
  await step.release()
})
