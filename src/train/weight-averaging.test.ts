import { describe, expect, test } from 'vitest'
import { computed, digits, line, linear, prepare, regression, type Setup, train } from '../../test/run-training.ts'
import { createBatches } from '../data/batches.ts'
import * as nn from '../nn/index.ts'
import { cosine } from '../optim/index.ts'
import { memoryCheckpoints } from './checkpoint.ts'
import { arraysOf } from './evaluate-dataset.ts'
import { runLoop } from './loop.ts'
import { averagingSchedule, weightAveraging } from './weight-averaging.ts'

const values = (data: unknown) => [...(data as Float32Array)]

/** The live kernel at the end of each epoch, and what is kept then. */
async function followed(setup: Setup, path: string) {
  const { step, options } = await prepare(setup)
  const [live, kept]: [number[], number[]] = [[], []]
  for await (const event of runLoop(options)) {
    if (event.type !== 'epoch') continue
    live.push(values(step.state.get(`parameters/${path}`)!.data)[0]!)
    kept.push(values(step.parameters.get(path)!.data)[0]!)
  }
  await step.release()
  return { live, kept }
}

const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length

describe('what is kept', () => {
  test('the weights themselves at first, then their mean over the ends of epochs', async () => {
    const loop = { ...regression, epochs: 6, monitor: 'latest' }
    const { live, kept } = await followed({ ...linear, swa: { fromEpoch: 3 }, loop }, 'dense/kernel')
    expect(new Set(live).size).toBe(6)
    expect(kept.slice(0, 3)).toEqual(live.slice(0, 3))
    for (const epochs of [4, 5, 6]) expect(kept[epochs - 1]).toBeCloseTo(mean(live.slice(2, epochs)), 6)
    expect(kept[5]).not.toBeCloseTo(live[5]!, 4)
  })

  test('with cycles, the mean over their ends', async () => {
    const loop = { ...regression, epochs: 7, monitor: 'latest' }
    const swa = { fromEpoch: 2, cycleEpochs: 2 }
    const { live, kept } = await followed({ ...linear, swa, loop }, 'dense/kernel')
    expect(kept.slice(0, 3)).toEqual(live.slice(0, 3))
    expect(kept[3]).toBe(live[2])
    expect(kept[4]).toBeCloseTo(mean([live[2]!, live[4]!]), 6)
    expect(kept[5]).toBe(kept[4])
    expect(kept[6]).toBeCloseTo(mean([live[2]!, live[4]!, live[6]!]), 6)
  })
})

test('statistics of batch normalisation are those of the training data under the mean weights', async () => {
  const model = nn.sequential([
    nn.dense({ units: 3, useBias: false }),
    nn.batchNormalization({ momentum: 0.99 }),
    nn.dense({ units: 1 }),
  ])
  const loop = { ...regression, epochs: 4, monitor: 'latest' }
  const setup: Setup = { ...linear, model, batchSize: 5, swa: { fromEpoch: 2, learningRate: 0.2 }, loop }
  const { step, options } = await prepare(setup)
  for await (const _ of runLoop(options)) {
    // to the end
  }
  const kernel = values(step.parameters.get('dense/kernel')!.data)
  const batches = createBatches(line, {
    batchSize: 5,
    into: arraysOf(step),
    random: options.random.fork('statistics'),
  })
  batches.start(4)
  const [means, variances] = [
    [0, 0, 0],
    [0, 0, 0],
  ]
  for (let i = 0; i < batches.steps; i++) {
    const count = batches.fill(i)
    const x = values(step.batch.x!.data).slice(0, count)
    for (const [unit, w] of kernel.entries()) {
      const middle = mean(x.map((v) => v * w))
      means[unit]! += (middle * count) / line.length
      variances[unit]! += (mean(x.map((v) => (v * w - middle) ** 2)) * count) / line.length
    }
  }
  const kept = (name: string) => values(step.parameters.get(`batchNormalization/${name}`)!.data)
  const live = values(step.state.get('states/batchNormalization/movingVariance')!.data)
  for (const unit of [0, 1, 2]) {
    expect(kept('movingMean')[unit]).toBeCloseTo(means[unit]!, 5)
    expect(kept('movingVariance')[unit]).toBeCloseTo(variances[unit]!, 5)
    // Slow moving means have not arrived yet: scores with them would be wrong.
    expect(Math.abs(live[unit]! - variances[unit]!)).toBeGreaterThan(0.05)
  }
  await step.release()
})

const images: Setup = {
  swa: { fromEpoch: 2, learningRate: 0.01 },
  optimizer: { name: 'sgd', learningRate: 0.05, momentum: 0.9 },
  schedule: 'cosine',
  accumulate: 2,
  augmented: true,
}
const loop = { epochs: 4, validation: digits(100, 120) }

describe('a run with averaged weights goes on bit for bit', async () => {
  const whole = await train({ ...images, loop })

  // After step 15 the mean has its second model, and the statistics are yet to be gathered.
  test('after any step', async () => {
    expect([...whole.state.keys()]).toContain('averageStates/batchNormalization/movingVariance')
    for (const k of [3, 10, 13, 15, 18]) {
      const checkpoints = memoryCheckpoints()
      const controller = new AbortController()
      const first = await train({ ...images, loop: { ...loop, checkpoints, signal: controller.signal } }, (event) => {
        if (event.type === 'step' && event.step === k) controller.abort()
      })
      expect(first.events.at(-1)).toMatchObject({ reason: 'interrupted' })
      const second = await train({ ...images, loop: { ...loop, checkpoints, resume: true } })
      expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(whole.events))
      expect(second.state).toEqual(whole.state)
    }
  })

  test('and its rates are those of its schedule', () => {
    const rates = whole.events.flatMap((event) => (event.type === 'step' ? [event.learningRate] : []))
    expect(rates[0]).toBe(0.05)
    expect(rates.slice(10)).toEqual(rates.slice(10).map(() => 0.01))
  })
})

test('the rate follows the schedule, then half a cosine to a constant, or straight lines again and again', () => {
  const swa = { fromEpoch: 3, learningRate: 0.2, annealEpochs: 1 }
  const base = cosine({ learningRate: 1 })
  const run = { epochs: 5, learningRate: 1 }
  const level = averagingSchedule(base, weightAveraging(swa, run), 5)
  const rates = Array.from({ length: 20 }, (_, step) => level.at(step, 20))
  const from = base.at(8, 20)
  expect(rates.slice(0, 9)).toEqual(Array.from({ length: 9 }, (_, step) => base.at(step, 20)))
  expect(rates[10]).toBeCloseTo((from + 0.2) / 2, 12)
  for (const rate of rates.slice(12)) expect(rate).toBeCloseTo(0.2, 12)
  const cyclic = averagingSchedule(base, weightAveraging({ ...swa, cycleEpochs: 1 }, run), 5)
  const cycle = [0.8, 0.6, 0.4, 0.2]
  Array.from({ length: 12 }, (_, i) => expect(cyclic.at(8 + i, 20)).toBeCloseTo(cycle[i % 4]!, 12))
  expect(averagingSchedule(base, weightAveraging({ ...swa, annealEpochs: 0 }, run), 5).at(8, 20)).toBe(0.2)
})

test('defaults are three quarters of the run and half of the rate', () => {
  expect(weightAveraging({}, { epochs: 20, learningRate: 0.1 })).toEqual({
    fromEpoch: 16,
    learningRate: 0.05,
    annealEpochs: 1,
    cycleEpochs: 0,
    peak: 0.1,
  })
})

test.each([
  [{ fromEpoch: 6 }, 'swa.fromEpoch must be a whole number from 1 to 5, received 6'],
  [{ fromEpoch: 1.5 }, 'swa.fromEpoch must be a whole number'],
  [{ fromEpoch: 4, cycleEpochs: 3 }, 'swa.cycleEpochs must be a whole number from 1 to 2'],
  [{ annealEpochs: -1 }, 'swa.annealEpochs must be a number >= 0, received -1'],
  [{ learningRate: Number.NaN }, 'swa.learningRate must be a number >= 0, received NaN'],
])('%j is refused', (options, message) => {
  expect(() => weightAveraging(options, { epochs: 5, learningRate: 1 })).toThrow(message)
})

test('both kinds of averages at once are refused', async () => {
  await expect(prepare({ ...linear, swa: {}, ema: { decay: 0.9 } })).rejects.toThrow(
    "set one of 'ema' and 'swa', received both",
  )
})
