/** The files of examples that both sides read: a picture is its class (one byte) and then its pixels (bytes), a text is bytes. */
import { readFileSync } from 'node:fs'

export interface Pictures {
  /** from 0 to 1, one picture behind the other */
  readonly pictures: Float32Array
  readonly labels: Int32Array
  readonly count: number
}

/** @param length pixels times channels of a picture */
export function readPictures(file: string, length: number): Pictures {
  const bytes = readFileSync(file)
  const count = bytes.length / (length + 1)
  const pictures = new Float32Array(count * length)
  const labels = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const at = i * (length + 1)
    labels[i] = bytes[at]!
    for (let j = 0; j < length; j++) pictures[i * length + j] = bytes[at + 1 + j]! / 255
  }
  return { pictures, labels, count }
}

/** Each byte of a text by the order in which it first occurs; those beyond the vocabulary share the last number. */
export function readTokens(file: string, vocabulary: number): Int32Array {
  const bytes = readFileSync(file)
  const numbers = new Map([...new Set(bytes)].slice(0, vocabulary - 1).map((byte, i) => [byte, i]))
  // Not Int32Array.from, which makes a list of all first: that grows the young generation for good.
  const tokens = new Int32Array(bytes.length)
  for (let i = 0; i < tokens.length; i++) tokens[i] = numbers.get(bytes[i]!) ?? vocabulary - 1
  return tokens
}
