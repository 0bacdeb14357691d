/** Lines too long to be a row: a quote that is never closed, or a file that is no table. Found before a reader fills the memory with one. */
import { type FileHandle, open } from 'node:fs/promises'
import { QuernError } from '../../core/errors.ts'

/** Most bytes of a line; DuckDB's own limit. */
export const longestLine = 2_000_000
const step = 1 << 20
const newline = 10

/** Throws `input` with the line when one is too long. Reads as far as it has to: a chunk with a line's end in it is passed at once. */
export async function refuseLongLines(path: string, name: string): Promise<void> {
  const file = await open(path)
  try {
    const chunk = new Uint8Array(step)
    // Where the present line begins.
    let begin = 0
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, step, at)
      const bytes = chunk.subarray(0, bytesRead)
      const first = bytes.indexOf(newline)
      const end = first < 0 ? at + bytesRead : at + first
      if (end - begin > longestLine) throw await tooLong(file, begin, name)
      if (first >= 0) begin = at + bytes.lastIndexOf(newline) + 1
      if (bytesRead < step) return
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}

async function tooLong(file: FileHandle, begin: number, name: string): Promise<QuernError> {
  const chunk = new Uint8Array(step)
  let lines = 1
  for (let at = 0; at < begin; at += step) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(step, begin - at), at)
    for (let i = 0; i < bytesRead; i++) if (chunk[i] === newline) lines++
  }
  return new QuernError('input', `${name} line ${lines}: a line is longer than ${longestLine} bytes`, {
    hint: 'Look for a quote that is not closed, or for a file that is no table.',
  })
}
