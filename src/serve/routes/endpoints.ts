/** What can be asked of the server, once: the page at /, its JSON form, the OpenAPI document and the page at /docs are made of this table. */
import { jobSettings } from './jobs.ts'
import { openAiRoutes } from './openai.ts'

export interface Endpoint {
  readonly method: 'get' | 'post' | 'delete'
  /** `{name}` stands for a part that the client fills in */
  readonly path: string
  readonly summary: string
  /** what it belongs to, as headings in documents; default: the server */
  readonly tag?: string
  /** content types of the body, with schemas by their names in schemas.ts */
  readonly body?: Readonly<Record<string, string>>
  /** the body may be left out */
  readonly isBodyOptional?: boolean
  /** of an answer that succeeds; default 200 */
  readonly status?: 200 | 202
  /** schema of the answer */
  readonly answer: string
  /** content types of the answer besides JSON, with their schemas */
  readonly answers?: Readonly<Record<string, string>>
  /** parameters behind the '?', by their names in parameters.ts */
  readonly query?: readonly string[]
  /** headers that mean something here, by their names in parameters.ts */
  readonly headers?: readonly string[]
  /** statuses besides 200 and those that the form of the request brings along (see openapi.ts) */
  readonly statuses?: readonly number[]
}

const pictures = { 'image/png': 'Picture', 'image/jpeg': 'Picture', 'image/webp': 'Picture' }
const rows = { 'text/csv': 'CsvRows', 'application/jsonl': 'JsonLines' }
const predictBody = {
  'application/json': 'PredictRequest',
  ...pictures,
  ...rows,
  'multipart/form-data': 'PredictForm',
}

const predictions: readonly Endpoint[] = ['/predict', '/predict/{model}'].map((path) => ({
  method: 'post',
  path,
  summary: `Labels and scores, or an estimate, for pictures or rows of a table${path === '/predict' ? ', where one model is served' : ''}`,
  tag: 'Predictions',
  body: predictBody,
  answer: 'Predictions',
  answers: { 'text/csv': 'CsvResults' },
  query: ['topK', 'version'],
  headers: ['x-timeout-ms'],
  statuses: [404, 415, 422, 499, 501, 504],
}))

const jobs: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/jobs',
    summary: 'Predictions for a file of rows, computed behind all requests; a body of JSON names a file of the server',
    tag: 'Batch jobs',
    body: { ...rows, 'multipart/form-data': 'JobForm', 'application/json': 'JobRequest' },
    status: 202,
    answer: 'Job',
    query: jobSettings,
    statuses: [404, 415, 501],
  },
  {
    method: 'get',
    path: '/jobs',
    summary: "The key's jobs, newest first",
    tag: 'Batch jobs',
    answer: 'JobList',
    statuses: [501],
  },
  {
    method: 'get',
    path: '/jobs/{job}',
    summary: 'How far a job is',
    tag: 'Batch jobs',
    answer: 'Job',
    statuses: [501],
  },
  {
    method: 'get',
    path: '/jobs/{job}/events',
    summary: 'How far a job is, as server-sent events: whenever it has got further, until it has ended',
    tag: 'Batch jobs',
    answer: 'Events',
    answers: { 'text/event-stream': 'Events' },
    headers: ['last-event-id'],
    statuses: [204, 501],
  },
  {
    method: 'delete',
    path: '/jobs/{job}',
    summary: 'Cancels a job that runs, removes one that has ended',
    tag: 'Batch jobs',
    answer: 'Job',
    statuses: [204, 501],
  },
  {
    method: 'get',
    path: '/jobs/{job}/result',
    summary: 'The results of a job that has ended: a line for each row, in their order',
    tag: 'Batch jobs',
    answer: 'CsvResults',
    answers: { 'text/csv': 'CsvResults', 'application/jsonl': 'JsonLines' },
    headers: ['range'],
    statuses: [206, 409, 416, 501],
  },
]

const oip = 'Open Inference Protocol v2'

const inferenceProtocol: readonly Endpoint[] = [
  { method: 'get', path: '/v2', summary: 'The server and its extensions', tag: oip, answer: 'Server' },
  { method: 'get', path: '/v2/health/live', summary: 'The process answers', tag: oip, answer: 'Live' },
  {
    method: 'get',
    path: '/v2/health/ready',
    summary: 'New work is welcome; 503 while shutting down',
    tag: oip,
    answer: 'Ready',
    statuses: [503],
  },
  ...['/v2/models/{model}', '/v2/models/{model}/versions/{version}'].flatMap((base): Endpoint[] => [
    { method: 'get', path: base, summary: 'Inputs and outputs of a model', tag: oip, answer: 'ModelMetadata' },
    {
      method: 'get',
      path: `${base}/ready`,
      summary: 'Whether the model can be asked',
      tag: oip,
      answer: 'ModelReady',
    },
    {
      method: 'post',
      path: `${base}/infer`,
      summary: 'Tensors in, tensors out',
      tag: oip,
      body: { 'application/json': 'InferRequest', 'application/octet-stream': 'BinaryTensors' },
      answer: 'InferResponse',
      answers: { 'application/octet-stream': 'BinaryTensors' },
      headers: ['inference-header-content-length', 'x-timeout-ms'],
      statuses: [422, 499, 501, 504],
    },
  ]),
  {
    method: 'post',
    path: '/v2/repository/index',
    summary: 'Every model with its state',
    tag: oip,
    body: { 'application/json': 'IndexRequest' },
    isBodyOptional: true,
    answer: 'Index',
  },
  ...(['load', 'unload'] as const).map(
    (verb): Endpoint => ({
      method: 'post',
      path: `/v2/repository/models/{model}/${verb}`,
      summary: verb === 'load' ? 'Loads a model now' : 'Frees its memory; the next request loads it again',
      tag: oip,
      body: { 'application/json': 'RepositoryRequest' },
      isBodyOptional: true,
      answer: 'Empty',
    }),
  ),
]

const openAiSummaries: Readonly<Record<string, string>> = {
  '/v1/embeddings': 'Vectors of texts, of models that learnt a column of vectors from a column of texts',
  '/v1/moderations': 'Which labels texts have, of models that learnt labels from a column of texts',
}

/** request, answer */
const openAiSchemas: Readonly<Record<string, readonly [string, string]>> = {
  '/v1/embeddings': ['EmbeddingRequest', 'Embeddings'],
  '/v1/moderations': ['ModerationRequest', 'Moderations'],
}

const openAi: readonly Endpoint[] = [
  { method: 'get', path: '/v1/models', summary: "The models, in OpenAI's form", tag: 'OpenAI', answer: 'OpenAiModels' },
  {
    method: 'get',
    path: '/v1/models/{model}',
    summary: "A model, in OpenAI's form",
    tag: 'OpenAI',
    answer: 'OpenAiModel',
  },
  ...openAiRoutes.map(
    (path): Endpoint => ({
      method: 'post',
      path,
      summary: openAiSummaries[path] ?? "OpenAI's route: no task answers it yet; 400 says what the model does answer",
      tag: 'OpenAI',
      body: { 'application/json': openAiSchemas[path]?.[0] ?? 'OpenAiRequest' },
      answer: openAiSchemas[path]?.[1] ?? 'OpenAiAnswer',
      headers: ['x-timeout-ms'],
      statuses: [404, 422, 499, 501, 504],
    }),
  ),
]

const watching: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/metrics',
    summary: "Measurements in Prometheus' form",
    tag: 'Watching',
    answer: 'Measurements',
    answers: { 'text/plain': 'Measurements' },
    statuses: [409],
  },
  {
    method: 'get',
    path: '/models/{model}/drift',
    summary: 'How far inputs and answers are from those of training',
    tag: 'Watching',
    answer: 'ModelReports',
    statuses: [409],
  },
  {
    method: 'get',
    path: '/models/{model}/shadow',
    summary: 'What a version that only looks on would have answered, beside what was answered',
    tag: 'Watching',
    answer: 'ModelReports',
    statuses: [409],
  },
  {
    method: 'get',
    path: '/models/{model}/quality',
    summary: 'How good the answers were for which labels came',
    tag: 'Watching',
    answer: 'ModelReports',
    statuses: [409],
  },
  {
    method: 'post',
    path: '/feedback',
    summary: 'What would have been right, by the ids of requests (X-Request-Id)',
    tag: 'Watching',
    body: { 'application/json': 'FeedbackRequest' },
    answer: 'Labelled',
    statuses: [404, 409, 422],
  },
]

const server: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/',
    summary: 'Models and routes; a page for browsers',
    answer: 'Listing',
    answers: { 'text/html': 'Page' },
  },
  {
    method: 'get',
    path: '/healthz',
    summary: 'As /v2/health/ready, where Kubernetes looks for it',
    answer: 'Ready',
    statuses: [503],
  },
  { method: 'get', path: '/openapi.json', summary: 'This list as OpenAPI 3.1', answer: 'OpenApi' },
  { method: 'get', path: '/docs', summary: 'This list as a page', answer: 'Page', answers: { 'text/html': 'Page' } },
  { method: 'get', path: '/admin/models', summary: 'Versions, states and aliases', answer: 'AdminModels' },
  {
    method: 'post',
    path: '/admin/reload',
    summary: 'Reads the configuration again, or says why it cannot be used',
    answer: 'Changes',
    statuses: [409, 422],
  },
]

export const endpoints: readonly Endpoint[] = [
  ...predictions,
  ...jobs,
  ...inferenceProtocol,
  ...openAi,
  ...watching,
  ...server,
]

const forms = endpoints.map(({ method, path }) => ({
  method: method.toUpperCase(),
  form: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}))

/** Methods that are answered at an address; HEAD where GET is. */
export function methodsAt(path: string): string[] {
  const found = forms.filter(({ form }) => form.test(path)).map(({ method }) => method)
  return found.includes('GET') ? [...found, 'HEAD'] : found
}
