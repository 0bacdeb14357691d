/** The bytes that a cell of a picture or a sound stands for: a data: URI's own, or those of a file. */
import { messageOf, QuernError } from '../../core/errors.ts'
import type { CellReaders } from './own-feature.ts'

/** Throws `input` with the path for what cannot be read. */
export async function cellBytes(cell: string, { readFile }: CellReaders): Promise<Uint8Array> {
  const inline = /^data:[^,]*?(;base64)?,/.exec(cell)
  if (inline) {
    const text = cell.slice(inline[0].length)
    if (inline[1] === undefined) return new TextEncoder().encode(decodeURIComponent(text))
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  }
  if (!readFile) {
    throw new QuernError('input', `a file cannot be named here, received ${JSON.stringify(shortened(cell))}`, {
      hint: 'Send the bytes themselves as a data: URI: data:image/png;base64,...',
    })
  }
  try {
    return await readFile(cell)
  } catch (cause) {
    throw new QuernError('input', `${shortened(cell)} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

const shortened = (text: string): string => (text.length > 80 ? `...${text.slice(-77)}` : text)
