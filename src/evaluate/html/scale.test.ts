import fc from 'fast-check'
import { expect, it } from 'vitest'
import { spread, ticks, wholeTicks } from './scale.ts'

it('chooses round ticks that cover the range', () => {
  expect(ticks(0, 0.37)).toEqual([0, 0.1, 0.2, 0.3, 0.4])
  expect(ticks(0.88, 0.99)).toEqual([0.85, 0.9, 0.95, 1])
  expect(ticks(2, 2).length).toBeGreaterThan(1)
  fc.assert(
    fc.property(
      fc.double({ min: -100, max: 100, noNaN: true }),
      fc.double({ min: 1e-4, max: 1e6, noNaN: true }),
      (low, span) => {
        const found = ticks(low, low + span)
        expect(found.length).toBeGreaterThan(1)
        expect(found.length).toBeLessThan(9)
        expect(found[0]!).toBeLessThanOrEqual(low + span * 1e-6)
        expect(found.at(-1)!).toBeGreaterThanOrEqual(low + span - span * 1e-6)
      },
    ),
  )
})

it('keeps the first and the last epoch', () => {
  expect(wholeTicks(1, 1)).toEqual([1])
  expect(wholeTicks(1, 5, 6)).toEqual([1, 2, 3, 4, 5])
  expect(wholeTicks(1, 12, 6)).toEqual([1, 4, 6, 8, 10, 12])
  const many = wholeTicks(1, 997, 6)
  expect([many[0], many.at(-1)]).toEqual([1, 997])
  expect(many.length).toBeLessThan(9)
})

it('moves labels apart', () => {
  expect(spread([50, 52], 20, 0, 100)).toEqual([50, 70])
  expect(spread([99, 98], 20, 0, 100)).toEqual([100, 80])
})
