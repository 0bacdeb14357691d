import { expect, test } from 'vitest'
import { createRandom } from '../../core/random.ts'
import { RowKeys } from './row-keys.ts'

test('rows are found by their keys as in a Map, also by keys that differ in one character or in order', () => {
  const keys = new RowKeys()
  const known = new Map<string, number>()
  const random = createRandom(3)
  for (let row = 0; row < 60_000; row++) {
    const number = random.integer(20_000)
    const key = row % 2 ? JSON.stringify([number, null]) : JSON.stringify([null, String(number).padStart(9, 'a')])
    expect(keys.add(key, row)).toBe(known.get(key))
    if (!known.has(key)) known.set(key, row)
  }
  expect(known.size).toBeGreaterThan(15_000)
})

test('bits of the hash are even: texts in a row spread over the table', () => {
  const keys = new RowKeys()
  for (let row = 0; row < 300_000; row++)
    if (keys.add(`k${row}`, row) !== undefined) throw new Error(`k${row} was there`)
  expect(keys.add('k299999', 7)).toBe(299_999)
})
