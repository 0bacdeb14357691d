/** Groups of parameters against the formula of the update, and across an interruption. */
import { describe, expect, test } from 'vitest'
import { bytesOf, computed, digits, line, prepare, regression, type Setup, train } from '../../test/run-training.ts'
import * as nn from '../nn/index.ts'
import { memoryCheckpoints } from './checkpoint.ts'
import { layerwiseDecay, type ParameterGroup } from './parameter-groups.ts'

const model = () =>
  nn.sequential([
    nn.dense({ units: 2, name: 'first' }),
    nn.dense({ units: 2, name: 'second' }),
    nn.dense({ units: 1, name: 'head' }),
  ])
const base: Setup = { model: model(), loss: nn.meanSquaredError(), train: line, batchSize: 12 }

/** What one step changes, by path, and the names of the state. */
async function changes(groups: readonly ParameterGroup[], setup: Setup = {}) {
  const { step } = await prepare({ ...base, groups, ...setup })
  for (const name of ['x', 'label'])
    (step.batch[name]!.data as Float32Array).set(line.columns[name]!.data as Float32Array)
  const before = new Map([...step.parameters].map(([path, { data }]) => [path, (data as Float32Array).slice()]))
  await step.run(12, 1, 0.1)
  const moved = new Map(
    [...step.parameters].map(([path, { data }]) => [
      path,
      (data as Float32Array).map((x, i) => x - before.get(path)![i]!),
    ]),
  )
  const state = [...step.state.keys()]
  const { trainableCount } = step
  await step.release()
  return { before, moved, state, trainableCount }
}

const sgd = { name: 'sgd', learningRate: 0.1 }
const near = (found: Float32Array | undefined, expected: ArrayLike<number>) =>
  [...found!].forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 6)
  })

describe('groups', () => {
  test('factors scale the step, the first group that matches holds, others stay as they are', async () => {
    const plain = await changes([], { optimizer: sgd })
    const grouped = await changes(
      [
        { parameters: 'first/bias', learningRateFactor: 3 },
        { parameters: ['first', /^second\//], learningRateFactor: 0.25 },
      ],
      { optimizer: sgd },
    )
    const factors = {
      'first/kernel': 0.25,
      'first/bias': 3,
      'second/kernel': 0.25,
      'second/bias': 0.25,
      'head/kernel': 1,
      'head/bias': 1,
    }
    expect([...grouped.moved.keys()]).toEqual(Object.keys(factors))
    for (const [path, factor] of Object.entries(factors)) {
      near(
        grouped.moved.get(path),
        plain.moved.get(path)!.map((x) => factor * x),
      )
    }
  })

  test('frozen parameters do not move and have neither gradient nor slots', async () => {
    const { moved, state, trainableCount } = await changes([{ parameters: 'first', frozen: true }], {
      optimizer: 'adam',
    })
    near(moved.get('first/kernel'), [0, 0])
    expect(Math.abs(moved.get('second/kernel')![0]!)).toBeGreaterThan(0)
    expect(state.filter((name) => name.includes('/first/'))).toEqual(['frozen/first/kernel', 'frozen/first/bias'])
    expect(trainableCount).toBe(4 + 2 + 2 + 1)
  })

  test('decay of a group replaces that of the optimizer; biases do not decay', async () => {
    const optimizer = { ...sgd, weightDecay: 0.5 }
    const [plain, grouped] = [
      await changes([], { optimizer: sgd }),
      await changes([{ parameters: 'first', weightDecay: 0.2 }], { optimizer }),
    ]
    const decayed = (path: string, decay: number) =>
      plain.moved.get(path)!.map((x, i) => x - 0.1 * decay * plain.before.get(path)![i]!)
    near(grouped.moved.get('first/kernel'), decayed('first/kernel', 0.2))
    near(grouped.moved.get('head/kernel'), decayed('head/kernel', 0.5))
    near(grouped.moved.get('first/bias'), plain.moved.get('first/bias')!)
  })

  test('an optimizer of its own keeps the ratio of its learning rate; clipping sees all gradients together', async () => {
    const rules = { clipNorm: 0.01 }
    const groups = [{ parameters: 'head', optimizer: { name: 'sgd', learningRate: 0.02, momentum: 0.9 } }]
    const [plain, grouped] = [
      await changes([], { optimizer: sgd, rules }),
      await changes(groups, { optimizer: sgd, rules }),
    ]
    near(grouped.moved.get('first/kernel'), plain.moved.get('first/kernel')!)
    near(
      grouped.moved.get('head/kernel'),
      plain.moved.get('head/kernel')!.map((x) => 0.2 * x),
    )
    expect(grouped.state.filter((name) => name.startsWith('velocity'))).toEqual([
      'velocity/head/kernel',
      'velocity/head/bias',
    ])
  })

  test('the learning rate falls layer by layer', async () => {
    const [plain, grouped] = [
      await changes([], { optimizer: sgd }),
      await changes(layerwiseDecay({ layers: ['first', 'second', 'head'], decay: 0.5 }), { optimizer: sgd }),
    ]
    for (const [layer, factor] of [
      ['first', 0.25],
      ['second', 0.5],
      ['head', 1],
    ] as const) {
      near(
        grouped.moved.get(`${layer}/kernel`),
        plain.moved.get(`${layer}/kernel`)!.map((x) => factor * x),
      )
    }
  })

  test('a group that begins later stays still until then, and its optimizer counts from there', async () => {
    const { step } = await prepare({
      ...{ ...base, optimizer: 'adam', stepsPerEpoch: 2 },
      groups: [
        { parameters: 'first', fromEpoch: 3 },
        { parameters: 'second', fromEpoch: 2 },
      ],
    })
    for (const name of ['x', 'label'])
      (step.batch[name]!.data as Float32Array).set(line.columns[name]!.data as Float32Array)
    const moves: Record<string, number[]> = { first: [], second: [], head: [] }
    for (let i = 1; i <= 6; i++) {
      const at = (layer: string) => step.parameters.get(`${layer}/kernel`)!.data[0] as number
      const before = Object.fromEntries(Object.keys(moves).map((layer) => [layer, at(layer)]))
      await step.run(12, i, 0.001)
      for (const layer of Object.keys(moves)) moves[layer]!.push(Math.abs(at(layer) - before[layer]!))
    }
    const still = (layer: string) => moves[layer]!.map((move) => move === 0)
    expect(still('head')).toEqual([false, false, false, false, false, false])
    expect(still('second')).toEqual([true, true, false, false, false, false])
    expect(still('first')).toEqual([true, true, true, true, false, false])
    // The first step of Adam is as long as its learning rate, whatever the gradient.
    for (const first of [moves.head![0]!, moves.second![2]!, moves.first![4]!]) expect(first).toBeCloseTo(0.001, 6)
    await step.release()
  })

  test.each([
    [{ parameters: 'haed' }, "groups[0]: no trained parameter matches 'haed'. Did you mean 'head'?"],
    [{ parameters: 'head', learningRateFactor: -1 }, 'groups[0].learningRateFactor must be a number >= 0, received -1'],
    [{ parameters: 'head', weightDecay: 0.1 }, 'a group sets weightDecay, which adam does not have'],
    [{ parameters: 'head', optimizer: 'adma' }, 'unknown optimizer "adma"'],
    [{ parameters: 'head', fromEpoch: 0 }, 'groups[0].fromEpoch must be a whole number of at least 1, received 0'],
    [{ parameters: 'head', fromEpoch: 2 }, 'groups[0].fromEpoch needs the number of steps of an epoch'],
  ] as const)('%j is refused', async (group, message) => {
    await expect(prepare({ ...base, groups: [group] })).rejects.toThrow(message)
  })
})

test('a run with groups goes on bit for bit, with averages and in parts', async () => {
  const setup: Setup = {
    groups: [
      { parameters: 'conv2d', frozen: true },
      { parameters: '**/bias', optimizer: { name: 'sgd', learningRate: 0.01, momentum: 0.9 } },
      { parameters: 'batchNormalization', learningRateFactor: 0.1 },
      { parameters: 'dense', fromEpoch: 2 },
    ],
    stepsPerEpoch: Math.ceil(100 / 16),
    ema: { decay: 0.9 },
    accumulate: 2,
  }
  const loop = { epochs: 2, validation: digits(100, 120) }
  const whole = await train({ ...setup, loop })
  expect([...whole.state.keys()]).toEqual(
    expect.arrayContaining(['frozen/conv2d/kernel', 'velocity/dense/bias', 'averages/dense/kernel']),
  )
  const checkpoints = memoryCheckpoints()
  const controller = new AbortController()
  const first = await train({ ...setup, loop: { ...loop, checkpoints, signal: controller.signal } }, (event) => {
    if (event.type === 'step' && event.step === 7) controller.abort()
  })
  const second = await train({ ...setup, loop: { ...loop, checkpoints, resume: true } })
  expect([...computed(first.events), ...computed(second.events)]).toEqual(computed(whole.events))
  expect(second.state).toEqual(whole.state)
})

test('a group that changes nothing is the same bits as none', async () => {
  const [plain, grouped] = [
    await prepare({ ...base, loop: regression }),
    await prepare({ ...base, groups: [{ parameters: 'head' }] }),
  ]
  expect(bytesOf(grouped.step)).toEqual(bytesOf(plain.step))
  await Promise.all([plain.step.release(), grouped.step.release()])
})
