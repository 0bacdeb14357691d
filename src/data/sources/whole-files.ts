/** Files that were cut off, which DuckDB reads up to the cut and says nothing: packed ones, and arrays of JSON. Each is read once more here. */
import { createReadStream, type ReadStream } from 'node:fs'
import { createGunzip, type Gunzip } from 'node:zlib'
import { messageOf, QuernError } from '../../core/errors.ts'
import type { TableFile } from './table-file.ts'

const hint = 'Copy it again: the copy was cut off.'

/** Throws `input` for a file whose end is missing; other formats say so themselves when they are read. */
export async function refuseCut({ path, name, format }: TableFile): Promise<void> {
  const isPacked = path.endsWith('.gz')
  const brackets = format === 'json' ? new OpenBrackets() : undefined
  if (!isPacked && !brackets) return
  const file = createReadStream(path)
  try {
    for await (const chunk of (isPacked ? unpacked(file) : file) as AsyncIterable<Uint8Array>) {
      brackets?.add(chunk)
      // Lines of objects, which are whole or malformed by themselves.
      if (brackets?.isArray === false && !isPacked) return
    }
  } catch (cause) {
    if (!isPacked) throw cause
    throw new QuernError('input', `${name}: it is no whole gzip file (${messageOf(cause)})`, { hint, cause })
  } finally {
    file.destroy()
  }
  if (brackets?.isArray && brackets.depth > 0) {
    throw new QuernError('input', `${name}: the list of rows is never closed, it ends behind row ${brackets.rows}`, {
      hint,
    })
  }
}

/** pipe() does not pass errors on. */
function unpacked(file: ReadStream): Gunzip {
  const bytes = createGunzip()
  file.on('error', (error) => bytes.destroy(error))
  return file.pipe(bytes)
}

const [quote, backslash, openList, closeList, openObject, closeObject] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/** Counts what is open in JSON, outside of texts. */
class OpenBrackets {
  /** whether the first thing is a list; undefined until something came */
  isArray: boolean | undefined
  depth = 0
  /** whole objects of the list */
  rows = 0
  #isText = false
  #isEscaped = false

  add(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#isText) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (byte === backslash) this.#isEscaped = true
        else if (byte === quote) this.#isText = false
        continue
      }
      if (byte === quote) this.#isText = true
      else if (byte === openList || byte === openObject) this.depth++
      else if (byte === closeList || byte === closeObject) this.depth--
      if (this.isArray === undefined && byte > 0x20 && byte < 0x80) this.isArray = byte === openList
      if (byte === closeObject && this.depth === 1) this.rows++
    }
  }
}
