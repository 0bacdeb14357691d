/** Files of a zip archive that is in memory. What is written as a bundle has a reader of its own, which checks more (bundle/zip.ts). */
import { unzipSync } from 'fflate'
import { messageOf, QuernError } from '../core/errors.ts'

/** Archives that unpack to more than this are refused: a small file can hold a huge empty one. */
const mostBytes = 4e9

/** Bytes by name; folders are left out. Throws `input` for what is damaged. */
export function unzip(bytes: Uint8Array, what: string): Record<string, Uint8Array> {
  let sum = 0
  try {
    return unzipSync(bytes, {
      filter({ name, originalSize }) {
        sum += originalSize
        if (sum > mostBytes) throw new QuernError('input', `${what} unpacks to more than ${mostBytes / 1e9} GB`)
        return !name.endsWith('/')
      },
    })
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('input', `${what}: it is no whole zip archive (${messageOf(cause)})`, { cause })
  }
}
