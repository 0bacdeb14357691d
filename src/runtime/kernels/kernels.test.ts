import { expect, test } from 'vitest'
import { createArena, planLayout } from '../arena.ts'
import { createKernels, type Kernels } from './kernels.ts'

const names = ['w', 'g', 'm', 'v'] as const
type Name = (typeof names)[number]

/** Four vectors of `length` in an arena, filled by formula. */
function vectors(length: number) {
  const layout = planLayout([{ name: 'x', dtype: 'float32', shape: [length] }])
  const arena = createArena({ regions: Object.fromEntries(names.map((name) => [name, layout])) })
  const kernels = createKernels(arena.memory)
  const of = (name: Name) => arena.region(name).view('x').data as Float32Array
  const at = (name: Name, element = 0) => arena.region(name).byteOffset + 4 * element
  const formulas: Record<Name, (i: number) => number> = {
    w: (i) => Math.sin(i + 1),
    g: (i) => Math.cos(3 * i) * 2,
    m: (i) => Math.sin(7 * i) / 2,
    v: (i) => Math.cos(5 * i) ** 2,
  }
  for (const name of names) of(name).set(Float32Array.from({ length }, (_, i) => formulas[name](i)))
  return {
    kernels,
    of,
    at,
    target: (i: number, count: number) => ({ parameters: at('w', i), gradients: at('g', i), count }),
  }
}

type Run = (kernels: Kernels, v: ReturnType<typeof vectors>, start: number, count: number) => void
type Formula = (w: number, g: number, m: number, v: number) => Partial<Record<Name, number>>

const adamScalars = { gradientScale: 0.5, beta1: 0.9, beta2: 0.99, rate: 0.02, epsilon: 1e-3, shrink: 0.01 }
const adaptive = { gradientScale: 0.5, rho: 0.9, rate: 0.02, epsilon: 1e-3, momentum: 0.8, shrink: 0.01 }
const lambScalars = { ...adamScalars, correction1: 2, correction2: 3, decay: 0.1 }
const velocity = { rate: 0.1, momentum: 0.9, shrink: 0.01 }

/** Each element-wise kernel beside the formula that it must equal. */
const cases: Record<string, [run: Run, formula: Formula]> = {
  sgd: [(k, v, i, n) => k.sgd(v.target(i, n), { rate: 0.1, shrink: 0.01 }), (w, g) => ({ w: w - 0.1 * g - 0.01 * w })],
  momentum: [
    (k, v, i, n) => k.momentum(v.target(i, n), v.at('m', i), velocity),
    (w, g, m) => ({ m: 0.9 * m + 0.1 * g, w: w - (0.9 * m + 0.1 * g) - 0.01 * w }),
  ],
  nesterov: [
    (k, v, i, n) => k.nesterov(v.target(i, n), v.at('m', i), velocity),
    (w, g, m) => ({ m: 0.9 * m + 0.1 * g, w: w - 0.9 * (0.9 * m + 0.1 * g) - 0.1 * g - 0.01 * w }),
  ],
  adam: [
    (k, v, i, n) => k.adam(v.target(i, n), v.at('m', i), v.at('v', i), adamScalars),
    (w, g, m, v) => {
      const first = 0.9 * m + 0.1 * (g / 2)
      const second = 0.99 * v + 0.01 * (g / 2) ** 2
      return { m: first, v: second, w: w - (0.02 * first) / (Math.sqrt(second) + 1e-3) - 0.01 * w }
    },
  ],
  rmsprop: [
    (k, v, i, n) => k.rmsprop(v.target(i, n), { square: v.at('v', i) }, adaptive),
    (w, g, _, v) => {
      const square = 0.9 * v + 0.1 * (g / 2) ** 2
      return { v: square, w: w - (0.02 * (g / 2)) / Math.sqrt(square + 1e-3) - 0.01 * w }
    },
  ],
  'rmsprop with momentum': [
    (k, v, i, n) => k.rmsprop(v.target(i, n), { square: v.at('v', i), velocity: v.at('m', i) }, adaptive),
    (w, g, m, v) => {
      const square = 0.9 * v + 0.1 * (g / 2) ** 2
      const step = 0.8 * m + (0.02 * (g / 2)) / Math.sqrt(square + 1e-3)
      return { v: square, m: step, w: w - step - 0.01 * w }
    },
  ],
  'rmsprop, centered': [
    (k, v, i, n) => k.rmsprop(v.target(i, n), { square: v.at('v', i), mean: v.at('m', i) }, adaptive),
    (w, g, m, v) => {
      const [square, mean] = [0.9 * v + 0.1 * (g / 2) ** 2, 0.9 * m + 0.1 * (g / 2)]
      const size = Math.max(square - mean ** 2, 0)
      return { v: square, m: mean, w: w - (0.02 * (g / 2)) / Math.sqrt(size + 1e-3) - 0.01 * w }
    },
  ],
  adagrad: [
    (k, v, i, n) => k.adagrad(v.target(i, n), v.at('v', i), adaptive),
    (w, g, _, v) => {
      const sum = v + (g / 2) ** 2
      return { v: sum, w: w - (0.02 * (g / 2)) / Math.sqrt(sum + 1e-3) - 0.01 * w }
    },
  ],
  adadelta: [
    (k, v, i, n) => {
      k.multiply(v.at('m', i), v.at('m', i), n) // a mean of squares
      k.adadelta(v.target(i, n), v.at('v', i), v.at('m', i), adaptive)
    },
    (w, g, m, v) => {
      const square = 0.9 * v + 0.1 * (g / 2) ** 2
      const step = Math.sqrt((m * m + 1e-3) / (square + 1e-3)) * (g / 2)
      return { v: square, m: 0.9 * m * m + 0.1 * step ** 2, w: w - 0.02 * step - 0.01 * w }
    },
  ],
  nadam: [
    (k, v, i, n) => k.nadam(v.target(i, n), v.at('m', i), v.at('v', i), { ...adamScalars, look: 0.3 }),
    (w, g, m, v) => {
      const first = 0.9 * m + 0.1 * (g / 2)
      const second = 0.99 * v + 0.01 * (g / 2) ** 2
      const step = (0.02 * first + 0.3 * (g / 2)) / (Math.sqrt(second) + 1e-3)
      return { m: first, v: second, w: w - step - 0.01 * w }
    },
  ],
  lion: [
    (k, v, i, n) => k.lion(v.target(i, n), v.at('m', i), adamScalars),
    (w, g, m) => ({ m: 0.99 * m + 0.01 * (g / 2), w: w - 0.02 * Math.sign(0.9 * m + 0.1 * (g / 2)) - 0.01 * w }),
  ],
  lamb: [
    (k, v, i, n) => k.lamb(v.target(i, n), v.at('m', i), v.at('v', i), { ...lambScalars }),
    (w, g, m, v) => {
      const first = 0.9 * m + 0.1 * (g / 2)
      const second = 0.99 * v + 0.01 * (g / 2) ** 2
      return { m: first, v: second, g: (2 * first) / Math.sqrt(3 * second + 1e-3) + 0.1 * w }
    },
  ],
  fill: [(k, v, i, n) => k.fill(v.at('w', i), n, 1.5), () => ({ w: 1.5 })],
  copy: [(k, v, i, n) => k.copy(v.at('w', i), v.at('g', i), n), (_, g) => ({ w: g })],
  scale: [(k, v, i, n) => k.scale(v.at('w', i), n, -3), (w) => ({ w: -3 * w })],
  multiply: [(k, v, i, n) => k.multiply(v.at('w', i), v.at('g', i), n), (w, g) => ({ w: w * g })],
  axpy: [(k, v, i, n) => k.axpy(v.at('w', i), v.at('g', i), n, 0.3), (w, g) => ({ w: w + 0.3 * g })],
  approach: [(k, v, i, n) => k.approach(v.at('w', i), v.at('g', i), n, 0.3), (w, g) => ({ w: w + 0.3 * (g - w) })],
  clamp: [(k, v, i, n) => k.clamp(v.at('w', i), n, 2, 0.75), (w) => ({ w: Math.max(-0.75, Math.min(0.75, 2 * w)) })],
  penalty: [
    (k, v, i, n) => k.penalty(v.target(i, n), 0.5, 0.1, 0.2),
    (w, g) => ({ g: 0.5 * g + 0.1 * Math.sign(w) + 0.4 * w }),
  ],
}

for (const [name, [run, formula]] of Object.entries(cases)) {
  test(`${name} equals its formula at every length and writes nothing else`, () => {
    for (const length of [0, 1, 3, 4, 5, 16, 17, 31, 64, 67]) {
      const v = vectors(length + 3)
      const before = Object.fromEntries(names.map((n) => [n, Array.from(v.of(n))])) as Record<Name, number[]>
      run(v.kernels, v, 1, length)
      for (let i = 0; i < length + 3; i++) {
        const [w, g, first, second] = names.map((n) => before[n][i]!) as [number, number, number, number]
        const inside = i >= 1 && i <= length
        const expected = { w, g, m: first, v: second, ...(inside ? formula(w, g, first, second) : {}) }
        for (const n of names) {
          if (inside) expect(v.of(n)[i], `${n}[${i}] of ${length}`).toBeCloseTo(expected[n]!, 5)
          else expect(v.of(n)[i]).toBe(expected[n])
        }
      }
    }
  })

  test(`${name} gives the same bits however the elements are split`, () => {
    const [whole, split] = [vectors(61), vectors(61)]
    run(whole.kernels, whole, 0, 61)
    for (const [start, count] of [
      [0, 7],
      [7, 1],
      [8, 22],
      [30, 31],
    ] as const)
      run(split.kernels, split, start, count)
    for (const n of names) expect(split.of(n)).toEqual(whole.of(n))
  })
}

test('sums are those of float64 at every length', () => {
  for (const length of [0, 1, 7, 8, 9, 1003]) {
    const { kernels, of, at } = vectors(length)
    expect(kernels.sumOfSquares(at('g'), length)).toBeCloseTo(
      of('g').reduce((sum, x) => sum + x * x, 0),
      10,
    )
    expect(kernels.sumOfAbsolutes(at('g'), length)).toBeCloseTo(
      of('g').reduce((sum, x) => sum + Math.abs(x), 0),
      10,
    )
  }
  const { kernels, of, at } = vectors(9)
  of('g').fill(3e38)
  expect(kernels.sumOfSquares(at('g'), 9) / 9 / 9e76).toBeCloseTo(1, 5)
})

test('firstNonFinite finds NaN and infinities at every place, and -1 else', () => {
  const { kernels, of, at } = vectors(13)
  expect(kernels.firstNonFinite(at('g'), 13)).toBe(-1)
  of('g')[12] = 3.4e38
  expect(kernels.firstNonFinite(at('g'), 13)).toBe(-1)
  for (const bad of [Number.NaN, Infinity, -Infinity]) {
    for (let i = 12; i >= 0; i--) {
      const held = of('g')[i]!
      of('g')[i] = bad
      expect(kernels.firstNonFinite(at('g'), 13)).toBe(i)
      expect(kernels.firstNonFinite(at('g'), i)).toBe(-1)
      of('g')[i] = held
    }
  }
})

test('clamp hands NaN on, and the penalty of a weight of 0 is 0', () => {
  const { kernels, of, at, target } = vectors(5)
  of('w')[2] = Number.NaN
  kernels.clamp(at('w'), 5, 1, 0.1)
  expect(of('w')[2]).toBeNaN()
  of('w').set([0, -0, 1e-30, -1e-30, 2])
  of('g').fill(0)
  kernels.penalty(target(0, 5), 1, 0.5, 0)
  expect([...of('g')]).toEqual([0, 0, 0.5, -0.5, 0.5])
})

test('flush takes what is below 2^-90 to 0', () => {
  const { kernels, of, at } = vectors(8)
  of('g').set([1e-45, -1e-38, 2 ** -91, 2 ** -90, -(2 ** -90), 0, -1, Number.NaN])
  kernels.flush(at('g'), 8)
  expect([...of('g')]).toEqual([0, 0, 0, 2 ** -90, -(2 ** -90), 0, -1, Number.NaN])
})

test('lion stands still where nothing points anywhere, and hands NaN and infinities on', () => {
  const { kernels, of, at, target } = vectors(5)
  of('w').fill(1)
  of('m').fill(0)
  of('g').set([0, -0, 1e-30, Number.NaN, Infinity])
  kernels.lion(target(0, 5), at('m'), { gradientScale: 1, beta1: 0.5, beta2: 0.9, rate: 0.5, shrink: 0 })
  expect([...of('w')]).toEqual([1, 1, 0.5, Number.NaN, Number.NaN])
})

test('rmsprop, centered, stays finite under gradients that do not change', () => {
  const { kernels, of, at, target } = vectors(7)
  of('m').fill(0)
  of('v').fill(0)
  for (let step = 0; step < 300; step++) {
    of('g').fill(0.1)
    const slots = { square: at('v'), mean: at('m') }
    kernels.rmsprop(target(0, 7), slots, { ...adaptive, epsilon: 1e-30, rate: 1e-9 })
  }
  expect(of('w').every(Number.isFinite)).toBe(true)
})
