import fc from 'fast-check'
import { expect, it } from 'vitest'
import { wilsonInterval } from './wilson.ts'

it('has known values', () => {
  // statsmodels proportion_confint(9, 10, method='wilson') and (9874, 10000)
  expect(wilsonInterval(9, 10).low).toBeCloseTo(0.59585, 5)
  expect(wilsonInterval(9, 10).high).toBeCloseTo(0.98212, 5)
  expect(wilsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(0.27753, 5) })
  expect(wilsonInterval(10, 10)).toEqual({ low: expect.closeTo(0.72247, 5), high: 1 })
  expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 })
})

it('holds the share and stays in [0, 1]', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(1000), (a, b) => {
      const [hits, total] = [Math.min(a, b), Math.max(a, b)]
      const { low, high } = wilsonInterval(hits, total)
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeLessThanOrEqual(1)
      if (total > 0) {
        expect(low).toBeLessThanOrEqual(hits / total)
        expect(high).toBeGreaterThanOrEqual(hits / total)
      }
    }),
  )
})
