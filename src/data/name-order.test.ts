import { expect, it } from 'vitest'
import { createRandom } from '../core/random.ts'
import { orderByName } from './name-order.ts'

it.each([
  ['rows of a file', (i: number) => `flights.parquet row ${i + 1}`],
  ['rows of long numbers', (i: number) => `row ${123_456_700_000 + 7 * i}`],
  ['names that begin others, and equals', (i: number) => 'a'.repeat(i % 13)],
  ['other characters', (i: number) => `${['ä', 'z', 'Z', '\u{1f600}', ''][i % 5]}${i % 17}`],
  ['nothing in common', (i: number) => createRandom(i).uniform().toString(36).slice(2)],
])('%s have the order of their names', (_, nameOf) => {
  const names = Array.from({ length: 1200 }, (_, i) => nameOf(i))
  const expected = Array.from(names.keys()).sort((a, b) =>
    names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : a - b,
  )
  expect([...orderByName(names.length, (i) => names[i]!)]).toEqual(expected)
})

it('no name is no order', () => {
  expect(orderByName(0, String)).toEqual(new Int32Array(0))
})
