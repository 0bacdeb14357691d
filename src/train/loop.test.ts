import { describe, expect, test } from 'vitest'
import { bytesOf, digits, line, linear, prepare, regression, type Setup, train } from '../../test/run-training.ts'
import type { EpochEvent, TrainEvent } from '../contract/events.ts'
import { tensor } from '../core/tensor.ts'
import { createDataset, type Dataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { evaluateDataset } from './evaluate-dataset.ts'
import { runLoop } from './loop.ts'
import { classificationScorer, type Scorer } from './scores.ts'

const epochsOf = (events: readonly TrainEvent[]): EpochEvent[] => events.filter((event) => event.type === 'epoch')
const doneOf = (events: readonly TrainEvent[]) => events.at(-1) as Extract<TrainEvent, { type: 'done' }>

/** A scorer whose metric takes the given values, one for each validation: what a run does then is known in advance. */
function scripted(values: readonly number[], higherIsBetter = false): () => Scorer {
  let made = 0
  return () => {
    // Made for training, for the first validation, for training, for the second validation, ...
    const index = made++
    const value = index % 2 === 1 ? values[(index - 1) / 2]! : 0
    return {
      add: () => {},
      values: () => ({ metric: value }),
      higherIsBetter: new Set(higherIsBetter ? ['metric'] : []),
      save: () => [],
      load: () => {},
    }
  }
}

async function scriptedRun(values: readonly number[], loop: Setup['loop'], higherIsBetter = false) {
  const kept: Map<string, string>[] = []
  const scorer = scripted(values, higherIsBetter)
  const { step, options } = await prepare({
    ...linear,
    loop: { validation: line, epochs: values.length, monitor: 'validationMetric', scorer, ...loop },
  })
  const events: TrainEvent[] = []
  for await (const event of runLoop(options)) {
    if (event.type === 'epoch') kept.push(bytesOf(step))
    events.push(event)
  }
  const final = bytesOf(step)
  await step.release()
  return { epochs: epochsOf(events), done: doneOf(events), kept, final }
}

describe('early stopping and the best epoch', () => {
  test('ends after `patience` epochs without improvement and restores the best parameters', async () => {
    const { epochs, done, kept, final } = await scriptedRun([5, 3, 4, 4, 2], { earlyStopping: { patience: 2 } })
    expect(epochs.map(({ best }) => best)).toEqual([true, true, false, false])
    expect(done).toMatchObject({ reason: 'early-stopping', epochs: 4, bestEpoch: 2 })
    expect(final.get('parameters/dense/kernel')).toBe(kept[1]!.get('parameters/dense/kernel'))
    expect(final.get('parameters/dense/kernel')).not.toBe(kept[3]!.get('parameters/dense/kernel'))
  })

  test('the best parameters are restored at the end of a full run, too', async () => {
    const { done, kept, final } = await scriptedRun([1, 3, 4], {})
    expect(done).toMatchObject({ reason: 'finished', epochs: 3, bestEpoch: 1 })
    expect(final.get('parameters/dense/bias')).toBe(kept[0]!.get('parameters/dense/bias'))
  })

  test('a metric where higher is better', async () => {
    const { epochs, done } = await scriptedRun([0.5, 0.7, 0.6, 0.7, 0.9], { earlyStopping: { patience: 2 } }, true)
    expect(epochs.map(({ best }) => best)).toEqual([true, true, false, false])
    expect(done.bestEpoch).toBe(2)
  })

  test('patience 0 and 1 end at the first epoch that is not better, as in Keras', async () => {
    for (const patience of [0, 1]) {
      const { done } = await scriptedRun([5, 4, 4, 3], { earlyStopping: { patience } })
      expect(done).toMatchObject({ reason: 'early-stopping', epochs: 3, bestEpoch: 2 })
    }
  })

  test('many improvements below minDelta add up to one; the best epoch is the best all the same', async () => {
    const { done } = await scriptedRun([1, 0.96, 0.92, 0.88, 0.84, 0.83], {
      earlyStopping: { patience: 3, minDelta: 0.1 },
    })
    expect(done).toMatchObject({ reason: 'finished', bestEpoch: 6 })
    const still = await scriptedRun([1, 0.99, 0.98, 0.97, 0.96], { earlyStopping: { patience: 3, minDelta: 0.1 } })
    expect(still.done).toMatchObject({ reason: 'early-stopping', epochs: 4, bestEpoch: 4 })
  })

  test('unfit options are refused', async () => {
    for (const [earlyStopping, message] of [
      [{ patience: -1 }, 'earlyStopping.patience must be a whole number of epochs, received -1'],
      [{ patience: 1.5 }, 'received 1.5'],
      [{ patience: 1, minDelta: -1 }, 'earlyStopping.minDelta must be at least 0, received -1'],
    ] as const) {
      await expect(train({ ...linear, loop: { ...regression, earlyStopping } })).rejects.toThrow(message)
    }
  })
})

describe('monitors', () => {
  test.each([
    [undefined, 'validation', 'loss'],
    ['validationLoss', 'validation', 'loss'],
    ['validationAccuracy', 'validation', 'accuracy'],
    ['accuracy', 'train', 'accuracy'],
    ['loss', 'train', 'loss'],
  ] as const)('%s decides the best epoch', async (monitor, split, key) => {
    const { events } = await train({ loop: { monitor, validation: digits(100, 120), epochs: 4 } })
    const epochs = epochsOf(events)
    const values = epochs.map((event) => event[split]![key]!)
    const sign = key === 'accuracy' ? 1 : -1
    const best = values.reduce((found, value, i) => (sign * value > sign * values[found]! ? i : found), 0)
    expect(doneOf(events).bestEpoch).toBe(best + 1)
  })

  test('unknown ones are refused with the nearest, before the first step', async () => {
    const run = (monitor: string, validation?: Dataset) => train({ loop: { monitor, validation } })
    await expect(run('validationAcuracy', digits(0, 9))).rejects.toThrow("Did you mean 'validationAccuracy'?")
    await expect(run('validationLoss')).rejects.toThrow(
      "cannot monitor 'validationLoss' (there is no validation split)",
    )
  })
})

describe('reduceOnPlateau', () => {
  const plateau = { name: 'reduceOnPlateau', learningRate: 0.1, patience: 1, factor: 0.5 }

  test('lowers the rate by what the run monitors', async () => {
    const { events } = await train({
      ...linear,
      schedule: plateau,
      loop: { scorer: scripted([5, 6, 4, 4, 4]), validation: line, monitor: 'validationMetric', epochs: 5 },
    })
    expect(epochsOf(events).map(({ learningRate }) => learningRate)).toEqual([0.1, 0.1, 0.05, 0.05, 0.025])
  })

  test('a mode against the direction of the monitor is refused', async () => {
    const run = train({ schedule: plateau, loop: { monitor: 'accuracy' } })
    await expect(run).rejects.toThrow("reduceOnPlateau has mode 'min', but of 'accuracy' higher is better")
  })
})

describe('evaluateDataset', () => {
  test('equals the scores of training on the same parameters; smaller last batches count by their size', async () => {
    // No dropout and no batch statistics, and a rate of 0: training sees the same parameters at each step.
    const model = nn.sequential([
      nn.rescaling({ scale: 1 / 255 }),
      nn.flatten(),
      nn.dense({ units: 10, activation: 'softmax' }),
    ])
    const { step, options } = await prepare({ model, optimizer: { name: 'sgd', learningRate: 0 }, loop: { epochs: 1 } })
    const events: TrainEvent[] = []
    for await (const event of runLoop(options)) events.push(event)
    const trained = epochsOf(events)[0]!.train
    const reference: number[] = []
    for (const batchSize of [1, 5, 8]) {
      const scorer = classificationScorer(['accuracy', 'f1'])
      const seen: number[] = []
      const onBatch = (predictions: { data: Float32Array }, first: number) => {
        expect(first).toBe(seen.length / 10)
        seen.push(...predictions.data)
      }
      const scores = (await evaluateDataset(step, options.train, { target: 'label', batchSize, scorer, onBatch }))!
      expect(scores.loss! / trained.loss!).toBeCloseTo(1, 5)
      expect(scores.accuracy).toBe(trained.accuracy)
      expect(scores.f1).toBeCloseTo(trained.f1!, 12)
      expect(seen.length).toBe(720)
      if (reference.length === 0) reference.push(...seen)
      seen.forEach((p, i) => {
        expect(p).toBeCloseTo(reference[i]!, 5)
      })
    }
    const { rows, columns } = options.train
    const labels = Array.from(rows, (row) => (columns.label!.data as Int32Array)[row]!)
    const byHand = -labels.reduce((sum, label, i) => sum + Math.log(reference[i * 10 + label]!), 0) / labels.length
    expect(trained.loss).toBeCloseTo(byHand, 4)
    await step.release()
  })

  test('gives no half scores when it is stopped', async () => {
    const { step, options } = await prepare()
    const scorer = classificationScorer([])
    const signal = AbortSignal.abort()
    expect(
      await evaluateDataset(step, options.train, { target: 'label', batchSize: 8, scorer, signal }),
    ).toBeUndefined()
    await step.release()
  })
})

test('tells which share of the steps went by waiting for their batch', async () => {
  let time = 0
  const pass = (milliseconds: number): void => {
    time += milliseconds
  }
  const scorer = classificationScorer([])
  const { events } = await train({
    train: digits(0, 32),
    loop: {
      epochs: 2,
      clock: { now: () => time },
      // A millisecond for each picture of a batch, and thrice as much for what comes behind.
      augment: { column: 'image', apply: () => pass(1) },
      scorer: () => ({ ...scorer, add: ({ shape }) => pass(3 * shape[0]!) }),
    },
  })
  expect(doneOf(events)).toMatchObject({ dataWait: 0.25, steps: 4, stepsPerSecond: 4 / 0.256 })
})

test('labels that are no class are refused', async () => {
  const label = tensor('int32', [4], Int32Array.of(0, 1, 10, 2))
  const bad = createDataset({ columns: { image: tensor('uint8', [4, 1, 28, 28], new Uint8Array(4 * 784)), label } })
  await expect(train({ train: bad, loop: { scorer: () => classificationScorer([]) } })).rejects.toThrow(
    'labels must be from 0 to 9, received 10',
  )
})
