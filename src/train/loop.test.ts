import { describe, expect, test } from 'vitest'
import { bytesOf, computed, digits, prepare, type Setup, smallNetwork, train } from '../../test/run-training.ts'
import type { EpochEvent, TrainEvent } from '../contract/events.ts'
import { float32, tensor } from '../core/tensor.ts'
import { createDataset, type Dataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { type CheckpointStore, decodeCheckpoint, encodeCheckpoint, memoryCheckpoints } from './checkpoint.ts'
import { evaluateDataset } from './evaluate-dataset.ts'
import { runLoop } from './loop.ts'
import { classificationScorer, regressionScorer, type Scorer } from './scores.ts'

const epochsOf = (events: readonly TrainEvent[]): EpochEvent[] => events.filter((event) => event.type === 'epoch')
const doneOf = (events: readonly TrainEvent[]) => events.at(-1) as Extract<TrainEvent, { type: 'done' }>

/** y = 3 x - 1, 12 examples */
const line: Dataset = createDataset({
  columns: {
    x: float32(
      [12, 1],
      Float32Array.from({ length: 12 }, (_, i) => i / 6 - 1),
    ),
    label: float32(
      [12, 1],
      Float32Array.from({ length: 12 }, (_, i) => 3 * (i / 6 - 1) - 1),
    ),
  },
})

const linear: Setup = {
  model: nn.sequential([nn.dense({ units: 1 })]),
  loss: nn.meanSquaredError(),
  optimizer: { name: 'sgd', learningRate: 0.1 },
  train: line,
  batchSize: 4,
}
const regression = { scorer: () => regressionScorer(['meanAbsoluteError']) }

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

/** Runs until it fails; what was written to the checkpoints before and after is compared. */
async function failing(
  setup: Setup,
  poison?: (step: Awaited<ReturnType<typeof prepare>>['step'], event: TrainEvent) => void,
) {
  const written: { kind: string; bytes: Uint8Array; after: number }[] = []
  let steps = 0
  const checkpoints: CheckpointStore = {
    write: async (kind, bytes) => void written.push({ kind, bytes, after: steps }),
    read: async (kind) => written.findLast((one) => one.kind === kind)?.bytes,
  }
  const { step, options } = await prepare({ ...setup, loop: { ...setup.loop, checkpoints } })
  let message = ''
  try {
    for await (const event of runLoop(options)) {
      if (event.type === 'step') steps = event.step
      poison?.(step, event)
    }
  } catch (error) {
    expect(error).toMatchObject({ kind: 'numeric' })
    message = (error as Error).message
  }
  for (const { bytes } of written) {
    for (const [name, { data }] of decodeCheckpoint(bytes, 'checkpoint').tensors) {
      expect((data as Float32Array).every(Number.isFinite), name).toBe(true)
    }
  }
  await step.release()
  return { message, steps, written }
}

describe('divergence', () => {
  test('a poisoned weight is named with the step, and no checkpoint follows', async () => {
    const { message, steps, written } = await failing({ loop: { epochs: 2 } }, (step, event) => {
      if (event.type === 'step' && event.step === 7)
        (step.parameters.get('dense/kernel')!.data as Float32Array)[5] = Number.NaN
    })
    expect(message).toBe(
      "the loss became NaN at step 8: parameter 'dense/kernel' already holds values that are not finite",
    )
    expect(steps).toBe(7)
    expect(written.map(({ kind, after }) => `${kind} ${after}`)).toEqual(['best 5', 'last 5'])
  })

  test('a poisoned weight after the last step of an epoch is not kept', async () => {
    for (const path of ['dense/kernel', 'batchNormalization/movingVariance']) {
      const { message, written } = await failing({ loop: { epochs: 2 } }, (step, event) => {
        if (event.type === 'step' && event.step === 10) (step.parameters.get(path)!.data as Float32Array)[0] = Infinity
      })
      expect(message).toBe(`parameter '${path}' is not finite after step 10`)
      expect(written.map(({ after }) => after)).toEqual([5, 5])
    }
  })

  test('nor when the run is interrupted or left just then', async () => {
    const controller = new AbortController()
    const { message, written } = await failing({ loop: { signal: controller.signal } }, (step, event) => {
      if (event.type !== 'step' || event.step !== 2) return
      ;(step.parameters.get('dense/bias')!.data as Float32Array)[0] = Number.NaN
      controller.abort()
    })
    expect(message).toBe("parameter 'dense/bias' is not finite after step 2")
    expect(written).toEqual([])
  })

  test('a huge learning rate', async () => {
    const { message } = await failing({
      ...linear,
      optimizer: { name: 'sgd', learningRate: 1e20 },
      loop: { ...regression, epochs: 20 },
    })
    expect(message).toMatch(/^the loss became (NaN|Infinity) at step \d+: .*'dense\/(kernel|bias)'/)
  })

  test('a gradient that is not finite is found by clipping before it reaches the parameters', async () => {
    const zeros = createDataset({ columns: { x: float32([2, 1], [0, 0]), label: float32([2, 1], [0, 0]) } })
    // The root of the mean squared error has no slope at 0.
    const apply: nn.Loss['apply'] = (g, p, t) => g.sqrt(nn.meanSquaredError().apply(g, p, t))
    const root: nn.Loss = { name: 'root', config: {}, apply }
    const { message } = await failing({ ...linear, loss: root, train: zeros, rules: { clipNorm: 1 }, loop: regression })
    expect(message).toBe(
      "the gradient is not finite at step 1: the first gradient that is not finite belongs to parameter 'dense/kernel'",
    )
  })

  test('NaN in the data is named with column and example', async () => {
    const x = float32([12, 1], line.columns.x!.data as Float32Array).data.slice()
    x[9] = Number.NaN
    const bad = createDataset({ columns: { ...line.columns, x: float32([12, 1], x) } })
    const { message } = await failing({ ...linear, train: bad, loop: regression })
    expect(message).toMatch(
      /^the loss became NaN at step [123]: column 'x' of the data holds NaN in example [0-3] of the batch$/,
    )
  })

  test('NaN in the validation data ends the run: it would never improve again', async () => {
    const columns = { x: float32([2, 1], [0, Number.NaN]), label: float32([2, 1], [0, 0]) }
    const { message, written } = await failing({
      ...linear,
      loop: { ...regression, validation: createDataset({ columns }) },
    })
    expect(message).toBe('the validation loss became NaN at the end of epoch 1 (step 3)')
    expect(written).toEqual([])
  })
})

describe('checkpoints that cannot be used', () => {
  /** Resumes from what `change` makes of a good checkpoint; returns the message and whether memory stayed as it was. */
  async function resumeFrom(change: (bytes: Uint8Array) => Uint8Array, setup: Setup = {}) {
    const checkpoints = memoryCheckpoints()
    await train({ loop: { checkpoints, epochs: 1 } })
    await checkpoints.write('last', change((await checkpoints.read('last'))!))
    const { step, options } = await prepare({ ...setup, loop: { resume: true, ...setup.loop, checkpoints } })
    const before = bytesOf(step)
    const message = await runLoop(options)
      .next()
      .then(
        () => 'no error',
        (error: Error) => error.message,
      )
    expect(bytesOf(step)).toEqual(before)
    await step.release()
    return message
  }

  const edit = (bytes: Uint8Array, position: Record<string, unknown>) => {
    const checkpoint = decodeCheckpoint(bytes, 'checkpoint')
    return encodeCheckpoint(checkpoint.tensors, { ...checkpoint.position, ...position })
  }

  test('truncated at any length', async () => {
    for (const share of [0, 0.001, 0.01, 0.1, 0.5, 0.999]) {
      const message = await resumeFrom((bytes) => bytes.slice(0, Math.floor(bytes.length * share)))
      expect(message).toMatch(/^the last checkpoint is damaged/)
    }
  })

  test('of another model', async () => {
    const wider = nn.sequential([nn.rescaling({ scale: 1 / 255 }), nn.flatten(), nn.dense({ units: 10 })])
    expect(await resumeFrom((bytes) => bytes, { model: wider })).toMatch(
      /does not fit the model: 'parameters\/dense\/kernel'/,
    )
    const deeper = nn.sequential([smallNetwork(), nn.dense({ units: 10 })])
    expect(await resumeFrom((bytes) => bytes, { model: deeper })).toMatch(/absent in the checkpoint/)
    expect(await resumeFrom((bytes) => bytes, { optimizer: 'sgd' })).toMatch(
      /'firstMoment\/conv2d\/kernel' is absent in the model and float32 \[4, 1, 5, 5\] in the checkpoint/,
    )
  })

  test('of a changed configuration', async () => {
    expect(await resumeFrom((bytes) => bytes, { loop: { fingerprint: 'other' } })).toBe(
      'the configuration or the data changed since the checkpoint was written',
    )
  })

  test('without or with a nonsensical position', async () => {
    for (const position of [
      { step: -1 },
      { epoch: 1.5 },
      { scores: undefined },
      { lossSum: Number.NaN },
      { fingerprint: 3 },
    ]) {
      expect(await resumeFrom((bytes) => edit(bytes, position))).toMatch(
        /is damaged: it does not say where the run stood/,
      )
    }
  })

  test('none at all', async () => {
    await expect(train({ loop: { resume: true } })).rejects.toThrow('there is no checkpoint to resume from')
  })
})

test('a full disk: the error reaches the caller, and the checkpoint before it resumes the run', async () => {
  const inner = memoryCheckpoints()
  let writes = 0
  const full: CheckpointStore = {
    read: inner.read,
    write: async (kind, bytes) => {
      if (++writes > 2) throw new Error('ENOSPC: no space left on device')
      await inner.write(kind, bytes)
    },
  }
  const whole = await train({ loop: { epochs: 3 } })
  await expect(train({ loop: { epochs: 3, checkpoints: full } })).rejects.toThrow('ENOSPC')
  const resumed = await train({ loop: { epochs: 3, checkpoints: inner, resume: true } })
  const later = computed(whole.events).filter((event) => 'epoch' in event && event.epoch > 1)
  expect(computed(resumed.events)).toEqual(later)
  expect(resumed.state).toEqual(whole.state)
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

test('labels that are no class are refused', async () => {
  const label = tensor('int32', [4], Int32Array.of(0, 1, 10, 2))
  const bad = createDataset({ columns: { image: tensor('uint8', [4, 1, 28, 28], new Uint8Array(4 * 784)), label } })
  await expect(train({ train: bad, loop: { scorer: () => classificationScorer([]) } })).rejects.toThrow(
    'labels must be from 0 to 9, received 10',
  )
})
