import { describe, expect, test } from 'vitest'
import { computed, digits, type Outcome, type Setup, train } from '../../test/run-training.ts'
import type { TrainEvent } from '../contract/events.ts'
import { memoryCheckpoints } from './checkpoint.ts'
import type { LoopOptions } from './loop.ts'
import { classificationScorer, type Scorer } from './scores.ts'

/** Everything with a memory at once; 72 examples in batches of 16 leave a last batch of 8. */
const everything: Setup = {
  augmented: true,
  optimizer: { name: 'adamw', learningRate: 0.02 },
  schedule: { name: 'reduceOnPlateau', patience: 1, factor: 0.5, minDelta: 0.2 },
  rules: { clipNorm: 1, l2: 0.001 },
}
const loop: Partial<LoopOptions> = {
  epochs: 4,
  validation: digits(100, 120),
  earlyStopping: { patience: 3, minDelta: 0.01 },
}
const stepsPerEpoch = 5

const whole = await train({ ...everything, loop })

/** Interrupts when `when` says so, then resumes with objects made anew until the run is done. */
async function interrupted(when: (event: TrainEvent) => boolean, setup: Setup = everything): Promise<Outcome> {
  const checkpoints = memoryCheckpoints()
  const controller = new AbortController()
  const first = await train({ ...setup, loop: { ...loop, checkpoints, signal: controller.signal } }, (event) => {
    if (when(event)) controller.abort()
  })
  expect(first.events.at(-1)).toMatchObject({ type: 'done', reason: 'interrupted' })
  const second = await train({ ...setup, loop: { ...loop, checkpoints, resume: true } })
  expect(second.events[0]).toMatchObject({
    type: 'started',
    resumedAt: (first.events.at(-1) as { steps: number }).steps,
  })
  return { events: [...computed(first.events), ...computed(second.events), second.events.at(-1)!], state: second.state }
}

function expectSame(resumed: Outcome): void {
  expect(computed(resumed.events)).toEqual(computed(whole.events))
  const { reason, epochs, steps, bestEpoch } = whole.events.at(-1) as Extract<TrainEvent, { type: 'done' }>
  expect(resumed.events.at(-1)).toMatchObject({ reason, epochs, steps, bestEpoch })
  expect([...resumed.state.keys()]).toEqual([...whole.state.keys()])
  for (const [name, bytes] of whole.state) expect(resumed.state.get(name) === bytes, name).toBe(true)
}

test('the run to repeat is worth repeating: it reduces the rate and its best epoch is restored', () => {
  const epochs = whole.events.filter((event) => event.type === 'epoch')
  expect(new Set(epochs.map((event) => event.learningRate)).size).toBeGreaterThan(1)
  expect([...whole.state.keys()]).toContain('states/batchNormalization/movingVariance')
  expect([...whole.state.keys()]).toContain('secondMoment/dense/kernel')
})

describe('an interrupted run goes on bit for bit', () => {
  for (const k of [1, 3, stepsPerEpoch - 1, stepsPerEpoch + 2, 3 * stepsPerEpoch + 1]) {
    test(`after step ${k}`, async () => {
      expectSame(await interrupted((event) => event.type === 'step' && event.step === k))
    })
  }

  test('after the last step of an epoch, before its validation', async () => {
    expectSame(await interrupted((event) => event.type === 'step' && event.step === 2 * stepsPerEpoch))
  })

  test('at the end of an epoch', async () => {
    expectSame(await interrupted((event) => event.type === 'epoch' && event.epoch === 2))
  })

  test('at a checkpoint', async () => {
    expectSame(await interrupted((event) => event.type === 'checkpoint' && event.epoch === 1))
  })

  test('in the middle of the validation', async () => {
    const checkpoints = memoryCheckpoints()
    const controller = new AbortController()
    let made = 0
    // Scorers are made for training, then for the validation of epoch 1, for training, for the validation of epoch 2, ...
    const scorer = (): Scorer => {
      const real = classificationScorer(['accuracy', 'f1'])
      const isSecondValidation = ++made === 4
      return {
        ...real,
        add(predictions, targets) {
          real.add(predictions, targets)
          if (isSecondValidation) controller.abort()
        },
      }
    }
    const first = await train({ ...everything, loop: { ...loop, checkpoints, scorer, signal: controller.signal } })
    expect(first.events.at(-1)).toMatchObject({ reason: 'interrupted', steps: 2 * stepsPerEpoch, epochs: 1 })
    const second = await train({ ...everything, loop: { ...loop, checkpoints, resume: true } })
    expectSame({ events: [...computed(first.events), ...second.events], state: second.state })
  })

  test('again and again, after every second step', async () => {
    const checkpoints = memoryCheckpoints()
    const events: TrainEvent[] = []
    for (let resume = false; ; resume = true) {
      const controller = new AbortController()
      let steps = 0
      const part = await train(
        { ...everything, loop: { ...loop, checkpoints, resume, signal: controller.signal } },
        (event) => {
          if (event.type === 'step' && ++steps === 2) controller.abort()
        },
      )
      events.push(...computed(part.events))
      const done = part.events.at(-1) as Extract<TrainEvent, { type: 'done' }>
      if (done.reason === 'interrupted') continue
      expectSame({ events: [...events, done], state: part.state })
      break
    }
  })

  test('when the consumer leaves the loop, in the middle of an epoch and at its end', async () => {
    for (const type of ['step', 'epoch', 'checkpoint'] as const) {
      const checkpoints = memoryCheckpoints()
      const seen: TrainEvent[] = []
      const leave = new Error('leave')
      await train({ ...everything, loop: { ...loop, checkpoints } }, (event) => {
        seen.push(event)
        if (event.type === type && event.step > stepsPerEpoch) throw leave
      }).catch((error: unknown) => {
        if (error !== leave) throw error
      })
      const second = await train({ ...everything, loop: { ...loop, checkpoints, resume: true } })
      expectSame({ events: [...computed(seen), ...second.events], state: second.state })
    }
  })

  test('a finished run that is resumed does nothing and ends with the best parameters', async () => {
    const checkpoints = memoryCheckpoints()
    await train({ ...everything, loop: { ...loop, checkpoints } })
    const again = await train({ ...everything, loop: { ...loop, checkpoints, resume: true } })
    expect(computed(again.events)).toEqual([])
    expect(again.state).toEqual(whole.state)
  })
})

describe('the seed decides', () => {
  test('the same seed gives the same bits', async () => {
    const again = await train({ ...everything, loop })
    expect(again.events).toEqual(whole.events)
    expect(again.state).toEqual(whole.state)
  })

  test('another seed gives another run', async () => {
    const other = await train({ ...everything, seed: 2, loop })
    expect(other.events[1]).not.toMatchObject({ loss: (whole.events[1] as { loss: number }).loss })
  })

  // The same bits are promised for the same number of threads: the runtime splits products and sums by it.
  test('one thread and two agree within rounding', async () => {
    const two = await train({ ...everything, threads: 2, loop })
    const losses = (outcome: Outcome) => outcome.events.flatMap((event) => (event.type === 'step' ? [event.loss] : []))
    losses(whole).forEach((loss, i) => {
      expect(losses(two)[i]).toBeCloseTo(loss, 3)
    })
  })
})

test('adafactor goes on bit for bit: its slots have shapes of their own', async () => {
  const setup: Setup = { optimizer: { name: 'adafactor', learningRate: 0.05 }, rules: { clipNorm: 1 } }
  const complete = await train({ ...setup, loop })
  expect([...complete.state.keys()]).toContain('columnSquares/dense/kernel')
  const checkpoints = memoryCheckpoints()
  const controller = new AbortController()
  const first = await train({ ...setup, loop: { ...loop, checkpoints, signal: controller.signal } }, (event) => {
    if (event.type === 'step' && event.step === stepsPerEpoch + 3) controller.abort()
  })
  const second = await train({ ...setup, loop: { ...loop, checkpoints, resume: true } })
  expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(complete.events))
  expect(second.state).toEqual(complete.state)
  const losses = complete.events.flatMap((event) => (event.type === 'epoch' ? [event.train.loss!] : []))
  expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!)
})
