import { describe, expect, test } from 'vitest'
import { createRandom } from '../../core/random.ts'
import { RunTimes } from './run-times.ts'

describe('times of runs', () => {
  test('are what a run takes undisturbed, though most are disturbed', () => {
    const times = new RunTimes()
    const random = createRandom(1)
    for (let run = 0; run < 500; run++) times.note(1, random.uniform() < 0.4 ? 0.1 : 0.1 + 20 * random.uniform())
    expect(times.expect(1)).toBeGreaterThan(0.05)
    expect(times.expect(1)).toBeLessThan(0.2)
  })

  test('follow a model that became slower, or faster', () => {
    const times = new RunTimes()
    for (let run = 0; run < 100; run++) times.note(1, 0.1)
    for (let run = 0; run < 60; run++) times.note(1, 5)
    expect(times.expect(1)).toBeGreaterThan(0.4)
    for (let run = 0; run < 60; run++) times.note(1, 0.1)
    expect(times.expect(1)).toBeLessThan(0.2)
  })

  test('of sizes that were never seen come from those that were', () => {
    const times = new RunTimes()
    expect([times.expect(1), times.count]).toEqual([Infinity, 0])
    times.note(4, 1)
    expect([1, 3, 4, 7, 8, 16, 100].map((rows) => times.expect(rows))).toEqual([1, 1, 1, 1, 2, 4, 16])
    times.note(20, 1.5)
    expect([8, 16, 31, 32].map((rows) => times.expect(rows))).toEqual([2, 1.5, 1.5, 3])
  })
})
