/** Lines of a CSV file that end in different ways, which a strict reader refuses without saying so: parts of two systems were put together. */
import { closeSync, openSync, readSync } from 'node:fs'
import { QuernError } from '../../core/errors.ts'

export interface OtherLineEnd {
  /** counted from 1 */
  readonly line: number
  readonly first: string
  readonly other: string
}

const step = 1 << 20
const [newline, carriage, quote] = [10, 13, 34]

/** Whether DuckDB may mean line ends. */
export function mayBeLineEnds(message: string): boolean {
  return /reached an invalid state|unterminated quote/i.test(message)
}

/** The first line that ends otherwise than the one before it, outside of quotes; undefined when all end alike, or the file is packed. */
export function otherLineEnd(path: string): OtherLineEnd | undefined {
  if (path.endsWith('.gz')) return undefined
  const file = openSync(path, 'r')
  try {
    const chunk = new Uint8Array(step)
    let [first, line, isQuoted, before] = ['', 1, false, 0]
    for (let bytes = readSync(file, chunk); bytes > 0; bytes = readSync(file, chunk)) {
      for (let i = 0; i < bytes; i++) {
        const byte = chunk[i]!
        const end = isQuoted ? undefined : endOf(before, byte)
        if (end !== undefined) {
          if (first !== '' && end !== first) return { line, first, other: end }
          first = end
        }
        if (byte === newline || (before === carriage && end !== undefined)) line++
        if (byte === quote) isQuoted = !isQuoted
        before = byte
      }
    }
    return undefined
  } finally {
    closeSync(file)
  }
}

/** The end of a line that a byte closes, or the one before it did. */
function endOf(before: number, byte: number): string | undefined {
  if (byte === newline) return before === carriage ? '\\r\\n' : '\\n'
  return before === carriage ? '\\r' : undefined
}

export function lineEndsError(name: string, { line, first, other }: OtherLineEnd, cause: unknown): QuernError {
  return new QuernError('input', `${name} line ${line}: it ends in ${other}, the lines before it in ${first}`, {
    hint: 'Let all lines end alike: an editor can, or dos2unix.',
    cause,
  })
}
