import fc from 'fast-check'
import { expect, test } from 'vitest'
import { weightsOf } from './weights.ts'

const axes = fc.record({
  size: fc.integer({ min: 1, max: 90 }),
  offset: fc.double({ min: -5, max: 40, noNaN: true }),
  shrink: fc.double({ min: 0.3, max: 6, noNaN: true }),
  count: fc.integer({ min: 1, max: 30 }),
})

test('weights of a sample make one, and stay inside of what is asked for', () => {
  fc.assert(
    fc.property(axes, fc.constantFrom(2, 8), (axis, multiple) => {
      const { starts, weights, taps, from, to } = weightsOf(axis, multiple)
      expect([taps % multiple, starts.length % multiple]).toEqual([0, 0])
      for (let x = 0; x < axis.count; x++) {
        const row = weights.subarray(x * taps, (x + 1) * taps)
        expect(row.reduce((sum, weight) => sum + weight, 0)).toBe(1 << 14)
        expect(starts[x]).toBeGreaterThanOrEqual(Math.max(0, from))
        expect(starts[x]! + taps).toBeLessThanOrEqual(to)
        // Behind the last sample nothing counts.
        expect(row.subarray(Math.max(0, axis.size - starts[x]!)).every((weight) => weight === 0)).toBe(true)
      }
    }),
  )
})

test('a sample that stands on another is that sample', () => {
  const { starts, weights, taps } = weightsOf({ size: 20, offset: 4, shrink: 1, count: 8 }, 2)
  for (let x = 0; x < 8; x++) {
    const row = Array.from(weights.subarray(x * taps, (x + 1) * taps))
    expect(row.indexOf(1 << 14) + starts[x]!).toBe(4 + x)
  }
})
