import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { samplePixels } from '../../../test/sample-bundle.ts'
import { type Answer, answerOf, type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'

let pipeline: Pipeline
let app: SampleApp['app']
beforeAll(async () => {
  pipeline = await samplePipeline()
  app = sampleApp([
    { name: 'tiny', version: '1', pipeline },
    { name: 'tiny', version: '2', pipeline },
  ]).app
})
afterAll(() => pipeline.release())

const pixels = samplePixels(2)
const input = { name: 'pixels', shape: [2, 1, 12, 12], datatype: 'UINT8', data: [...pixels] as unknown }

async function infer(body: unknown, path = '/v2/models/tiny/infer'): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const headers = { 'content-type': 'application/json' }
  return answerOf(await app.request(path, { method: 'POST', body: text, headers }))
}

describe('metadata', () => {
  test('of the server and of a model', async () => {
    expect(await (await app.request('/v2')).json()).toEqual({
      name: 'quern',
      version: '0.1.0',
      extensions: ['binary_tensor_data', 'model_repository'],
    })
    expect(await (await app.request('/v2/models/tiny')).json()).toEqual({
      name: 'tiny',
      versions: ['1', '2'],
      platform: 'onnx_onnxruntime',
      inputs: [{ name: 'pixels', datatype: 'UINT8', shape: [-1, 1, 12, 12] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 5] }],
    })
    expect(await (await app.request('/v2/models/tiny/versions/1/ready')).json()).toEqual({ name: 'tiny', ready: true })
  })

  test.each([
    '/v2/models/tony',
    '/v2/models/tiny/versions/3',
    '/v2/models/..%2f..%2fetc',
    '/v2/models/__proto__/ready',
  ])('%s is not there', async (path) => {
    const answer = await answerOf(await app.request(path))
    expect(answer.status).toBe(404)
    expect(answer.body.error).toMatch(/there is no model|has no version/)
  })
})

describe('infer', () => {
  test('gives what the pipeline gives, for flat and nested data', async () => {
    const expected = await pipeline.infer({ pixels: { dtype: 'uint8', shape: [2, 1, 12, 12], data: pixels } })
    const outputs = [
      {
        name: 'probabilities',
        shape: [2, 5],
        datatype: 'FP32',
        data: [...(expected.probabilities!.data as Float32Array)],
      },
    ]
    const row = (i: number) =>
      Array.from({ length: 12 }, (_, r) => [...pixels.subarray(i * 144 + r * 12, i * 144 + r * 12 + 12)])
    const flat = await infer({ id: 'x7', parameters: { a: 1 }, inputs: [input], outputs: [{ name: 'probabilities' }] })
    expect(flat).toEqual({ status: 200, body: { model_name: 'tiny', model_version: '2', id: 'x7', outputs } })
    const nested = await infer(
      { inputs: [{ ...input, data: [[row(0)], [row(1)]] }] },
      '/v2/models/tiny/versions/1/infer',
    )
    expect(nested).toEqual({ status: 200, body: { model_name: 'tiny', model_version: '1', outputs } })
  })

  const withInput = (change: object) => ({ inputs: [{ ...input, ...change }] })
  test.each<[string, unknown, string]>([
    ['no JSON', '{"inputs": [', 'the body is not JSON'],
    ['nothing', '', 'the body is empty, expected JSON'],
    ['another value', '7', 'the request: '],
    ['no inputs', {}, "'inputs'"],
    ['an empty list', { inputs: [] }, "'inputs'"],
    ['another name', withInput({ name: 'pixel' }), "has no input 'pixel'. Did you mean 'pixels'?"],
    ['an input twice', { inputs: [input, input] }, "input 'pixels' comes twice"],
    ['another type', withInput({ datatype: 'FP32' }), "input 'pixels' must be UINT8, received FP32"],
    ['an unknown type', withInput({ datatype: 'UNIT8' }), "Did you mean 'UINT8'?"],
    ['a claim of 10^9 elements', withInput({ shape: [1e9, 1, 12, 12] }), 'needs 144000000000 elements, received 288'],
    ['a claim beyond all numbers', withInput({ shape: Array(16).fill(2 ** 53 - 1) }), 'elements, received 288'],
    [
      'a nested claim',
      withInput({ shape: [1e9, 1, 12, 12], data: [[1]] }),
      'axis 0 needs arrays of 1000000000, received an array of 1',
    ],
    ['a negative size', withInput({ shape: [-1, 1, 12, 12] }), "'inputs.0.shape.0'"],
    ['a broken size', withInput({ shape: [1.5, 1, 12, 12] }), "'inputs.0.shape.0'"],
    ['another shape', withInput({ shape: [2, 144] }), 'must have the shape [batch, 1, 12, 12], received [2, 144]'],
    ['no example', withInput({ shape: [0, 1, 12, 12], data: [] }), 'must hold an example'],
    [
      'a number too large',
      withInput({ data: [...pixels].fill(256) }),
      'element 0 must be a whole number from 0 to 255, received 256',
    ],
    ['a negative number', withInput({ data: [...pixels].fill(-1) }), 'received -1'],
    ['a fraction', withInput({ data: [...pixels].fill(0.5) }), 'received 0.5'],
    [
      'null, as JavaScript writes NaN',
      withInput({ data: [...pixels].fill(Number.NaN) }),
      'element 0 must be a number, received null',
    ],
    [
      'NaN as a word',
      '{"inputs":[{"name":"pixels","shape":[1],"datatype":"UINT8","data":[NaN]}]}',
      'the body is not JSON',
    ],
    ['texts', withInput({ data: Array(288).fill('1') }), 'must be a number, received "1"'],
    ['data that is no list', withInput({ data: { length: 288 } }), "'inputs.0.data' expected an array"],
    ['an unknown output', { inputs: [input], outputs: [{ name: 'probs' }] }, "has no output 'probs'"],
    ['JSON that is deep', `${'['.repeat(100_000)}`, 'JSON may be nested 32 deep'],
    ['ragged nesting', withInput({ data: [[[1]], 3] }), 'axis 2 needs arrays of 12, received an array of 1'],
  ])('refuses %s', async (_, body, message) => {
    const answer = await infer(body)
    expect(answer.body.error).toContain(message)
    expect(Object.keys(answer.body)).toEqual(['error'])
    expect(answer.status).toBe(400)
  })

  test('many brackets are refused before they become arrays', async () => {
    const roomy = sampleApp([{ name: 'tiny', version: '1', pipeline }], { maxBodyBytes: 10_000_000 }).app
    const body = `[${'[],'.repeat(1_100_000)}[]]`
    const answer = await answerOf(await roomy.request('/v2/models/tiny/infer', { method: 'POST', body }))
    expect(answer.status).toBe(400)
    expect(answer.body.error).toContain('JSON may hold 1000000 arrays')
  })

  test('no JSON at all leads to a 500', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.json().map((text) => `{"inputs":[${text}]}`),
        ),
        async (body) => {
          for (const path of ['/v2/models/tiny/infer', '/predict/tiny']) {
            const answer = await infer(body, path)
            expect([400, 422]).toContain(answer.status)
            expect(typeof answer.body.error).toBe('string')
          }
        },
      ),
      { seed: 6, numRuns: 100 },
    )
  })
})
