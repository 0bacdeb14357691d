/** Jobs on a real folder, with real models: every row has its answer or its reason, in order, for the key that asked. */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { samplePng } from '../../../test/sample-bundle.ts'
import { JobBench, pricesOf, rowsOf } from '../../../test/sample-jobs.ts'
import { answerOf, sampleApp } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'
import type { Passage } from '../passage.ts'

let bench: JobBench
let price: Pipeline
beforeAll(async () => {
  bench = await JobBench.make()
  price = bench.models.price
})
afterEach(() => bench.clear())
afterAll(() => bench.remove())

describe('a job', () => {
  test('answers each row of a CSV file, in order, and says which failed', async () => {
    const passages: Passage[] = []
    const { post, ended, result, ask } = await bench.server({ observers: [(passage) => void passages.push(passage)] })
    const bad = (i: number) => i % 100 === 42
    const made = await post('model=price&file=may.csv', rowsOf(700, bad), 'text/csv')
    expect(made.status).toBe(202)
    expect(made.body).toMatchObject({ state: 'queued', model: 'price', version: '1', file: 'may.csv', format: 'csv' })
    const job = await ended(made.body.id)
    expect(job).toMatchObject({ state: 'done', progress: 1, rows: { done: 700, failed: 7 } })
    expect(job.failures[0]).toEqual({
      row: 43,
      line: 44,
      reason: 'column \'age\' must hold a finite number, received "old"',
    })
    const { answer, text } = await result(job.id)
    expect(text).toBe(await pricesOf(price, 700, bad))
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-length')).toBe(String(text.length))
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="results-${job.id}.csv"`)
    expect((await answerOf(await ask('/jobs'))).body.jobs).toEqual([job])
    // Each part passed the gate as the key's, behind all requests.
    const parts = passages.filter(({ kind }) => kind === 'job')
    expect(parts.map(({ what }) => what.replace(job.id, 'J'))).toEqual([
      'job J rows 1 to 256',
      'job J rows 257 to 512',
      'job J rows 513 to 700',
    ])
    expect(
      parts.every(({ principal, priority, model }) => principal?.id === 'shop' && priority < 0 && model === 'price'),
    ).toBe(true)
  })

  test('takes JSON lines, forms and files of the folder; results in the form that is asked for', async () => {
    const { post, ended, result, ask } = await bench.server()
    const lines = '{"age":30,"income":1}\n\n{"age":"x","income":1}\n{"age":31,"income":2}'
    const json = await ended((await post('model=risk&topK=2', lines, 'application/jsonl')).body.id)
    const parsed = (await result(json.id)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(parsed[0]).toEqual({
      row: 1,
      predictions: await bench.models.risk.predict({ age: 30, income: 1 }, { topK: 2 }),
    })
    expect(parsed[1]).toEqual({ row: 2, error: 'line 3: column \'age\' must hold a finite number, received "x"' })
    expect(parsed[2].row).toBe(3)

    const form = new FormData()
    form.append('model', 'price')
    form.append('results', 'jsonl')
    form.append('file', new File([rowsOf(3)], 'three.csv'))
    const three = await ended((await post('', form)).body.id)
    expect(three).toMatchObject({ file: 'three.csv', format: 'csv', results: 'jsonl', rows: { done: 3, failed: 0 } })
    expect((await result(three.id)).answer.headers.get('content-type')).toBe('application/jsonl')

    await mkdir(join(bench.root, 'files/may'), { recursive: true })
    await writeFile(join(bench.root, 'files/may/rows.csv'), rowsOf(5))
    const named = await answerOf(
      await ask('/jobs', {
        method: 'POST',
        body: JSON.stringify({ model: 'price', file: 'may/rows.csv' }),
        headers: { 'content-type': 'application/json' },
      }),
    )
    const job = await ended(named.body.id)
    expect((await result(job.id)).text).toBe(await pricesOf(price, 5))
  })

  test('takes pictures as JSON lines', async () => {
    const { post, ended, result } = await bench.server()
    const png = await samplePng(4)
    const lines = [{ image: Buffer.from(png).toString('base64') }, { image: 'AAAA' }, { imgae: 'x' }, []]
    const text = lines.map((line) => JSON.stringify(line)).join('\n')
    const job = await ended((await post('model=tiny&format=jsonl', text)).body.id)
    expect(job).toMatchObject({ state: 'done', rows: { done: 4, failed: 3 } })
    const [first, second, third, fourth] = (await result(job.id)).text.split('\n')
    expect(JSON.parse(first!)).toEqual({ row: 1, predictions: await bench.models.tiny.predict(png, { topK: 1 }) })
    expect(second).toContain('not a picture')
    expect(third).toContain("Did you mean 'image'?")
    expect(fourth).toContain('the line must be an object such as')
  })

  test('keeps one spoilt answer from spoiling its neighbours', async () => {
    const { post, ended, result } = await bench.server()
    const job = await ended((await post('model=price', 'age,income\n1,2\n,5\n3,4\n', 'text/csv')).body.id)
    expect(job.rows).toEqual({ done: 3, failed: 1 })
    const lines = (await result(job.id)).text.split('\n')
    expect(lines[2]).toContain("line 3: model 'price' answered NaN")
    expect(lines[3]).toMatch(/^3,[-\d.]+,$/)
  })

  test('goes as far as a row that never ends', async () => {
    const { post, ended, result } = await bench.server()
    const job = await ended((await post('model=price', `${rowsOf(2)}3,"4,5\n6,7,8\n`, 'text/csv')).body.id)
    expect(job).toMatchObject({ state: 'done', rows: { done: 3, failed: 1 } })
    expect((await result(job.id)).text).toContain('3,,line 4: a quote is opened and never closed')
  })

  test('whose results cannot be read is a failure of the server, not a client that left', async () => {
    const passages: Passage[] = []
    const server = await bench.server({ observers: [(passage) => void passages.push(passage)] })
    const { post, ended, ask, lines } = server
    const { id } = await ended((await post('model=price', rowsOf(3), 'text/csv')).body.id)
    await rm(join(bench.root, 'jobs', id, 'results'))
    await expect((await ask(`/jobs/${id}/result`)).text()).rejects.toThrow()
    expect(passages.at(-1)).toMatchObject({ status: 500, failure: expect.stringContaining('results') })
    expect(lines.filter((line) => line.startsWith('! '))).toEqual([expect.stringMatching(/^! request id-\d+ failed: /)])
  })

  test('is read in ranges', async () => {
    const { post, ended, result } = await bench.server()
    const { id } = await ended((await post('model=price', rowsOf(50), 'text/csv')).body.id)
    const whole = (await result(id)).text
    const part = await result(id, { range: 'bytes=10-29' })
    expect([part.answer.status, part.text]).toEqual([206, whole.slice(10, 30)])
    expect(part.answer.headers.get('content-range')).toBe(`bytes 10-29/${whole.length}`)
    expect((await result(id, { range: 'bytes=-7', 'if-range': `"${id}"` })).text).toBe(whole.slice(-7))
    expect((await result(id, { range: 'bytes=0-1', 'if-range': '"other"' })).text).toBe(whole)
    const outside = await result(id, { range: `bytes=${whole.length}-` })
    expect([outside.answer.status, outside.answer.headers.get('content-range')]).toEqual([
      416,
      `bytes */${whole.length}`,
    ])
  })
})

describe('keys', () => {
  test('see, read and cancel their own jobs only', async () => {
    const { post, ended, ask } = await bench.server()
    const { id } = await ended((await post('model=price', rowsOf(3), 'text/csv', 'mine')).body.id, 'mine')
    expect((await answerOf(await ask('/jobs', {}, 'other'))).body).toEqual({ jobs: [] })
    for (const [path, method] of [
      [`/jobs/${id}`, 'GET'],
      [`/jobs/${id}/result`, 'GET'],
      [`/jobs/${id}`, 'DELETE'],
    ]) {
      const answer = await ask(path!, { method: method! }, 'other')
      expect([path, method, answer.status]).toEqual([path, method, 404])
    }
    expect((await ask(`/jobs/${id}`, { method: 'DELETE' }, 'mine')).status).toBe(204)
    expect((await ask(`/jobs/${id}`, {}, 'mine')).status).toBe(404)
    expect(await readdir(join(bench.root, 'jobs'))).toEqual(['server.json'])
  })

  test('have so many jobs and no more', async () => {
    const { post, ended, ask } = await bench.server({ limits: { perKey: 2 } })
    const first = await post('model=price', rowsOf(3), 'text/csv')
    await post('model=price', rowsOf(3), 'text/csv')
    const third = await post('model=price', rowsOf(3), 'text/csv')
    expect([third.status, third.body.error]).toEqual([429, expect.stringContaining('this key has 2 jobs')])
    expect((await post('model=price', rowsOf(3), 'text/csv', 'other')).status).toBe(202)
    await ended(first.body.id)
    await ask(`/jobs/${first.body.id}`, { method: 'DELETE' })
    expect((await post('model=price', rowsOf(3), 'text/csv')).status).toBe(202)
  })

  test('that were revoked end their jobs', async () => {
    const { post, ended } = await bench.server({ valid: (owner) => owner !== 'gone' })
    const job = await ended((await post('model=price', rowsOf(3), 'text/csv', 'gone')).body.id, 'gone')
    expect(job).toMatchObject({ state: 'failed', failure: 'the key of this job was revoked or has expired' })
  })
})

describe('what cannot be', () => {
  test.each<[string, string, string, string, number, string]>([
    ['no such model', 'model=prise', rowsOf(1), 'text/csv', 404, "Did you mean 'price'?"],
    ['no such version', 'model=price&version=7', rowsOf(1), 'text/csv', 404, "no version '7'"],
    ['no model', '', rowsOf(1), 'text/csv', 400, 'this server has 3 models'],
    ['a column that lacks', 'model=price', 'age\n1\n', 'text/csv', 400, "the file has no column 'income'"],
    ['a table for pictures', 'model=tiny', rowsOf(1), 'text/csv', 400, 'takes pictures'],
    ['no format', 'model=price', rowsOf(1), 'text/plain', 415, 'give format=csv or format=jsonl'],
    ['an unknown setting', 'model=price&topk=1', rowsOf(1), 'text/csv', 400, "Did you mean 'topK'?"],
    ['a bad count', 'model=price&topK=0', rowsOf(1), 'text/csv', 400, 'topK must be'],
    ['an empty file', 'model=price', '', 'text/csv', 400, 'the file is empty'],
    ['a long file', 'model=price', 'x'.repeat(1_000_001), 'text/csv', 413, 'the body may have 1000000 bytes'],
    [
      'a path out of the folder',
      '',
      '{"model":"price","file":"../secret.csv"}',
      'application/json',
      400,
      "'file' is a path within the server's folder, without '..'",
    ],
    [
      'a link out of the folder',
      '',
      '{"model":"price","file":"link.csv"}',
      'application/json',
      404,
      'there is no file "link.csv"',
    ],
    ['a file that is not there', '', '{"model":"price","file":"no.csv"}', 'application/json', 404, 'there is no file'],
  ])('%s', async (_, query, body, type, status, message) => {
    await mkdir(join(bench.root, 'files'), { recursive: true })
    await writeFile(join(bench.root, 'secret.csv'), rowsOf(1))
    await symlink(join(bench.root, 'secret.csv'), join(bench.root, 'files/link.csv'))
    const { post } = await bench.server()
    const answer = await post(query, body, type)
    expect(answer.body.error).toContain(message)
    expect(answer.status).toBe(status)
    // Nothing of it is left.
    expect(await readdir(join(bench.root, 'jobs'))).toEqual(['server.json'])
  })

  test('jobs where there is no place for them', async () => {
    const { app } = sampleApp([{ name: 'price', version: '1', pipeline: price }])
    expect((await app.request('/jobs')).status).toBe(501)
  })

  test('results before the end', async () => {
    let letGo = (): void => undefined
    const held = new Promise<void>((resolve) => (letGo = resolve))
    const slow = { ...price, manifest: price.manifest, release: async () => undefined } as unknown as Pipeline
    Object.assign(slow, {
      infer: price.infer.bind(price),
      predictEach: async function* (...given: Parameters<Pipeline['predictEach']>) {
        await held
        yield* price.predictEach(...given)
      },
    })
    const { post, ended, result } = await bench.server({ models: { price: slow } })
    const { id } = (await post('model=price', rowsOf(2), 'text/csv')).body
    expect((await result(id)).answer.status).toBe(409)
    letGo()
    await ended(id)
    expect((await result(id)).answer.status).toBe(200)
  })
})

describe('the end of a job', () => {
  test('comes when it is cancelled; what was computed stays', async () => {
    let parts = 0
    let id = ''
    const made: { ask?: (path: string, init: RequestInit) => Promise<Response> } = {}
    let cancelled: Promise<Response> | undefined
    const observers = [
      ({ kind }: Passage) => {
        if (kind === 'job' && ++parts === 2) cancelled = made.ask!(`/jobs/${id}`, { method: 'DELETE' })
      },
    ]
    const { post, ended, result, ask } = await bench.server({ observers })
    made.ask = ask
    id = (await post('model=price', rowsOf(5000), 'text/csv')).body.id
    const job = await ended(id)
    expect((await cancelled!).status).toBe(200)
    expect(job.state).toBe('cancelled')
    expect(job.rows.done).toBeGreaterThanOrEqual(256)
    expect(job.rows.done).toBeLessThan(1100)
    const whole = await pricesOf(price, 5000)
    const { text } = await result(id)
    expect(whole.startsWith(text)).toBe(true)
    expect(text.trim().split('\n')).toHaveLength(job.rows.done + 1)
  })

  test('comes when its model is taken away', async () => {
    const { post, catalog, jobs } = await bench.server({ models: { price }, limits: { running: 0 } })
    const { id } = (await post('model=price', rowsOf(2), 'text/csv')).body
    await jobs!.close()
    catalog.remove('price', '1')
    const next = await bench.server({ models: { risk: bench.models.risk } })
    expect(await next.ended(id)).toMatchObject({
      state: 'failed',
      failure: expect.stringContaining("there is no model 'price'"),
    })
  })

  test('is followed by its removal', async () => {
    const { post, ended, ask, jobs } = await bench.server()
    const { id, expires } = await ended((await post('model=price', rowsOf(2), 'text/csv')).body.id)
    expect(expires).toBe('2026-11-23T13:00:00.000Z')
    bench.now += 3_600_000
    expect((await ask(`/jobs/${id}`)).status).toBe(404)
    await jobs!.close()
    await bench.server()
    // Its files go soon after.
    await expect.poll(() => readdir(join(bench.root, 'jobs')), { timeout: 10_000 }).toEqual(['server.json'])
  })
})
