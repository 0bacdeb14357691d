/** What is found by reading typed columns and by listing texts is what looking at every cell finds: values, kinds, errors, rows left out. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collected } from '../../../test/read-tables.ts'
import { createRandom, type Random } from '../../core/random.ts'
import { cellText, joinTables } from '../table/table.ts'
import { type ColumnOptions, openOrigin } from './duckdb-table.ts'
import { originOf } from './open-table.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-typed-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

type Options = ColumnOptions & OriginOptions

const rows = 10_800
/** More rows than are looked at first. */
const late = 10_300

async function outcome(origin: TableOrigin, options: Options) {
  const table = await openOrigin(origin, options)
  try {
    const { rows: count, columns } = await table.schema()
    const joined = joinTables(await collected(table.read()))
    const cells = Object.fromEntries(
      columns.map(({ name }) => [
        name,
        JSON.stringify(Array.from({ length: joined.rows }, (_, row) => cellText(joined.columns.get(name)!, row))),
      ]),
    )
    const found = columns.map(({ name, kind, format, missing }) => ({ name, kind, format, missing }))
    return { count, found, cells, skipped: table.skipped }
  } catch (error) {
    return { message: (error as Error).message }
  } finally {
    await table.release()
  }
}

/** Both ways of reading; `tried` says whether columns were typed. */
async function bothWays(text: string, options: Options = {}) {
  await writeFile(join(root, 'table.csv'), text)
  const origin = await originOf('table.csv', { root, ...options })
  let tried = false
  const fast: TableOrigin = {
    ...origin,
    isLarge: true,
    async typedRelation(types) {
      tried = true
      return origin.typedRelation?.(types)
    },
  }
  const slow: TableOrigin = { ...origin, isLarge: false, typedRelation: async () => undefined }
  return { fast: await outcome(fast, options), slow: await outcome(slow, options), tried }
}

const day = (i: number): string =>
  `2024-${String((i % 12) + 1).padStart(2, '0')}-${String((i % 28) + 1).padStart(2, '0')}`

function csvOf(columns: Readonly<Record<string, (row: number) => string>>): string[] {
  const makers = Object.values(columns)
  const lines = Array.from({ length: rows }, (_, row) => makers.map((make) => make(row)).join(','))
  return [Object.keys(columns).join(','), ...lines]
}

const plain = {
  n: (i: number) => String(i * 0.25 - 100),
  d: day,
  t: (i: number) => `${day(i)} 0${i % 10}:15:00`,
  c: (i: number) => ['Bern', 'Genf', '', 'Chur'][i % 4]!,
  b: (i: number) => (i % 3 === 0 ? 'yes' : 'No'),
}

const set = (lines: string[], row: number, place: number, cell: string): string => {
  const changed = [...lines]
  const cells = changed[row + 1]!.split(',')
  cells[place] = cell
  changed[row + 1] = cells.join(',')
  return changed.join('\n')
}

const cellsOfNumbers = [
  'NA',
  ' NA ',
  '',
  ' ',
  '""',
  '"7"',
  ' 7 ',
  '\t7',
  '+7',
  '7.',
  '.5',
  '1e3',
  '1e400',
  'inf',
  'NaN',
  '-nan',
  '7_0',
  '0x10',
  '1,5',
  'many',
  'true',
  '7 8',
]
const cellsOfDates = [
  'NA',
  ' NA ',
  '""',
  ' 2024-01-31 ',
  '\t2024-01-31',
  '2024-1-3',
  '999-01-01',
  '0999-01-01',
  '24-01-31',
  '2024-02-30',
  '31.01.2024',
  '2024-01-31x',
  '-2024-01-31',
  '2024-01-31 00:00:00',
  '20240131',
  'infinity',
  'epoch',
  '1900-01-01',
  '12024-01-31',
]
const cellsOfNames = ['NA', ' Bern ', '17', '2024-01-31', 'yes', "d'Arc", '"a ""quoted"" one"', 'ä']

describe('a large table of texts is read as a small one', () => {
  const lines = csvOf(plain)

  it('typed, where every cell is what the first are', async () => {
    const { fast, slow, tried } = await bothWays(lines.join('\n'))
    expect(tried).toBe(true)
    expect(fast).toEqual(slow)
    expect(fast.found!.map(({ kind }) => kind)).toEqual(['number', 'date', 'date', 'category', 'boolean'])
  })

  const short = csvOf({ n: plain.n, d: plain.d, c: plain.c })
  const places = [
    ...cellsOfNumbers.map((c) => [0, c] as const),
    ...cellsOfDates.map((c) => [1, c] as const),
    ...cellsOfNames.map((c) => [2, c] as const),
  ]
  it.each(places)(
    'with a late cell in column %i that is %j',
    async (place, cell) => {
      const { fast, slow, tried } = await bothWays(set(short, late, place, cell))
      expect(tried).toBe(true)
      expect(fast).toEqual(slow)
    },
    30_000,
  )

  it('names the row of what strptime would take for a date', async () => {
    const { fast } = await bothWays(set(lines, late, 1, 'epoch'))
    expect(fast.message).toMatch(/column 'd' holds dates but for 1 of 10800 values: "epoch" in row 10301/)
  })

  it.each<[string, string, Options]>([
    ['other texts for no value', set(lines, late, 0, 'none'), { missing: ['none', '-'] }],
    ['texts for no value without the empty one', set(lines, late, 0, 'NA'), { missing: ['NA'] }],
    ['an empty cell and no text for no value', set(lines, late, 1, ''), { missing: [] }],
    ['a text for no value that holds the delimiter', lines.join('\n'), { missing: ['a,b'] }],
    ['a number that is a name', lines.join('\n'), { columns: { n: { kind: 'category' } } }],
    ['a number that must be a date', lines.join('\n'), { columns: { n: { kind: 'date' } } }],
    ['a name that must be a number', lines.join('\n'), { columns: { c: { kind: 'number' } } }],
    ['a date of a given format', lines.join('\n'), { columns: { d: { format: '%Y-%m-%d' } } }],
    ['a date of another format than it has', lines.join('\n'), { columns: { d: { format: '%d.%m.%Y' } } }],
    ['a column that is left out', set(lines, late, 0, 'many'), { ignore: ['n'] }],
    ['a row that is short', set(lines, late, 0, '7').replace(/,Chur,\w+$/m, ''), {}],
    ['short rows that are left out', lines.join('\n').replaceAll(/,Chur,No$/gm, ''), { onBroken: 'skip' }],
    ['a wrong cell where short rows are left out', set(lines, late, 0, 'many'), { onBroken: 'skip' }],
    ['a quote that is left open', set(lines, late, 0, '"7'), {}],
  ])(
    'with %s',
    async (_, text, options) => {
      const { fast, slow } = await bothWays(text, options)
      expect(fast).toEqual(slow)
    },
    30_000,
  )

  const pick = (random: Random, from: readonly string[]): string => from[random.integer(from.length)]!
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'with cells at random, seed %i',
    async (seed) => {
      const random = createRandom(seed)
      const share = [0, 0.0001, 0.001, 0.05][seed % 4]!
      const messy = (make: (i: number) => string, others: readonly string[]) => (i: number) =>
        i > (seed % 3) * 5000 && random.uniform() < share ? pick(random, others).replaceAll(',', ';') : make(i)
      const noValue = ['NA', '', 'null', ' ']
      const text = csvOf({
        ...{
          n: messy(plain.n, seed % 2 ? noValue : cellsOfNumbers),
          d: messy(plain.d, seed % 5 ? noValue : cellsOfDates),
        },
        ...{ t: messy(plain.t, noValue), c: messy(plain.c, cellsOfNames), b: messy(plain.b, noValue) },
        many: (i) => `key ${i % 2 ? i : i % 7}`,
        prose: (i) => `a text of more than four words ${i}`,
        grows: (i) => (i < 10_000 ? `g${i % 400}` : `g${i}`),
      })
      const { fast, slow } = await bothWays(text.join('\n'))
      expect(fast).toEqual(slow)
    },
    30_000,
  )
})
