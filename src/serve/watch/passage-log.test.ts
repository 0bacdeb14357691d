import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'
import { createStructuredLog } from './passage-log.ts'

let pipeline: Pipeline
beforeAll(async () => {
  pipeline = await samplePipeline()
})
afterAll(() => pipeline.release())

function logged(served: Pipeline = pipeline): SampleApp & { readonly output: string[] } {
  const output: string[] = []
  const { observer, log } = createStructuredLog({ write: (line) => output.push(line) })
  return { ...sampleApp([{ name: 'tiny', version: '1', pipeline: served }], { observers: [observer], log }), output }
}

const json = { 'content-type': 'application/json' }
const key = 'qk_abcdefghijkl_0123456789012345678901234567890123456789012'

test('a line of JSON for each request, with what it took', async () => {
  const { app, output } = logged()
  const body = JSON.stringify({ inputs: [[[1]]] })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await (await app.request('/predict/tiny', { method: 'POST', headers: { ...json, traceparent }, body })).text()
  await (await app.request('/v2/models/tiny')).text()
  const lines = output.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(output.every((line) => line.endsWith('}\n'))).toBe(true)
  expect(lines[0]).toMatchObject({
    ...{ level: 'info', request: 'id-0', kind: 'http', what: 'POST /predict/tiny', status: 400, key: 'owner' },
    ...{ model: 'tiny', version: '1', bytesIn: body.length, trace: '0af7651916cd43dd8448eb211c80319c' },
  })
  expect(lines[0]!.milliseconds).toBeGreaterThan(0)
  expect(Date.parse(String(lines[0]!.time))).not.toBeNaN()
  expect(lines[1]).toMatchObject({ what: 'GET /v2/models/tiny', status: 200, bytesIn: 0 })
  expect(lines[1]).not.toHaveProperty('trace')
})

test('no payload, query or key is in it, however a request fails', async () => {
  const { app, output } = logged()
  const secret = 'S3CRET-of-a-patient'
  const asks: [string, RequestInit][] = [
    // Each of these messages repeats to the client what it sent.
    ['/predict/tiny', { method: 'POST', headers: json, body: secret }],
    ['/predict/tiny', { method: 'POST', headers: json, body: JSON.stringify({ [secret]: 1 }) }],
    ['/predict/tiny', { method: 'POST', headers: json, body: JSON.stringify({ row: { age: secret } }) }],
    [
      '/v2/models/tiny/infer',
      {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ inputs: [{ name: secret, shape: [1], datatype: 'BOOL', data: [1] }] }),
      },
    ],
    [`/predict/tiny?topK=${secret}`, { method: 'POST', body: 'x', headers: { 'content-type': secret } }],
    [`/predict/${key}`, { method: 'POST', body: 'x' }],
    ['/v2', { headers: { authorization: `Bearer ${key}`, 'x-request-id': key, cookie: secret, 'user-agent': secret } }],
  ]
  for (const [path, init] of asks) await (await app.request(path, init)).text()
  const all = output.join('')
  expect(output).toHaveLength(asks.length)
  expect(all).not.toContain('S3CRET')
  expect(all).not.toContain('0123456789012')
  expect(all).toContain('POST /predict/qk_[hidden]')
})

test('what failed inside is said, below the same id', async () => {
  const broken = {
    manifest: pipeline.manifest,
    infer: () => Promise.resolve({}),
    predict: () => Promise.reject(new TypeError(`no ${key} here`)),
    predictEach: () => {
      throw new TypeError(`no ${key} here`)
    },
  }
  const { app, output } = logged(broken as unknown as Pipeline)
  const answer = await app.request('/predict', { method: 'POST', body: 'x', headers: { 'content-type': 'image/png' } })
  await answer.text()
  const lines = output.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines.find(({ level }) => level === 'error')).toMatchObject({
    request: 'id-0',
    status: 500,
    error: 'no qk_[hidden] here',
  })
  expect(lines.find(({ level }) => level === 'warn')).toMatchObject({
    message: 'request id-0 failed: no qk_[hidden] here',
  })
})

test('addresses of any length make short lines', async () => {
  const { app, output } = logged()
  await (await app.request(`/${'x'.repeat(5000)}`)).text()
  expect(output[0]!.length).toBeLessThan(600)
})
