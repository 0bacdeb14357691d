import { expect, test } from 'vitest'
import type { FoundRate } from '../../actions/find-learning-rate.ts'
import { rateLines } from './learning-rate.ts'

const plain = (text: string) => text
const terminal = { colors: { bold: plain, dim: plain } } as unknown as Parameters<typeof rateLines>[1]

/** Losses at rates of powers of ten from 1e-7. */
function found(losses: readonly number[], change: Partial<FoundRate> = {}): FoundRate {
  const points = losses.map((loss, i) => ({ learningRate: 10 ** (i - 7), loss, smoothed: loss }))
  return {
    ...{ points, reason: 'finished', steepest: 0.001, minimumTenth: 0.01, configured: 0.05, plot: undefined },
    ...change,
  } as FoundRate
}

const bars = (lines: readonly string[]) =>
  lines.flatMap((line) => {
    const [, rate, loss, bar] = /^ *(\S+e-?\d+) +([\d.e+-]+) +(█*)$/.exec(line) ?? []
    return rate === undefined ? [] : [{ rate, loss: Number(loss), width: bar!.length }]
  })

test('a bar for each rate, as long as its loss', () => {
  const lines = rateLines(found([2, 2, 1, 0.5, 4]), terminal)
  expect(bars(lines)).toEqual([
    { rate: '1e-7', loss: 2, width: 16 },
    { rate: '1e-6', loss: 2, width: 16 },
    { rate: '1e-5', loss: 1, width: 8 },
    { rate: '1e-4', loss: 0.5, width: 4 },
    { rate: '1e-3', loss: 4, width: 32 },
  ])
})

test('a loss that ran away does not flatten the rest', () => {
  const widths = bars(rateLines(found([2, 1, 1e6], { reason: 'diverged' }), terminal)).map(({ width }) => width)
  expect(widths).toEqual([16, 8, 32])
})

test('many rates share rows, each the last of those it stands for', () => {
  const points = Array.from({ length: 100 }, (_, i) => ({ learningRate: (i + 1) * 1e-5, loss: 1, smoothed: i + 1 }))
  const shown = bars(rateLines(found([], { points }), terminal))
  expect(shown.length).toBeLessThanOrEqual(16)
  expect(shown.map(({ loss }) => loss)).toEqual(Array.from({ length: 14 }, (_, i) => 7 * (i + 1)))
})

test.each([
  [{}, '5 rates tried'],
  [{ reason: 'diverged' as const }, 'the loss ran away after 5 rates'],
  [{ reason: 'interrupted' as const }, 'stopped after 5 rates'],
])('%j: says how it ended', (change, text) => {
  expect(rateLines(found([2, 2, 1, 0.5, 4], change), terminal)).toContain(text)
})

test('suggests the steepest rate, else a tenth of the best, else none', () => {
  const of = (change: Partial<FoundRate>) => rateLines(found([2, 1, 3], change), terminal)
  expect(of({})).toEqual(expect.arrayContaining(['steepest      1e-3', 'minimum / 10  1e-2', 'configured    5e-2']))
  expect(of({}).at(-1)).toContain('learningRate: 1e-3 }')
  expect(of({ steepest: undefined }).at(-1)).toContain('learningRate: 1e-2 }')
  const none = of({ steepest: undefined, minimumTenth: undefined })
  expect(none.at(-1)).toBe('the loss never fell: no rate can be suggested')
  expect(none.some((line) => line.startsWith('steepest') || line.startsWith('minimum'))).toBe(false)
})
