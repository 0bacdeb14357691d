/** JSON from strangers: nesting and the number of containers are bounded before a value is made of it. */
import { messageOf } from '../core/errors.ts'
import { RequestError } from './request-error.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })
const deepest = 32
/** An empty array costs a few bytes of text and many times that in memory. */
const mostContainers = 1_000_000
/** Characters: in longer texts the place of an error is not looked for. */
const mostSearched = 65_536

/** The value, or an error 400 that says where the text is wrong. */
export function jsonFrom(bytes: Uint8Array, what = 'the body'): unknown {
  if (bytes.length === 0) throw new RequestError(400, `${what} is empty, expected JSON`)
  measure(bytes)
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new RequestError(400, `${what} is not JSON: it is not UTF-8`)
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RequestError(400, `${what} is not JSON${placeIn(text, messageOf(cause))}`)
  }
}

/** Where the parser stopped, in lines and columns from 1. Its own message quotes the text, which is nobody's but the sender's. */
function placeIn(text: string, message: string): string {
  const at = offsetIn(text, message)
  if (at === undefined) return ''
  const before = text.slice(0, at)
  const line = before.split('\n').length
  return `: ${at === text.length ? 'it ends too early at' : 'it is wrong at'} line ${line}, column ${at - before.lastIndexOf('\n')}`
}

function offsetIn(text: string, message: string): number | undefined {
  const told = /at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(message)
  if (told) return Number(told[1])
  if (message.endsWith('end of JSON input')) return text.length
  return text.length <= mostSearched ? unexpectedIn(text) : undefined
}

/** Some messages have no place: the first character is looked for with which the text is refused for a token rather than for its end. */
function unexpectedIn(text: string): number {
  let [good, bad] = [0, text.length]
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (hasUnexpected(text.slice(0, middle))) bad = middle
    else good = middle
  }
  return bad - 1
}

function hasUnexpected(text: string): boolean {
  try {
    JSON.parse(text)
    return false
  } catch (error) {
    return messageOf(error).startsWith('Unexpected token')
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
