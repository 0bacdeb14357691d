/** Headers that keep browsers from doing with an answer what nobody meant. Pages that need more say so themselves. */
import type { MiddlewareHandler } from 'hono'
import { setHeader } from './end-of-answer.ts'

const headers: readonly (readonly [string, string])[] = [
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
  ['referrer-policy', 'no-referrer'],
  ['x-frame-options', 'DENY'],
]

/** Before the gate, so that refusals have them too, and before the routes: on an answer that is made already, a header costs a copy of it. */
export const secureHeaders: MiddlewareHandler = async (c, next) => {
  for (const [name, value] of headers) setHeader(c, name, value)
  await next()
}
