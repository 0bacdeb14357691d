/** What may stand in an address or in a header, for the OpenAPI document and the page at /docs. */
import { jobFormats } from '../../store/jobs.ts'

export interface Parameter {
  readonly description: string
  readonly schema: Readonly<Record<string, unknown>>
}

const text = { type: 'string' }
const format = { enum: jobFormats }

export const parameters: Readonly<Record<string, Parameter>> = {
  model: { description: "A model's name; GET /v1/models lists them", schema: text },
  version: { description: "A version, or 'stable', 'canary', 'shadow'", schema: text },
  job: { description: 'The id of a job', schema: text },
  topK: {
    description: 'Answers for each example; default 5, of jobs 1',
    schema: { type: 'integer', minimum: 1, maximum: 999_999 },
  },
  format: { description: 'What the rows are, where the content type does not say it', schema: format },
  results: { description: 'What the results are written as; default: as the rows', schema: format },
  file: { description: 'A name for people; in JSON that of a file in the folder that the server names', schema: text },
  'x-timeout-ms': {
    description: 'How long the client waits',
    schema: { type: 'integer', minimum: 1, maximum: 999_999_999 },
  },
  'inference-header-content-length': {
    description: 'Bytes of JSON at the beginning of the body; the bytes of tensors follow',
    schema: { type: 'integer', minimum: 0 },
  },
  'last-event-id': {
    description:
      'Of the last event that came: a job that has ended with it is answered 204, which tells a browser not to ask again',
    schema: text,
  },
  range: { description: 'One range of bytes, such as bytes=0-1023', schema: text },
}
