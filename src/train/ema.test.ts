/** The moving average of the parameters is what is evaluated, kept and exported; training goes on from the parameters themselves. */
import { expect, test } from 'vitest'
import { computed, digits, line, linear, prepare, type Setup, train } from '../../test/run-training.ts'
import { memoryCheckpoints } from './checkpoint.ts'

const setup: Setup = { ...linear, ema: { decay: 0.5 } }

const values = (data: unknown) => [...(data as Float32Array)]

test('the average follows its formula, and evaluation uses it', async () => {
  const [plain, averaged] = [await prepare({ ...linear }), await prepare(setup)]
  const path = 'dense/kernel'
  const live = () => values(averaged.step.state.get(`parameters/${path}`)!.data)[0]!
  const average = () => values(averaged.step.parameters.get(path)!.data)[0]!
  expect(average()).toBe(live())
  let expected = live()
  for (const { step } of [plain, averaged]) {
    for (const name of ['x', 'label']) {
      ;(step.batch[name]!.data as Float32Array).set((line.columns[name]!.data as Float32Array).subarray(0, 4))
    }
  }
  for (let i = 1; i <= 12; i++) {
    const results = [await plain.step.run(4, i, 0.1), await averaged.step.run(4, i, 0.1)]
    expect(results[1]).toEqual(results[0])
    const decay = Math.min(0.5, (1 + i) / (10 + i))
    expected = decay * expected + (1 - decay) * live()
    expect(average()).toBeCloseTo(expected, 5)
  }
  expect(values(plain.step.parameters.get(path)!.data)[0]).toBe(live())
  expect(average()).not.toBe(live())
  const [w, b] = [average(), values(averaged.step.parameters.get('dense/bias')!.data)[0]!]
  const [x, y] = ['x', 'label'].map((name) => values(averaged.step.batch[name]!.data).slice(0, 4))
  const loss = x!.reduce((sum, v, i) => sum + (w * v + b - y![i]!) ** 2, 0) / 4
  expect(await averaged.step.evaluate(4)).toBeCloseTo(loss, 6)
  await Promise.all([plain.step.release(), averaged.step.release()])
})

test('a run with an average goes on bit for bit, and ends with the averages of the best epoch', async () => {
  const images: Setup = { ema: { decay: 0.9 }, optimizer: { name: 'adamw', learningRate: 0.02 } }
  const loop = { epochs: 3, validation: digits(100, 120) }
  const whole = await train({ ...images, loop })
  expect([...whole.state.keys()]).toContain('averages/dense/kernel')
  for (const k of [2, 7]) {
    const checkpoints = memoryCheckpoints()
    const controller = new AbortController()
    const first = await train({ ...images, loop: { ...loop, checkpoints, signal: controller.signal } }, (event) => {
      if (event.type === 'step' && event.step === k) controller.abort()
    })
    const second = await train({ ...images, loop: { ...loop, checkpoints, resume: true } })
    expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(whole.events))
    expect(second.state).toEqual(whole.state)
  }
})

test.each([1, -0.1, Number.NaN])('a decay of %s is refused', async (decay) => {
  await expect(prepare({ ...linear, ema: { decay } })).rejects.toThrow(
    `ema.decay must be a number >= 0 and < 1, received ${decay}`,
  )
})
