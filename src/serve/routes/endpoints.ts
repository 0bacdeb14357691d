/** What can be asked of the server, once: the page at /, its JSON form and the OpenAPI document are made of this table. */
import { z } from 'zod'
import { inferRequest } from '../infer-body.ts'
import { predictRequest } from '../predict-body.ts'
import { openAiRoutes } from './openai.ts'
import { changeRequest, indexRequest } from './repository.ts'

export interface Endpoint {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly summary: string
  /** content types of the body, with schemas by their names in `schemas` */
  readonly body?: Readonly<Record<string, string>>
  /** schema of the answer */
  readonly answer: string
  /** parameters behind the '?' */
  readonly query?: readonly string[]
}

const pictures = { 'image/png': 'Picture', 'image/jpeg': 'Picture', 'image/webp': 'Picture' }
const predictBody = { ...pictures, 'multipart/form-data': 'PictureForm', 'application/json': 'PredictRequest' }

export const endpoints: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/predict',
    summary: 'Labels and scores for one or more pictures or rows, where one model is served',
    body: predictBody,
    answer: 'Predictions',
    query: ['topK'],
  },
  {
    method: 'post',
    path: '/predict/{model}',
    summary: 'Labels and scores for one or more pictures or rows',
    body: predictBody,
    answer: 'Predictions',
    query: ['topK'],
  },
  { method: 'get', path: '/v2', summary: 'The server (Open Inference Protocol v2)', answer: 'Plain' },
  { method: 'get', path: '/v2/health/live', summary: 'The process answers', answer: 'Plain' },
  { method: 'get', path: '/v2/health/ready', summary: 'New work is welcome; 503 while shutting down', answer: 'Plain' },
  { method: 'get', path: '/healthz', summary: 'The same, where Kubernetes habits look for it', answer: 'Plain' },
  ...['/v2/models/{model}', '/v2/models/{model}/versions/{version}'].flatMap((base): Endpoint[] => [
    { method: 'get', path: base, summary: 'Inputs and outputs of a model', answer: 'Plain' },
    { method: 'get', path: `${base}/ready`, summary: 'Whether the model can be asked', answer: 'Plain' },
    {
      method: 'post',
      path: `${base}/infer`,
      summary: 'Tensors in, tensors out',
      body: { 'application/json': 'InferRequest', 'application/octet-stream': 'BinaryInfer' },
      answer: 'InferResponse',
    },
  ]),
  {
    method: 'post',
    path: '/v2/repository/index',
    summary: 'Every model with its state',
    body: { 'application/json': 'IndexRequest' },
    answer: 'Index',
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/load',
    summary: 'Loads a model now (scope admin)',
    body: { 'application/json': 'RepositoryRequest' },
    answer: 'Plain',
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/unload',
    summary: 'Frees its memory; the next request loads it again (scope admin)',
    body: { 'application/json': 'RepositoryRequest' },
    answer: 'Plain',
  },
  { method: 'get', path: '/v1/models', summary: "The models, in OpenAI's form", answer: 'OpenAiModels' },
  { method: 'get', path: '/v1/models/{model}', summary: "A model, in OpenAI's form", answer: 'OpenAiModel' },
  ...openAiRoutes.map(
    (path): Endpoint => ({
      method: 'post',
      path,
      summary: "OpenAI's route, for models whose task answers it; 400 says what others do",
      body: { 'application/json': 'OpenAiRequest' },
      answer: 'Plain',
    }),
  ),
  { method: 'get', path: '/admin/models', summary: 'Versions, states and aliases (scope admin)', answer: 'Plain' },
  { method: 'post', path: '/admin/reload', summary: 'Reads the configuration again (scope admin)', answer: 'Plain' },
  { method: 'get', path: '/openapi.json', summary: 'This list as OpenAPI 3.1', answer: 'Plain' },
  { method: 'get', path: '/docs', summary: 'This list as a page', answer: 'Page' },
]

const text = { type: 'string' }
const prediction = {
  type: 'object',
  properties: { label: text, score: { type: 'number', minimum: 0, maximum: 1 } },
  required: ['label', 'score'],
}
const estimate = {
  type: 'object',
  properties: { target: text, value: { type: 'number' } },
  required: ['target', 'value'],
}
const predictions = { type: 'array', items: { anyOf: [prediction, estimate] } }
const tensor = {
  type: 'object',
  properties: {
    name: text,
    shape: { type: 'array', items: { type: 'integer' } },
    datatype: text,
    data: { type: 'array' },
    parameters: { type: 'object' },
  },
  required: ['name', 'shape', 'datatype'],
}
const openAiModel = {
  type: 'object',
  properties: { id: text, object: { const: 'model' }, created: { type: 'integer' }, owned_by: text },
  required: ['id', 'object', 'created', 'owned_by'],
}
const indexed = {
  type: 'object',
  properties: { name: text, version: text, state: { enum: ['READY', 'LOADING', 'UNAVAILABLE'] }, reason: text },
  required: ['name', 'version', 'state', 'reason'],
}

/** What a body must be, from the schema that checks it. */
function bodySchema(schema: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}

/** JSON Schemas of OpenAPI 3.1 by name. */
export const schemas: Readonly<Record<string, unknown>> = {
  Plain: { type: 'object' },
  Page: text,
  Error: {
    type: 'object',
    description: "A sentence; below /v1/ OpenAI's form",
    properties: { error: { anyOf: [text, { type: 'object', properties: { message: text }, required: ['message'] }] } },
    required: ['error'],
  },
  Picture: { type: 'string', contentMediaType: 'application/octet-stream' },
  PictureForm: {
    type: 'object',
    description: 'One file gives one list; several, or the field name "files", a list of lists',
    properties: { file: { $ref: '#/components/schemas/Picture' }, topK: { type: 'integer', minimum: 1 } },
  },
  PredictRequest: {
    ...(bodySchema(predictRequest) as object),
    description: 'Exactly one of image, images and inputs: base64 or data URIs, or nested numbers',
  },
  Predictions: { anyOf: [predictions, { type: 'array', items: predictions }] },
  InferRequest: bodySchema(inferRequest),
  BinaryInfer: {
    type: 'string',
    contentMediaType: 'application/octet-stream',
    description:
      'JSON, then the bytes of the inputs that have a binary_data_size; the header Inference-Header-Content-Length has the length of the JSON',
  },
  InferResponse: {
    type: 'object',
    properties: { model_name: text, model_version: text, id: text, outputs: { type: 'array', items: tensor } },
    required: ['model_name', 'outputs'],
  },
  IndexRequest: bodySchema(indexRequest),
  Index: { type: 'array', items: indexed },
  RepositoryRequest: bodySchema(changeRequest),
  OpenAiRequest: { type: 'object', properties: { model: text }, required: ['model'] },
  OpenAiModel: openAiModel,
  OpenAiModels: {
    type: 'object',
    properties: { object: { const: 'list' }, data: { type: 'array', items: openAiModel } },
    required: ['object', 'data'],
  },
}
