/** The error for a file or folder that cannot be read, with the nearest name that exists beside it. */
import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'

/** An error for the cause of a failed read: a missing path names the nearest sibling, anything else says what the system said. */
export async function missingPath(path: string, what: string, cause: unknown): Promise<QuernError> {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOTDIR') return new QuernError('input', `expected a folder, received the file ${path}`, { cause })
  if (code === 'EISDIR') return new QuernError('input', `expected a file, received the folder ${path}`, { cause })
  if (code !== 'ENOENT') return new QuernError('io', `cannot read the ${what} ${path}: ${messageOf(cause)}`, { cause })
  const parent = dirname(path)
  const siblings = await readdir(parent).catch(() => undefined)
  const names = siblings?.filter((name) => !name.startsWith('.')).slice(0, 1000) ?? []
  const hint = names.length
    ? suggestion(basename(path), names)
    : `The folder ${parent} ${siblings ? 'is empty' : 'does not exist either'}.`
  return new QuernError('missing', `the ${what} ${path} does not exist`, {
    hint: hint.length > 400 ? undefined : hint,
    cause,
  })
}
