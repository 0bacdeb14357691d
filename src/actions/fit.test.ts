import { describe, expect, test } from 'vitest'
import { digits } from '../../test/run-training.ts'
import type { TrainEvent } from '../contract/events.ts'
import { createRandom } from '../core/random.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { createDataset } from '../data/dataset.ts'
import { splitByShare } from '../data/split.ts'
import * as nn from '../nn/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { memoryCheckpoints } from '../train/checkpoint.ts'
import { type FitOptions, type FittedModel, fit as fitModel } from './fit.ts'

async function run(model: nn.Layer, options: FitOptions): Promise<{ events: TrainEvent[]; fitted: FittedModel }> {
  const events: TrainEvent[] = []
  const training = fitModel(model, options)
  for (;;) {
    const { done, value } = await training.next()
    if (done) return { events, fitted: value }
    events.push(value)
  }
}

const epochsOf = (events: readonly TrainEvent[]) => events.filter((event) => event.type === 'epoch')

/** What the exported file answers in the runtime. */
async function predict({ onnx }: FittedModel, x: Tensor): Promise<Tensor> {
  const session = await createNodeBackend().createSession(onnx)
  const { y } = await session.run({ x })
  await session.release()
  return y!
}

const random = createRandom(4)
const features = float32(
  [200, 3],
  Float32Array.from({ length: 600 }, () => random.normal()),
)
const rows = Array.from(
  { length: 200 },
  (_, i) => [...features.data.subarray(3 * i, 3 * i + 3)] as [number, number, number],
)
const sums = float32(
  [200, 1],
  rows.map(([a, b, c]) => 2 * a - b + 0.5 * c + 1),
)

describe('regression', () => {
  test('finds the coefficients; the exported model predicts what they say', async () => {
    const { events, fitted } = await run(nn.sequential([nn.dense({ units: 1 })]), {
      x: features,
      y: sums,
      loss: 'meanSquaredError',
      optimizer: { name: 'adam', learningRate: 0.05 },
      metrics: ['meanAbsoluteError'],
      validationSplit: 0.2,
      epochs: 30,
    })
    const last = epochsOf(events).at(-1)!
    expect(Object.keys(last.validation!)).toEqual(['loss', 'meanAbsoluteError'])
    expect(last.validation!.loss).toBeLessThan(1e-3)
    const kernel = fitted.parameters.get('dense/kernel')!.data as Float32Array
    ;[2, -1, 0.5].forEach((expected, i) => {
      expect(kernel[i]).toBeCloseTo(expected, 1)
    })
    const bias = (fitted.parameters.get('dense/bias')!.data as Float32Array)[0]!
    const answers = await predict(fitted, float32([5, 3], features.data.slice(0, 15)))
    expect(answers.shape).toEqual([5, 1])
    rows.slice(0, 5).forEach((row, i) => {
      const expected = row.reduce((sum, v, j) => sum + v * kernel[j]!, bias)
      expect((answers.data as Float32Array)[i]).toBeCloseTo(expected, 4)
    })
  })
})

describe('classification', () => {
  const labels = tensor(
    'int32',
    [200],
    Int32Array.from(rows, ([a, b]) => (a + b > 0 ? 1 : 0)),
  )
  const net = (units: number, activation: nn.Activation) =>
    nn.sequential([nn.dense({ units: 8, activation: 'relu' }), nn.dense({ units, activation })])
  const common = { x: features, metrics: ['accuracy'], epochs: 12, optimizer: { name: 'adam', learningRate: 0.02 } }

  test('pictures of 8 bits: the exported model gives the accuracy that the last epoch said', async () => {
    const { columns, rows: order } = digits(0, 300)
    const pixels = (columns.image!.data as Uint8Array).slice(0, 300 * 784)
    const x = tensor('uint8', [300, 1, 28, 28], pixels)
    const y = tensor(
      'int32',
      [300],
      Int32Array.from(order, (row) => (columns.label!.data as Int32Array)[row]!),
    )
    const model = nn.sequential([
      nn.rescaling({ scale: 1 / 255 }),
      nn.conv2d({ filters: 4, kernelSize: 5, strides: 3 }),
      nn.batchNormalization({ momentum: 0.7 }),
      nn.activation('relu'),
      nn.flatten(),
      nn.dropout({ rate: 0.1 }),
      nn.dense({ units: 10, activation: 'softmax' }),
    ])
    const { events, fitted } = await run(model, {
      ...{
        x,
        y,
        loss: 'sparseCategoricalCrossentropy',
        metrics: ['accuracy'],
        epochs: 6,
        validationSplit: 0.3,
        seed: 2,
      },
      optimizer: { name: 'adam', learningRate: 0.01 },
    })
    const done = events.at(-1) as Extract<TrainEvent, { type: 'done' }>
    const best = epochsOf(events)[done.bestEpoch - 1]!
    expect(best.validation!.accuracy).toBeGreaterThan(0.7)
    const { data } = await predict(fitted, x)
    const isRight = (i: number) => {
      const row = (data as Float32Array).subarray(10 * i, 10 * i + 10)
      return row.indexOf(Math.max(...row)) === (y.data as Int32Array)[i]
    }
    const all = createDataset({ columns: { x, y } })
    const { validation } = splitByShare(all, { validation: 0.3 }, createRandom(2).fork('split'))
    const right = Array.from(validation!.rows).filter(isRight).length
    expect(right / validation!.length).toBe(best.validation!.accuracy)
  })

  test('64-bit labels, one-hot targets and yes or no train alike', async () => {
    const oneHot = float32(
      [200, 2],
      Array.from(labels.data as Int32Array).flatMap((label) => (label ? [0, 1] : [1, 0])),
    )
    const wide = tensor(
      'int64',
      [200],
      BigInt64Array.from(labels.data as Int32Array, (v) => BigInt(v)),
    )
    const yes = float32([200, 1], Array.from(labels.data as Int32Array))
    for (const [units, activation, loss, y] of [
      [2, 'softmax', 'sparseCategoricalCrossentropy', wide],
      [2, 'softmax', 'categoricalCrossentropy', oneHot],
      [1, 'sigmoid', 'binaryCrossentropy', yes],
    ] as const) {
      const { events } = await run(net(units, activation), { ...common, y, loss })
      expect(epochsOf(events).at(-1)!.train.accuracy, loss).toBeGreaterThan(0.93)
    }
  })

  test('several yes or no an example are scored as numbers', async () => {
    const both = float32(
      [200, 2],
      rows.flatMap(([a, b]) => [a > 0 ? 1 : 0, b > 0 ? 1 : 0]),
    )
    const options = { ...common, y: both, loss: 'binaryCrossentropy', metrics: ['meanAbsoluteError'] } as const
    const { events } = await run(net(2, 'sigmoid'), options)
    expect(epochsOf(events).at(-1)!.train.meanAbsoluteError).toBeLessThan(0.3)
  })
})

test('with an average of the weights, in parts, the exported model is the one that was validated', async () => {
  const { events, fitted } = await run(nn.sequential([nn.dense({ units: 1 })]), {
    x: features,
    y: sums,
    loss: 'meanSquaredError',
    optimizer: { name: 'rmsprop', learningRate: 0.05 },
    epochs: 1,
    validationSplit: 0.25,
    ema: { decay: 0.9 },
    accumulate: 3,
  })
  const { validation } = splitByShare(
    createDataset({ columns: { x: features, y: sums } }),
    { validation: 0.25 },
    createRandom(0).fork('split'),
  )
  const answers = (await predict(fitted, features)).data as Float32Array
  const squares = [...validation!.rows].map((row) => (answers[row]! - sums.data[row]!) ** 2)
  const loss = squares.reduce((sum, x) => sum + x, 0) / squares.length
  expect(epochsOf(events)[0]!.validation!.loss).toBeCloseTo(loss, 5)
})

test('the mean of the weights over epochs is validated and exported, batch normalisation with its own statistics', async () => {
  const { events, fitted } = await run(nn.sequential([nn.batchNormalization(), nn.dense({ units: 1 })]), {
    x: features,
    y: sums,
    loss: 'meanSquaredError',
    epochs: 4,
    validationSplit: 0.25,
    monitor: 'latest',
    swa: { fromEpoch: 2, learningRate: 0.02 },
  })
  const { validation, train } = splitByShare(
    createDataset({ columns: { x: features, y: sums } }),
    { validation: 0.25 },
    createRandom(0).fork('split'),
  )
  const answers = (await predict(fitted, features)).data as Float32Array
  const squares = [...validation!.rows].map((row) => (answers[row]! - sums.data[row]!) ** 2)
  const loss = squares.reduce((sum, x) => sum + x, 0) / squares.length
  expect(epochsOf(events)[3]!.validation!.loss).toBeCloseTo(loss, 5)
  const first = [...train!.rows].map((row) => features.data[row * 3]!)
  const mean = first.reduce((sum, x) => sum + x, 0) / first.length
  // With momentum 0.99 the moving mean would still stand near 0 after 20 updates.
  const moving = fitted.parameters.get('batchNormalization/movingMean')!.data as Float32Array
  expect(moving[0]).toBeCloseTo(mean, 4)
})

test.each(['all', 'cheap'] as const)('recompute %s trains to the same model', async (recompute) => {
  const net = () =>
    nn.sequential([
      nn.dense({ units: 8, activation: 'tanh' }),
      nn.dropout({ rate: 0.2 }),
      nn.dense({ units: 8, activation: 'gelu' }),
      nn.dense({ units: 1 }),
    ])
  const options = { x: features, y: sums, loss: 'meanSquaredError', epochs: 2, threads: 1 } as const
  const [kept, again] = [await run(net(), options), await run(net(), { ...options, recompute })]
  expect(again.fitted.parameters).toEqual(kept.fitted.parameters)
  expect(again.fitted.onnx).toEqual(kept.fitted.onnx)
})

test('an unknown way to recompute is refused', async () => {
  const options = { x: features, y: sums, loss: 'meanSquaredError', recompute: 'most' as 'all' } as const
  await expect(run(nn.sequential([nn.dense({ units: 1 })]), options)).rejects.toThrow(
    `recompute must be 'all' or 'cheap', received "most"`,
  )
})

test('resumes from checkpoints of the same call, and refuses those of another', async () => {
  const options = { x: features, y: sums, loss: 'meanSquaredError', epochs: 3 } as const
  const net = () => nn.sequential([nn.dense({ units: 1 })])
  const whole = await run(net(), options)
  const checkpoints = memoryCheckpoints()
  const controller = new AbortController()
  for await (const event of fitModel(net(), { ...options, checkpoints, signal: controller.signal })) {
    if (event.type === 'step' && event.step === 9) controller.abort()
  }
  const again = await run(net(), { ...options, checkpoints, resume: true })
  expect(again.fitted.parameters).toEqual(whole.fitted.parameters)
  expect(again.fitted.onnx).toEqual(whole.fitted.onnx)
  for (const change of [
    { seed: 5 },
    { batchSize: 16 },
    { loss: 'meanAbsoluteError' },
    { y: float32([200, 1], new Float32Array(200)) },
  ]) {
    const other = run(net(), { ...options, ...(change as object), checkpoints, resume: true })
    await expect(other).rejects.toThrow('the configuration or the data changed')
  }
})

test('a run is not resumed with other functions of the user: activations, layers, losses', async () => {
  const options = { x: features, y: sums, epochs: 2, loss: 'meanSquaredError' } as const
  const leaky = (slope: number) =>
    nn.sequential([nn.dense({ units: 3, activation: (g, x) => g.max(x, g.mul(x, slope)) }), nn.dense({ units: 1 })])
  const shifted = (by: Float32Array) =>
    nn.sequential([
      nn.layer({ kind: 'shift', config: {}, apply: ({ g }, [x]) => g.add(x!, g.builder.constant(float32([9], by))) }),
      nn.dense({ units: 1 }),
    ])
  const wide = {
    ...options,
    x: float32(
      [200, 9],
      Float32Array.from({ length: 1800 }, (_, i) => (i % 7) / 7),
    ),
  }
  const power = (n: number): nn.Loss => ({
    ...nn.meanSquaredError(),
    apply: (g, predictions, targets) => g.mean(g.pow(g.abs(g.sub(predictions, targets)), n)),
  })
  for (const [net, given, other] of [
    [leaky(0.1), options, { net: leaky(0.2) }],
    [shifted(new Float32Array(9)), wide, { net: shifted(new Float32Array(9).fill(1)) }],
    [leaky(0.1), { ...options, loss: power(2) }, { loss: power(4) }],
  ] as const) {
    const checkpoints = memoryCheckpoints()
    await run(net, { ...given, checkpoints, signal: AbortSignal.abort() })
    const { net: changed = net, ...change } = other as { net?: nn.Layer }
    const again = run(changed, { ...given, ...change, checkpoints, resume: true })
    await expect(again).rejects.toThrow('the configuration or the data changed')
  }
  // The same function, made anew.
  const checkpoints = memoryCheckpoints()
  await run(leaky(0.1), { ...options, checkpoints, signal: AbortSignal.abort() })
  expect((await run(leaky(0.1), { ...options, checkpoints, resume: true })).fitted.onnx).toBeDefined()
})

test('data that does not fit is refused', async () => {
  const short = float32([10, 1], new Float32Array(10))
  const net = nn.sequential([nn.dense({ units: 1 })])
  const attempt = (options: Partial<FitOptions>) =>
    run(net, { x: features, y: sums, loss: 'meanSquaredError', ...options })
  await expect(attempt({ y: short })).rejects.toThrow('received [200, 3] and [10, 1]')
  await expect(attempt({ y: float32([200], sums.data) })).rejects.toThrow(
    'predictions [32, 1] need targets [32, 1], received [32]',
  )
  await expect(attempt({ epoch: 3 } as Partial<Parameters<typeof attempt>[0]>)).rejects.toThrow(
    "fit has no option 'epoch'. Did you mean 'epochs'?",
  )
  await expect(attempt({ epochs: 0 })).rejects.toThrow('epochs must be a whole number of at least 1, received 0')
  await expect(attempt({ batchSize: 0 })).rejects.toThrow('batchSize must be a whole number of at least 1, received 0')
  await expect(attempt({ metrics: ['accuracy'] })).rejects.toThrow("unknown metric 'accuracy'")
})
