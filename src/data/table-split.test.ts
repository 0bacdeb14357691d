import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../core/random.ts'
import { type SplitRows, splitTable, type TableSplit } from './table-split.ts'

/** Rows with a group, a time and a class, all made of the row's number. */
function rowsOf(count: number, groups = 7): SplitRows {
  return {
    count,
    classes: Int32Array.from({ length: count }, (_, i) => i % 3),
    labels: ['a', 'b', 'c'],
    key: (column, row) => (column === 'split' ? ['train', 'val', 'test'][row % 3] : `g${row % groups}`),
    number: (_, row) => (row * 37) % 101,
    nameOf: (row) => `row ${row + 1}`,
  }
}

const shares = { validation: 0.2, test: 0.2 }
const ways: TableSplit[] = [
  { by: 'fraction', stratified: true, ...shares },
  { by: 'group', column: 'g', ...shares },
  { by: 'time', column: 't', ...shares },
  { by: 'column', column: 'split' },
  { by: 'k-fold', folds: 5, fold: 2, repeat: 0, stratified: true, validation: 0.2 },
]

describe.each(ways)('by $by', (way) => {
  it('puts every row into one split, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 300 }), fc.nat(), (count, seed) => {
        const splits = splitTable(rowsOf(count), way, createRandom(seed))
        const all = Object.values(splits).flatMap((rows) => Array.from(rows))
        expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
        expect(splitTable(rowsOf(count), way, createRandom(seed))).toEqual(splits)
      }),
      { numRuns: 30 },
    )
  })
})

it('keeps groups together, and the future out of training', () => {
  const rows = rowsOf(200, 23)
  const grouped = splitTable(rows, { by: 'group', column: 'g', ...shares }, createRandom(1))
  const keys = Object.values(grouped).map((part) => new Set(Array.from(part, (row) => rows.key('g', row))))
  expect(keys.reduce((sum, set) => sum + set.size, 0)).toBe(23)
  const timed = splitTable(rows, { by: 'time', column: 't', ...shares }, createRandom(1))
  const times = (part: Int32Array) => Array.from(part, (row) => rows.number('t', row)!)
  expect(Math.max(...times(timed.train!))).toBeLessThan(Math.min(...times(timed.validation!)))
  expect(Math.max(...times(timed.validation!))).toBeLessThan(Math.min(...times(timed.test!)))
})

it('by hash leaves a row where it was when others are added', () => {
  const way = { by: 'hash', column: 'id', ...shares } as const
  const of = (count: number) => splitTable({ ...rowsOf(count), key: (_, row) => `id${row}` }, way, createRandom(count))
  const [small, large] = [of(300), of(900)]
  for (const name of ['train', 'validation', 'test'] as const) {
    expect(Array.from(large[name]!).filter((row) => row < 300)).toEqual(Array.from(small[name]!))
  }
})

it('the tests of k folds are all rows, once', () => {
  const tests = [0, 1, 2, 3].flatMap((fold) => {
    const way = { by: 'k-fold', folds: 4, fold, repeat: 1, stratified: true, validation: 0 } as const
    return Array.from(splitTable(rowsOf(50), way, createRandom(5)).test!)
  })
  expect(tests.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
})

it.each([
  [
    { by: 'group', column: 'g', ...shares } as const,
    1,
    /split '(validation|test|train)' is empty: column 'g' has 1 groups/,
  ],
  [
    { by: 'k-fold', folds: 5, fold: 5, repeat: 0, stratified: true, validation: 0 } as const,
    7,
    /fold must be from 0 to 4/,
  ],
])('refuses what leaves a split empty', (way, groups, message) => {
  expect(() => splitTable(rowsOf(30, groups), way, createRandom(1))).toThrow(message)
})

it('says which row does not name its split', () => {
  const rows = { ...rowsOf(9), key: (_: string, row: number) => (row === 4 ? 'later' : 'train') }
  expect(() => splitTable(rows, { by: 'column', column: 'split' }, createRandom(1))).toThrow(
    /row 5: column 'split' must say train, validation or test, it says "later"/,
  )
})
