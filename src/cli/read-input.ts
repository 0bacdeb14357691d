/** Files that are given to a model: named one by one or by their folder, or piped in. */
import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf, QuernError } from '../core/errors.ts'
import { listPictures } from '../data/list-pictures.ts'
import { missingPath } from '../data/missing-path.ts'
import type { Input } from './world.ts'

/** The bytes of a file, or the bytes themselves. */
export async function readInput(input: string | URL | Uint8Array): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return input
  try {
    return await readFile(input)
  } catch (error) {
    const { kind, message, hint } = await missingPath(input instanceof URL ? input.pathname : input, 'file', error)
    throw new QuernError(kind, message, { hint, cause: error })
  }
}

export interface NamedInput {
  readonly name: string
  /** absolute; undefined for what is piped in */
  readonly path: string | undefined
}

/** Files and the pictures below folders, in the order given. A path that is missing is an error before any work is done. */
export async function expandInputs(paths: readonly string[], cwd: string): Promise<NamedInput[]> {
  const inputs: NamedInput[] = []
  for (const name of paths) {
    if (name === '-') {
      inputs.push({ name: 'stdin', path: undefined })
      continue
    }
    const path = resolve(cwd, name)
    const info = await stat(path).catch(async (error: unknown) => {
      throw await missingPath(path, 'file', error)
    })
    if (!info.isDirectory()) {
      inputs.push({ name, path })
      continue
    }
    const { files } = await listPictures(path)
    if (files.length === 0) throw new QuernError('missing', `there is no picture in the folder ${name}`)
    // One by one: a folder may hold more than a call takes arguments.
    for (const file of files) inputs.push({ name: join(name, file.name), path: file.path })
  }
  if (inputs.filter(({ path }) => path === undefined).length > 1) {
    throw new QuernError('config', "'-' can be given once: there is one stdin")
  }
  return inputs
}

/** All that is piped in. */
export async function readStdin(stdin: Input): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk)
  } catch (cause) {
    throw new QuernError('io', `cannot read stdin: ${messageOf(cause)}`, { cause })
  }
  return Buffer.concat(chunks)
}
