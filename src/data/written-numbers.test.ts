import { expect, it, test } from 'vitest'
import { writtenNumbers } from './written-numbers.ts'

const clean = (text: string, rules: NonNullable<ReturnType<typeof writtenNumbers>>['rules']): string =>
  rules.reduce((left, { pattern, replace = '' }) => left.replaceAll(new RegExp(pattern, 'g'), replace), text)

it.each([
  [['179,9', '160,5', '12'], [179.9, 160.5, 12], 1],
  [['1.167,50', '-1.931,50', '7,25'], [1167.5, -1931.5, 7.25], 2],
  [['1.167,50 €', '12 €'], [1167.5, 12], 2],
  [['$3,207.00', '$12', '-$1,000,000.5'], [3207, 12, -1_000_000.5], 1],
  [['£ 5', '£ 6.5'], [5, 6.5], 1],
  [['12 %', '3.5%'], [12, 3.5], 1],
  [['1,234', '12,345'], [1234, 12_345], 1],
  [['0,123', '1,234'], [0.123, 1.234], 1],
])('%j are numbers by rules', (texts, numbers, rules) => {
  const found = writtenNumbers(texts)!
  expect(texts.map((text) => Number(clean(text, found.rules)))).toEqual(numbers)
  expect(found.rules.length).toBe(rules)
  expect(texts).toContain(found.example)
})

test('a few other texts are what means that there is no value', () => {
  const texts = Array.from({ length: 19 }, (_, i) => `${i},5`)
  expect(writtenNumbers([...texts, '-'])?.example).toBe('0,5')
  expect(writtenNumbers([...texts, '-', 'x', '?'])).toBe(undefined)
})

it.each([
  [['red', 'blue']],
  [['1', '2.5']],
  [['3 kg', '4 kg']],
  [['1,2,3', '4,5,6']],
  [['12.04.2020', '13.05.2021']],
  [[]],
])('%j are not', (texts) => expect(writtenNumbers(texts)).toBe(undefined))
