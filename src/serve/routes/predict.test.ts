import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labels, samplePixels, samplePng } from '../../../test/sample-bundle.ts'
import { type Answer, answerOf, type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import { sampleTablePipeline } from '../../../test/sample-table.ts'
import type { Pipeline } from '../../bundle/index.ts'

let pipeline: Pipeline
let app: SampleApp['app']
let png: Uint8Array<ArrayBuffer>
let other: Uint8Array<ArrayBuffer>
beforeAll(async () => {
  pipeline = await samplePipeline()
  app = sampleApp([{ name: 'tiny', version: '1', pipeline }]).app
  png = await samplePng(1)
  other = await samplePng(2)
})
afterAll(() => pipeline.release())

async function post(
  body: string | Uint8Array<ArrayBuffer> | FormData,
  headers: Record<string, string> = {},
  path = '/predict',
): Promise<Answer> {
  return answerOf(await app.request(path, { method: 'POST', body, headers }))
}
const json = (body: unknown, path?: string) => post(JSON.stringify(body), { 'content-type': 'application/json' }, path)
const form = (files: [string, Uint8Array][], texts: [string, string][] = []) => {
  const data = new FormData()
  for (const [name, bytes] of files) data.append(name, new File([bytes as Uint8Array<ArrayBuffer>], 'a.png'))
  for (const [name, text] of texts) data.append(name, text)
  return data
}

describe('a picture', () => {
  test('as the body, under any type that clients give it', async () => {
    const expected = await pipeline.predict(png)
    for (const type of ['image/png', 'image/jpeg', 'application/octet-stream', 'application/x-www-form-urlencoded']) {
      expect(await post(png, { 'content-type': type })).toEqual({ status: 200, body: expected })
    }
    expect(await post(png, {}, '/predict/tiny?topK=2')).toEqual({ status: 200, body: expected.slice(0, 2) })
  })

  test('as base64 and as a data URI', async () => {
    const expected = await pipeline.predict(png)
    const text = Buffer.from(png).toString('base64')
    expect((await json({ image: text })).body).toEqual(expected)
    expect((await json({ image: `data:image/png;base64,${text}`, topK: 1 })).body).toEqual(expected.slice(0, 1))
    expect((await json({ inputs: text })).body).toEqual(expected)
    expect((await json({ images: [text] })).body).toEqual([expected])
  })

  test('in a form, one or several', async () => {
    const both = await pipeline.predictBatch([png, other])
    expect((await post(form([['file', png]]))).body).toEqual(both[0])
    expect((await post(form([['files', png]]))).body).toEqual([both[0]])
    const several = form(
      [
        ['file', png],
        ['x', other],
      ],
      [['topK', '1']],
    )
    expect((await post(several)).body).toEqual(both.map((answers) => answers.slice(0, 1)))
  })

  test('as numbers, one or several', async () => {
    const data = samplePixels(2)
    const example = (i: number) => [
      Array.from({ length: 12 }, (_, r) => [...data.subarray(i * 144 + r * 12, i * 144 + r * 12 + 12)]),
    ]
    const tensor = (i: number) => ({
      dtype: 'uint8' as const,
      shape: [1, 12, 12],
      data: data.subarray(i * 144, i * 144 + 144),
    })
    const expected = await pipeline.predictBatch([tensor(0), tensor(1)])
    expect((await json({ inputs: example(0) })).body).toEqual(expected[0])
    expect((await json({ inputs: [example(0), example(1)] })).body).toEqual(expected)
    expect((await json({ inputs: [example(0)] })).body).toEqual([expected[0]])
  })
})

describe('what cannot be used', () => {
  const ragged = [...Array.from({ length: 11 }, () => Array(12).fill(0)), [1]]
  test.each<[string, () => Promise<Answer>, number, string]>([
    ['an empty body', () => post('', { 'content-type': 'image/png' }), 400, 'the body is empty, expected a picture'],
    ['text', () => post('hello', { 'content-type': 'image/png' }), 422, 'not a picture of a known format'],
    ['half a picture', () => post(png.subarray(0, 300), { 'content-type': 'image/png' }), 422, 'truncated or damaged'],
    ['another type', () => post('a,b', { 'content-type': 'text/csv' }), 415, 'received text/csv'],
    ['a bad count', () => post(png, {}, '/predict?topK=-1'), 400, 'topK must be a whole number'],
    ['a count that is no number', () => post(png, {}, '/predict?topK=1e9'), 400, 'received "1e9"'],
    ['an unknown model', () => post(png, {}, '/predict/tinny'), 404, "Did you mean 'tiny'?"],
    ['a form without files', () => post(form([], [['a', 'b']])), 400, 'the form holds no file'],
    ['a broken form', () => post('--x', { 'content-type': 'multipart/form-data; boundary=y' }), 400, 'boundary'],
    ['a form without a boundary', () => post('--x', { 'content-type': 'multipart/form-data' }), 400, 'boundary'],
    ['an unknown key', () => json({ imgae: 'x' }), 400, "Did you mean 'image'?"],
    ['nothing', () => json({}), 400, "one of 'row', 'rows', 'image', 'images' and 'inputs', received 0"],
    ['two things', () => json({ image: 'a', inputs: 'b' }), 400, 'received 2'],
    ['no base64', () => json({ image: '%%%' }), 400, 'image must be a picture as base64'],
    ['an empty text', () => json({ image: '' }), 400, 'image is empty'],
    ['a data URI of text', () => json({ image: 'data:text/plain,hi' }), 400, 'a data URI must be base64'],
    [
      'one bad of two',
      () => json({ images: [Buffer.from(png).toString('base64'), 'AAAA'] }),
      422,
      'images[1]: not a picture',
    ],
    [
      'numbers of another shape',
      () =>
        json({
          inputs: [
            [1, 2],
            [3, 4],
          ],
        }),
      400,
      'nested as [1, 12, 12], or [n, 1, 12, 12]',
    ],
    ['no numbers', () => json({ inputs: [] }), 400, 'received [0]'],
    ['ragged numbers', () => json({ inputs: [ragged] }), 400, 'axis 2 needs arrays of 12, received an array of 1'],
    ['a wrong count in JSON', () => json({ image: 'AAAA', topK: 0 }), 400, "'topK'"],
    ['too many pictures', () => json({ images: Array(1001).fill('AAAA') }), 400, "'images'"],
  ])('%s', async (_, send, status, message) => {
    const answer = await send()
    expect(answer.body.error).toContain(message)
    expect(answer.status).toBe(status)
  })

  test('a version that there is not; one that there is answers whoever names it', async () => {
    const two = sampleApp([
      { name: 'tiny', version: '1', pipeline },
      { name: 'tiny', version: '2', pipeline },
    ])
    two.catalog.setAliases('tiny', { stable: '2', shadow: '1' })
    const ask = async (query: string): Promise<Answer> =>
      answerOf(await two.app.request(`/predict/tiny${query}`, { method: 'POST', body: png }))
    expect((await ask('?version=1')).status).toBe(200)
    expect((await ask('?version=shadow')).status).toBe(200)
    const { status, body } = await ask('?version=3')
    expect([status, body.error]).toEqual([404, "model 'tiny' has no version '3'. Known: 1, 2."])
  })

  test('several models and no name', async () => {
    const two = sampleApp(['a', 'b'].map((name) => ({ name, version: '1', pipeline }))).app
    const answer = await answerOf(await two.request('/predict', { method: 'POST', body: png }))
    expect(answer.status).toBe(400)
    expect(answer.body.error).toBe('this server has 2 models: name one, as in /predict/a. Known: a, b.')
    expect((await two.request('/predict/b', { method: 'POST', body: png })).status).toBe(200)
  })

  test('names that cannot be served', () => {
    const served = (name: string, version = '1') => ({ name, version, pipeline })
    expect(() => sampleApp([served('../a')])).toThrow("'../a' cannot be served")
    expect(() => sampleApp([served('a'), served('a')])).toThrow("version 1 of model 'a' comes twice")
  })
})

describe('the front page', () => {
  test('for programs', async () => {
    const { body: listing } = await answerOf(await app.request('/'))
    expect(listing.models).toEqual([
      {
        name: 'tiny',
        version: '1',
        state: 'ready',
        task: 'image-classification',
        labels: labels.length,
        created: '2026-01-02T03:04:05.000Z',
      },
    ])
    for (const { method, path } of listing.endpoints) {
      const url = path.replace('{model}', 'tiny').replace('{version}', '1')
      const answer = await app.request(url, { method })
      expect([path, answer.status === 404]).toEqual([path, false])
    }
  })

  test('for people', async () => {
    const answer = await app.request('/', { headers: { accept: 'text/html,*/*' } })
    const text = await answer.text()
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(text).toContain('<a href="/v2/models/tiny">tiny</a>')
    expect(text).toContain('POST /v2/models/{model}/infer')
  })

  test('tries what the first model takes', async () => {
    const pageOf = async (name: string, pipeline: Pipeline): Promise<string> =>
      (
        await sampleApp([{ name, version: '1', pipeline }]).app.request('/', { headers: { accept: 'text/html' } })
      ).text()
    const risk = await sampleTablePipeline('classification')
    expect(await pageOf('risk', risk)).toContain('--data-binary @rows.csv http://localhost/predict/risk')
    await risk.release()
    expect(await pageOf('tiny', pipeline)).toContain('/predict/tiny?topK=3')
  })

  test('as OpenAPI', async () => {
    const { body: document } = await answerOf(await app.request('/openapi.json'))
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toContain('/predict/{model}')
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g)!
    for (const reference of references)
      expect(Object.keys(document.components.schemas)).toContain(reference.split('/').at(-1))
  })
})
