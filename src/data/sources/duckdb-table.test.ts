import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collected, type ReadTable, readAll } from '../../../test/read-tables.ts'
import { columnFromValues } from '../table/cells.ts'
import { dateFormats, parseDate } from '../table/date-formats.ts'
import { cellText } from '../table/table.ts'
import { connectDuckDb, query, sqlText } from './duckdb.ts'
import { openTable, type TableOptions } from './open-table.ts'
import { readTableRows } from './table-rows.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-table-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function read(name: string, text: string | Uint8Array, options: TableOptions = {}) {
  await writeFile(join(root, name), text)
  return readAll(name, { root, batch: 3, ...options })
}

const kinds = (found: ReadTable) => found.kinds
const cells = (found: ReadTable, name: string) => found.cells(name)

describe('a CSV file', () => {
  it('has its delimiter, kinds and missing values found', async () => {
    const text =
      'age;city;member;joined\n12;"a;b";yes;2024-01-31\nNA;Bern;no;\n3.5e1; Bern ;yes;2023-12-01\n7;;no;2023-12-02\n'
    const found = await read('people.csv', text)
    expect(kinds(found)).toEqual({ age: 'number', city: 'category', member: 'boolean', joined: 'date' })
    expect(cells(found, 'age')).toEqual(['12', undefined, '35', '7'])
    expect(cells(found, 'city')).toEqual(['a;b', 'Bern', 'Bern', undefined])
    expect(cells(found, 'member')).toEqual(['true', 'false', 'true', 'false'])
    expect(cells(found, 'joined')[0]).toBe('2024-01-31T00:00:00.000Z')
    expect(found.schema.columns.map(({ missing }) => missing)).toEqual([1, 1, 0, 1])
  })

  it('of many rows comes in chunks in its order, and says its rows', async () => {
    const count = 10_000
    const text = `n,c\n${Array.from({ length: count }, (_, i) => `${i},${i % 7}x`).join('\n')}\n`
    const { table, chunks, schema } = await read('long.csv', text)
    expect(schema.rows).toBe(count)
    expect(chunks.length).toBeGreaterThan(1)
    expect(Array.from(table.columns.get('n')!.values)).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(cellText(table.columns.get('c')!, 9999)).toBe('3x')
  })

  it.each([
    ['a short row', 'a,b\n1,2\n3\n', {}, /bad\.csv line 3: expected 2 cells as in the header, found 1/],
    ['a long row', 'a,b\n1,2\n3,4,5\n', {}, /bad\.csv line 3: expected 2 cells as in the header, found 3/],
    ['no rows', 'a,b\n', {}, /bad\.csv has no rows below its header/],
    ['nothing', '', {}, /bad\.csv is empty/],
    [
      'another delimiter',
      'a;b\n1;2\n',
      { csv: { delimiter: ',' } },
      /has one column, "a;b", when it is divided by ","/,
    ],
    ['numbers as names', '1,2\n3,4\n', {}, /the first line holds numbers \(1, 2\), not names/],
    ['a name twice', 'a,A\n1,2\n', {}, /columns 1 and 2 are both named 'A'/],
    ['another encoding', Uint8Array.of(97, 44, 98, 10, 0xe9, 44, 49, 10), {}, /the bytes are not UTF-8/],
    ['a quote that is left open', 'a,b\n1,"2\n3,4\n', {}, /bad\.csv/],
    [
      'mixed kinds',
      `a\n${Array.from({ length: 19 }, (_, i) => i).join('\n')}\nmany\n`,
      {},
      /column 'a' holds numbers but for 1 of 20 values: "many" in row 20/,
    ],
    [
      'dates of three formats',
      'd\n2024-01-31\n31.01.2024\n01/31/2024\n',
      {},
      /column 'd' holds dates of 3 formats: %Y-%m-%d \("2024-01-31" in row 1\), .*row 2.*row 3/,
    ],
    ['dates that can be two', 'd\n03/04/2024\n05/06/2024\n', {}, /can be read as %d\/%m\/%Y and as %m\/%d\/%Y/],
    [
      'a column of the configuration',
      'a\n1\n',
      { columns: { age: { kind: 'number' as const } } },
      /the configuration names the column 'age'/,
    ],
  ])('with %s is refused', async (_, text, options, message) => {
    await expect(read('bad.csv', text, options)).rejects.toThrow(message)
  })

  it('leaves out and names lines that do not fit, when asked', async () => {
    const found = await read('skip.csv', 'a,b\n1,2\n3\n5,6\n', { onBroken: 'skip' })
    expect(cells(found, 'a')).toEqual(['1', '5'])
    expect(found.skipped).toEqual([{ name: 'skip.csv line 3', reason: expect.stringMatching(/Columns/) as string }])
  })

  it('in Latin-1 is read when it says so', async () => {
    const found = await read('latin.csv', Uint8Array.of(97, 10, 0x63, 0x61, 0x66, 0xe9, 10), {
      csv: { encoding: 'latin-1' },
    })
    expect(cells(found, 'a')).toEqual(['café'])
  })

  it('takes ambiguous dates by the format that is given', async () => {
    const found = await read('us.csv', 'd\n03/04/2024\n', { columns: { d: { format: '%m/%d/%Y' } } })
    expect(cells(found, 'd')).toEqual(['2024-03-04T00:00:00.000Z'])
  })
})

describe('other files', () => {
  it('JSON lines with an object that does not end name the file and the line', async () => {
    const text = `{"a":1}\n{"a":\n{"a":3}\n`
    await expect(read('bad.jsonl', text)).rejects.toThrow(/^bad\.jsonl: malformed JSON, at byte \d+ in line \d+: /)
  })

  it('JSON lines and Parquet give the same table', async () => {
    const lines = ['{"n":1,"t":"a","b":true}', '{"n":null,"t":"b","b":false}', '{"n":3,"t":null,"b":true}']
    const json = await read('rows.jsonl', `${lines.join('\n')}\n`)
    const connection = await connectDuckDb()
    const parquet = join(root, 'rows.parquet')
    await query(
      connection,
      `COPY (FROM read_json(${sqlText(join(root, 'rows.jsonl'))})) TO ${sqlText(parquet)} (FORMAT parquet)`,
    )
    connection.closeSync()
    const file = await openTable('rows.parquet', { root })
    const [chunk] = await collected(file.read())
    for (const name of ['n', 't', 'b']) {
      const column = chunk!.columns.get(name)!
      expect([0, 1, 2].map((row) => cellText(column, row))).toEqual(cells(json, name))
    }
    expect((await file.digest()).length).toBe(64)
    await file.release()
    const rows = await collected(readTableRows('rows.parquet', { root }))
    expect(rows[1]).toEqual({ name: 'rows.parquet row 2', row: { n: null, t: 'b', b: false } })
    // Cut in half.
    await truncate(parquet, Math.floor((await stat(parquet)).size / 2))
    const cut = await openTable('rows.parquet', { root })
    await expect(cut.schema()).rejects.toThrow(/rows\.parquet: it is no whole Parquet file/)
    await cut.release()
  })

  it('that are missing or of no known kind are errors with a hint', async () => {
    await writeFile(join(root, 'sales.csv'), 'a\n1\n')
    await expect(openTable('salse.csv', { root })).rejects.toThrow(/does not exist/)
    await writeFile(join(root, 'x.xlsx'), 'a')
    await expect(openTable('x.xlsx', { root })).rejects.toThrow(/the ending does not say/)
  })
})

it('dates are read as DuckDB reads them', async () => {
  const texts = [
    '2024-02-29',
    '2023-02-29',
    '2024-1-5',
    '31.12.1969',
    '1.2.2030 23:59',
    '12/31/2024',
    '31/12/2024',
    '2024-13-01',
    'soon',
  ]
  const connection = await connectDuckDb()
  for (const format of dateFormats) {
    for (const text of texts) {
      const sql = `SELECT epoch_ms(try_strptime(${sqlText(text)}, ${sqlText(format)}))::DOUBLE AS ms`
      const [row] = await query(connection, sql)
      expect([format, text, parseDate(text, format) ?? null]).toEqual([format, text, row!.ms])
    }
  }
  connection.closeSync()
})

it('values from outside are checked by kind', () => {
  const missing = ['', 'NA']
  const of = (kind: 'number' | 'boolean' | 'date' | 'category', value: unknown) =>
    cellText(columnFromValues({ name: 'c', kind, missing }, [value]), 0)
  expect([of('number', ' 1.5 '), of('number', 2), of('number', 'NA'), of('number', null)]).toEqual([
    '1.5',
    '2',
    undefined,
    undefined,
  ])
  expect([of('boolean', 'Yes'), of('boolean', false), of('category', 7)]).toEqual(['true', 'false', '7'])
  expect(of('date', '2024-01-31T12:00:00+02:00')).toBe('2024-01-31T10:00:00.000Z')
  expect(() => of('number', 'many')).toThrow(/column 'c' must hold a finite number, received "many"/)
  expect(() => of('number', '0x10')).toThrow(/finite number/)
  expect(() => of('boolean', 'maybe')).toThrow(/true or false/)
  expect(() => of('category', {})).toThrow(/a text/)
})
