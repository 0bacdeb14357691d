/** With OpenAI's own client and Vercel's AI SDK as they are; only their way to the network leads into the app. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, streamText } from 'ai'
import { Hono } from 'hono'
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { owner, type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'
import { createGate, type Gated } from '../gate.ts'
import type { Passage } from '../passage.ts'
import { type ServerEvent, sseAnswer } from '../sse.ts'

let pipeline: Pipeline
let app: SampleApp['app']
beforeAll(async () => {
  pipeline = await samplePipeline()
  const authenticate = (key: string | undefined) => (key === 'qk_right' ? owner : undefined)
  app = sampleApp([{ name: 'tiny', version: '1', pipeline }], { authenticate }).app
})
afterAll(() => pipeline.release())

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>
const into =
  (target: { request: Hono['request'] }): Fetch =>
  async (input, init) =>
    target.request(input instanceof URL ? input.href : input, init)

const client = (apiKey = 'qk_right'): OpenAI =>
  new OpenAI({ baseURL: 'http://quern/v1', apiKey, fetch: into(app as never), maxRetries: 0 })
const messages = [{ role: 'user' as const, content: 'hi' }]

describe('the openai client', () => {
  test('lists models', async () => {
    const models = await client().models.list()
    const created = Date.parse('2026-01-02T03:04:05Z') / 1000
    const tiny = { id: 'tiny', object: 'model', created, owned_by: 'quern' }
    expect(models.data).toEqual([tiny])
    expect(await client().models.retrieve('tiny')).toEqual(tiny)
  })

  test.each([
    ['a wrong key', () => client('qk_wrong').models.list(), AuthenticationError, 'invalid_api_key', 'not known'],
    [
      'no such model',
      () => client().models.retrieve('tony'),
      NotFoundError,
      'model_not_found',
      'there is no model "tony"',
    ],
    [
      'no such model in a body',
      () => client().embeddings.create({ model: '../x', input: 'a' }),
      NotFoundError,
      'model_not_found',
      'there is no model "../x"',
    ],
    [
      'a task that does not answer the route',
      () => client().chat.completions.create({ model: 'tiny', messages }),
      BadRequestError,
      null,
      "model 'tiny' (image-classification) does not answer /v1/chat/completions: ask it at POST /predict/tiny",
    ],
    [
      'a route that is not there',
      () => client().files.list(),
      NotFoundError,
      'not_found',
      'there is nothing at GET /v1/files',
    ],
  ] as const)('understands %s', async (_, ask, kind, code, message) => {
    const error = await ask().then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(kind)
    expect((error as { code: unknown }).code).toBe(code)
    expect((error as Error).message).toContain(message)
  })
})

test("Vercel's AI SDK understands an error", async () => {
  const provider = createOpenAICompatible({
    name: 'quern',
    baseURL: 'http://quern/v1',
    apiKey: 'qk_right',
    fetch: into(app as never),
  })
  const error = await generateText({ model: provider('tiny'), prompt: 'hi', maxRetries: 0 }).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(APICallError)
  expect((error as APICallError).message).toContain('does not answer /v1/chat/completions')
})

/** No task streams yet: the events stand in for one, the way they are written is the server's. */
describe('events', () => {
  const choice = (content: string, finish_reason: string | null = null) => [
    { index: 0, delta: { content }, finish_reason },
  ]
  const about = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'tiny' }
  async function* words(fail: boolean): AsyncGenerator<ServerEvent> {
    yield { data: { ...about, choices: choice('one ') } }
    if (fail) throw new Error('the model broke')
    yield { data: { ...about, choices: choice('two', 'stop') } }
    yield { data: { ...about, choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } } }
  }
  const lines: string[] = []
  const passages: Passage[] = []
  const log = { info: () => undefined, warn: (line: string) => void lines.push(line) }
  const gate = createGate({
    ...{ log, maxBodyBytes: 1e6, newId: () => 'id', clock: { now: () => 0 }, authenticate: () => owner },
    observers: [(passage) => void passages.push(passage)],
  })
  const stream = (fail = false) =>
    new Hono<Gated>().use(gate.middleware).post('/v1/chat/completions', (c) => {
      const failed = (error: unknown): unknown => gate.onStreamError(error, c)
      return sseAnswer(words(fail), { last: '[DONE]', failed })
    })

  test('are read by the openai client to the end', async () => {
    const client = new OpenAI({ baseURL: 'http://quern/v1', apiKey: 'k', fetch: into(stream()) })
    const chunks = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
    let text = ''
    let total = 0
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.delta.content ?? ''
      total = chunk.usage?.total_tokens ?? total
    }
    expect([text, total]).toEqual(['one two', 3])
  })

  test('are read by the AI SDK to the end', async () => {
    const provider = createOpenAICompatible({
      name: 'quern',
      baseURL: 'http://quern/v1',
      includeUsage: true,
      fetch: into(stream()),
    })
    const result = streamText({ model: provider('tiny'), prompt: 'hi' })
    expect([await result.text, (await result.usage).totalTokens]).toEqual(['one two', 3])
  })

  test('that fail on the way become an error of the client', async () => {
    const client = new OpenAI({ baseURL: 'http://quern/v1', apiKey: 'k', fetch: into(stream(true)) })
    const chunks = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
    await expect(
      (async () => {
        for await (const _ of chunks);
      })(),
    ).rejects.toThrow('request id')
    // The client is told as of any fault of the server's; log and observers get the reason, though the status was sent as 200.
    expect(lines).toEqual(['request id failed: the model broke'])
    expect(passages.at(-1)).toMatchObject({ status: 500, failure: 'the model broke' })
  })
})
