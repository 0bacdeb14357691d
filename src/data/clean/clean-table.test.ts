import { describe, expect, test } from 'vitest'
import { type CleanRule, type CleanRuleInput, cleanSection, patternProblem } from '../../contract/clean.ts'
import { columnFromValues } from '../table/cells.ts'
import { type Column, type ColumnKind, cellText, type Table } from '../table/table.ts'
import type { TableSchema } from '../table/table-source.ts'
import { createRowCleaner } from './clean-row.ts'
import { cleanTable, rulesToKeep, textColumns } from './clean-table.ts'
import { convertUnit } from './units.ts'

type Given = Record<string, { kind: ColumnKind; values: readonly unknown[] }>

function tableOf(given: Given): { table: Table; schema: TableSchema } {
  const columns = new Map<string, Column>(
    Object.entries(given).map(([name, { kind, values }]) => [
      name,
      columnFromValues({ name, kind, missing: [''] }, values),
    ]),
  )
  const rows = Object.values(given)[0]!.values.length
  const infos = [...columns].map(([name, { kind }]) => ({ name, kind, distinct: 0, missing: 0 }))
  return { table: { rows, first: 0, columns }, schema: { rows, columns: infos, unusable: [] } }
}

function clean(given: Given, written: readonly CleanRuleInput[], hints = {}) {
  const { table, schema } = tableOf(given)
  const rules = cleanSection.parse(written) as CleanRule[]
  const done = cleanTable(table, schema, { rules, hints, nameOfRow: (row) => `row ${row + 1}` })
  const column = (name: string) => {
    const found = done.table.columns.get(name)!
    return Array.from({ length: done.table.rows }, (_, row) => cellText(found, row))
  }
  return { ...done, column, kindOf: (name: string) => done.table.columns.get(name)!.kind }
}

const texts = (...values: unknown[]) => ({ kind: 'category' as const, values })
const numbers = (...values: unknown[]) => ({ kind: 'number' as const, values })

describe('rules that change values', () => {
  test('trim: spaces and letters', () => {
    const { column, steps } = clean({ city: texts('Bern', 'BERN', 'New  York', '') }, [
      { rule: 'trim', columns: 'city', case: 'lower' },
    ])
    expect(column('city')).toEqual(['bern', 'bern', 'new york', undefined])
    expect(steps).toEqual([
      {
        rule: "trim 'city', lower case",
        rows: 3,
        dropped: false,
        examples: ['row 1: Bern -> bern', 'row 2: BERN -> bern', 'row 3: New  York -> new york'],
      },
    ])
  })

  test('regex: what is left is looked at again, and may be numbers', () => {
    const { column, kindOf, steps, schema } = clean({ price: texts('$1,200.50', '80', '$7', '') }, [
      { rule: 'regex', columns: ['price'], pattern: '[$,]' },
    ])
    expect(kindOf('price')).toBe('number')
    expect(column('price')).toEqual(['1200.5', '80', '7', undefined])
    expect(steps[0]).toMatchObject({ rows: 2, rule: `replace /[$,]/ by "" in 'price'` })
    expect(schema.columns[0]).toMatchObject({ kind: 'number', distinct: 3, missing: 1 })
  })

  test('regex: groups, and nothing left is no value', () => {
    const { column } = clean({ id: texts('a-17', 'b-4', '-') }, [
      { rule: 'regex', columns: 'id', pattern: '^([a-z]*)-(\\d*)$', replace: '$2$1' },
    ])
    expect(column('id')).toEqual(['17a', '4b', undefined])
  })

  test('map: values that mean one, none, or are not named', () => {
    const given = { sex: texts('m', 'M', 'f', '?') }
    const values = { m: 'male', M: 'male', '?': null }
    expect(clean(given, [{ rule: 'map', columns: 'sex', values }]).column('sex')).toEqual([
      'male',
      'male',
      'f',
      undefined,
    ])
    const missing = clean(given, [{ rule: 'map', columns: 'sex', values, others: 'missing' }])
    expect(missing.column('sex')).toEqual(['male', 'male', undefined, undefined])
    expect(() => clean(given, [{ rule: 'map', columns: 'sex', values, others: 'fail' }])).toThrow(
      `row 3: column 'sex': "f" is none of the values that the rule 'map' names`,
    )
  })

  test('map: 7, 7.0 and "7" are one value', () => {
    const { column, kindOf } = clean({ grade: texts('7.0', '6', '7') }, [
      { rule: 'map', columns: 'grade', values: { 7: 'high', 6: 'low' } },
    ])
    expect(column('grade')).toEqual(['high', 'low', 'high'])
    expect(kindOf('grade')).toBe('category')
  })

  test('clip: to the bounds, or no value', () => {
    const given = { age: numbers(-1, 40, 130, undefined) }
    const clipped = clean(given, [{ rule: 'clip', columns: 'age', min: 0, max: 120 }])
    expect(clipped.column('age')).toEqual(['0', '40', '120', undefined])
    expect(clipped.steps[0]).toMatchObject({
      rule: "clip 'age' to 0 .. 120",
      rows: 2,
      examples: ['row 1: -1 -> 0', 'row 3: 130 -> 120'],
    })
    const emptied = clean(given, [{ rule: 'clip', columns: 'age', max: 120, outside: 'missing' }])
    expect(emptied.column('age')).toEqual(['-1', '40', undefined, undefined])
  })

  test('convert: units behind the number, and one for those without', () => {
    const given = { height: texts('70 in', '178cm', '1.80', '5.9 ft') }
    const { column, kindOf } = clean(given, [{ rule: 'convert', columns: 'height', to: 'cm', from: 'm' }])
    expect(kindOf('height')).toBe('number')
    expect(column('height')).toEqual(['177.8', '178', '180', '179.832'])
    expect(() => clean(given, [{ rule: 'convert', columns: 'height', to: 'cm' }])).toThrow(
      `row 3: column 'height': "1.80" has no unit`,
    )
    expect(() => clean(given, [{ rule: 'convert', columns: 'height', to: 'kg' }])).toThrow(
      "'in' is a unit of length, 'kg' one of mass",
    )
    expect(() => clean(given, [{ rule: 'convert', columns: 'height', to: 'cn' }])).toThrow("Did you mean 'cm'?")
  })

  test('rules see what the ones before them left', () => {
    const { column } = clean({ t: texts('98,6 F', '37') }, [
      { rule: 'regex', columns: 't', pattern: ',', replace: '.' },
      { rule: 'convert', columns: 't', to: 'C', from: 'C' },
      { rule: 'clip', columns: 't', max: 36.5 },
    ])
    expect(column('t')).toEqual(['36.5', '36.5'])
  })

  test('a column that nearly holds numbers is named, with its rows; a hint decides', () => {
    const values = Array.from({ length: 30 }, (_, i) => (i === 4 ? 'n.a.' : `${i} kg`))
    const rules: CleanRuleInput[] = [{ rule: 'regex', columns: 'w', pattern: ' kg$' }]
    expect(() => clean({ w: texts(...values) }, rules)).toThrow(
      `column 'w' holds numbers behind data.clean, but for some values: "n.a." in row 5`,
    )
    expect(clean({ w: texts(...values) }, rules, { w: { kind: 'category' } }).kindOf('w')).toBe('category')
    expect(() => clean({ w: texts(...values) }, rules, { w: { kind: 'number' } })).toThrow(
      "row 5: column 'w' must hold",
    )
  })
})

describe('rules that leave rows out', () => {
  const given = { age: numbers(3, 40, 17, undefined, 40), city: texts('a', 'b', 'c', 'd', 'b') }

  test('drop by size, value, pattern and absence', () => {
    const left = (where: object, columns = 'age') => Array.from(clean(given, [{ rule: 'drop', columns, where }]).rows)
    expect(left({ below: 18 })).toEqual([1, 3, 4])
    expect(left({ below: 18, above: 10 })).toEqual([0, 1, 3, 4])
    expect(left({ missing: true })).toEqual([0, 1, 2, 4])
    expect(left({ oneOf: ['b', 'c'] }, 'city')).toEqual([0, 3])
    expect(left({ matches: '^[ab]$' }, 'city')).toEqual([2, 3])
  })

  test('drop by date', () => {
    const { rows } = clean({ day: { kind: 'date', values: ['2020-05-01', '2019-12-31', ''] } }, [
      { rule: 'drop', columns: 'day', where: { below: '2020-01-01' } },
    ])
    expect(Array.from(rows)).toEqual([0, 2])
  })

  test('dedupe keeps the first or the last', () => {
    const first = clean(given, [{ rule: 'dedupe' }])
    expect(Array.from(first.rows)).toEqual([0, 1, 2, 3])
    expect(first.steps[0]).toMatchObject({ rows: 1, dropped: true, examples: ['row 5: as row 2'] })
    const last = clean(given, [{ rule: 'dedupe', columns: 'city', keep: 'last' }])
    expect(Array.from(last.rows)).toEqual([0, 2, 3, 4])
    // The values that rules changed count, not those of the file.
    const changed = clean(given, [
      { rule: 'clip', columns: 'age', max: 17 },
      { rule: 'dedupe', columns: ['age'] },
    ])
    expect(changed.column('age')).toEqual(['3', '17', undefined])
  })

  test('names of columns, conditions and empty results are checked', () => {
    expect(() => clean(given, [{ rule: 'clip', columns: 'agee', max: 3 }])).toThrow("Did you mean 'age'?")
    expect(() => clean(given, [{ rule: 'drop', columns: 'age', where: {} }])).toThrow('needs a condition')
    expect(() => clean(given, [{ rule: 'clip', columns: 'age' }])).toThrow("'clip' needs min or max")
    expect(() => clean(given, [{ rule: 'drop', columns: 'city', where: { matches: '.' } }])).toThrow('leaves no row')
    expect(() => clean(given, [{ rule: 'drop', columns: 'city', where: { matches: '(' } }])).toThrow(
      'is no regular expression',
    )
  })
})

test('patterns that could run without end are refused', () => {
  for (const pattern of ['(a+)+$', '(a|aa)*b', '(.*)\\1', 'x*y*z*', '([a-z]+){2,}', '((a|b)c)+']) {
    expect(patternProblem(pattern), pattern).toMatch(/without end/)
  }
  for (const pattern of ['[^0-9.]', '^([a-z]*)-(\\d*)$', '\\(x\\)+', '(USD|EUR) ?', '\\s+kg$']) {
    expect(patternProblem(pattern), pattern).toBeUndefined()
  }
})

test('a row to predict is changed as the rows of training were, and never left out', () => {
  const rules = cleanSection.parse([
    { rule: 'drop', columns: 'age', where: { above: 99 } },
    { rule: 'trim', columns: ['city', 'other'], case: 'lower' },
    { rule: 'convert', columns: 'height', to: 'cm', from: 'm' },
    { rule: 'clip', columns: 'age', max: 120 },
  ]) as CleanRule[]
  expect(textColumns(rules)).toEqual(['city', 'other', 'height'])
  const kept = rulesToKeep(rules, ['city', 'height', 'age'])
  expect(kept.map(({ rule, columns }) => [rule, columns])).toEqual([
    ['trim', ['city']],
    ['convert', ['height']],
    ['clip', ['age']],
  ])
  const cleaner = createRowCleaner(kept, ['', 'NA'])
  const given: [string, unknown, unknown][] = [
    ['city', ' New  York', 'new york'],
    ['city', 'NA', null],
    ['city', null, null],
    ['height', 1.8, 180],
    ['height', '70 in', 177.8],
    ['height', 'NA', null],
    ['age', 130, 120],
    ['age', '130', 120],
    ['age', Number.NaN, null],
    ['other', ' A', ' A'],
  ]
  for (const [column, value, expected] of given) expect(cleaner(column, value)).toBe(expected)
  expect(() => cleaner('height', 'tall')).toThrow(`column 'height': "tall" is no number`)
})

test('units', () => {
  const cases: [number, string, string, number][] = [
    [98.6, 'F', 'C', 37],
    [0, 'C', 'K', 273.15],
    [1, 'mi', 'km', 1.609344],
    [11, 'st', 'kg', 69.85322498],
    [120, 'mmHg', 'kPa', 15.9986864898],
    [90, 'mg/dl glucose', 'mmol/l glucose', 4.99567041897],
    [36, 'km/h', 'm/s', 10],
    [7, 'inches', 'in', 7],
  ]
  for (const [value, from, to, expected] of cases) {
    expect(convertUnit(value, from, to)).toBeCloseTo(expected, 9)
  }
})
