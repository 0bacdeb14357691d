/** Layers that draw numbers while training: the moments of what they do to a constant, over 60,000 elements. */
import { expect, test } from 'vitest'
import { createRandom } from '../src/core/random.ts'
import * as nn from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'
import { sgd } from '../src/optim/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../src/train/step.ts'

const [batchSize, features] = [60, 1000]
const level = 2

/** What the layer makes of a batch of twos in two steps and in inference. */
async function answers(layer: nn.Layer) {
  const x = { name: 'x', dtype: 'float32', shape: [features] } as const
  const step = await createTrainingStep({
    network: { model: layer, loss: nn.meanSquaredError(), inputs: [x], target: { ...x, name: 'y' }, table },
    optimizer: sgd(),
    backend: createNodeBackend({ threads: 1 }),
    random: createRandom(5),
    batchSize,
    evaluationBatchSize: batchSize,
  })
  try {
    ;(step.batch.x!.data as Float32Array).fill(level)
    const steps = []
    for (const number of [1, 2]) {
      await step.run(batchSize, number, 0)
      steps.push(step.predictions(batchSize).data.slice())
    }
    await step.evaluate(batchSize)
    return { first: steps[0]!, second: steps[1]!, inference: step.predictions(batchSize).data.slice() }
  } finally {
    await step.release()
  }
}

const mean = (values: Iterable<number>) => {
  const all = [...values]
  return all.reduce((a, b) => a + b, 0) / all.length
}

/** Mean, deviation, and the third and fourth moment of the standardised numbers: 0 and 3 for a normal distribution. */
function moments(values: Float32Array) {
  const centre = mean(values)
  const deviation = Math.sqrt(mean(values.map((v) => (v - centre) ** 2)))
  const standard = Float64Array.from(values, (v) => (v - centre) / deviation)
  return { centre, deviation, third: mean(standard.map((v) => v ** 3)), fourth: mean(standard.map((v) => v ** 4)) }
}

test.each([
  ['gaussianNoise', nn.gaussianNoise({ stddev: 0.3 }), 0.3],
  ['gaussianDropout', nn.gaussianDropout({ rate: 0.4 }), level * Math.sqrt(0.4 / 0.6)],
] as const)(
  '%s is normal around what it is given, anew in each step, and nothing in inference',
  async (_, layer, expected) => {
    const { first, second, inference } = await answers(layer)
    for (const drawn of [first, second]) {
      const { centre, deviation, third, fourth } = moments(drawn)
      // Five standard errors of each moment.
      const error = 5 / Math.sqrt(batchSize * features)
      expect(Math.abs(centre - level)).toBeLessThan(error * expected)
      expect(Math.abs(deviation / expected - 1)).toBeLessThan(error / Math.SQRT2)
      expect(Math.abs(third)).toBeLessThan(error * Math.sqrt(6))
      expect(Math.abs(fourth - 3)).toBeLessThan(error * Math.sqrt(24))
    }
    const products = Array.from(first, (v, i) => (v - level) * (second[i]! - level))
    expect(Math.abs(mean(products)) / expected ** 2).toBeLessThan(5 / Math.sqrt(batchSize * features))
    expect(inference.every((v) => v === level)).toBe(true)
  },
)

test.each([
  ['dropout', nn.dropout({ rate: 0.4 })],
  ['spatialDropout', nn.spatialDropout({ rate: 0.4 })],
] as const)('%s keeps the mean: three of five are scaled up, two are nothing', async (_, layer) => {
  const { first, inference } = await answers(layer)
  const kept = first.filter((v) => v !== 0)
  expect(Math.abs(kept.length / first.length - 0.6)).toBeLessThan((5 * Math.sqrt(0.24)) / Math.sqrt(first.length))
  for (const v of new Set(kept)) expect(v).toBeCloseTo(level / 0.6, 5)
  expect(inference.every((v) => v === level)).toBe(true)
})
