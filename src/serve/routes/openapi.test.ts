/** The OpenAPI document is true: every route is in it, and whatever is sent to a route is answered as it says, and never with 500. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import { sampleTablePipeline, sampleTextPipeline } from '../../../test/sample-table.ts'
import type { Pipeline } from '../../bundle/index.ts'
import { createFileJobs } from '../../store/file-jobs.ts'

interface Answer {
  readonly $ref?: string
  readonly content?: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>
}

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly $ref?: string; readonly name?: string; readonly in?: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly security: readonly unknown[]
  readonly responses: Readonly<Record<string, Answer>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

let root: string
let pipelines: Pipeline[]
let sample: SampleApp
let app: SampleApp['app']
let strict: SampleApp['app']
let document: Document
let operations: { path: string; method: string; operation: Operation }[]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-openapi-'))
  pipelines = [
    await samplePipeline(),
    await sampleTablePipeline('classification'),
    await sampleTextPipeline('labels'),
    await sampleTextPipeline('vectors'),
  ]
  // The fuzz unloads models too: they must be there again when they are asked for.
  const kept = (pipeline: Pipeline): Pipeline => ({
    manifest: pipeline.manifest,
    infer: (...given) => pipeline.infer(...given),
    predict: (...given) => pipeline.predict(...given),
    predictBatch: (...given) => pipeline.predictBatch(...given),
    predictEach: (...given) => pipeline.predictEach(...given),
    unseen: pipeline.unseen,
    release: async () => undefined,
  })
  const models = ['tiny', 'risk', 'labels', 'vectors'].map((name, i) => ({
    name,
    version: '1',
    pipeline: kept(pipelines[i]!),
  }))
  const jobs = {
    store: createFileJobs(join(root, 'jobs'), { files: root }),
    limits: { maxFileBytes: 200_000, perKey: 200, running: 1, keepMilliseconds: 1e9 },
    clock: { now: () => 0 },
    isValid: async () => true,
  }
  sample = sampleApp(models, { jobs })
  await sample.jobs!.open()
  app = sample.app
  strict = sampleApp(models, { authenticate: () => undefined }).app
  document = (await (await app.request('/openapi.json')).json()) as Document
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
})
afterAll(async () => {
  await sample.jobs!.close()
  await Promise.all(pipelines.map((pipeline) => pipeline.release()))
  await rm(root, { recursive: true, force: true })
})

/** Values near to what the schemas ask for, so that the fuzz comes past the first check. */
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 2, 144, 1e9, 2 ** 53, -1, 255))
const tensor = fc.record(
  {
    name: fc.constantFrom('pixels', 'numbers', 'pixel', '__proto__'),
    shape: fc.oneof(fc.constantFrom([1, 1, 12, 12], [1, 2], [1e9, 1e9]), fc.array(number, { maxLength: 5 })),
    datatype: fc.constantFrom('UINT8', 'FP64', 'FP32', 'BYTES', 'x'),
    data: fc.oneof(
      fc.constantFrom(Array(144).fill(7), [1e308, -1e308], [null, 1]),
      fc.array(fc.anything(), { maxLength: 5 }),
    ),
    parameters: fc.record({ binary_data_size: number }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)
const near = fc.record(
  {
    inputs: fc.oneof(fc.array(tensor, { maxLength: 3 }), fc.string(), fc.anything()),
    outputs: fc.array(fc.record({ name: fc.constantFrom('probabilities', 'x') }), { maxLength: 2 }),
    parameters: fc.dictionary(fc.string(), fc.anything(), { maxKeys: 3 }),
    row: fc.dictionary(fc.constantFrom('age', 'income', '__proto__', 'x'), fc.anything()),
    rows: fc.array(fc.record({ age: fc.oneof(number, fc.string()), income: number }), { maxLength: 3 }),
    file: fc.constantFrom('rows.csv', '../x.csv', '/etc/passwd', 'a\0b', 'jobs/server.json'),
    image: fc.base64String(),
    images: fc.array(fc.base64String(), { maxLength: 3 }),
    topK: number,
    model: fc.constantFrom('tiny', 'risk', 'x', '../x', 7, null),
    ready: fc.anything(),
    id: fc.oneof(fc.string(), number),
  },
  { requiredKeys: [] },
)
/** What OpenAI's clients send, and what they should not. */
const texts = fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 }))
const openAi = fc
  .tuple(
    fc.record({
      model: fc.constantFrom('labels', 'labels', 'vectors', 'vectors', 'tiny', 'x', 7),
      input: fc.oneof(texts, texts, fc.anything()),
    }),
    fc.oneof(
      fc.constant({}),
      fc.record(
        {
          encoding_format: fc.constantFrom('float', 'base64', 'x'),
          dimensions: fc.constantFrom(3, 3, 8, -1),
          user: fc.string(),
          stream: fc.constant(true),
        },
        { requiredKeys: [] },
      ),
    ),
  )
  .map(([asked, more]) => ({ ...asked, ...more }))
const textOf = (value: unknown): string => {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? Number(inner) : inner)) ?? ''
  } catch {
    return ''
  }
}
const cell = fc.oneof(fc.constantFrom('1', '1e999', 'NaN', '', '"', '=1+1'), fc.string({ maxLength: 4 }))
const csv = fc
  .tuple(
    fc.constantFrom('age,income', 'age;income', 'age', '"age","income"', ''),
    fc.array(fc.tuple(cell, cell), { maxLength: 4 }),
  )
  .map(([head, rows]) => [head, ...rows.map((cells) => cells.join(','))].join('\n'))
const form = csv.map(
  (text) => `--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n${text}\r\n--x--\r\n`,
)
const body = fc.oneof(
  near.map(textOf),
  near.map(textOf),
  openAi.map(textOf),
  fc.json(),
  fc.string(),
  csv,
  form,
  fc.constant('['.repeat(50_000)),
)
const segment = fc.oneof(
  fc.constantFrom('tiny', 'risk'),
  fc.constantFrom('tiny', 'risk', '1', '..', '../../etc/passwd', '__proto__', '%00', 'a'.repeat(5000)),
  fc.string(),
)
const type = fc.constantFrom(
  ...['application/json', 'image/png', 'multipart/form-data; boundary=x', 'multipart/form-data', 'text/csv', ''],
  ...['application/octet-stream', 'application/x-www-form-urlencoded', 'application/jsonl', 'x'],
)
const extra = fc.record(
  {
    'inference-header-content-length': fc.constantFrom('0', '2', '-1', '99999999999', 'x'),
    'x-timeout-ms': fc.constantFrom('1', '1000', '0', 'x'),
    'last-event-id': fc.constantFrom('0', '-1', 'x'),
    range: fc.constantFrom('bytes=0-1', 'bytes=9999999-', 'bytes=-0', 'x'),
    accept: fc.constantFrom('text/csv', 'text/html', 'application/json', 'x/y'),
  },
  { requiredKeys: [] },
)
const query = fc.constantFrom(
  ...[
    '',
    '?topK=2',
    '?topK=-1',
    '?topK=%00',
    '?%',
    '?model=risk',
    '?model=risk&format=csv',
    '?version=1',
    '?version=x',
    '?model=risk&format=jsonl&topK=3',
  ],
)
const asked = fc.record({ index: fc.nat(), body, segment, type, extra, query })

/** What is documented for an answer, references followed. */
function documented(operation: Operation, status: number): Answer | undefined {
  const answer = operation.responses[status]
  if (answer?.$ref === undefined) return answer
  return document.components.responses![answer.$ref.split('/').at(-1)!] as Answer
}

/** The checks of documented schemas, by reference. */
const checks = new Map<string, z.ZodType>()
function checkOf(ref: string): z.ZodType {
  const known = checks.get(ref)
  if (known) return known
  const inner = JSON.stringify({ $ref: ref, $defs: document.components.schemas }).replaceAll(
    '#/components/schemas/',
    '#/$defs/',
  )
  const check = z.fromJSONSchema(JSON.parse(inner))
  checks.set(ref, check)
  return check
}

describe('the OpenAPI document', () => {
  test("is true of OpenAI's routes for models of texts, which answer", async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/v1/moderations', '/v1/embeddings'), openAi, async (path, question) => {
        const body = textOf(question)
        const headers = { 'content-type': 'application/json' }
        const answer = await app.request(path, { method: 'POST', headers, body })
        const text = await answer.text()
        const about = `${path} ${body} -> ${answer.status} ${text.slice(0, 500)}`
        const { operation } = operations.find((each) => each.path === path)!
        seen.add(`${path} ${answer.status}`)
        const schema = documented(operation, answer.status)?.content?.['application/json']?.schema
        expect(schema, about).toBeDefined()
        expect(checkOf(schema!.$ref).safeParse(JSON.parse(text)).error, about).toBeUndefined()
      }),
      { seed: 3, numRuns: 500 },
    )
    const each = [200, 400, 404].flatMap((status) => [`/v1/moderations ${status}`, `/v1/embeddings ${status}`])
    expect([...seen].sort()).toEqual(each.sort())
  })

  test('has every route, and no other', () => {
    const registered = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    const listed = operations.map(({ method, path }) => `${method} ${path}`)
    expect([...new Set(registered)].sort()).toEqual(listed.sort())
  })

  test('is whole: references lead somewhere, parameters are described, names are unique', () => {
    for (const [, section, name] of JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)) {
      expect(document.components[section!], `${section}/${name}`).toHaveProperty(name!)
    }
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { path, operation } of operations) {
      const given = (operation.parameters ?? []).map(({ $ref, name, in: place }) => {
        const known = $ref === undefined ? undefined : document.components.parameters![$ref.split('/').at(-1)!]
        return (known ?? { name, in: place }) as { name: string; in: string }
      })
      const inPath = given.filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`)
      expect(inPath, path).toEqual(path.match(/\{\w+\}/g) ?? [])
    }
  })

  test('leads to answers that are as it says, and never 500', async () => {
    const seen = new Set<number>()
    const refused: string[] = []
    await fc.assert(
      fc.asyncProperty(asked, async ({ index, body, segment, type, extra, query }) => {
        const { path, method, operation } = operations[index % operations.length]!
        const url = path.replace(/\{\w+\}/g, () => encodeURIComponent(segment)) + query
        const headers = { ...extra, ...(type === '' ? {} : { 'content-type': type }) }
        const answer = await app.request(url, { method, headers, ...(method === 'GET' ? {} : { body }) })
        const text = await answer.text()
        const about = `${method} ${url} ${type} ${body.slice(0, 500)} -> ${answer.status} ${text.slice(0, 500)}`
        seen.add(answer.status)
        expect(answer.status, about).not.toBe(500)
        // What nobody has asked yet is not loaded: its probe says so.
        if (answer.status === 503 && !path.endsWith('/ready')) refused.push(about)
        const contentType = answer.headers.get('content-type')?.split(';')[0]
        // An empty or encoded part may lead to another route than the one that was meant.
        if (segment === '' || segment.includes('/') || /^\.{1,2}$/.test(segment)) return
        const expected = documented(operation, answer.status)
        expect(expected, about).toBeDefined()
        if (contentType === undefined || answer.status === 204) return
        const schema = expected!.content?.[contentType]?.schema
        expect(schema, about).toBeDefined()
        if (contentType === 'application/json') {
          expect(checkOf(schema!.$ref).safeParse(JSON.parse(text)).error, about).toBeUndefined()
        }
      }),
      { seed: 7, numRuns: 3500 },
    )
    expect([...seen]).toEqual(expect.arrayContaining([200, 202, 400, 404, 415, 422]))
    expect(refused).toEqual([])
  })

  test('every route without a security exception refuses who has no key', async () => {
    for (const { path, method, operation } of operations) {
      const url = path.replace(/\{\w+\}/g, 'tiny')
      const { status } = await strict.request(url, { method })
      expect([url, status], method).toEqual([url, operation.security.length === 0 ? 200 : 401])
    }
  })

  test('the page at /docs asks nothing of another host, and its links lead somewhere', async () => {
    const answer = await app.request('/docs')
    const text = await answer.text()
    expect(answer.headers.get('content-security-policy')).toBe("default-src 'none'; style-src 'unsafe-inline'")
    expect(text).toContain('/v2/models/{model}/infer')
    expect(text).not.toContain('<script')
    expect(text.match(/(?:src|href)="(?!\/|#)[^"]*"/g)).toBeNull()
    for (const [, name] of text.matchAll(/href="#([^"]*)"/g)) expect(text).toContain(`id="${name}"`)
  })
})
