/** Models of texts, trained here, asked over a socket by OpenAI's own client and Vercel's AI SDK as they are. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embedMany } from 'ai'
import OpenAI, { BadRequestError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openModel } from '../src/actions/open-model.ts'
import { resolveProject } from '../src/actions/project.ts'
import type { Pipeline } from '../src/bundle/index.ts'
import { createRandom } from '../src/core/random.ts'
import { inProcess } from '../src/serve/in-process.ts'
import { createProjectFolder, type ProjectFolder, train } from './actions/project-folder.ts'
import { type LiveServer, liveServer } from './live-server.ts'

/** What customers write about, in words of its own each. */
const subjects = {
  billing: ['invoice', 'charged', 'refund', 'card'],
  shipping: ['parcel', 'late', 'courier', 'address'],
  quality: ['broken', 'scratch', 'torn', 'leaks'],
}
const labels = Object.keys(subjects)
const fillers = ['please', 'the', 'my', 'and', 'order', 'again', 'this', 'week', 'hello', 'still']

/** A message for each set of subjects in turn; the vector counts the words of each subject. */
function messages(count: number): { text: string; subjects: string[]; vector: number[] }[] {
  const random = createRandom(4)
  return Array.from({ length: count }, (_, i) => {
    const about = labels.filter((_, bit) => (i >> bit) & 1)
    const words = [0, 1, 2, 3, 4].map(() => fillers[random.uint32() % fillers.length]!)
    for (const label of about) {
      const of = subjects[label as keyof typeof subjects]
      for (let k = 0; k < 2; k++) words.splice(random.uint32() % words.length, 0, of[random.uint32() % of.length]!)
    }
    return { text: words.join(' '), subjects: about, vector: labels.map((label) => (about.includes(label) ? 2 : 0)) }
  })
}

let folder: ProjectFolder
let live: LiveServer
const pipelines: Pipeline[] = []
beforeAll(async () => {
  folder = await createProjectFolder()
  await writeFile(join(folder.root, 'messages.json'), JSON.stringify(messages(400)))
  live = await liveServer({ workers: 1 })
  const models = [
    ['topics', 'tabular-multilabel', 'subjects', { vector: 'ignore', subjects: 'set', text: 'text' }],
    ['vectors', 'tabular-regression', 'vector', { subjects: 'ignore', vector: 'vector', text: { feature: 'words' } }],
    ['counts', 'tabular-regression', ['vector'], { subjects: 'ignore', vector: 'vector', text: 'category' }],
  ] as const
  for (const [name, task, target, columns] of models) {
    const config = {
      ...{ task, name, seed: 1, baselines: false },
      data: { source: 'messages.json', target, columns, split: { validation: 0, test: 0.2, stratified: false } },
      train: { epochs: name === 'counts' ? 1 : 15, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.01 } },
    }
    const { result } = await train(folder.services, resolveProject(config, { root: folder.root, what: name }))
    const { pipeline } = await openModel(folder.services, result.run)
    pipelines.push(pipeline)
    live.catalog.add(inProcess(name, '1', pipeline))
  }
}, 120_000)
afterAll(async () => {
  await live.close()
  await Promise.all(pipelines.map((pipeline) => pipeline.release()))
  await folder.remove()
})

const baseURL = (): string => `${live.server.url}/v1`
const client = (): OpenAI => new OpenAI({ baseURL: baseURL(), apiKey: 'qk_any', maxRetries: 0 })
const asked = [
  'Hello, my parcel: again late. Please the week',
  'the invoice please, refund my order; and parcel late again',
]
const errorOf = (answer: Promise<unknown>): Promise<Error> =>
  answer.then(
    () => new Error('it was answered'),
    (error) => error,
  )

describe('moderations', () => {
  test('say which labels a text has', async () => {
    const { model, results, id } = await client().moderations.create({ model: 'topics', input: asked })
    expect(model).toBe('topics')
    expect(id).toBe(`modr-${live.passages.at(-1)!.id}`)
    const flags = results.map(({ categories }) => ({ ...categories }) as unknown)
    expect(flags).toEqual([
      { billing: false, shipping: true, quality: false },
      { billing: true, shipping: true, quality: false },
    ])
    const expected = await pipelines[0]!.predictBatch(asked.map((text) => ({ text })))
    for (const [i, { category_scores, flagged }] of results.entries()) {
      expect(flagged).toBe(true)
      const scores = category_scores as unknown as Record<string, number>
      for (const answer of expected[i]!) if ('score' in answer) expect(scores[answer.label]).toBe(answer.score)
    }
    const [plain] = (await client().moderations.create({ model: 'topics', input: 'hello again this week please' }))
      .results
    expect(plain!.flagged).toBe(false)
  })
})

describe('embeddings', () => {
  test('are what the model answers, as base64 and as numbers', async () => {
    const { data, usage } = await client().embeddings.create({ model: 'vectors', input: asked })
    expect(usage).toEqual({ prompt_tokens: 18, total_tokens: 18 })
    expect(live.passages.at(-1)!.tokensIn).toBe(18)
    const vectors = data.map(({ embedding }) => embedding)
    for (const [i, wanted] of [
      [0, 2, 0],
      [2, 2, 0],
    ].entries()) {
      for (const [j, value] of wanted.entries()) expect(Math.abs(vectors[i]![j]! - value)).toBeLessThan(0.7)
    }
    const numbers = await client().embeddings.create({ model: 'vectors', input: asked, encoding_format: 'float' })
    expect(numbers.data.map(({ embedding, index }) => [index, embedding])).toEqual([...vectors.entries()])
  })

  test('reach the AI SDK', async () => {
    const provider = createOpenAICompatible({ name: 'quern', baseURL: baseURL(), apiKey: 'k' })
    const { embeddings, usage } = await embedMany({ model: provider.embeddingModel('vectors'), values: asked })
    expect(embeddings.map((vector) => vector.length)).toEqual([3, 3])
    expect(usage.tokens).toBe(18)
  })
})

test.each([
  ['no text', () => client().embeddings.create({ model: 'vectors', input: '' }), "'input'"],
  ['no texts', () => client().embeddings.create({ model: 'vectors', input: [] }), "'input'"],
  ['tokens', () => client().embeddings.create({ model: 'vectors', input: [1, 2] }), "'input.0'"],
  [
    'another size',
    () => client().embeddings.create({ model: 'vectors', input: 'a', dimensions: 8 }),
    "'dimensions' must be 3, which the model has, received 8",
  ],
  [
    'too many texts',
    () => client().moderations.create({ model: 'topics', input: Array(1001).fill('a') }),
    'a request may hold 1000 inputs, received 1001',
  ],
  [
    'pictures',
    () => client().moderations.create({ model: 'topics', input: [{ type: 'image_url', image_url: { url: 'x' } }] }),
    "'input.0'",
  ],
  [
    'another route of the model',
    () => client().embeddings.create({ model: 'topics', input: 'a' }),
    "model 'topics' (tabular-multilabel) does not answer /v1/embeddings: it answers /v1/moderations",
  ],
  [
    'a text that is not read word by word',
    () => client().embeddings.create({ model: 'counts', input: 'a' }),
    'since it does not read one column of texts and nothing else: ask it at POST /predict/counts',
  ],
])('%s: refused with a reason', async (_, ask, reason) => {
  const error = await errorOf(ask())
  expect(error).toBeInstanceOf(BadRequestError)
  expect(error.message).toContain(reason)
})
