/** The form in which a protocol expects its errors: OpenAI's below /v1/, `{ error: sentence }` elsewhere. */

const types: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  401: ['invalid_request_error', 'invalid_api_key'],
  403: ['permission_error', 'insufficient_permissions'],
  404: ['invalid_request_error', 'not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  429: ['rate_limit_error', 'rate_limit_exceeded'],
}

/** @param param the part of the request that is wrong, where a route knows it */
export function errorBody(
  path: string,
  status: number,
  message: string,
  { param = null, code }: { readonly param?: string | null; readonly code?: string } = {},
): Record<string, unknown> {
  if (!/^\/v1(?:\/|$)/.test(path)) return { error: message }
  const [type, usual] = types[status] ?? [status >= 500 ? 'server_error' : 'invalid_request_error', null]
  return { error: { message, type, param, code: code ?? usual } }
}
