import { expect, test } from 'vitest'
import { createRandom, philox4x32 } from '../../core/random.ts'
import { createArena, planLayout } from '../arena.ts'
import { createKernels, type DrawKey } from './kernels.ts'

const lengths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 1003]
const seed = 2 ** 45 + 12345
const stream = createRandom(seed).fork('dropout/3').stream

function vector(length: number) {
  const arena = createArena({ regions: { x: planLayout([{ name: 'x', dtype: 'float32', shape: [length + 4] }]) } })
  const region = arena.region('x')
  const data = region.view('x').data as Float32Array
  return {
    kernels: createKernels(arena.memory),
    y: region.byteOffset,
    data: data.subarray(0, length),
    behind: data.subarray(length),
  }
}

/** The definition: word i % 4 of block i / 4, counter [block, 0, stream, step], key [seed low, seed high]. */
function words(length: number, key: DrawKey): number[] {
  const half: [number, number] = [key.seed >>> 0, Math.floor(key.seed / 2 ** 32) >>> 0]
  return Array.from({ length }, (_, i) => philox4x32([Math.floor(i / 4), 0, key.stream, key.step], half)[i % 4]!)
}

test('dropoutMask equals its definition bit for bit', () => {
  for (const step of [0, 1, 77, 2 ** 32 - 1]) {
    for (const length of lengths) {
      const { kernels, y, data, behind } = vector(length)
      kernels.dropoutMask(y, length, { seed, stream, step }, 0.3)
      const kept = Math.fround(1 / 0.7)
      expect([...data]).toEqual(words(length, { seed, stream, step }).map((word) => (word / 2 ** 32 >= 0.3 ? kept : 0)))
      expect([...behind]).toEqual([0, 0, 0, 0])
    }
  }
})

test('dropoutMask keeps everything at rate 0 and the mean at others', () => {
  const { kernels, y, data } = vector(100_000)
  const key = { seed: 1, stream: 2, step: 3 }
  kernels.dropoutMask(y, data.length, key, 0)
  expect(data.every((x) => x === 1)).toBe(true)
  for (const rate of [0.1, 0.5, 0.9]) {
    kernels.dropoutMask(y, data.length, key, rate)
    expect(data.reduce((a, b) => a + b) / data.length).toBeCloseTo(1, 1)
  }
})

test('uniform equals createRandom(seed, stream) bit for bit', () => {
  for (const length of lengths) {
    const { kernels, y, data, behind } = vector(length)
    kernels.uniform(y, length, { seed, stream, step: 0 }, -0.5, 2)
    const random = createRandom(seed, stream)
    expect(data).toEqual(Float32Array.from({ length }, () => -0.5 + 2.5 * random.uniform()))
    expect([...behind]).toEqual([0, 0, 0, 0])
  }
})

test('normal equals createRandom(seed, stream) to the last float32 digit', () => {
  for (const length of [...lengths, 50_000]) {
    const { kernels, y, data, behind } = vector(length)
    kernels.normal(y, length, { seed, stream, step: 0 }, 1, 2)
    const random = createRandom(seed, stream)
    const worst = data.reduce((most, x) => Math.max(most, Math.abs(x - (1 + 2 * random.normal()))), 0)
    expect(worst).toBeLessThan(4.8e-7) // half the distance of float32 neighbours below 16: rounding alone
    expect([...behind]).toEqual([0, 0, 0, 0])
  }
})

test('steps and streams share no numbers', () => {
  const { kernels, y, data } = vector(64)
  const draws = [0, 1, 2].flatMap((step) => {
    return [5, 6].map((id) => {
      kernels.uniform(y, 64, { seed: 9, stream: id, step }, 0, 1)
      return [...data]
    })
  })
  expect(new Set(draws.flat()).size).toBe(6 * 64)
})
