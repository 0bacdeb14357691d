import { expect, test } from 'vitest'
import { createRandom } from '../core/random.ts'
import { nearRows } from './near-rows.ts'
import { columnFromValues } from './table/cells.ts'
import type { Column, ColumnKind, Table } from './table/table.ts'
import { timeOrders } from './time-order.ts'

function tableOf(given: Record<string, readonly [ColumnKind, readonly unknown[]]>): Table {
  const columns = Object.entries(given).map(([name, [kind, values]]): [string, Column] => [
    name,
    columnFromValues({ name, kind, missing: [''] }, values),
  ])
  return { rows: columns[0]![1].values.length, first: 0, columns: new Map(columns) }
}

const rows = 600
const columnNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']

/** Ten columns of random numbers, in which each row of `copies` repeats another but for `changed` cells. */
function numbers(copies: readonly (readonly [to: number, from: number, changed: number])[]): Table {
  const random = createRandom(2)
  const values = columnNames.map(() => Array.from({ length: rows }, () => random.integer(100_000)))
  for (const [to, from, changed] of copies) {
    for (const [i, column] of values.entries()) column[to] = column[from]! + (i < changed ? 1 : 0)
  }
  return tableOf(Object.fromEntries(columnNames.map((name, i) => [name, ['number', values[i]!] as const])))
}

test('finds rows that differ in one cell of ten, not those that differ in five or in none', () => {
  const table = numbers([
    [100, 7, 1],
    [300, 200, 1],
    [400, 10, 5],
    [500, 11, 0],
  ])
  const found = nearRows(table, { columns: columnNames })
  expect(found.map(({ a, b }) => [a, b])).toEqual([
    [7, 100],
    [200, 300],
  ])
  // Nine marks are common to both, eleven there are.
  expect(found[0]!.share).toBeCloseTo(9 / 11, 10)
  expect(nearRows(table, { columns: columnNames, most: 250 })).toHaveLength(1)
})

test('columns of few values tell nothing', () => {
  const random = createRandom(2)
  const few = Object.fromEntries(
    columnNames.map((name) => [name, ['number', Array.from({ length: rows }, () => random.integer(3))] as const]),
  )
  expect(nearRows(tableOf(few), { columns: columnNames })).toEqual([])
})

test('finds texts with a word changed', () => {
  const words = 'the red fox runs over a hill and sleeps under an old oak while rain falls on moss and stone all night'
  const other =
    'we sold nine crates of pears to a shop in town that pays late but always in full and with thanks every year'
  const texts = [words, other, words.replace('night', 'day'), other.replace('town', 'Bern').replace('pears', 'plums')]
  const found = nearRows(tableOf({ note: ['text', texts] }), { columns: ['note'], least: 0.85 })
  expect(found.map(({ a, b }) => [a, b])).toEqual([[0, 2]])
})

test('time: rows out of order, and splits that look back', () => {
  const day = (i: number): string => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10)
  const days = Array.from({ length: 40 }, (_, i) => day(i))
  days[20] = day(3)
  const table = tableOf({ day: ['date', days] })
  const nameOf = (row: number): string => `line ${row}`
  const all = Array.from({ length: 40 }, (_, i) => i)
  const inOrder = timeOrders(table, { train: all.slice(0, 30), test: all.slice(30) }, nameOf)
  expect(inOrder).toEqual([{ column: 'day', earlier: { test: 0 }, broken: { row: 20, first: 'line 20', count: 1 } }])
  const mixed = timeOrders(table, { train: all.filter((i) => i % 4), test: all.filter((i) => i % 4 === 0) }, nameOf)
  expect(mixed[0]!.earlier.test).toBe(1)
  const shuffled = tableOf({ day: ['date', createRandom(1).shuffle([...days])] })
  expect(timeOrders(shuffled, { train: all }, nameOf)[0]!.broken).toBeUndefined()
})
