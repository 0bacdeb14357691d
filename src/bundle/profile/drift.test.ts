/** Against SciPy and NumPy: test/golden/drift.py made the numbers. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { binner, binsFrom } from './bins.ts'
import { driftOf, equalGroups, stabilityIndex } from './drift.ts'
import type { Measure } from './measures.ts'

interface Golden {
  readonly samples: readonly { name: string; reference: number[]; live: number[]; ks: number; exact: boolean }[]
  readonly tables: readonly { reference: number[]; live: number[]; psi: number }[]
}
const golden = JSON.parse(readFileSync(new URL('../../../test/golden/drift.json', import.meta.url), 'utf8')) as Golden

function counted(measure: Measure, reference: number[], live: number[]) {
  const bins = binsFrom(measure, Float64Array.from(reference))
  const place = binner(bins, measure)
  const counts = new Array<number>(bins.counts.length + 1).fill(0)
  for (const value of live) counts[place(value)]!++
  return { bins, counts, ...driftOf(bins, counts) }
}

describe('numbers', () => {
  it.each(golden.samples)('$name: the statistic of Kolmogorov and Smirnov is that of SciPy', (sample) => {
    const { ks } = counted({ name: 'x' }, sample.reference, sample.live)
    // A hundred quantiles as bins: the distance between two of them cannot be seen.
    if (sample.exact) expect(ks).toBeCloseTo(sample.ks, 12)
    else expect(Math.abs(ks! - sample.ks)).toBeLessThan(0.01)
  })

  it.each(golden.tables)('the stability index of %j is that of NumPy', ({ reference, live, psi }) => {
    expect(stabilityIndex(reference, live)).toBeCloseTo(psi, 12)
  })

  test('that are the same again are no drift, those of another place are', () => {
    const { reference, live } = golden.samples.find(({ name }) => name === 'normal, the same')!
    expect(counted({ name: 'x' }, reference, live).psi).toBeLessThan(0.1)
    const moved = golden.samples.find(({ name }) => name === 'normal, shifted')!
    expect(counted({ name: 'x' }, moved.reference, moved.live).psi).toBeGreaterThan(0.2)
  })

  test('below all that training saw, above it, and missing are seen', () => {
    const constant = [5, 5, 5, 5]
    for (const live of [
      [4, 4, 4],
      [6, 6, 6],
    ])
      expect(counted({ name: 'x' }, constant, live).ks).toBe(1)
    expect(counted({ name: 'x' }, constant, [5, 5]).ks).toBe(0)
    expect(counted({ name: 'x' }, [1, 2, 3, 4], [Number.NaN, Number.NaN, 1, 3]).psi).toBeGreaterThan(1)
    expect(counted({ name: 'x' }, [Number.NaN, Number.NaN], [Number.NaN]).psi).toBe(0)
  })
})

describe('names', () => {
  const values = Array.from({ length: 30 }, (_, i) => `v${i}`)
  test('have bins for the commonest, one for all others, and no order', () => {
    const reference = values.flatMap((_, i) => new Array<number>(31 - i).fill(i))
    const { bins, counts, ks } = counted({ name: 'colour', values }, reference, [0, 0, 29, 99, Number.NaN])
    expect(bins).toMatchObject({
      kind: 'names',
      values: values.slice(0, 9),
      counts: [31, 30, 29, 28, 27, 26, 25, 24, 23, 252],
    })
    expect(counts).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1])
    expect(ks).toBeUndefined()
  })

  test('that training did not hold count among the others', () => {
    const { bins } = counted({ name: 'colour', values: ['', '', 'red', 'blue'] }, [2, 2, 3, 0], [])
    expect(bins).toMatchObject({ values: ['red', 'blue'], counts: [2, 1, 1] })
  })
})

test('bins hold every value once, and groups hold every bin, in order, ten at most', () => {
  const numbers = fc.array(
    fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: 0, max: 9 })),
    {
      minLength: 1,
      maxLength: 300,
    },
  )
  fc.assert(
    fc.property(numbers, (values) => {
      const bins = binsFrom({ name: 'x' }, Float64Array.from(values))
      expect(bins.counts.reduce((sum, count) => sum + count, 0)).toBe(values.length)
      const again = counted({ name: 'x' }, values, values)
      expect([again.psi, again.ks]).toEqual([0, 0])
      const groups = equalGroups(bins.counts)
      expect(new Set(groups).size).toBeLessThanOrEqual(10)
      expect(groups).toEqual([...groups].sort((a, b) => a - b))
      if (bins.kind === 'numbers') expect(bins.edges).toEqual([...new Set(bins.edges)].sort((a, b) => a - b))
    }),
    { seed: 3 },
  )
})
