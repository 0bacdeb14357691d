/** The adaptive optimizers beside float64 updates written from their papers; optimizers.test.ts compares them with PyTorch. */
import { expect, test } from 'vitest'
import { createArena, planLayout } from '../runtime/arena.ts'
import { createKernels } from '../runtime/kernels/kernels.ts'
import { createOptimizer } from './index.ts'
import { lamb } from './lamb.ts'
import { segmentsOf, trainingRegions } from './segments.ts'
import { applyUpdate, gradientRules } from './update.ts'

const steps = 50
const noise = (step: number, i: number) => Math.sin(12.9898 * (step + 1) + 78.233 * (i + 1))
const start = (i: number) => 0.5 * Math.cos(i + 1)

/** What a float64 rule sees: weights, gradients, slots of zeros, and the number of the update from 1. */
interface Update {
  readonly w: number[]
  readonly g: readonly number[]
  readonly a: number[]
  readonly b: number[]
  readonly c: number[]
  readonly t: number
}
type Rule = (update: Update, rate: number, decay: number) => void

/** A rule that treats each weight alone: changes the slots and returns the step. */
const each =
  (step: (u: Update, g: number, i: number) => number): Rule =>
  (u, rate, decay) => {
    u.g.forEach((g, i) => {
      u.w[i]! -= rate * step(u, g, i) + rate * decay * u.w[i]!
    })
  }

const mix = (list: number[], i: number, rho: number, x: number) => (list[i] = rho * list[i]! + (1 - rho) * x)

const rmspropRule = (centered: boolean) =>
  each(({ a, b, c }, g, i) => {
    const size = mix(a, i, 0.8, g * g) - (centered ? mix(b, i, 0.8, g) ** 2 : 0)
    c[i] = 0.5 * c[i]! + g / Math.sqrt(size + 1e-3)
    return c[i]!
  })

const warm = (t: number) => 0.8 * (1 - 0.96 ** t / 2)
const warmProduct = (t: number): number => (t === 0 ? 1 : warm(t) * warmProduct(t - 1))

const rules: Record<string, [options: object, rule: Rule]> = {
  rmsprop: [{ rho: 0.8, epsilon: 1e-3, momentum: 0.5, learningRate: 0.01 }, rmspropRule(false)],
  'rmsprop centered': [
    { rho: 0.8, epsilon: 1e-3, momentum: 0.5, centered: true, learningRate: 0.01 },
    rmspropRule(true),
  ],
  adagrad: [
    { learningRate: 0.1, initialAccumulatorValue: 0.2, epsilon: 1e-3 },
    each(({ a }, g, i) => {
      a[i]! += g * g
      return g / Math.sqrt(a[i]! + 0.2 + 1e-3)
    }),
  ],
  adadelta: [
    { learningRate: 0.5, rho: 0.9, epsilon: 1e-4 },
    each(({ a, b }, g, i) => {
      const step = (Math.sqrt(b[i]! + 1e-4) / Math.sqrt(mix(a, i, 0.9, g * g) + 1e-4)) * g
      mix(b, i, 0.9, step * step)
      return step
    }),
  ],
  nadam: [
    { learningRate: 0.02, beta1: 0.8, beta2: 0.98, epsilon: 1e-4 },
    each(({ a, b, t }, g, i) => {
      const [m, v] = [mix(a, i, 0.8, g), mix(b, i, 0.98, g * g)]
      const ahead = (warm(t + 1) * m) / (1 - warmProduct(t + 1)) + ((1 - warm(t)) * g) / (1 - warmProduct(t))
      return ahead / (Math.sqrt(v / (1 - 0.98 ** t)) + 1e-4)
    }),
  ],
  radam: [
    { learningRate: 0.02, beta1: 0.8, beta2: 0.98, epsilon: 1e-4 },
    each(({ a, b, t }, g, i) => {
      const [m, v] = [mix(a, i, 0.8, g) / (1 - 0.8 ** t), mix(b, i, 0.98, g * g)]
      const most = 2 / 0.02 - 1
      const length = most - (2 * t * 0.98 ** t) / (1 - 0.98 ** t)
      if (length <= 5) return m
      const share = ((length - 4) * (length - 2) * most) / ((most - 4) * (most - 2) * length)
      return (m * Math.sqrt(share) * Math.sqrt(1 - 0.98 ** t)) / (Math.sqrt(v) + 1e-4)
    }),
  ],
  lion: [
    { learningRate: 0.004, beta1: 0.8, beta2: 0.95 },
    each(({ a }, g, i) => {
      const direction = Math.sign(0.8 * a[i]! + 0.2 * g)
      mix(a, i, 0.95, g)
      return direction
    }),
  ],
  lamb: [
    { learningRate: 0.01, beta1: 0.8, beta2: 0.98, epsilon: 1e-4 },
    ({ w, g, a, b, t }, rate, decay) => {
      const u = g.map((x, i) => {
        const [m, v] = [mix(a, i, 0.8, x) / (1 - 0.8 ** t), mix(b, i, 0.98, x * x) / (1 - 0.98 ** t)]
        return m / Math.sqrt(v + 1e-4) + decay * w[i]!
      })
      const trust = Math.hypot(...w) / Math.hypot(...u)
      for (const i of w.keys()) w[i]! -= rate * trust * u[i]!
    },
  ],
}

const cases = Object.entries(rules).flatMap(([title, [options, rule]]) =>
  [0, 0.3].map((weightDecay) => [title, { name: title.split(' ')[0]!, ...options, weightDecay }, rule] as const),
)

test.each(cases)('%s equals a float64 reference over 50 steps at odd lengths: %j', (_, config, rule) => {
  for (const size of [1, 7, 16, 37]) {
    for (const gradientScale of [1, 1 / 8]) {
      const optimizer = createOptimizer(config)
      const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [1, size] }])
      const arena = createArena({ regions: trainingRegions(layout, optimizer) })
      const [kernels, segments] = [createKernels(arena.memory), segmentsOf(arena, optimizer)]
      const data = (region: string) => arena.region(region).view('w').data as Float32Array
      const [w, g] = [data('parameters'), data('gradients')]
      w.set(Float32Array.from(w, (_, i) => start(i)))
      const expected = Array.from(w, (_, i) => start(i))
      const [a, b, c] = [expected.map(() => 0), expected.map(() => 0), expected.map(() => 0)]
      const { learningRate } = optimizer.config
      for (let t = 1; t <= steps; t++) {
        g.set(Float32Array.from(w, (x, i) => (3 * x + noise(t, i)) / gradientScale))
        applyUpdate(kernels, optimizer, segments, gradientRules(), { learningRate, step: t, gradientScale })
        const gradient = expected.map((x, i) => 3 * x + noise(t, i))
        rule({ w: expected, g: gradient, a, b, c, t }, learningRate, config.weightDecay)
      }
      expect(Math.max(...expected.map((x, i) => Math.abs(x - w[i]!)))).toBeLessThan(3e-6)
      for (const { whole } of arena.regions.values()) expect(whole.subarray(size).every((x) => x === 0)).toBe(true)
    }
  }
})

test('lamb measures each parameter alone, and moves a parameter of zeros', () => {
  const optimizer = lamb({ learningRate: 0.1 })
  const spec = (name: string, size: number) => ({ name, dtype: 'float32' as const, shape: [1, size] })
  const layout = planLayout([spec('large', 3), spec('small', 5), spec('zero', 2)])
  const arena = createArena({ regions: trainingRegions(layout, optimizer) })
  const data = (region: string, name: string) => arena.region(region).view(name).data as Float32Array
  const segments = segmentsOf(arena, optimizer)
  expect(segments).toHaveLength(3)
  data('parameters', 'large').fill(100)
  data('parameters', 'small').fill(0.01)
  for (const name of layout.places.keys()) data('gradients', name).fill(7)
  const scalars = { learningRate: 0.1, step: 1, gradientScale: 1 }
  applyUpdate(createKernels(arena.memory), optimizer, segments, gradientRules(), scalars)
  // The first direction is 1 everywhere: each parameter loses a tenth of its norm, spread evenly.
  expect(data('parameters', 'large')[0]).toBeCloseTo(90, 3)
  expect(data('parameters', 'small')[0]).toBeCloseTo(0.009, 6)
  expect(data('parameters', 'zero')[0]).toBeCloseTo(-0.1, 6)
})
