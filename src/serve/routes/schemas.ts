/** JSON Schemas of requests and answers by name. Those of requests come from the schemas that check them. */
import { z } from 'zod'
import { embeddingRequest, moderationRequest } from '../../contract/openai.ts'
import { jobFormats } from '../../store/jobs.ts'
import { inferRequest } from '../infer-body.ts'
import { predictRequest } from '../predict-body.ts'
import { jobRequest } from './jobs.ts'
import { changeRequest, indexRequest } from './repository.ts'
import { feedbackRequest } from './watching.ts'

type Schema = Readonly<Record<string, unknown>>

const text: Schema = { type: 'string' }
const count: Schema = { type: 'integer', minimum: 0 }
const time: Schema = { type: 'string', format: 'date-time' }
const texts: Schema = { type: 'array', items: text }
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })
const listOf = (items: Schema): Schema => ({ type: 'array', items })

/** An object; names that end with '?' may be absent. */
function object(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  const names = Object.keys(properties)
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name.replace('?', ''), properties[name]])),
    required: names.filter((name) => !name.endsWith('?')),
    ...more,
  }
}

const bytes = (description: string): Schema => ({
  type: 'string',
  contentMediaType: 'application/octet-stream',
  description,
})

/** What a body must be, from the schema that checks it. */
function bodySchema(schema: z.ZodType, description?: string): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return description === undefined ? rest : { ...rest, description }
}

const prediction = object({
  'target?': { ...text, description: 'Of a model of several targets: the one that the label is of' },
  label: text,
  score: { type: 'number', minimum: 0, maximum: 1 },
})
const estimate = object({ target: text, value: { type: 'number' } })
const answers = listOf({ anyOf: [prediction, estimate] })
const port = object({ name: text, datatype: text, shape: listOf({ type: 'integer', minimum: -1 }) })
const tensor = object({
  name: text,
  shape: listOf(count),
  datatype: text,
  'data?': { type: 'array' },
  'parameters?': { type: 'object' },
})
const state = { enum: ['unloaded', 'loading', 'ready', 'failed'] }
const endpoint = object({ method: text, path: text, summary: text })
const listed = object({ name: text, version: text, state, task: text, labels: count, created: text })
const loaded = object({ name: text, version: text, state, 'reason?': text, users: count, bytes: { type: 'number' } })

export const schemas: Readonly<Record<string, Schema>> = {
  Empty: { type: 'object', maxProperties: 0 },
  Plain: { type: 'object' },
  Page: { type: 'string', contentMediaType: 'text/html' },
  OpenApi: { type: 'object', description: 'An OpenAPI 3.1 document' },
  Error: object({ error: { ...text, description: 'What is wrong and what to do, in a sentence or two' } }),
  OpenAiError: object({
    error: object({
      message: text,
      type: text,
      param: { type: ['string', 'null'] },
      code: { type: ['string', 'null'] },
    }),
  }),
  Listing: object({
    server: { const: 'quern' },
    version: text,
    maxBodyBytes: count,
    models: listOf(listed),
    endpoints: listOf(endpoint),
  }),
  Picture: bytes('A picture: PNG, JPEG, WebP, GIF, TIFF'),
  CsvRows: { type: 'string', description: 'A first line with the names of columns, then a row a line. RFC 4180' },
  JsonLines: {
    type: 'string',
    description: 'An object a line: a row of a table with a value for each column, or {"image": "BASE64"}',
  },
  CsvResults: {
    type: 'string',
    description:
      'row,label,score,label2,score2,...,error or row,value,error, of several targets their names in place of label and value: a line for each row, in their order',
  },
  PredictForm: object(
    { 'file?': ref('Picture'), 'topK?': { type: 'integer', minimum: 1 } },
    { description: 'One picture gives one list; several, a file of rows, or the field name "files", a list of lists' },
  ),
  PredictRequest: bodySchema(
    predictRequest,
    'Exactly one of row, rows, image, images and inputs. Pictures are base64 or data URIs, inputs nested numbers',
  ),
  Predictions: {
    anyOf: [answers, listOf(answers)],
    description:
      'One input gives its answers, several a list of lists. Of several targets the answers of one stand behind those of the other',
  },
  JobRequest: bodySchema(jobRequest, 'For a file that lies in the folder that the server names'),
  JobForm: object({
    file: bytes('The rows'),
    'model?': text,
    'version?': text,
    'format?': { enum: jobFormats },
    'results?': { enum: jobFormats },
    'topK?': { type: 'integer', minimum: 1 },
  }),
  Job: object({
    id: text,
    model: text,
    version: text,
    state: { enum: ['queued', 'running', 'done', 'failed', 'cancelled'] },
    progress: { type: 'number', minimum: 0, maximum: 1, description: 'of the bytes of the file' },
    rows: object({ done: count, failed: count }),
    'failure?': { ...text, description: 'Why it ended before its last row' },
    failures: listOf(object({ row: count, line: count, reason: text }, { description: 'The first rows that failed' })),
    format: { enum: jobFormats },
    results: { enum: jobFormats },
    topK: count,
    'file?': text,
    bytes: count,
    created: time,
    'started?': time,
    'ended?': time,
    'expires?': { ...time, description: 'It and its files are removed then' },
  }),
  Events: {
    type: 'string',
    description:
      'Server-sent events: the state of the job as the name, the job as JSON; what failed on the way is named "error"',
  },
  JobList: object({ jobs: listOf(ref('Job')) }),
  Server: object({ name: text, version: text, extensions: texts }),
  Live: object({ live: { const: true } }),
  Ready: object({ ready: { type: 'boolean' } }),
  ModelReady: object({ name: text, ready: { type: 'boolean' } }),
  ModelMetadata: object({ name: text, versions: texts, platform: text, inputs: listOf(port), outputs: listOf(port) }),
  InferRequest: bodySchema(inferRequest),
  InferResponse: object({ model_name: text, model_version: text, 'id?': text, outputs: listOf(tensor) }),
  BinaryTensors: bytes(
    'JSON, then the bytes of the tensors that have a binary_data_size; Inference-Header-Content-Length has the length of the JSON',
  ),
  IndexRequest: bodySchema(indexRequest),
  Index: listOf(
    object({ name: text, version: text, state: { enum: ['READY', 'LOADING', 'UNAVAILABLE'] }, reason: text }),
  ),
  RepositoryRequest: bodySchema(changeRequest),
  OpenAiRequest: object({ model: text }),
  OpenAiAnswer: { type: 'object', description: "As OpenAI's documents have it" },
  EmbeddingRequest: bodySchema(embeddingRequest, 'Texts; tokens as numbers are not taken'),
  Embeddings: object({
    object: { const: 'list' },
    data: listOf(
      object({
        object: { const: 'embedding' },
        index: count,
        embedding: {
          anyOf: [listOf({ type: 'number' }), text],
          description: 'Numbers, or base64 of float32, little-endian, where encoding_format asks for that',
        },
      }),
    ),
    model: text,
    usage: object({ prompt_tokens: count, total_tokens: count }, { description: 'Words that the model reads' }),
  }),
  ModerationRequest: bodySchema(moderationRequest),
  Moderations: object({
    id: text,
    model: text,
    results: listOf(
      object({
        flagged: { type: 'boolean', description: 'A label has a score of 0.5 or more' },
        categories: { type: 'object', additionalProperties: { type: 'boolean' } },
        category_scores: { type: 'object', additionalProperties: { type: 'number' } },
        category_applied_input_types: { type: 'object', additionalProperties: texts },
      }),
    ),
  }),
  OpenAiModel: object({ id: text, object: { const: 'model' }, created: { type: 'integer' }, owned_by: text }),
  OpenAiModels: object({ object: { const: 'list' }, data: listOf(ref('OpenAiModel')) }),
  Measurements: text,
  ModelReports: object({ model: text, versions: listOf({ type: 'object' }) }),
  FeedbackRequest: bodySchema(
    feedbackRequest,
    "'label' or 'labels', for one request or a list of up to 1000. A label is a class, a number, a list of labels or numbers, or of several targets an object by their names",
  ),
  Labelled: object({ labelled: count }),
  AdminModels: object({ models: listOf(loaded), aliases: { type: 'object' } }),
  Changes: object({ loaded: texts, removed: texts }),
}
