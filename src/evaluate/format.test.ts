import { expect, it } from 'vitest'
import { compact, countOf, decimal, duration, metricTitle, percent, percentRange } from './format.ts'

it.each([
  [0.9874, 2, '98.74\u00a0%'],
  [0.99996, 1, '99.9\u00a0%'],
  [1, 1, '100.0\u00a0%'],
  [0.0001, 1, '<0.1\u00a0%'],
  [0, 1, '0.0\u00a0%'],
  [Number.NaN, 1, 'not defined'],
])('percent(%d, %d) is %s', (share, digits, text) => expect(percent(share, digits)).toBe(text))

it.each([
  [0, '0'],
  [0.05, '0.0500'],
  [2.3049, '2.30'],
  [1234.5, '1,235'],
  [1_053_212.4, '1,053,212'],
  [-250_000, '-250,000'],
  [3e14, '3.0e+14'],
  [0.00025, '2.5e-4'],
  [Number.POSITIVE_INFINITY, 'not defined'],
])('decimal(%d) is %s', (n, text) => expect(decimal(n)).toBe(text))

it.each([
  [0.05, '0.0500'],
  [9999, '9,999'],
  [1_250_000, '1.25M'],
  [-40_000, '-40K'],
])('compact(%d) is %s', (n, text) => expect(compact(n)).toBe(text))

it.each([
  ['accuracy', 'Accuracy'],
  ['top5Accuracy', 'Top 5 accuracy'],
  ['weightedF1', 'Weighted F1'],
  ['f1', 'F1'],
  ['meanSquaredError', 'Mean squared error'],
  ['r2', 'R²'],
  ['sensitivityAt90Specificity', 'Sensitivity at 90 % specificity'],
])('metricTitle(%s) is %s', (name, title) => expect(metricTitle(name)).toBe(title))

it('counts and times', () => {
  expect(countOf(1, 'class', 'classes')).toBe('1 class')
  expect(countOf(10_000, 'example')).toBe('10,000 examples')
  expect([4.26, 41, 200, 7500].map(duration)).toEqual(['4.3 s', '41 s', '3 min 20 s', '2 h 5 min'])
  expect(percentRange({ low: 0.5, high: 0.625 })).toBe('50.0\u00a0–\u00a062.5\u00a0%')
})
