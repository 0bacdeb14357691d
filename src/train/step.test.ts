import { describe, expect, test } from 'vitest'
import { prepare, type Setup } from '../../test/run-training.ts'
import { float32 } from '../core/tensor.ts'
import { createDataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { runLoop } from './loop.ts'
import { regressionScorer } from './scores.ts'

const x = [1, 2, -1, 0.5]
const y = [1, 0, 2, -1]
const [w0, b0] = [0.5, -0.25]

/** One dense unit on four examples, SGD with rate 0.1. */
async function oneStep(setup: Setup, dense: Partial<nn.DenseOptions> = {}) {
  const train = createDataset({ columns: { x: float32([4, 1], x), label: float32([4, 1], y) } })
  const model = nn.sequential([nn.dense({ units: 1, ...dense })])
  const base = { loss: nn.meanSquaredError(), optimizer: { name: 'sgd', learningRate: 0.1 }, batchSize: 4 }
  const { step } = await prepare({ ...base, model, train, ...setup })
  ;(step.batch.x!.data as Float32Array).set(x)
  ;(step.batch.label!.data as Float32Array).set(y)
  const [w, b] = ['dense/kernel', 'dense/bias'].map((path) => step.parameters.get(path)!.data as Float32Array)
  w!.fill(w0)
  b!.fill(b0)
  const result = await step.run(4, 1, 0.1)
  const after = { ...result, w: w![0]!, b: b![0]! }
  w!.fill(w0)
  b!.fill(b0)
  const evaluated = await step.evaluate(4)
  await step.release()
  return { ...after, evaluated }
}

const errors = x.map((v, i) => w0 * v + b0 - y[i]!)
const loss = errors.reduce((sum, e) => sum + e * e, 0) / 4
const dw = errors.reduce((sum, e, i) => sum + 2 * e * x[i]!, 0) / 4
const db = errors.reduce((sum, e) => sum + 2 * e, 0) / 4

describe('one step against the formula', () => {
  test('plain', async () => {
    const found = await oneStep({})
    expect(found.loss).toBeCloseTo(loss, 6)
    expect(found.evaluated).toBeCloseTo(loss, 6)
    expect(found.w).toBeCloseTo(w0 - 0.1 * dw, 6)
    expect(found.b).toBeCloseTo(b0 - 0.1 * db, 6)
    expect(found.gradientNorm).toBeUndefined()
  })

  const penalised = { loss: loss + 0.3 * Math.abs(w0) + 0.2 * w0 ** 2, dw: dw + 0.3 + 2 * 0.2 * w0 }

  test('L1 and L2 of a layer and of all parameters are the same; the bias has none, nor has evaluation', async () => {
    for (const found of [
      await oneStep({ rules: { l1: 0.3, l2: 0.2 } }),
      await oneStep({}, { kernelRegularizer: { l1: 0.3, l2: 0.2 } }),
    ]) {
      expect(found.loss).toBeCloseTo(penalised.loss, 6)
      expect(found.w).toBeCloseTo(w0 - 0.1 * penalised.dw, 6)
      expect(found.b).toBeCloseTo(b0 - 0.1 * db, 6)
      expect(found.evaluated).toBeCloseTo(loss, 6)
    }
  })

  test('both add up', async () => {
    const found = await oneStep({ rules: { l2: 0.2 } }, { kernelRegularizer: { l1: 0.3 } })
    expect(found.loss).toBeCloseTo(penalised.loss, 6)
    expect(found.w).toBeCloseTo(w0 - 0.1 * penalised.dw, 6)
  })

  test('clipNorm scales the whole gradient, penalties included, and reports the norm before', async () => {
    const norm = Math.hypot(penalised.dw, db)
    const found = await oneStep({ rules: { clipNorm: 0.5, l1: 0.3, l2: 0.2 } })
    expect(found.gradientNorm).toBeCloseTo(norm, 5)
    expect(found.w).toBeCloseTo(w0 - (0.1 * penalised.dw * 0.5) / norm, 6)
    expect(found.b).toBeCloseTo(b0 - (0.1 * db * 0.5) / norm, 6)
    const loose = await oneStep({ rules: { clipNorm: 1e3 } })
    expect(loose.w).toBeCloseTo(w0 - 0.1 * dw, 6)
  })

  test('decoupled weight decay shrinks the kernel and leaves the bias', async () => {
    const found = await oneStep({ optimizer: { name: 'sgd', learningRate: 0.1, weightDecay: 0.4 } })
    expect(found.w).toBeCloseTo(w0 - 0.1 * dw - 0.1 * 0.4 * w0, 6)
    expect(found.b).toBeCloseTo(b0 - 0.1 * db, 6)
  })
})

test('weight decay leaves biases and normalisation alone, of any rank', async () => {
  const model = nn.sequential([
    nn.rescaling({ scale: 1 / 255 }),
    nn.conv2d({ filters: 3, kernelSize: 5, strides: 5 }),
    nn.batchNormalization(),
    nn.layerNormalization({ axis: 1 }),
    nn.flatten(),
    nn.dense({ units: 10 }),
  ])
  // The loss does not depend on the model, so decay alone moves the parameters.
  const flat: nn.Loss = { name: 'flat', config: {}, apply: (g, p) => g.mul(g.mean(p), 0) }
  const { step } = await prepare({ model, loss: flat, optimizer: { name: 'sgd', weightDecay: 0.5 } })
  for (const [path, { data }] of step.parameters) if (!path.includes('moving')) (data as Float32Array).fill(1)
  await step.run(16, 1, 0.1)
  const found = Object.fromEntries([...step.parameters].map(([path, { data }]) => [path, (data as Float32Array)[0]!]))
  const shrunk = Math.fround(1 - 0.1 * 0.5)
  for (const [path, value] of Object.entries(found)) {
    if (path.includes('moving')) continue
    expect(value, path).toBeCloseTo(path.endsWith('kernel') ? shrunk : 1, 6)
  }
  await step.release()
})

test('a state that is not updated keeps what was written to it', async () => {
  const frozen = nn.layer({
    kind: 'scale',
    config: {},
    apply: (c, [v]) => c.g.mul(v!, c.state('factor', { shape: [1], initializer: 'ones' })),
  })
  const train = createDataset({ columns: { x: float32([4, 1], x), label: float32([4, 1], y) } })
  const model = nn.sequential([frozen, nn.dense({ units: 1 })])
  const { step } = await prepare({ model, train, loss: nn.meanSquaredError(), batchSize: 4 })
  const factor = step.parameters.get('scale/factor')!.data as Float32Array
  factor[0] = 5
  await step.run(4, 1, 0.1)
  await step.run(3, 2, 0.1)
  expect(factor[0]).toBe(5)
  await step.release()
})

test('a model without trained parameters runs', async () => {
  const train = createDataset({ columns: { x: float32([4, 1], x), label: float32([4, 1], y) } })
  const model = nn.sequential([nn.rescaling({ scale: 2 })])
  const { step, options } = await prepare({ model, train, loss: nn.meanSquaredError(), batchSize: 4 })
  for await (const _ of runLoop({ ...options, scorer: () => regressionScorer([]) }));
  expect(step.trainableCount).toBe(0)
  await step.release()
})

test('2,000 steps of a tiny model leave the memory as it was', async () => {
  const n = 512
  const columns = { x: float32([n, 8], new Float32Array(n * 8).fill(0.5)), label: float32([n, 1], new Float32Array(n)) }
  const model = nn.sequential([
    nn.dense({ units: 8, activation: 'relu' }),
    nn.dropout({ rate: 0.2 }),
    nn.dense({ units: 1 }),
  ])
  const { step, options } = await prepare({
    model,
    train: createDataset({ columns }),
    loss: nn.meanSquaredError(),
    batchSize: 8,
    loop: { epochs: 40, scorer: () => regressionScorer(['meanAbsoluteError']) },
  })
  let [warm, steps] = [0, 0]
  const buffers = () => process.memoryUsage().arrayBuffers + process.memoryUsage().external
  for await (const event of runLoop(options)) {
    if (event.type !== 'step') continue
    steps++
    if (steps === 400) warm = process.memoryUsage().rss
  }
  const [rss, outside] = [process.memoryUsage().rss - warm, buffers()]
  expect(steps).toBe(40 * 64)
  // A leak of one 4 KB tensor a step would be 8.6 MB outside of the heap; garbage of the heap itself is collected in its own time.
  expect(rss / 2 ** 20).toBeLessThan(40)
  expect(outside / 2 ** 20).toBeLessThan(100)
  await step.release()
})

test('without outputs of training runs the steps are the same, and evaluation has its own', async () => {
  const data = { x: float32([4, 1], x), label: float32([4, 1], y) }
  const trained = async (keepOutputs?: boolean) => {
    const { step } = await prepare({
      ...{ loss: nn.meanSquaredError(), batchSize: 4, keepOutputs },
      model: nn.sequential([nn.dense({ units: 1 })]),
      train: createDataset({ columns: data }),
    })
    for (const [name, { data: values }] of Object.entries(data)) (step.batch[name]!.data as Float32Array).set(values)
    const { loss } = await step.run(4, 1, 0.1)
    return { step, loss }
  }
  const [kept, without] = [await trained(), await trained(false)]
  expect(without.loss).toBe(kept.loss)
  expect(kept.step.predictions(4).data).toHaveLength(4)
  expect(() => without.step.predictions(4)).toThrow(/left no outputs/)
  for (const { step } of [kept, without]) await step.evaluate(4)
  expect(without.step.predictions(4).data).toEqual(kept.step.predictions(4).data)
  for (const { step } of [kept, without]) await step.release()
})
