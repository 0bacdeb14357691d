import { appendFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAll } from '../../../test/read-tables.ts'
import { openTable } from './open-table.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-bad-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('several files', () => {
  it('are one table, in the order of their names, whose rows are named by file', async () => {
    for (const [name, rows] of [
      ['b.csv', '3\n4\n'],
      ['a.csv', '1\n2\n'],
      ['c.csv', '5\n'],
    ] as const) {
      await writeFile(join(root, name), `n\n${rows}`)
    }
    const found = await readAll('{a,b}.csv', { root })
    expect(found.cells('n')).toEqual(['1', '2', '3', '4'])
    const source = await openTable(['c.csv', 'a.csv'], { root })
    await source.schema()
    expect([0, 1, 2].map((row) => source.nameOfRow(row))).toEqual(['c.csv row 1', 'a.csv row 1', 'a.csv row 2'])
    expect(source.what).toBe('2 files (c.csv to a.csv)')
    await source.release()
  })

  it.each([
    ['no match', '*.tsv', {}, /no file matches \*\.tsv/],
    [
      'other columns',
      ['a.csv', 'other.csv'],
      { 'other.csv': 'm\n1\n' },
      /other\.csv: column 1 is 'm', in a\.csv it is 'n'/,
    ],
    [
      'more columns',
      ['a.csv', 'other.csv'],
      { 'other.csv': 'n,m\n1,2\n' },
      /other\.csv: column 2 is 'm', in a\.csv it is none/,
    ],
    [
      'two formats',
      ['a.csv', 'rows.jsonl'],
      { 'rows.jsonl': '{"n":1}\n' },
      /files of two formats: a\.csv and rows\.jsonl/,
    ],
    [
      'a ragged second',
      ['a.csv', 'ragged.csv'],
      { 'ragged.csv': 'n\n1\n2,3\n' },
      /ragged\.csv line 3: expected 1 cells/,
    ],
    [
      'a value of another kind',
      ['a.csv', 'mixed.csv'],
      { 'mixed.csv': `n\n${'7\n'.repeat(20)}many\n` },
      /column 'n' holds numbers but for 1 of 23 values: "many" in mixed\.csv row 21/,
    ],
  ])('with %s are refused', async (_, source, files, message) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text)
    await expect(readAll(source, { root })).rejects.toThrow(message)
  })

  it('say which lines of which file were left out', async () => {
    await writeFile(join(root, 'left.csv'), 'n\n1\n2,3\n')
    const found = await readAll(['a.csv', 'left.csv'], { root, onBroken: 'skip' })
    expect(found.cells('n')).toEqual(['1', '2', '1'])
    expect(found.skipped.map(({ name }) => name)).toEqual(['left.csv line 3'])
  })
})

it.each([
  ['\\r\\n, then \\n', 'a;b\r\n1;"x\ny"\r\n2;"q"\n3;z\n', 'line 4: it ends in \\n, the lines before it in \\r\\n'],
  ['\\n, then \\r\\n', 'a;b\n1;x\n2;y\r\n', 'line 3: it ends in \\r\\n, the lines before it in \\n'],
  ['\\n, then \\r', 'a;b\n1;x\r2;y\n', 'line 2: it ends in \\r, the lines before it in \\n'],
])('lines that end in %s are refused, and the first is named', async (_, text, message) => {
  await writeFile(join(root, 'ends.csv'), text)
  await expect(readAll('ends.csv', { root })).rejects.toThrow(`ends.csv ${message}`)
})

it('a quote that is never closed is still told as one', async () => {
  await writeFile(join(root, 'quote.csv'), 'a,b\n1,"x\n2,y\n')
  await expect(readAll('quote.csv', { root })).rejects.toThrow('a quote is opened and never closed')
})

it('ten thousand columns are read, and the one that is wrong is named', async () => {
  const columns = 10_000
  const row = (of: (i: number) => unknown): string => Array.from({ length: columns }, (_, i) => of(i)).join(',')
  const rows = Array.from({ length: 20 }, (_, r) => row((i) => i * r))
  await writeFile(join(root, 'wide.csv'), `${row((i) => `c${i}`)}\n${rows.join('\n')}\n`)
  const found = await readAll('wide.csv', { root })
  expect(found.schema.columns).toHaveLength(columns)
  expect(found.cells('c9999').slice(0, 3)).toEqual(['0', '9999', '19998'])
  await writeFile(
    join(root, 'wide.csv'),
    `${row((i) => `c${i}`)}\n${rows.join('\n')}\n${row((i) => (i === 9998 ? 'x' : 1))}\n`,
  )
  await expect(readAll('wide.csv', { root })).rejects.toThrow(
    /column 'c9998' holds numbers but for 1 of 21 values: "x" in row 21/,
  )
}, 60_000)

it('a line of two gigabytes is refused and does not fill the memory', async () => {
  const path = join(root, 'long.csv')
  await writeFile(path, 'a,b\n1,2\n3,')
  // A sparse file: zeros that take no place on the disk.
  const file = await open(path, 'r+')
  await file.truncate(2 ** 31 + 100)
  await file.close()
  const before = process.memoryUsage().rss
  await expect(readAll('long.csv', { root })).rejects.toThrow(/long\.csv line 3: a line is longer than 2000000 bytes/)
  expect(process.memoryUsage().rss - before).toBeLessThan(400e6)
}, 60_000)

it('a file that changes while it is read is refused', async () => {
  await writeFile(join(root, 'growing.csv'), `n\n${'1\n'.repeat(50_000)}`)
  const source = await openTable('growing.csv', { root })
  const reading = async (): Promise<void> => {
    for await (const { first } of source.read({ batch: 2048 })) {
      if (first === 0) await appendFile(join(root, 'growing.csv'), '2\n')
    }
  }
  await expect(reading()).rejects.toThrow(/growing\.csv was changed while it was read: 100002 bytes before, 100004 now/)
  await source.release()
})

it('UTF-16 is said to be UTF-16', async () => {
  const text = '\ufeffname\nZürich\n'
  const bytes = new Uint8Array(new Uint16Array(Array.from(text, (c) => c.charCodeAt(0))).buffer)
  await writeFile(join(root, 'utf16.csv'), bytes)
  await expect(readAll('utf16.csv', { root })).rejects.toThrow(/utf16\.csv begins with the mark of UTF-16/)
  const found = await readAll('utf16.csv', { root, csv: { encoding: 'utf-16' } })
  expect(found.cells('name')).toEqual(['Zürich'])
})

it('texts of which there are few are the same however they are read', async () => {
  const rows = 60_000
  const text = (i: number): string => (i % 7 === 0 ? '' : `it's ${i % 5}`)
  await writeFile(
    join(root, 'few.csv'),
    `t,n\n${Array.from({ length: rows }, (_, i) => `${text(i)},${i}`).join('\n')}\n`,
  )
  const found = await readAll('few.csv', { root })
  expect(found.kinds).toEqual({ t: 'category', n: 'number' })
  const cells = found.cells('t')
  for (let i = 0; i < rows; i += 997) expect(cells[i] ?? '').toBe(text(i))
  expect(found.schema.columns.map(({ distinct, missing }) => [distinct, missing])).toEqual([
    [5, Math.ceil(rows / 7)],
    [rows, 0],
  ])
})

it('a large file is looked at by its beginning first, and says the same', async () => {
  const line = (i: number): string =>
    `2024-01-${String((i % 28) + 1).padStart(2, '0')} 12:00:00,${i},${'text '.repeat(20)}`
  const lines = Array.from({ length: 40_000 }, (_, i) => line(i))
  const header = 'when,n,note\n'
  await writeFile(join(root, 'large.csv'), `${header}${lines.join('\n')}\n`)
  const found = await readAll('large.csv', { root })
  expect(found.kinds).toEqual({ when: 'date', n: 'number', note: 'category' })
  expect(found.schema.rows).toBe(40_000)
  lines[30_000] = lines[30_000]!.replace(',30000,', ',many,')
  await writeFile(join(root, 'large.csv'), `${header}${lines.join('\n')}\n`)
  await expect(readAll('large.csv', { root })).rejects.toThrow(
    /column 'n' holds numbers but for 1 of 40000 values: "many" in row 30001/,
  )
}, 60_000)

describe('files that were cut off', () => {
  const rows = Array.from({ length: 200 }, (_, n) => ({ n, t: `a "{" and ] ${n}` }))
  const csv = `n,t\n${Array.from({ length: 5000 }, (_, i) => `${i},${(i * 7919) % 9973}`).join('\n')}\n`
  const packed = gzipSync(csv)
  const json = JSON.stringify(rows)

  it.each([
    [
      'list.json',
      json.slice(0, json.indexOf('{"n":150')),
      'list.json: the list of rows is never closed, it ends behind row 150',
    ],
    ['list.json', json.slice(0, -1), 'list.json: the list of rows is never closed, it ends behind row 200'],
    ['list.json.gz', gzipSync(json.slice(0, json.indexOf(',{"n":150'))), 'it ends behind row 150'],
    [
      'rows.csv.gz',
      packed.subarray(0, packed.length / 2),
      'rows.csv.gz: it is no whole gzip file (unexpected end of file)',
    ],
    ['rows.jsonl.gz', packed.subarray(0, 100), 'rows.jsonl.gz: it is no whole gzip file'],
    ['text.csv.gz', csv, 'text.csv.gz: it is no whole gzip file (incorrect header check)'],
  ])('%s is refused, and says where it ends', async (name, bytes, message) => {
    await writeFile(join(root, name), bytes)
    await expect(readAll(name, { root })).rejects.toThrow(message)
  })

  it.each([
    ['list.json', json],
    ['list.json', JSON.stringify(rows, undefined, 2)],
    ['list.json.gz', gzipSync(json)],
    ['lines.json', rows.map((row) => JSON.stringify(row)).join('\n')],
  ])('%s that is whole is read', async (name, bytes) => {
    await writeFile(join(root, name), bytes)
    const found = await readAll(name, { root })
    expect(found.cells('t')).toEqual(rows.map(({ t }) => t))
  })
})

it('a quote that is never closed hides the rest of the file, and is not left out as one line', async () => {
  await writeFile(join(root, 'hidden.csv'), `a,b\n1,x\n2,"y\n${'3,z\n'.repeat(500)}`)
  const message = 'hidden.csv line 3: a quote is opened and never closed, which hides the rest of the file'
  await expect(readAll('hidden.csv', { root, onBroken: 'skip' })).rejects.toThrow(message)
})

it('more lines that do not fit than are counted are refused', async () => {
  await writeFile(join(root, 'unfit.csv'), `a,b\n1,x\n${'2\n'.repeat(100_001)}3,y\n`)
  const message = '100000 lines or more do not fit, the first is unfit.csv line 3'
  await expect(readAll('unfit.csv', { root, onBroken: 'skip' })).rejects.toThrow(message)
})
