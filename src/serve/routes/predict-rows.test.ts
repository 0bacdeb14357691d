/** Rows of tables over HTTP: as JSON, CSV, JSON lines and forms; what is wrong is named by row and column. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { samplePng } from '../../../test/sample-bundle.ts'
import { type Answer, answerOf, type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import { sampleTablePipeline } from '../../../test/sample-table.ts'
import type { Pipeline } from '../../bundle/index.ts'

type Sent = string | FormData | Uint8Array<ArrayBuffer>

let risk: Pipeline
let price: Pipeline
let tiny: Pipeline
let app: SampleApp['app']
beforeAll(async () => {
  risk = await sampleTablePipeline('classification')
  price = await sampleTablePipeline('regression')
  tiny = await samplePipeline()
  const served = { risk, price, tiny }
  app = sampleApp(Object.entries(served).map(([name, pipeline]) => ({ name, version: '1', pipeline }))).app
})
afterAll(() => Promise.all([risk.release(), price.release(), tiny.release()]))

const send = (body: Sent, type: string | undefined, path = '/predict/risk', accept = '*/*') =>
  app.request(path, { method: 'POST', body, headers: { ...(type ? { 'content-type': type } : {}), accept } })
const post = async (body: Sent, type?: string, path?: string): Promise<Answer> => answerOf(await send(body, type, path))
const json = (body: unknown, path?: string) => post(JSON.stringify(body), 'application/json', path)
const form = (text: string, name: string, type = '', fields: Record<string, string> = {}) => {
  const data = new FormData()
  data.append('file', new File([text], name, { type }))
  for (const [key, value] of Object.entries(fields)) data.append(key, value)
  return data
}

const rows = [
  { age: 30, income: 10.5 },
  { age: 61, income: 200 },
]
const csv = 'id,age,income\r\n"a,1",30,10.5\r\nb,61,200\r\n'
const lines = '{"age":30,"income":10.5}\n{"age":61,"income":200,"id":"b"}\n'

test('a compressed body is said to be one', async () => {
  const body = new Uint8Array(gzipSync(csv))
  const send = (coding: string, type: string) =>
    app.request('/predict/risk', {
      method: 'POST',
      body,
      headers: { 'content-encoding': coding, 'content-type': type },
    })
  const error = 'the body is compressed (Content-Encoding: gzip), which is not read: send it as it is'
  expect(await answerOf(await send('gzip', 'text/csv'))).toEqual({ status: 400, body: { error } })
  expect(await answerOf(await send('gzip', 'application/json'))).toEqual({ status: 400, body: { error } })
  expect((await answerOf(await send('identity', 'text/csv'))).body.error).toContain('has no column')
})

describe('rows', () => {
  test('give the same answers in every form', async () => {
    const expected = { status: 200, body: await risk.predictBatch(rows) }
    expect(expected.body[0]).toHaveLength(3)
    expect(await json({ rows })).toEqual(expected)
    expect((await json({ row: rows[0] })).body).toEqual(expected.body[0])
    expect(await post(csv, 'text/csv')).toEqual(expected)
    expect(await post(csv, 'text/csv; charset=utf-8')).toEqual(expected)
    // What curl --data-binary @rows.csv sends.
    expect(await post(csv, 'application/x-www-form-urlencoded')).toEqual(expected)
    expect(await post(csv.replaceAll('a,1', 'a').replaceAll(',', '\t'), 'text/tab-separated-values')).toEqual(expected)
    expect(await post(`\ufeff${csv.replaceAll('a,1', 'a').replaceAll(',', ';')}`, 'text/csv')).toEqual(expected)
    for (const type of ['application/jsonl', 'application/x-ndjson']) expect(await post(lines, type)).toEqual(expected)
    expect(await post(form(csv, 'rows.csv', 'text/csv'))).toEqual(expected)
    expect(await post(form(csv, 'rows'))).toEqual(expected)
    expect(await post(form(lines, 'rows.jsonl'))).toEqual(expected)
    const best = expected.body.map((answers) => answers.slice(0, 1))
    expect((await post(form(csv, 'rows.csv', '', { topK: '1' }))).body).toEqual(best)
    expect((await post(csv, 'text/csv', '/predict/risk?topK=1')).body).toEqual(best)
  })

  test('come back as CSV when that is asked for', async () => {
    const answer = await send(csv, 'text/csv', '/predict/risk?topK=2', 'text/csv')
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const cell = (text: string) => (text.includes(',') ? `"${text}"` : text)
    const expected = (await risk.predictBatch(rows, { topK: 2 })) as { label: string; score: number }[][]
    const line = (i: number) =>
      `${i + 1},${expected[i]!.map(({ label, score }) => `${cell(label)},${score}`).join(',')},`
    expect(await answer.text()).toBe(`row,label,score,label2,score2,error\n${line(0)}\n${line(1)}\n`)
    const estimates = await send(csv, 'text/csv', '/predict/price', 'text/csv')
    const [first, second] = ((await price.predictBatch(rows)) as { value: number }[][]).flat()
    expect(await estimates.text()).toBe(`row,value,error\n1,${first!.value},\n2,${second!.value},\n`)
  })

  test('of pictures, as JSON lines', async () => {
    const png = await samplePng(1)
    const line = JSON.stringify({ image: Buffer.from(png).toString('base64') })
    const pixels = JSON.stringify({ inputs: [Array.from({ length: 12 }, () => Array(12).fill(3))] })
    const answer = await post(`${line}\n\n${pixels}\n`, 'application/jsonl', '/predict/tiny')
    expect(answer.status).toBe(200)
    expect(answer.body[0]).toEqual(await tiny.predict(png))
    expect(answer.body).toHaveLength(2)
  })
})

describe('what is wrong is named', () => {
  const bad = (cell: string) => `age,income\n30,1\n${cell}\n5,6\n`
  test.each<[string, () => Promise<Answer>, number, string]>([
    [
      'a cell',
      () => post(bad('x,1'), 'text/csv'),
      422,
      `row 2 (line 3): column 'age' must hold a finite number, received "x"`,
    ],
    [
      'a cell of JSON',
      () => json({ rows: [rows[0], { age: 1, income: true }] }),
      422,
      "rows[1]: column 'income' must hold",
    ],
    ['a cell of a row', () => json({ row: { age: 'old', income: 1 } }), 422, "column 'age' must hold a finite number"],
    ['a cell of a line', () => post('{"age":[],"income":1}', 'application/jsonl'), 422, "row 1 (line 1): column 'age'"],
    [
      'a short row',
      () => post(bad('7'), 'text/csv'),
      422,
      'row 2 (line 3): expected 2 cells as in the header, found 1',
    ],
    ['an open quote', () => post(bad('"7,1'), 'text/csv'), 422, 'row 2 (line 3): a quote is opened and never closed'],
    [
      'a column that lacks',
      () => post('aeg,income\n1,2\n', 'text/csv'),
      400,
      "has no column 'age', which model 'risk' reads. Did you mean 'aeg'?",
    ],
    ['a bare row', () => json(rows[0]), 400, `stands below 'row' for model 'risk': send { "row": { ... } }`],
    ['bare rows', () => json(rows), 400, `stands below 'rows' for model 'risk': send { "rows": [{ ... }] }`],
    ['a bare row of a stranger', () => json({ shoe: 42 }), 400, "unknown key 'shoe'"],
    ['a column that lacks in JSON', () => json({ row: { income: 1 } }), 422, "the row has no column 'age'"],
    ['a header of numbers', () => post('1,2\n3,4\n', 'text/csv'), 400, 'the first line holds numbers'],
    ['no rows', () => post('age,income\n', 'text/csv'), 400, 'the body has no rows'],
    ['nothing', () => post('', 'text/csv'), 400, 'the body is empty'],
    [
      'a line that is no JSON',
      () => post('{"age":1}\n{', 'application/jsonl'),
      422,
      'row 2 (line 2): the line is not JSON',
    ],
    [
      'a line that is no object',
      () => post('[1]', 'application/jsonl'),
      422,
      'the line must be an object with a value for each column',
    ],
    [
      'bytes of another encoding',
      () => post(Uint8Array.of(...new TextEncoder().encode('age,income\n'), 0xe9, 0x2c, 0x31), 'text/csv'),
      422,
      'row 1 (line 2): the bytes are not UTF-8',
    ],
    ['a picture', () => post('x', 'image/png'), 415, 'the body must be rows (text/csv, application/jsonl)'],
    ['rows for pictures', () => post(csv, 'text/csv', '/predict/tiny'), 415, 'the body must be a picture'],
    [
      'lines for pictures',
      () => post('{"imgae":"x"}', 'application/jsonl', '/predict/tiny'),
      422,
      "Did you mean 'image'?",
    ],
    [
      'two files',
      () => {
        const data = form(csv, 'a.csv')
        data.append('file', new File([csv], 'b.csv'))
        return post(data)
      },
      400,
      'one file of rows, received 2',
    ],
    [
      'too many rows',
      () => post(`age,income\n${'1,2\n'.repeat(1001)}`, 'text/csv'),
      400,
      'a request may hold 1000 rows',
    ],
    [
      'an answer that is no number',
      () => json({ rows: [rows[0], { age: null, income: 1 }] }, '/predict/price'),
      422,
      "rows[1]: model 'price' answered NaN",
    ],
  ])('%s', async (_, ask, status, message) => {
    const answer = await ask()
    expect(answer.body.error).toContain(message)
    expect(answer.status).toBe(status)
  })
})
