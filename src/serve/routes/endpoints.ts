/** What can be asked of the server, once: the page at /, its JSON form and the OpenAPI document are made of this table. */

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
      body: { 'application/json': 'InferRequest' },
      answer: 'InferResponse',
    },
  ]),
  { method: 'get', path: '/openapi.json', summary: 'This list as OpenAPI 3.1', answer: 'Plain' },
]

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const topK = { type: 'integer', minimum: 1 }
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
const predictions = { type: 'array', items: { oneOf: [prediction, estimate] } }
const row = { type: 'object', description: "A value for each column of a table's model, null where it is not known" }
const tensor = {
  type: 'object',
  properties: {
    name: text,
    shape: { type: 'array', items: { type: 'integer' } },
    datatype: text,
    data: { type: 'array' },
  },
  required: ['name', 'shape', 'datatype', 'data'],
}
const tensors = { type: 'array', items: tensor }
const named = { type: 'array', items: { type: 'object', properties: { name: text }, required: ['name'] } }

/** JSON Schemas of OpenAPI 3.1 by name. */
export const schemas: Readonly<Record<string, unknown>> = {
  Plain: { type: 'object' },
  Error: { type: 'object', properties: { error: text }, required: ['error'] },
  Picture: { type: 'string', contentMediaType: 'application/octet-stream' },
  PictureForm: {
    type: 'object',
    description: 'One file gives one list; several, or the field name "files", a list of lists',
    properties: { file: { $ref: '#/components/schemas/Picture' }, topK },
  },
  PredictRequest: {
    type: 'object',
    description:
      'Exactly one of row, rows, image, images and inputs: values by column, base64 or data URIs, or nested numbers',
    properties: { row, rows: { type: 'array', items: row }, image: text, images: texts, inputs: {}, topK },
    additionalProperties: false,
  },
  Predictions: { oneOf: [predictions, { type: 'array', items: predictions }] },
  InferRequest: {
    type: 'object',
    properties: { id: text, parameters: { type: 'object' }, inputs: tensors, outputs: named },
    required: ['inputs'],
  },
  InferResponse: {
    type: 'object',
    properties: { model_name: text, model_version: text, id: text, outputs: tensors },
    required: ['model_name', 'outputs'],
  },
}
