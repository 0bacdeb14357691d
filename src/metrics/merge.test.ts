/** Every metric is a fold that can be split anywhere. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { confusionMatrix } from './confusion-matrix.ts'
import { classificationMetrics, regressionMetrics } from './index.ts'
import { loss, type MeanBatch } from './mean.ts'
import type { ClassificationBatch, Metric, RegressionBatch } from './metric.ts'

interface Example {
  readonly row: readonly number[]
  readonly label: number
  readonly weight: number
}

const classes = 4
const example = fc.record({
  row: fc
    .array(fc.integer({ min: 0, max: 20 }), { minLength: classes, maxLength: classes })
    .map((r) => r.map((x) => x / 20)),
  label: fc.integer({ min: 0, max: classes - 1 }),
  weight: fc.integer({ min: 0, max: 3 }),
})

function classification(examples: readonly Example[]): ClassificationBatch {
  return {
    probabilities: Float32Array.from(examples.flatMap((e) => e.row)),
    labels: Int32Array.from(examples, (e) => e.label),
    classes,
    weights: examples.map((e) => e.weight),
  }
}

function regression(examples: readonly Example[]): RegressionBatch {
  return {
    predictions: Float32Array.from(examples.flatMap((e) => e.row)),
    targets: Float32Array.from(examples.flatMap((e) => e.row.map((x) => x * e.label))),
    outputs: classes,
    weights: examples.map((e) => e.weight),
  }
}

const losses = (examples: readonly Example[]): MeanBatch => ({
  values: examples.map((e) => e.label),
  weights: examples.map((e) => e.weight),
})

/** Numbers anywhere in a value, for a comparison that allows rounding of sums. */
function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : []
}

function expectSplits<B>(metric: Metric<unknown, B, unknown>, batchOf: (examples: readonly Example[]) => B): void {
  fc.assert(
    fc.property(fc.array(example, { maxLength: 12 }), fc.array(example, { maxLength: 12 }), (a, b) => {
      const whole = metric.add(metric.start(), batchOf([...a, ...b]))
      const inTurn = metric.add(metric.add(metric.start(), batchOf(a)), batchOf(b))
      const merged = metric.merge(metric.add(metric.start(), batchOf(a)), metric.add(metric.start(), batchOf(b)))
      const stored = JSON.parse(JSON.stringify(merged)) as unknown
      for (const state of [inTurn, merged, stored, metric.merge(metric.start(), whole)]) {
        const [actual, expected] = [numbersIn(state), numbersIn(whole)]
        expect(actual.length).toBe(expected.length)
        for (const [i, x] of expected.entries()) expect(actual[i]).toBeCloseTo(x, 9)
      }
      expect(Object.is(numbersIn(metric.value(stored))[0], Number.NaN)).toBe(
        Object.is(numbersIn(metric.value(whole))[0], Number.NaN),
      )
    }),
  )
}

describe('merge(add(a), add(b)) is add(a ++ b)', () => {
  it.each(classificationMetrics)('$name', (metric) => expectSplits(metric, classification))
  it.each(regressionMetrics)('$name', (metric) => expectSplits(metric, regression))
  it('confusionMatrix', () =>
    expectSplits(confusionMatrix as Metric<unknown, ClassificationBatch, unknown>, classification))
  it('loss', () => expectSplits(loss as Metric<unknown, MeanBatch, unknown>, losses))
})

it('merging leaves both states as they were', () => {
  for (const metric of classificationMetrics) {
    const batch = classification([{ row: [0.7, 0.1, 0.1, 0.1], label: 0, weight: 1 }])
    const [a, b] = [metric.add(metric.start(), batch), metric.add(metric.start(), batch)]
    const before = JSON.stringify([a, b])
    metric.merge(a, b)
    expect(JSON.stringify([a, b])).toBe(before)
  }
})
