/** Whatever is sent to a route of the OpenAPI document is answered, and never with 500. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly security?: readonly unknown[]
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

let pipeline: Pipeline
let app: SampleApp['app']
let strict: SampleApp['app']
let operations: { path: string; method: string; operation: Operation }[]
beforeAll(async () => {
  pipeline = await samplePipeline()
  const models = [{ name: 'tiny', version: '1', pipeline }]
  app = sampleApp(models).app
  strict = sampleApp(models, { authenticate: () => undefined }).app
  const { paths } = (await (await app.request('/openapi.json')).json()) as Document
  operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
})
afterAll(() => pipeline.release())

/** Values near to what the schemas ask for, so that the fuzz comes past the first check. */
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 2, 144, 1e9, 2 ** 53, -1, 255))
const tensor = fc.record(
  {
    name: fc.constantFrom('pixels', 'pixel', '__proto__'),
    shape: fc.oneof(fc.constant([1, 1, 12, 12]), fc.array(number, { maxLength: 5 })),
    datatype: fc.constantFrom('UINT8', 'FP32', 'BYTES', 'x'),
    data: fc.oneof(fc.constant(Array(144).fill(7)), fc.array(fc.anything(), { maxLength: 5 })),
    parameters: fc.record({ binary_data_size: number }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)
const near = fc.record(
  {
    inputs: fc.oneof(fc.array(tensor, { maxLength: 3 }), fc.string(), fc.anything()),
    outputs: fc.array(fc.record({ name: fc.constantFrom('probabilities', 'x') }), { maxLength: 2 }),
    parameters: fc.dictionary(fc.string(), fc.anything(), { maxKeys: 3 }),
    image: fc.base64String(),
    images: fc.array(fc.base64String(), { maxLength: 3 }),
    topK: number,
    model: fc.constantFrom('tiny', 'x', '../x', 7, null),
    ready: fc.anything(),
    id: fc.oneof(fc.string(), number),
  },
  { requiredKeys: [] },
)
const textOf = (value: unknown): string => {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? Number(inner) : inner)) ?? ''
  } catch {
    return ''
  }
}
const body = fc.oneof(near.map(textOf), fc.json(), fc.string(), fc.constant('['.repeat(50_000)))
const segment = fc.oneof(
  fc.constantFrom('tiny', '1', '..', '../../etc/passwd', '__proto__', '%00', 'a'.repeat(5000)),
  fc.string(),
)
const type = fc.constantFrom(
  ...['application/json', 'image/png', 'multipart/form-data; boundary=x', 'multipart/form-data', 'text/csv', ''],
  ...['application/octet-stream', 'application/x-www-form-urlencoded', 'x'],
)
const extra = fc.record(
  {
    'inference-header-content-length': fc.constantFrom('0', '2', '-1', '99999999999', 'x'),
    'x-timeout-ms': fc.constantFrom('1', '1000', '0', 'x'),
    'last-event-id': fc.constantFrom('0', '-1', 'x'),
  },
  { requiredKeys: [] },
)
const asked = fc.record({
  index: fc.nat(),
  body,
  segment,
  type,
  extra,
  query: fc.oneof(fc.constant(''), fc.constantFrom('?topK=2', '?topK=-1', '?topK=%00', '?%')),
})

describe('the OpenAPI document', () => {
  test('leads to answers that are never 500', async () => {
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(asked, async ({ index, body, segment, type, extra, query }) => {
        const { path, method } = operations[index % operations.length]!
        const url = path.replace(/\{\w+\}/g, () => encodeURIComponent(segment)) + query
        const headers = { ...extra, ...(type === '' ? {} : { 'content-type': type }) }
        const answer = await app.request(url, { method, headers, ...(method === 'GET' ? {} : { body }) })
        const text = await answer.text()
        seen.add(answer.status)
        expect([200, 202, 400, 404, 409, 413, 415, 422, 503, 504], `${method} ${url} ${body} ${text}`).toContain(
          answer.status,
        )
      }),
      { seed: 7, numRuns: 1500 },
    )
    expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404, 415]))
  })

  test('every route without a security exception refuses who has no key', async () => {
    for (const { path, method, operation } of operations) {
      const url = path.replace(/\{\w+\}/g, 'tiny')
      const { status } = await strict.request(url, { method })
      expect([url, status], method).toEqual([url, operation.security?.length === 0 ? 200 : 401])
    }
  })

  test('the page at /docs asks nothing of another host', async () => {
    const answer = await app.request('/docs')
    const text = await answer.text()
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(text).toContain('/v2/models/{model}/infer')
    expect(text.match(/(?:src|href)="(?!\/|#)[^"]*"/g)).toBeNull()
  })
})
