/** The table of endpoints as an OpenAPI 3.1 document. https://spec.openapis.org/oas/v3.1.1.html */
import { scopeOf } from '../principal.ts'
import { type Endpoint, endpoints } from './endpoints.ts'
import { parameters } from './parameters.ts'
import { schemas } from './schemas.ts'

type Json = Readonly<Record<string, unknown>>

/** What a status means here. */
const meanings: Readonly<Record<number, string>> = {
  400: 'The request is wrong',
  401: 'No key, or none that is known',
  403: 'The key has not the scope',
  404: 'There is no such thing',
  408: 'The request took too long to come',
  409: 'Not now: what it is about is in another state',
  413: 'The body is too long',
  415: 'The body is of another type',
  416: 'The range lies outside of the file',
  422: 'The model cannot use what is in the body, or has no answer to it',
  429: 'The key has as much under way as it may have',
  499: 'The client left',
  500: "A fault of the server's; the log says more about the request's id",
  501: 'This model, or this server, cannot do that',
  503: 'Not now: too much to do, loading, or shutting down',
  504: 'The time for this request is over',
}

/** Statuses that an endpoint may answer with besides success. */
export function errorsOf({ method, path, body, statuses = [] }: Endpoint): readonly number[] {
  const isOpen = scopeOf(method.toUpperCase(), path) === undefined
  const errors = [
    ...(isOpen ? [] : [400, 401, 403, 429, 500, 503]),
    ...(body ? [413] : []),
    ...(path.includes('{') ? [404] : []),
    ...statuses.filter((status) => status >= 400),
  ]
  return [...new Set(errors)].sort((a, b) => a - b)
}

/** Whether the answer is never JSON: then `answers` says all. */
export const isNotJson = ({ answer }: Endpoint): boolean =>
  ['Page', 'CsvResults', 'Measurements', 'Events'].includes(answer)

export function openApi(version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operation(endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Quern',
      version,
      description: 'Models behind HTTP. Every answer has the header X-Request-Id, which the log of the server knows.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(endpoints.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      parameters: Object.fromEntries(
        Object.entries(parameters).map(([name, { description, schema }]) => [
          keyOf(name),
          { name, in: placeOf(name), required: placeOf(name) === 'path', description, schema },
        ]),
      ),
      responses: Object.fromEntries(
        Object.keys(meanings).flatMap((status) => [
          [`E${status}`, failure(Number(status), 'Error')],
          [`OpenAiE${status}`, failure(Number(status), 'OpenAiError')],
        ]),
      ),
      headers: {
        RequestId: { description: "The request's id in the log", schema: { type: 'string' } },
        RetryAfter: {
          description: 'Seconds after which asking again may help',
          schema: { type: 'integer', minimum: 1 },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A key of `quern keys create`' },
        header: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
    },
  }
}

const tagOf = ({ tag }: Endpoint): string => tag ?? 'Server'
const keyOf = (name: string): string => name.replaceAll('-', '_')
const inAddress = new Set(endpoints.flatMap(({ path }) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)))
const inHeaders = new Set(endpoints.flatMap(({ headers = [] }) => headers))
/** A name stands in one place, whichever endpoint it belongs to; `model` is behind the '?' of jobs alone. */
const placeOf = (name: string): string => (inAddress.has(name) ? 'path' : inHeaders.has(name) ? 'header' : 'query')

function failure(status: number, schema: string): Json {
  const retry = status === 429 || status === 503 ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}
  return {
    description: meanings[status],
    headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' }, ...retry },
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  }
}

const content = (types: Readonly<Record<string, string>>): Json =>
  Object.fromEntries(
    Object.entries(types).map(([type, name]) => [type, { schema: { $ref: `#/components/schemas/${name}` } }]),
  )

function operation(endpoint: Endpoint): Json {
  const { method, path, summary, body, isBodyOptional = false } = endpoint
  const scope = scopeOf(method.toUpperCase(), path)
  const given = parametersOf(endpoint)
  return {
    operationId: `${method}${path.replace(/[^a-z0-9]+(.)?/gi, (_, next: string | undefined) => (next ?? '').toUpperCase())}`,
    summary,
    tags: [tagOf(endpoint)],
    // Beside a scheme that has no scopes of its own, the list says what a key must be allowed to do.
    security: scope === undefined ? [] : [{ bearer: [scope] }, { header: [scope] }],
    ...(given.length > 0 ? { parameters: given } : {}),
    ...(body ? { requestBody: { required: !isBodyOptional, content: content(body) } } : {}),
    responses: responsesOf(endpoint),
  }
}

function parametersOf({ path, query = [], headers = [] }: Endpoint): Json[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
  const one = (name: string, place: string): Json => {
    const known = parameters[name]
    if (known && placeOf(name) === place) return { $ref: `#/components/parameters/${keyOf(name)}` }
    return { name, in: place, required: place === 'path', ...(known ?? { schema: { type: 'string' } }) }
  }
  return [
    ...inPath.map((name) => one(name, 'path')),
    ...query.map((name) => one(name, 'query')),
    ...headers.map((name) => one(name, 'header')),
  ]
}

function responsesOf(endpoint: Endpoint): Json {
  const { path, answer, answers, status = 200, statuses = [] } = endpoint
  const types = content(isNotJson(endpoint) ? (answers ?? {}) : { 'application/json': answer, ...answers })
  const headers = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }
  const prefix = /^\/v1(?:\/|$)/.test(path) ? 'OpenAiE' : 'E'
  const errors = errorsOf(endpoint).map((code) => [code, { $ref: `#/components/responses/${prefix}${code}` }])
  // A probe that says no says it in its own form.
  const isProbe = answer === 'Ready' || answer === 'ModelReady'
  return {
    [status]: { description: 'It worked', headers, content: types },
    ...(statuses.includes(204) ? { 204: { description: 'There is no more of it', headers } } : {}),
    ...(statuses.includes(206) ? { 206: { description: 'The range', headers, content: types } } : {}),
    ...Object.fromEntries(errors),
    ...(isProbe ? { 503: { description: 'Not now', headers, content: types } } : {}),
  }
}
