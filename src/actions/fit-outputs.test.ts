/** fit() with several inputs, outputs and targets, with weights of examples, and with groups of parameters. */
import { describe, expect, test } from 'vitest'
import type { TrainEvent } from '../contract/events.ts'
import { createRandom } from '../core/random.ts'
import { float32, tensor } from '../core/tensor.ts'
import * as nn from '../nn/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { type FitOptions, type FittedModel, fit } from './fit.ts'

const n = 120
const random = createRandom(5)
const normal = (size: number) => Float32Array.from({ length: n * size }, () => random.normal())
const a = float32([n, 2], normal(2))
const b = float32([n, 1], normal(1))
const sum = float32(
  [n, 1],
  Array.from({ length: n }, (_, i) => a.data[2 * i]! + a.data[2 * i + 1]! + b.data[i]!),
)
const sign = tensor(
  'int32',
  [n],
  Int32Array.from({ length: n }, (_, i) => (sum.data[i]! > 0 ? 1 : 0)),
)

function twoHeads(): nn.Model {
  const [left, right] = [nn.input({ shape: [2], name: 'a' }), nn.input({ shape: [1], name: 'b' })]
  const joined = nn.dense({ units: 8, activation: 'tanh' })(nn.concatenate()([left, right]))
  return nn.model({
    inputs: [left, right],
    outputs: {
      sum: nn.dense({ units: 1, name: 'sumHead' })(joined),
      sign: nn.dense({ units: 2, activation: 'softmax' })(joined),
    },
  })
}

async function run(model: nn.Layer, options: FitOptions): Promise<{ events: TrainEvent[]; fitted: FittedModel }> {
  const events: TrainEvent[] = []
  const training = fit(model, options)
  for (;;) {
    const { done, value } = await training.next()
    if (done) return { events, fitted: value }
    events.push(value)
  }
}

const options: FitOptions = {
  // In another order than the model takes them.
  x: { b, a },
  y: { sum, label: sign },
  losses: { sum: 'meanSquaredError', sign: { loss: 'sparseCategoricalCrossentropy', weight: 0.5, target: 'label' } },
  metrics: { sum: ['meanAbsoluteError'], sign: ['accuracy'] },
  optimizer: { name: 'adam', learningRate: 0.02 },
  validationSplit: 0.25,
  monitor: 'validationSignAccuracy',
  epochs: 40,
}

describe('several outputs', () => {
  test('are trained on the weighted sum of their losses, scored and exported by name', async () => {
    const { events, fitted } = await run(twoHeads(), options)
    const last = events.findLast((event) => event.type === 'epoch')!
    expect(Object.keys(last.validation!)).toEqual(['loss', 'sum', 'sign', 'sumMeanAbsoluteError', 'signAccuracy'])
    for (const scores of [last.train, last.validation!])
      expect(scores.loss).toBeCloseTo(scores.sum! + 0.5 * scores.sign!, 5)
    expect(last.validation!.signAccuracy).toBeGreaterThan(0.9)
    expect(last.validation!.sum).toBeLessThan(0.3)
    const session = await createNodeBackend().createSession(fitted.onnx)
    expect(session.inputs.map(({ name }) => name)).toEqual(['a', 'b'])
    const answers = await session.run({ a, b })
    await session.release()
    expect(answers.sum!.shape).toEqual([n, 1])
    expect(answers.sign!.shape).toEqual([n, 2])
    const right = [...(sign.data as Int32Array)].filter(
      (label, i) => (answers.sign!.data as Float32Array)[2 * i + label]! > 0.5,
    )
    expect(right.length / n).toBeGreaterThan(0.9)
  })

  test.each([
    [{ x: { a, c: b } }, 'the model takes the inputs a, b, received a, c'],
    [{ losses: { summ: 'meanSquaredError' } }, "the model has no output 'summ'. Did you mean 'sum'?"],
    [{ losses: { sign: 'sparseCategoricalCrossentropy' } }, "there is no target 'sign'"],
    [{ y: { a: sum } }, "an input and a target are both named 'a'"],
    [{ loss: 'meanSquaredError' }, "fit needs one of 'loss' and 'losses', received both"],
    [{ losses: undefined }, "fit needs one of 'loss' and 'losses', received none"],
    [{ metrics: ['accuracy'] }, 'metrics of several outputs are given by output'],
    [
      { losses: { sum: { loss: 'meanSquaredError', weight: -1 } } },
      'losses.sum.weight must be a number >= 0, received -1',
    ],
  ] as [object, string][])('%#: refused', async (change, message) => {
    await expect(run(twoHeads(), { ...options, ...change })).rejects.toThrow(message)
  })
})

describe('weights of examples', () => {
  const net = () => nn.sequential([nn.dense({ units: 1 })])
  const common = {
    x: a,
    y: sum,
    loss: 'meanSquaredError',
    optimizer: { name: 'sgd', learningRate: 0.1 },
    epochs: 2,
  } as const
  const weights = (of: (i: number) => number) =>
    float32(
      [n],
      Float32Array.from({ length: n }, (_, i) => of(i)),
    )

  test('of 1 change nothing; of 0 take examples out', async () => {
    const [plain, ones] = [await run(net(), common), await run(net(), { ...common, sampleWeights: weights(() => 1) })]
    const kernel = ({ fitted }: typeof plain) => fitted.parameters.get('dense/kernel')!.data as Float32Array
    kernel(ones).forEach((value, i) => {
      expect(value).toBeCloseTo(kernel(plain)[i]!, 5)
    })
    const spoilt = float32(
      [n, 1],
      sum.data.map((value, i) => (i % 2 ? value : 1e3)),
    )
    const clean = await run(net(), { ...common, y: spoilt, sampleWeights: weights((i) => i % 2), epochs: 20 })
    expect(kernel(clean)[0]).toBeCloseTo(1, 0)
    expect(clean.events.findLast((event) => event.type === 'epoch')!.train.loss).toBeLessThan(2)
  })

  test('that do not fit are refused', async () => {
    const wrong = run(net(), { ...common, sampleWeights: sum })
    await expect(wrong).rejects.toThrow('sampleWeights must be float32 [n], received float32 [120, 1]')
  })
})

test('groups freeze a part of the model', async () => {
  const { fitted } = await run(twoHeads(), { ...options, groups: [{ parameters: 'sumHead', frozen: true }], epochs: 2 })
  const bias = fitted.parameters.get('sumHead/bias')!.data as Float32Array
  expect(bias[0]).toBe(0)
})
