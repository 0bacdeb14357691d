import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RowRecord, type RowRecordOptions, rowRecords } from './row-records.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function read(text: string | Uint8Array, options: Partial<RowRecordOptions> = {}, sizes = [1e9]) {
  const bytes = typeof text === 'string' ? bytesOf(text) : text
  const all: RowRecord[] = []
  for await (const records of rowRecords(pieces(bytes, sizes), { delimiter: ',', most: 1000, ...options })) {
    all.push(...records)
  }
  return all
}

const texts = (records: readonly RowRecord[]) => records.map(({ bytes }) => new TextDecoder().decode(bytes))

describe('rows of a file', () => {
  test.each<[string, string, string[]]>([
    ['line breaks of every kind', 'a,b\n1,2\r\n3,4\r5,6', ['a,b', '1,2', '3,4', '5,6']],
    ['empty lines', '\n\na\n\n', ['', '', 'a', '']],
    ['line breaks in quotes', 'a,"b\nc\r\nd"\ne,f\n', ['a,"b\nc\r\nd"', 'e,f']],
    ['quotes in quotes', '"a""\n",b\n"",c\n', ['"a""\n",b', '"",c']],
    ['a quote within a cell', '5" pipe,b\nx,y\n', ['5" pipe,b', 'x,y']],
    ['nothing', '', []],
    ['a byte order mark', '\ufeffa\n1\n', ['a', '1']],
  ])('with %s', async (_, text, expected) => {
    expect(texts(await read(text))).toEqual(expected)
    expect(texts(await read(text, {}, [1]))).toEqual(expected)
  })

  test('say where they stand', async () => {
    const records = await read('a,"x\ny"\r\nb,c\n')
    expect(records.map(({ line, end, nextLine }) => [line, end, nextLine])).toEqual([
      [1, 9, 3],
      [3, 13, 4],
    ])
  })

  test('of JSON have no quotes of their own', async () => {
    expect(texts(await read('{"a":"x\\""}\n"\n', { delimiter: undefined }))).toEqual(['{"a":"x\\""}', '"'])
  })

  test('that do not end are faults', async () => {
    const open = await read('a,b\n1,"2\n3,4\n')
    expect(open[1]).toMatchObject({ line: 2, fault: 'a quote is opened and never closed' })
    const long = await read(`a\n1\n"${'x\n'.repeat(600)}`, {}, [100])
    expect(long.map(({ fault }) => fault)).toEqual([
      undefined,
      undefined,
      'it is longer than 1000 bytes: a quote is opened and not closed',
    ])
  })

  test('are the same in whatever pieces they come, and from wherever reading goes on', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' ') })
    const row = fc.array(cell, { minLength: 1, maxLength: 4 })
    const text = fc.oneof(
      fc
        .array(row)
        .map((rows) => rows.map((cells) => cells.map((c) => `"${c.replaceAll('"', '""')}"`).join(',')).join('\n')),
      fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r') }),
    )
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(text, sizes, fc.nat(), async (text, sizes, nth) => {
        const whole = await read(text)
        expect(await read(text, {}, sizes)).toEqual(whole)
        if (whole.length === 0) return
        const from = whole[nth % whole.length]!
        const at = { byte: from.end, line: from.nextLine }
        const rest = await read(bytesOf(text).subarray(from.end), { at }, sizes)
        expect(rest).toEqual(whole.slice(whole.indexOf(from) + 1))
      }),
      { seed: 11, numRuns: 500 },
    )
  })

  test('give back every quoted row', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', ' ') })
    const rows = fc.array(fc.array(cell, { minLength: 1, maxLength: 3 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(rows, async (rows) => {
        const lines = rows.map((cells) => cells.map((c) => `"${c.replaceAll('"', '""')}"`).join(','))
        expect(texts(await read(lines.join('\r\n'), {}, [7]))).toEqual(lines)
      }),
      { seed: 12 },
    )
  })
})
