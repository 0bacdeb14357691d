import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../core/random.ts'
import type { StaticShape } from '../core/shape.ts'
import { table } from '../ops/index.ts'
import { dense, type InitializerName, initialParameters, initialValues, sequential, trace } from './index.ts'

const shapes = [
  ['dense', [300, 200]],
  ['convolution', [64, 24, 5, 5]],
] as const

/** Variance after Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998, written out for both layouts. */
function expectedVariance(name: string, layout: string): number {
  const [fanIn, fanOut] = layout === 'dense' ? [300, 200] : [24 * 25, 64 * 25]
  if (name.startsWith('glorot')) return 2 / (fanIn + fanOut)
  return (name.startsWith('he') ? 2 : 1) / fanIn
}

const moments = (values: Float32Array) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length }
}

describe('variance scaling', () => {
  for (const name of [
    'glorotUniform',
    'glorotNormal',
    'heUniform',
    'heNormal',
    'lecunUniform',
    'lecunNormal',
  ] as const) {
    for (const [layout, shape] of shapes) {
      test(`${name} of a ${layout} kernel has its mean, variance and bound`, () => {
        const values = initialValues(name, shape, createRandom(5).fork(name), layout)
        const variance = expectedVariance(name, layout)
        const found = moments(values)
        expect(Math.abs(found.mean)).toBeLessThan(4 * Math.sqrt(variance / values.length))
        expect(found.variance / variance).toBeGreaterThan(0.97)
        expect(found.variance / variance).toBeLessThan(1.03)
        const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
        const bound = name.endsWith('Uniform') ? Math.sqrt(3 * variance) : (2 * Math.sqrt(variance)) / 0.87962566
        expect(most).toBeLessThanOrEqual(bound * (1 + 1e-6))
        expect(most).toBeGreaterThan(bound * 0.98)
      })
    }
  }
})

test('fixed distributions', () => {
  const draw = (initializer: Parameters<typeof initialValues>[0]) =>
    initialValues(initializer, [40_000], createRandom(1))
  expect(new Set(draw('zeros'))).toEqual(new Set([0]))
  expect(new Set(draw('ones'))).toEqual(new Set([1]))
  expect(new Set(draw({ name: 'constant', value: 0.5 }))).toEqual(new Set([0.5]))
  expect(moments(draw('randomNormal')).variance / 0.0025).toBeCloseTo(1, 1)
  const shifted = moments(draw({ name: 'randomNormal', mean: 3, stddev: 0.5 }))
  expect([shifted.mean, shifted.variance]).toEqual([expect.closeTo(3, 1), expect.closeTo(0.25, 1)])
  const uniform = draw({ name: 'randomUniform', minval: 2, maxval: 3 })
  expect(uniform.every((v) => v >= 2 && v <= 3)).toBe(true)
  expect(moments(uniform).variance).toBeCloseTo(1 / 12, 2)
  expect(draw('randomUniform').every((v) => Math.abs(v) <= 0.05)).toBe(true)
})

test('orthogonal: the rows or columns of the units are orthonormal, whatever the shape', () => {
  const shape = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 4 })
  fc.assert(
    fc.property(
      shape,
      fc.constantFrom('dense' as const, 'convolution' as const),
      fc.nat(1000),
      (dims, layout, seed) => {
        const values = initialValues('orthogonal', dims, createRandom(seed), layout)
        const units = layout === 'dense' ? dims.at(-1)! : dims[0]!
        const others = values.length / units
        const at = (unit: number, other: number) =>
          values[layout === 'dense' ? other * units + unit : unit * others + other]!
        const few = Math.min(units, others)
        for (let a = 0; a < few; a++) {
          for (let b = 0; b < few; b++) {
            let product = 0
            for (let k = 0; k < Math.max(units, others); k++)
              product += units <= others ? at(a, k) * at(b, k) : at(k, a) * at(k, b)
            expect(product).toBeCloseTo(a === b ? 1 : 0, 4)
          }
        }
      },
    ),
    { numRuns: 60 },
  )
  expect(initialValues('orthogonal', [200_000, 1], createRandom(0)).some((v) => v !== 0)).toBe(true)
})

describe('determinism', () => {
  const parameters = (layers: number, seed: number) => {
    const model = sequential(Array.from({ length: layers }, () => dense({ units: 4 })))
    const traced = trace(model, [{ name: 'x', type: { dtype: 'float32', shape: [1, 4] } }], { table, training: true })
    return initialParameters(traced.parameters, createRandom(seed))
  }

  test('the same path and seed give the same elements, also when the rest of the model changes', () => {
    const [small, large] = [parameters(2, 1), parameters(5, 1)]
    expect([...small.keys()]).toEqual(['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias'])
    for (const [path, { data }] of small) expect(large.get(path)!.data).toEqual(data)
  })

  test('another path or seed gives other elements', () => {
    const first = parameters(2, 1)
    expect(first.get('dense/kernel')).not.toEqual(first.get('dense_1/kernel'))
    expect(parameters(2, 2).get('dense/kernel')).not.toEqual(first.get('dense/kernel'))
  })
})

test('unknown names are refused, with the nearest', () => {
  const draw = (name: unknown) => () => initialValues(name as InitializerName, [2] as StaticShape, createRandom(0))
  expect(draw('heNorml')).toThrow("unknown initializer 'heNorml'. Did you mean 'heNormal'?")
  expect(draw('toString')).toThrow("unknown initializer 'toString'")
  expect(draw({ name: 'randomnormal' })).toThrow("unknown initializer 'randomnormal'. Did you mean 'randomNormal'?")
})
