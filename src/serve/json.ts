/** JSON from strangers: nesting and the number of containers are bounded before a value is made of it. */
import { messageOf } from '../core/errors.ts'
import { RequestError } from './request-error.ts'

const deepest = 32
/** An empty array costs a few bytes of text and many times that in memory. */
const mostContainers = 1_000_000

/** The value, or an error 400 that says where the text is wrong. */
export function jsonFrom(bytes: Uint8Array, what = 'the body'): unknown {
  if (bytes.length === 0) throw new RequestError(400, `${what} is empty, expected JSON`)
  measure(bytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new RequestError(400, `${what} is not JSON: ${messageOf(cause)}`, { cause })
  }
}

const quote = 0x22
const backslash = 0x5c

/** Counts brackets outside of strings. All of them are ASCII, so bytes of longer characters cannot be mistaken. */
function measure(bytes: Uint8Array): void {
  let depth = 0
  let containers = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === quote) {
      for (i++; i < bytes.length && bytes[i] !== quote; i++) if (bytes[i] === backslash) i++
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > deepest) throw new RequestError(400, `JSON may be nested ${deepest} deep, received more`)
      if (++containers > mostContainers) {
        throw new RequestError(400, `JSON may hold ${mostContainers} arrays and objects, received more`)
      }
    } else if (byte === 0x5d || byte === 0x7d) depth--
  }
}
