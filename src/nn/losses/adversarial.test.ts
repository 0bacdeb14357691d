/**
 * Adversarial losses and gradient penalties against PyTorch (test/golden/adversarial.py), and the penalties, which need second
 * derivatives, against finite differences.
 */
import { describe, expect, test } from 'vitest'
import golden from '../../../test/golden/adversarial.json' with { type: 'json' }
import { noise, runGraph } from '../../../test/run-layer.ts'
import { backward } from '../../autodiff/backward.ts'
import { createRandom } from '../../core/random.ts'
import type { StaticShape } from '../../core/shape.ts'
import { float32, type Tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Value } from '../../graph/graph.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import { adversarialLosses, gradientPenalty, r1Penalty } from './index.ts'

const numbers = (tensor: Tensor) => [...(tensor.data as Float32Array)]

function expectClose(received: readonly number[], expected: readonly number[], tolerance = 2e-5): void {
  expect(received.length).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3)
  for (const [i, x] of expected.entries()) expect(Math.abs(received[i]! - x) / size, `[${i}]`).toBeLessThan(tolerance)
}

function emitter(): Emitter {
  return new Emitter(table, new GraphBuilder('adversarial'))
}

describe('losses on critic outputs', () => {
  for (const [name, expected] of Object.entries(golden.losses)) {
    test(name, async () => {
      const loss = adversarialLosses[name as keyof typeof adversarialLosses]
      const feeds = { real: noise(0, [5, 1], 2), fake: noise(1, [5, 1], 2) }
      const g = emitter()
      const [real, fake] = [g.builder.input('real', feeds.real), g.builder.input('fake', feeds.fake)]
      const critic = loss.critic(g, real, fake)
      const generator = loss.generator(g, fake)
      const outputs = [critic, ...backward(g, critic, [real, fake]), generator, ...backward(g, generator, [fake])]
      const found = (await runGraph(g, outputs, feeds)).map(numbers)
      const { dReal, dFake, dGenerator } = expected
      const wanted = [[expected.critic], dReal, dFake, [expected.generator], dGenerator]
      for (const [i, values] of wanted.entries()) expectClose(found[i]!, values)
    })
  }

  test('are finite far out', async () => {
    for (const loss of Object.values(adversarialLosses)) {
      const feeds = { real: float32([2, 1], [1e4, -1e4]), fake: float32([2, 1], [-1e4, 1e4]) }
      const g = emitter()
      const [real, fake] = [g.builder.input('real', feeds.real), g.builder.input('fake', feeds.fake)]
      const value = loss.critic(g, real, fake)
      const found = await runGraph(g, [value, ...backward(g, value, [real, fake]), loss.generator(g, fake)], feeds)
      for (const tensor of found) for (const x of numbers(tensor)) expect(Number.isFinite(x)).toBe(true)
    }
  })
})

interface Setup {
  readonly examples: StaticShape
  readonly parameters: readonly StaticShape[]
  readonly critic: (g: Emitter, x: Value, w: Value, b: Value, v: Value) => Value
}

const critics: Record<string, Setup> = {
  dense: {
    examples: [4, 3],
    parameters: [[3, 6], [6], [6, 1]],
    critic: (g, x, w, b, v) => g.matMul(g.tanh(g.add(g.matMul(x, w), b)), v),
  },
  convolution: {
    examples: [3, 2, 5, 5],
    parameters: [[4, 2, 3, 3], [4], [36, 1]],
    critic: (g, x, w, b, v) => {
      const hidden = g.op('LeakyRelu', [g.op('Conv', [x, w, b], { kernel_shape: [3, 3] })], { alpha: 0.2 })
      return g.matMul(g.reshape(hidden, [3, 36]), v)
    },
  },
}

/** The penalty, its gradients and what feeds them. */
function written(penalty: string, setup: Setup) {
  const { examples, parameters, critic } = setup
  const feeds: Record<string, Tensor<Float32Array>> = {
    real: noise(2, examples, 2),
    fake: noise(3, examples, 2),
    epsilon: noise(4, [examples[0]!, ...examples.slice(1).map(() => 1)]),
  }
  feeds.epsilon!.data.forEach((v, i, all) => {
    all[i] = Math.abs(v)
  })
  parameters.forEach((shape, i) => {
    feeds[`p${i}`] = noise(10 + i, shape, 0.7)
  })
  const g = emitter()
  const input = (name: string) => g.builder.input(name, feeds[name]!)
  const [real, fake, epsilon] = [input('real'), input('fake'), input('epsilon')]
  const values = parameters.map((_, i) => input(`p${i}`))
  const score = (x: Value) => critic(g, x, values[0]!, values[1]!, values[2]!)
  const value =
    penalty === 'r1Penalty' ? r1Penalty(g, score, { real }) : gradientPenalty(g, score, { real, fake, epsilon })
  return { g, feeds, value, values }
}

describe('gradient penalties', () => {
  for (const [name, expected] of Object.entries(golden.penalties)) {
    const [penalty, critic] = name.split(', ') as [string, string]

    test(`${name}: value and gradient of each parameter as PyTorch's double backward`, async () => {
      const { g, feeds, value, values } = written(penalty, critics[critic]!)
      const found = (await runGraph(g, [value, ...backward(g, value, values)], feeds)).map(numbers)
      expectClose(found[0]!, [expected.value])
      for (const [i, gradient] of expected.gradients.entries()) expectClose(found[i + 1]!, gradient, 5e-5)
    })
  }

  test('the gradient is the finite difference of the penalty', async () => {
    for (const penalty of ['gradientPenalty', 'r1Penalty']) {
      const { g, feeds, value, values } = written(penalty, critics.dense!)
      const random = createRandom(4)
      const directions = values.map((_, i) => feeds[`p${i}`]!.data.map(() => (random.uniform() < 0.5 ? -1 : 1)))
      const gradients = (await runGraph(g, backward(g, value, values), feeds)).map(numbers)
      const slope = gradients.flat().reduce((sum, x, i) => sum + x * directions.flatMap((d) => [...d])[i]!, 0)
      const at = async (h: number) => {
        const moved = values.map((_, i) => {
          const { shape, data } = feeds[`p${i}`]!
          return [
            `p${i}`,
            float32(
              shape,
              data.map((v, j) => v + h * directions[i]![j]!),
            ),
          ]
        })
        return numbers((await runGraph(g, [value], { ...feeds, ...Object.fromEntries(moved) }))[0]!)[0]!
      }
      const difference = ((await at(5e-3)) - (await at(-5e-3))) / 1e-2
      expect(difference / slope).toBeCloseTo(1, 2)
    }
  })

  test('a critic that is flat has a finite gradient; examples that differ in shape are refused', async () => {
    const { g, feeds, value, values } = written('gradientPenalty', critics.dense!)
    const flat = { ...feeds, p2: float32([6, 1], new Float32Array(6)) }
    for (const tensor of await runGraph(g, [value, ...backward(g, value, values)], flat)) {
      for (const x of numbers(tensor)) expect(Number.isFinite(x)).toBe(true)
    }
    const input = (name: string, shape: StaticShape) => g.builder.input(name, { dtype: 'float32', shape })
    const examples = { real: input('a', [4, 3]), fake: input('b', [4, 2]), epsilon: input('c', [4, 1]) }
    expect(() => gradientPenalty(g, (x) => x, examples)).toThrow(
      'gradientPenalty needs real and fake examples of one shape, received [4, 3] and [4, 2]',
    )
  })
})
