import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createArena, planLayout } from '../runtime/arena.ts'
import { createKernels } from '../runtime/kernels/kernels.ts'
import { adadelta, adagrad } from './adagrad.ts'
import { type AdamWOptions, adam, adamw } from './adam.ts'
import { createOptimizer, optimizers } from './index.ts'
import { nadam, radam } from './nadam.ts'
import type { Optimizer } from './optimizer.ts'
import { rmsprop } from './rmsprop.ts'
import { segmentsOf, standardTreatment, type Treatment, trainingRegions } from './segments.ts'
import { type SgdOptions, sgd } from './sgd.ts'
import { applyUpdate, type GradientRules, gradientRules } from './update.ts'

const golden = JSON.parse(await readFile(new URL('../../test/golden/optimizers.json', import.meta.url), 'utf8')) as {
  optimizers: Record<string, number[]>
}

const steps = 50
/** As in test/golden/optimizers.py. */
const noise = (step: number, i: number) => Math.sin(12.9898 * (step + 1) + 78.233 * (i + 1))
const start = (i: number) => 0.5 * Math.cos(i + 1)

/** The arena's parameters after 50 steps whose gradients are 3 * w + noise. */
function train(
  optimizer: Optimizer,
  size: number,
  options: { rules?: Partial<GradientRules>; gradientScale?: number; treatment?: Treatment } = {},
) {
  const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [1, size] }])
  const arena = createArena({ regions: trainingRegions(layout, optimizer) })
  const kernels = createKernels(arena.memory)
  const data = (region: string) => arena.region(region).view('w').data as Float32Array
  const [w, g] = [data('parameters'), data('gradients')]
  w.set(Float32Array.from(w, (_, i) => start(i)))
  const { gradientScale = 1 } = options
  const { learningRate } = optimizer.config
  for (let step = 0; step < steps; step++) {
    g.set(Float32Array.from(w, (x, i) => (3 * x + noise(step, i)) / gradientScale))
    const scalars = { learningRate, step: step + 1, gradientScale }
    const segments = segmentsOf(arena, optimizer, (place) => options.treatment ?? standardTreatment(place))
    applyUpdate(kernels, optimizer, segments, gradientRules(options.rules), scalars)
  }
  for (const region of arena.regions.values()) expect(region.whole.subarray(size).every((x) => x === 0)).toBe(true)
  return [...w]
}

/** Plain float64 updates, written from the papers. */
function reference(kind: string, options: Partial<SgdOptions & AdamWOptions>, size: number): number[] {
  const { learningRate = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = options
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = options
  const w = Array.from({ length: size }, (_, i) => start(i))
  const [m, v] = [w.map(() => 0), w.map(() => 0)]
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < size; i++) {
      const g = 3 * w[i]! + noise(step, i)
      const decayed = w[i]! * (1 - learningRate * weightDecay)
      if (kind === 'sgd') {
        m[i] = momentum * m[i]! - learningRate * g
        w[i] = decayed + (nesterov ? momentum * m[i]! - learningRate * g : m[i]!)
      } else {
        m[i] = beta1 * m[i]! + (1 - beta1) * g
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g
        const rate = (learningRate * Math.sqrt(1 - beta2 ** (step + 1))) / (1 - beta1 ** (step + 1))
        w[i] = decayed - (rate * m[i]!) / (Math.sqrt(v[i]!) + epsilon)
      }
    }
  }
  return w
}

function expectClose(received: number[], expected: number[], tolerance: number): void {
  const worst = Math.max(...expected.map((x, i) => Math.abs(x - received[i]!)))
  expect(received.length).toBe(expected.length)
  expect(worst).toBeLessThan(tolerance)
}

test.each([
  ['sgd', sgd, { learningRate: 0.05 }],
  ['sgd', sgd, { learningRate: 0.05, weightDecay: 0.5 }],
  ['sgd', sgd, { momentum: 0.9, weightDecay: 0.5 }],
  ['sgd', sgd, { momentum: 0.8, nesterov: true, weightDecay: 0.1 }],
  ['adam', adam, { learningRate: 0.02, beta1: 0.8, beta2: 0.98 }],
  ['adam', adam, { learningRate: 0.02, beta1: 0 }],
  ['adamw', adamw, { learningRate: 0.01, weightDecay: 0.3, epsilon: 1e-3 }],
] as const)('%s equals a float64 reference over 50 steps at odd lengths', (kind, create, options) => {
  for (const size of [1, 7, 16, 37]) {
    const expected = reference(kind, options, size)
    expectClose(train((create as (o: object) => Optimizer)(options), size), expected, 2e-6)
    expectClose(train((create as (o: object) => Optimizer)(options), size, { gradientScale: 1 / 8 }), expected, 2e-6)
  }
})

test.each([
  ['sgd', sgd(), {}, 2e-6],
  ['momentum', sgd({ momentum: 0.9 }), {}, 2e-6],
  ['nesterov', sgd({ momentum: 0.9, nesterov: true }), {}, 2e-6],
  // PyTorch's weight_decay adds decay * w to the gradient: the gradient of decay / 2 * w^2
  ['momentum with l2', sgd({ momentum: 0.9 }), { l2: 0.1 }, 2e-6],
  // PyTorch adds epsilon after the bias correction, Keras (and we) before: at 1e-7 that shows in the fifth digit
  ['adam', adam({ learningRate: 0.01 }), {}, 1e-5],
  ['adam with clipNorm', adam({ learningRate: 0.01 }), { clipNorm: 0.8 }, 1e-5],
  ['adamw', adamw({ learningRate: 0.01, weightDecay: 0.3 }), {}, 1e-5],
  ['rmsprop', rmsprop({ learningRate: 0.01, epsilon: 1e-20 }), {}, 2e-6],
  ['rmsprop with momentum', rmsprop({ learningRate: 0.01, momentum: 0.8, epsilon: 1e-20 }), {}, 2e-6],
  ['rmsprop, centered', rmsprop({ learningRate: 0.01, momentum: 0.8, centered: true, epsilon: 1e-20 }), {}, 2e-6],
  ['adagrad', adagrad({ learningRate: 0.05, epsilon: 1e-20 }), {}, 2e-6],
  ['adadelta', adadelta({ learningRate: 1, epsilon: 1e-4 }), {}, 2e-6],
  ['nadam', nadam({ learningRate: 0.01 }), {}, 2e-6],
  ['radam', radam({ learningRate: 0.05 }), {}, 2e-6],
] as const)('%s equals PyTorch', (name, optimizer, rules, tolerance) => {
  expectClose(train(optimizer, 7, { rules }), golden.optimizers[name]!, tolerance)
})

test("the Adam kernel equals PyTorch's to float32 when epsilon carries the bias correction", () => {
  const optimizer: Optimizer = {
    ...adam({ learningRate: 0.01 }),
    update(kernels, segment, { learningRate, step }) {
      const correction = Math.sqrt(1 - 0.999 ** step)
      kernels.adam(segment, segment.slots[0]!, segment.slots[1]!, {
        gradientScale: 1,
        beta1: 0.9,
        beta2: 0.999,
        rate: (learningRate * correction) / (1 - 0.9 ** step),
        epsilon: 1e-7 * correction,
        shrink: 0,
      })
    },
  }
  expectClose(train(optimizer, 7), golden.optimizers.adam!, 1e-6)
})

test('a decay too small for float32 near 1 still acts', () => {
  const [plain, decayed] = [sgd({ learningRate: 1 }), sgd({ learningRate: 1, weightDecay: 2e-8 })]
  const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [1, 4] }])
  const ends = [plain, decayed].map((optimizer) => {
    const arena = createArena({ regions: trainingRegions(layout, optimizer) })
    const w = arena.region('parameters').view('w').data as Float32Array
    w.fill(1)
    arena
      .region('gradients')
      .view('w')
      .data.fill(2e-8 as never)
    const segments = segmentsOf(arena, optimizer)
    for (let step = 1; step <= 10; step++) {
      applyUpdate(createKernels(arena.memory), optimizer, segments, gradientRules(), {
        learningRate: 1,
        step,
        gradientScale: 1,
      })
    }
    return w[0]!
  })
  expect(ends[0]).toBe(1) // the gradient alone is rounded away, gradient and decay together are not
  expect(ends[1]).toBeLessThan(1)
})

test.each(Object.keys(optimizers))('%s: a factor of a segment is a factor of its rate, decay included', (name) => {
  const decays = 'weightDecay' in createOptimizer(name).config ? { weightDecay: 0.3 } : {}
  const of = (learningRate: number) => createOptimizer({ name, ...decays, learningRate })
  const whole = train(of(0.01), 7)
  const half = train(of(0.02), 7, { treatment: { learningRateFactor: 0.5, decayFactor: 1 } })
  expectClose(half, whole, 1e-6)
  expect(Math.max(...train(of(0.02), 7).map((x, i) => Math.abs(x - whole[i]!)))).toBeGreaterThan(1e-5)
})
