import { describe, expect, test } from 'vitest'
import { jsonFrom } from './json.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function refusal(text: string | Uint8Array): Error {
  try {
    jsonFrom(typeof text === 'string' ? bytes(text) : text)
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was refused')
}

describe('JSON from strangers', () => {
  test('is the value', () => {
    expect(jsonFrom(bytes('{"a": ["\u00e9", 1.5]}'))).toEqual({ a: ['\u00e9', 1.5] })
  })

  test.each([
    ['{"name": Smith}', 'it is wrong at line 1, column 10'],
    ['{\n  "name": Smith\n}', 'it is wrong at line 2, column 11'],
    [`{"long": "${'x'.repeat(200)}", "name": Smith}`, 'it is wrong at line 1, column 222'],
    ['nope', 'it is wrong at line 1, column 2'],
    ['{"name": "Smith"} Smith', 'it is wrong at line 1, column 19'],
    ['{"name" "Smith"}', 'it is wrong at line 1, column 9'],
    ['[1, 2', 'it ends too early at line 1, column 6'],
    ['["Smith', 'it ends too early at line 1, column 8'],
    ['{"a":', 'it ends too early at line 1, column 6'],
    ['["Smith at position 3", Smith at position 3', 'it is wrong at line 1, column 25'],
  ])('%s: is refused with the place and without a word of it', (text, place) => {
    const error = refusal(text)
    expect(error.message).toBe(`the body is not JSON: ${place}`)
    // A cause would be written to a log with it.
    expect(error.cause).toBeUndefined()
  })

  test('of great length, or not UTF-8, is refused without a place', () => {
    expect(refusal(`["${'x'.repeat(70_000)}", Smith]`).message).toBe('the body is not JSON')
    expect(refusal(Uint8Array.of(0x22, 0xff, 0x22)).message).toBe('the body is not JSON: it is not UTF-8')
    expect(jsonFrom(bytes('[1]'))).toEqual([1])
  })
})
