/** Several objectives in one step, against formulas, and across interruptions. */
import { describe, expect, test } from 'vitest'
import { bytesOf, computed } from '../../test/run-training.ts'
import type { TrainEvent } from '../contract/events.ts'
import { createRandom } from '../core/random.ts'
import { float32 } from '../core/tensor.ts'
import { createDataset, type Dataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { createOptimizer, createSchedule, type NamedConfig } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { memoryCheckpoints } from './checkpoint.ts'
import { openInference } from './inference.ts'
import { type LoopOptions, runLoop } from './loop.ts'
import { latest } from './monitor.ts'
import type { JointNetwork, Objective } from './network.ts'
import { noScorer } from './scores.ts'
import { createTrainingStep, type TrainingStep } from './step.ts'

const backend = createNodeBackend({ threads: 1 })

/** x * w, w one number */
const scale = () =>
  nn.layer({
    kind: 'scale',
    config: {},
    apply: (c, [x]) => c.g.mul(x!, c.parameter('w', { shape: [1], initializer: 'ones' })),
  })

const column = { name: 'x', dtype: 'float32', shape: [1] } as const

function stepOf(
  network: Omit<JointNetwork, 'table' | 'columns'>,
  optimizer: string | NamedConfig = { name: 'sgd', learningRate: 0.1 },
) {
  return createTrainingStep({
    network: { columns: [column], table, ...network },
    optimizer: createOptimizer(optimizer),
    backend,
    random: createRandom(1),
    batchSize: 4,
    evaluationBatchSize: 4,
    rules: gradientRules({}),
  })
}

/** The min-max game a * b: a goes down its slope, b up. */
const product: Objective['loss'] = (c) => c.g.mean(c.apply('b', c.apply('a', c.column('x'))))
const game: readonly Objective[] = [
  { name: 'lower', parameters: 'a', loss: product },
  { name: 'upper', parameters: 'b', loss: (c) => c.g.neg(product(c)) },
]
const models = () => ({ a: scale(), b: scale() })

function at(step: TrainingStep): [a: number, b: number] {
  return ['a/w', 'b/w'].map((path) => (step.parameters.get(path)!.data as Float32Array)[0]!) as [number, number]
}

/** a and b after some steps on x = 1. */
async function play(network: Partial<JointNetwork>, steps: number): Promise<[number, number][]> {
  const step = await stepOf({ models: models(), objectives: game, ...network })
  ;(step.batch.x!.data as Float32Array).fill(1)
  ;(step.parameters.get('b/w')!.data as Float32Array)[0] = 3
  const found: [number, number][] = []
  for (let i = 1; i <= steps; i++) {
    await step.run(4, i, 0.1)
    found.push(at(step))
  }
  await step.release()
  return found
}

const close = (found: readonly number[], expected: readonly number[]) =>
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 5)
  })

describe('a step of several objectives', () => {
  test('simultaneous: each goes along the gradient of its own loss at the same point', async () => {
    let [a, b] = [1, 3]
    for (const found of await play({}, 3)) {
      ;[a, b] = [a - 0.1 * b, b + 0.1 * a]
      close(found, [a, b])
    }
  })

  test('alternating: the second sees what the first has done', async () => {
    let [a, b] = [1, 3]
    for (const found of await play({ order: 'alternating' }, 3)) {
      a -= 0.1 * b
      b += 0.1 * a
      close(found, [a, b])
    }
  })

  test.each(['simultaneous', 'alternating'] as const)('%s, every: 3', async (order) => {
    const objectives = [game[0]!, { ...game[1]!, every: 3 }]
    let [a, b] = [1, 3]
    for (const [i, found] of (await play({ order, objectives }, 7)).entries()) {
      const before = a
      a -= 0.1 * b
      if ((i + 1) % 3 === 0) b += 0.1 * (order === 'alternating' ? a : before)
      close(found, [a, b])
    }
  })

  test('an optimizer counts its own updates, and has its own learning rate', async () => {
    const objectives = [
      game[0]!,
      { ...game[1]!, every: 2, optimizer: createOptimizer({ name: 'adam', learningRate: 0.5 }) },
    ]
    const found = await play({ objectives }, 2)
    // The first update of Adam is its learning rate, whatever the gradient.
    expect(found[0]![1]).toBe(3)
    expect(found[1]![1]).toBeCloseTo(3.5, 4)
  })

  test('losses are reported by name, those of the objectives that took part, and what they report', async () => {
    const objectives: Objective[] = [
      {
        ...game[0]!,
        loss: (c) => {
          c.report('inner', c.g.mean(c.apply('a', c.column('x'))))
          return product(c)
        },
      },
      { ...game[1]!, every: 2 },
    ]
    const step = await stepOf({ models: models(), objectives })
    ;(step.batch.x!.data as Float32Array).fill(2)
    expect(step.scalarNames).toEqual(['lower', 'upper', 'inner'])
    expect((await step.run(4, 1, 0)).loss).toBe(2)
    expect(step.scalars()).toEqual({ lower: 2, inner: 2 })
    expect((await step.run(4, 2, 0)).loss).toBe(0)
    expect(step.scalars()).toEqual({ lower: 2, upper: -2, inner: 2 })
    expect(await step.evaluate(3)).toBe(0)
    expect(step.scalars()).toEqual({ lower: 2, upper: -2, inner: 2 })
    await step.release()
  })

  test('what no objective trains stays, and has no slots', async () => {
    const step = await stepOf({ models: models(), objectives: [game[0]!] }, 'adam')
    await step.run(4, 1, 0.1)
    expect([...step.state.keys()]).toEqual(['parameters/a/w', 'frozen/b/w', 'firstMoment/a/w', 'secondMoment/a/w'])
    expect(step.trainableCount).toBe(1)
    await step.release()
  })
})

test('a model on the same values is applied once; applied again, its states go on from where they are', async () => {
  const norm = () => nn.batchNormalization({ momentum: 0.5, axis: -1 } as never)
  const mean = (c: Parameters<Objective['loss']>[0], times: number) => {
    let sum = c.g.scalar(0)
    for (let i = 0; i < times; i++)
      sum = c.g.add(sum, c.g.mean(c.apply('norm', i === 0 ? c.column('x') : c.g.add(c.column('x'), 0))))
    return sum
  }
  for (const [times, expected] of [
    [1, 2],
    [2, 3],
  ] as const) {
    const objectives: Objective[] = [
      { name: 'one', parameters: 'norm/gamma', loss: (c) => mean(c, times) },
      { name: 'two', parameters: 'norm/beta', loss: (c) => mean(c, 1) },
    ]
    const step = await stepOf({ models: { norm: norm() }, objectives })
    ;(step.batch.x!.data as Float32Array).fill(4)
    await step.run(4, 1, 0.1)
    expect((step.parameters.get('norm/movingMean')!.data as Float32Array)[0]).toBeCloseTo(expected, 5)
    await step.release()
  }
})

describe('random numbers', () => {
  const noisy: Objective = {
    name: 'noisy',
    loss: (c) => {
      const z = c.random('z', [c.batch, 1])
      c.report('z', c.g.mean(z))
      c.report('u', c.g.mean(c.random('u', [c.batch, 1], { name: 'uniform', low: 5, high: 6 })))
      return c.g.mean(c.g.mul(c.apply('a', c.column('x')), z))
    },
  }

  test('depend on the step in training, on the batch in evaluation, and on nothing else', async () => {
    const step = await stepOf({ models: models(), objectives: [noisy] })
    const values = async (run: Promise<unknown>) => {
      await run
      return step.scalars()
    }
    const [first, second] = [await values(step.run(4, 1, 0.1)), await values(step.run(4, 2, 0.1))]
    expect(first.z).not.toBe(second.z)
    expect(first.u).toBeGreaterThan(5)
    expect(first.u).toBeLessThan(6)
    const evaluated = [
      await values(step.evaluate(4, 0)),
      await values(step.evaluate(4, 1)),
      await values(step.evaluate(4, 0)),
    ]
    expect(evaluated[2]).toEqual(evaluated[0])
    expect(evaluated[1]!.z).not.toBe(evaluated[0]!.z)
    expect(await values(step.run(4, 1, 0.1))).toEqual(first)
    await step.release()
  })
})

describe('refused', () => {
  test.each([
    [[{ name: 'one', loss: product }, game[1]!], "the parameter 'b/w' is trained by two objectives: 'one' and 'upper'"],
    [[{ name: 'one', loss: (c) => c.column('x') }], "objective 'one' must be a scalar, received float32 [4, 1]"],
    [[{ name: 'one', loss: (c) => c.g.mean(c.apply('aa', c.column('x'))) }], "there is no model 'aa'"],
    [[{ name: 'one', loss: (c) => c.g.mean(c.column('y')) }], "there is no column 'y'"],
    [[{ ...game[0]!, every: 2 }], 'no objective takes part in every step'],
    [[{ ...game[0]!, every: 0 }], "objective 'lower': every must be a whole number of at least 1, received 0"],
    [[{ ...game[0]!, parameters: 'c' }], "objective 'lower': no trained parameter matches 'c'"],
    [
      [game[0]!, { ...game[1]!, name: 'lower' }],
      "objectives need names of their own, other than 'loss', received 'lower'",
    ],
    [
      [{ name: 'one', loss: (c) => c.g.add(c.g.mean(c.random('z', [2])), c.g.mean(c.random('z', [3]))) }],
      "the random numbers 'z' are asked for as",
    ],
  ] as [Objective[], string][])('%#', async (objectives, message) => {
    await expect(stepOf({ models: models(), objectives })).rejects.toThrow(message)
  })
})

const points: Dataset = createDataset({
  columns: {
    x: float32(
      [20, 1],
      Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
    ),
  },
})

/** A GAN with batch statistics, dropout, noise, averages, parts, several optimizers. */
const gan: Omit<JointNetwork, 'table' | 'columns'> = (() => {
  const fake = (c: Parameters<Objective['loss']>[0]) => c.apply('generator', c.random('noise', [c.batch, 2]))
  const score = (c: Parameters<Objective['loss']>[0], x: ReturnType<typeof fake>) => c.g.mean(c.apply('critic', x))
  return {
    models: {
      generator: nn.sequential([nn.dense({ units: 4 }), nn.batchNormalization(), nn.dense({ units: 1 })]),
      critic: nn.sequential([
        nn.gaussianNoise({ stddev: 0.1 }),
        nn.dense({ units: 8, activation: 'tanh' }),
        nn.dropout({ rate: 0.2 }),
        nn.gaussianDropout({ rate: 0.1 }),
        nn.dense({ units: 1 }),
      ]),
    },
    objectives: [
      { name: 'critic', parameters: 'critic', loss: (c) => c.g.sub(score(c, fake(c)), score(c, c.column('x'))) },
      {
        name: 'generator',
        parameters: 'generator',
        every: 2,
        optimizer: createOptimizer({ name: 'sgd', learningRate: 0.01, momentum: 0.9 }),
        loss: (c) => c.g.neg(score(c, fake(c))),
      },
    ],
  }
})()

async function run(order: 'simultaneous' | 'alternating', loop: Partial<LoopOptions>, stopAt = 0) {
  const controller = new AbortController()
  const step = await createTrainingStep({
    network: { columns: [column], table, ...gan, order },
    optimizer: createOptimizer('adam'),
    backend,
    random: createRandom(1),
    batchSize: 6,
    evaluationBatchSize: 6,
    rules: gradientRules({ clipNorm: 1 }),
    ema: { decay: 0.9 },
    accumulate: 2,
  })
  const events: TrainEvent[] = []
  const options: LoopOptions = {
    ...{ step, train: points, validation: points, epochs: 3, batchSize: 6, scorer: noScorer, random: createRandom(1) },
    ...{
      schedule: createSchedule('cosine', { learningRate: 0.001 }),
      monitor: latest,
      checkpoints: memoryCheckpoints(),
    },
    ...{ clock: { now: () => 0 }, device: 'cpu', fingerprint: 'gan', signal: controller.signal, ...loop },
  }
  for await (const event of runLoop(options)) {
    events.push(event)
    if (event.type === 'step' && event.step === stopAt) controller.abort()
  }
  const state = bytesOf(step)
  await step.release()
  return { events, state }
}

test.each(['simultaneous', 'alternating'] as const)('a GAN goes on bit for bit, %s', async (order) => {
  const whole = await run(order, {})
  const steps = whole.events.filter((event) => event.type === 'step')
  expect(Object.keys(steps[0]!.losses!)).toEqual(['critic'])
  expect(Object.keys(steps[1]!.losses!)).toEqual(['critic', 'generator'])
  for (const k of [3, 4, 6]) {
    const checkpoints = memoryCheckpoints()
    const first = await run(order, { checkpoints }, k)
    const second = await run(order, { checkpoints, resume: true })
    expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(whole.events))
    expect(second.state).toEqual(whole.state)
  }
  const epoch = whole.events.findLast((event) => event.type === 'epoch')!
  expect(Object.keys(epoch.validation!).sort()).toEqual(['critic', 'generator', 'loss'])
  expect(epoch.best).toBe(true)
})

test('a session for inference reads the memory that training writes, without a copy', async () => {
  const step = await stepOf({ models: models(), objectives: game })
  ;(step.batch.x!.data as Float32Array).fill(1)
  const options = { model: scale(), name: 'a', inputs: [column], count: 2, backend, table }
  const opened = await openInference(step.parameters, options)
  const trained = step.state.get('parameters/a/w')!.data as Float32Array
  const read = opened.parameters.get('w')!.data as Float32Array
  expect(read.buffer).toBe(trained.buffer)
  expect(read.byteOffset).toBe(trained.byteOffset)
  ;(opened.inputs.x!.data as Float32Array).set([1, -2])
  const answers = async () => {
    await opened.run()
    return [...(opened.outputs.output!.data as Float32Array)]
  }
  expect(await answers()).toEqual([1, -2])
  await step.run(4, 1, 0.1)
  const [a] = at(step)
  expect(a).toBeCloseTo(0.9, 6)
  expect(await answers()).toEqual([a, -2 * a])
  await opened.release()
  await expect(openInference(step.parameters, { ...options, name: 'c' })).rejects.toThrow("there is no parameter 'c/w'")
  await step.release()
})
