import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRandom, hashName, philox4x32 } from './random.ts'

describe('philox4x32', () => {
  // Known answers of the authors' own library: Random123, tests/kat_vectors, lines `philox4x32 10`.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('counter %j with key %j', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected)
  })
})

describe('hashName', () => {
  it('is FNV-1a', () => {
    expect(hashName('')).toBe(0x811c9dc5)
    expect(hashName('a')).toBe(0xe40c292c)
    expect(hashName('foobar')).toBe(0xbf9cf968)
  })
})

const count = 40_000
const drawn = (draw: () => number) => Array.from({ length: count }, draw)
const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

describe('createRandom', () => {
  it('repeats for the same seed, and differs for another, for the upper half of the seed too', () => {
    const first = (seed: number) => Array.from({ length: 6 }, createRandom(seed).uint32)
    expect(first(7)).toEqual(first(7))
    expect(first(8)).not.toEqual(first(7))
    expect(first(7 + 2 ** 40)).not.toEqual(first(7))
  })

  it('draws words in the order of the blocks', () => {
    const random = createRandom(0)
    expect(Array.from({ length: 5 }, random.uint32).slice(0, 4)).toEqual(philox4x32([0, 0, 0, 0], [0, 0]))
    expect(createRandom(0, 9).uint32()).toBe(philox4x32([0, 0, 9, 0], [0, 0])[0])
  })

  it('draws uniform numbers in [0, 1): mean 1/2, variance 1/12', () => {
    const values = drawn(createRandom(1).uniform)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...values)).toBeLessThan(1)
    const mean = meanOf(values)
    expect(mean).toBeCloseTo(0.5, 2)
    expect(meanOf(values.map((v) => (v - mean) ** 2))).toBeCloseTo(1 / 12, 2)
  })

  it('draws normal numbers: mean 0, variance 1, kurtosis 3, all finite', () => {
    const values = drawn(createRandom(2).normal)
    expect(values.every(Number.isFinite)).toBe(true)
    expect(Math.abs(meanOf(values))).toBeLessThan(0.02)
    expect(meanOf(values.map((v) => v ** 2))).toBeCloseTo(1, 1)
    expect(Math.abs(meanOf(values.map((v) => v ** 4)) - 3)).toBeLessThan(0.15)
  })

  it('draws integers without bias, also where a modulo would have one', () => {
    const random = createRandom(3)
    const counts = new Array<number>(6).fill(0)
    for (let i = 0; i < count; i++) counts[random.integer(6)]!++
    const expected = count / 6
    const chiSquare = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    expect(chiSquare).toBeLessThan(20.5) // 5 degrees of freedom, p = 0.001
    // A plain modulo would give the lower half of 3 * 2^30 two thirds of the draws.
    const below = 3 * 2 ** 30
    const low = meanOf(Array.from({ length: 4000 }, () => (random.integer(below) < below / 2 ? 1 : 0)))
    expect(Math.abs(low - 0.5)).toBeLessThan(0.04)
    expect(random.integer(1)).toBe(0)
    expect(random.integer(2 ** 32)).toBeLessThan(2 ** 32)
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 32 + 1])('refuses an integer below %s', (below) => {
    expect(() => createRandom(0).integer(below)).toThrow(/from 1 to 2\^32, received/)
  })

  it.each([0.5, Number.NaN, 2 ** 60])('refuses the seed %s', (seed) => {
    expect(() => createRandom(seed)).toThrow(/a seed is a whole number/)
  })

  it('shuffles in place to a permutation, each element to each place as often', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer(), { maxLength: 40 }), (seed, items) => {
        const shuffled = [...items]
        expect(createRandom(seed).shuffle(shuffled)).toBe(shuffled)
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(items.toSorted((a, b) => a - b))
      }),
    )
    const random = createRandom(4)
    const first = new Array<number>(4).fill(0)
    for (let i = 0; i < 8000; i++) first[random.shuffle([0, 1, 2, 3])[0]!]!++
    for (const n of first) expect(Math.abs(n - 2000)).toBeLessThan(150)
    expect(
      createRandom(5)
        .shuffle(Uint8Array.of(1, 2, 3))
        .toSorted(),
    ).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('forks streams that do not depend on what was drawn, and do not correlate', () => {
    const parent = createRandom(6)
    const before = parent.fork('a').uint32()
    parent.uint32()
    expect(parent.fork('a').uint32()).toBe(before)
    expect(parent.fork(1).stream).toBe(parent.fork('1').stream)
    expect(parent.fork('a').fork('b').stream).not.toBe(parent.fork('b').fork('a').stream)
    const [a, b] = [parent.fork('a'), parent.fork('b')]
    const products = drawn(() => (a.uniform() - 0.5) * (b.uniform() - 0.5))
    expect(Math.abs(meanOf(products)) * 12).toBeLessThan(0.02)
    const streams = new Set(Array.from({ length: 1000 }, (_, i) => parent.fork(`layer_${i}`).stream))
    expect(streams.size).toBe(1000)
  })
})
