/** A batch that is run in parts gives the update of the whole batch. */
import { expect, test } from 'vitest'
import { computed, digits, linear, prepare, regression, type Setup, train } from '../../test/run-training.ts'
import type { TrainEvent } from '../contract/events.ts'
import * as nn from '../nn/index.ts'
import { memoryCheckpoints } from './checkpoint.ts'
import { runLoop } from './loop.ts'

const images: Setup = {
  model: nn.sequential([
    nn.rescaling({ scale: 1 / 255 }),
    nn.conv2d({ filters: 4, kernelSize: 5, strides: 3, activation: 'relu', kernelRegularizer: { l2: 0.01 } }),
    nn.flatten(),
    nn.dense({ units: 10, activation: 'softmax' }),
  ]),
  optimizer: { name: 'sgd', learningRate: 0.05, momentum: 0.9 },
  rules: { clipNorm: 1, l2: 0.001 },
}

async function outcome(setup: Setup) {
  const { step, options } = await prepare(setup)
  const events: TrainEvent[] = []
  for await (const event of runLoop(options)) events.push(event)
  const parameters = [...step.parameters].map(([path, { data }]) => [path, [...(data as Float32Array)]] as const)
  await step.release()
  return { events: computed(events), parameters }
}

// 72 examples in batches of 16 leave one of 8; 3 parts are of 6, 6 and 4 examples, and of 6 and 2.
test.each([2, 3, 16])(
  '%i parts equal the whole batch, its predictions and the smaller last batch',
  async (accumulate) => {
    const loop = { epochs: 2, validation: digits(100, 120) }
    const [whole, parts] = [await outcome({ ...images, loop }), await outcome({ ...images, loop, accumulate })]
    expect(parts.events).toHaveLength(whole.events.length)
    parts.events.forEach((event, i) => {
      const expected = whole.events[i]!
      if (event.type !== 'step' || expected.type !== 'step') return
      expect(event.loss).toBeCloseTo(expected.loss, 4)
      expect(event.gradientNorm).toBeCloseTo(expected.gradientNorm!, 3)
      expect(event.scores.accuracy).toBeCloseTo(expected.scores.accuracy!, 6)
    })
    parts.parameters.forEach(([path, values], p) => {
      const expected = whole.parameters[p]![1]
      expect(Math.max(...values.map((x, i) => Math.abs(x - expected[i]!))), path).toBeLessThan(1e-4)
    })
  },
)

test('1 part is the same bits as none', async () => {
  expect(await outcome({ ...linear, accumulate: 1, loop: regression })).toEqual(
    await outcome({ ...linear, loop: regression }),
  )
})

test('with dropout and batch statistics, a run in parts resumes bit for bit', async () => {
  const setup: Setup = { accumulate: 2, optimizer: 'adam' }
  const whole = await train(setup)
  const checkpoints = memoryCheckpoints()
  const controller = new AbortController()
  const first = await train({ ...setup, loop: { checkpoints, signal: controller.signal } }, (event) => {
    if (event.type === 'step' && event.step === 7) controller.abort()
  })
  const second = await train({ ...setup, loop: { checkpoints, resume: true } })
  expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(whole.events))
  expect(second.state).toEqual(whole.state)
})

test('a loss that is not finite in a later part is named, and nothing is updated', async () => {
  const { step } = await prepare({ ...linear, accumulate: 2 })
  for (const name of ['x', 'label']) (step.batch[name]!.data as Float32Array).fill(1)
  ;(step.batch.x!.data as Float32Array)[3] = Number.NaN
  const before = [...step.state.values()].map(({ data }) => [...(data as Float32Array)])
  await expect(step.run(4, 1, 0.1)).rejects.toThrow("column 'x' of the data holds NaN in example 3 of the batch")
  expect([...step.state.values()].map(({ data }) => [...(data as Float32Array)])).toEqual(before)
  await step.release()
})

test.each([0, 1.5, 5])('%s parts of 4 examples are refused', async (accumulate) => {
  await expect(prepare({ ...linear, accumulate })).rejects.toThrow(
    `accumulate must be a whole number from 1 to batchSize (4), received ${accumulate}`,
  )
})
