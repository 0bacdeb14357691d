import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reduceOnPlateau } from './plateau.ts'
import type { Schedule } from './schedule.ts'
import { constant, cosine, exponential, oneCycle, step } from './schedules.ts'
import { warmup } from './warmup.ts'

const golden = JSON.parse(await readFile(new URL('../../test/golden/optimizers.json', import.meta.url), 'utf8')) as {
  schedules: Record<string, number[]>
}

const learningRate = 0.1
const rates = (schedule: Schedule, total: number) => Array.from({ length: total }, (_, i) => schedule.at(i, total))

test.each([
  ['step', step({ learningRate, decaySteps: 7, decayRate: 0.3 })],
  ['exponential', exponential({ learningRate, decaySteps: 2, decayRate: 0.81 })],
  ['cosine', cosine({ learningRate, finalFactor: 0.1 })],
  ['restarts', cosine({ learningRate, decaySteps: 4, cycleGrowth: 2, restarts: true, finalFactor: 0.1 })],
])('%s equals PyTorch', (name, schedule) => {
  rates(schedule, 30).forEach((rate, i) => void expect(rate).toBeCloseTo(golden.schedules[name]![i]!, 12))
})

test('amounts up to 1 are shares of the run', () => {
  expect(rates(step({ learningRate: 1, decaySteps: 0.3 }), 10).map((x) => Number(x.toFixed(6)))).toEqual([
    1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001,
  ])
  expect(rates(constant({ learningRate }), 3)).toEqual([0.1, 0.1, 0.1])
})

test('cosine falls without rest to its final value and stays there', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (total, finalFactor) => {
      const schedule = cosine({ learningRate, finalFactor })
      const all = rates(schedule, total)
      expect(all[0]).toBeCloseTo(learningRate, 14)
      all.slice(1).forEach((rate, i) => void expect(rate).toBeLessThanOrEqual(all[i]!))
      expect(schedule.at(total, total)).toBeCloseTo(learningRate * finalFactor, 12)
      expect(schedule.at(2 * total, total)).toBeCloseTo(learningRate * finalFactor, 12)
    }),
  )
})

test('warm restarts begin at their peaks', () => {
  const schedule = cosine({ learningRate: 1, decaySteps: 10, restarts: true, peakFactor: 0.5 })
  expect([0, 10, 20].map((at) => schedule.at(at, 100))).toEqual([1, 0.5, 0.25])
  const growing = cosine({ learningRate: 1, decaySteps: 3, restarts: true, cycleGrowth: 3 })
  expect([0, 3, 12, 39].map((at) => growing.at(at, 100))).toEqual([1, 1, 1, 1])
})

test('oneCycle starts low, peaks at its share of the run and ends lower', () => {
  const schedule = oneCycle({ learningRate: 1 })
  const points = [0, 30, 100].map((at) => Number(schedule.at(at, 100).toFixed(12)))
  expect(points).toEqual([0.04, 1, 0.000004])
  const all = rates(schedule, 100)
  expect(Math.max(...all)).toBe(1)
  expect(all.indexOf(1)).toBe(30)
})

test('warm-up rises strictly, never from 0, and hands over at the first rate of the schedule behind it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 50 }), fc.integer({ min: 1, max: 200 }), (steps, rest) => {
      const inner = cosine({ learningRate })
      const schedule = warmup({ steps, schedule: inner })
      const all = rates(schedule, steps + rest)
      expect(all[0]).toBeGreaterThan(0)
      for (let i = 1; i <= steps && i < all.length; i++) expect(all[i]!).toBeGreaterThan(all[i - 1]!)
      expect(all.slice(steps)).toEqual(rates(inner, rest))
    }),
  )
  expect(() => warmup({ steps: 20, schedule: constant({ learningRate }) }).at(0, 20)).toThrow(
    'leaves nothing of a run of 20',
  )
})

test('reduceOnPlateau waits, reduces, cools down and stops at its floor', () => {
  const schedule = reduceOnPlateau({ learningRate: 1, factor: 0.1, patience: 2, cooldown: 1, minLearningRate: 0.005 })
  const watch = (metric: number) => {
    schedule.memory!.observe(metric)
    return Number(schedule.at(0, 1).toFixed(6))
  }
  expect([5, 4, 4, 4.1].map(watch)).toEqual([1, 1, 1, 0.1])
  expect([4, 4].map(watch)).toEqual([0.1, 0.01]) // the cool-down ends with its epoch, as in Keras
  expect([3, 3, 3, 3, 3, 3].map(watch).at(-1)).toBe(0.005)
  expect(() => schedule.memory!.observe(Number.NaN)).toThrow('became NaN')
})

test('reduceOnPlateau goes on from its saved state as if it had not stopped', () => {
  const metrics = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(metrics, fc.nat(40), fc.constantFrom('min' as const, 'max' as const), (list, cut, mode) => {
      const create = () =>
        warmup({ steps: 2, schedule: reduceOnPlateau({ learningRate, patience: 2, cooldown: 1, mode }) })
      const [whole, before, after] = [create(), create(), create()]
      for (const metric of list) whole.memory!.observe(metric)
      for (const metric of list.slice(0, cut)) before.memory!.observe(metric)
      after.memory!.load(JSON.parse(JSON.stringify(before.memory!.save())))
      for (const metric of list.slice(cut)) after.memory!.observe(metric)
      expect(after.memory!.save()).toEqual(whole.memory!.save())
      expect(after.at(9, 10)).toBe(whole.at(9, 10))
    }),
  )
  expect(() => reduceOnPlateau({ learningRate }).memory!.load({ rate: 1 })).toThrow('received {"rate":1}')
})
