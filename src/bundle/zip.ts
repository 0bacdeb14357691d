/**
 * A bundle as one .zip file, and back. Zips may come from strangers: what a file claims to hold is compared with a limit before
 * it is unpacked, and what comes out is counted while it is unpacked, so a bomb is stopped whatever it claims.
 */
import { Unzip, type UnzipFile, UnzipInflate, zipSync } from 'fflate'
import { messageOf, QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { manifestFile, readManifest } from './bundle.ts'
import { unsafePath } from './safe-path.ts'

export interface UnzipLimits {
  /** of all files together, unpacked; default 1 GiB */
  readonly maxBytes?: number
  /** default 1000 */
  readonly maxFiles?: number
}

/** Bytes given to the decompressor at once: deflate grows at most 1032 times, so at most 17 MB come out uncounted. */
const pushed = 16 * 1024

/** One .zip of the manifest and the files that it lists. The same bundle gives the same bytes. */
export async function zipBundle(files: BlobStore, what: string): Promise<Uint8Array> {
  const manifest = await readManifest(files, what)
  const names = [manifestFile, ...Object.keys(manifest.files)].sort()
  const entries = await Promise.all(names.map(async (name) => [name, await files.read(name)] as const))
  // A zip keeps local time without a zone: these components are the same everywhere.
  return zipSync(Object.fromEntries(entries), { level: 6, mtime: new Date(1980, 0, 1) })
}

/**
 * The files of a .zip, in memory; `openBundle` takes them. A folder that holds everything is looked through.
 *
 * Errors name the zip and the entry: no zip, cut off, damaged, too large, a path that leaves the folder, a name that comes twice.
 *
 * @example
 * const bundle = await openBundle(unzipBundle(bytes, 'model.zip'), 'model.zip')
 */
export function unzipBundle(bytes: Uint8Array, what: string, limits: UnzipLimits = {}): BlobStore {
  if (!hasEnd(bytes)) {
    throw new QuernError('input', `${what}: no whole zip file: its directory is missing in ${bytes.length} bytes`, {
      hint: 'It is of another format, or was not copied to its end.',
    })
  }
  const found = unpack(bytes, what, limits)
  const top = [...found.keys()].find((name) => name.split('/').length === 2 && name.endsWith(`/${manifestFile}`))
  if (found.has(manifestFile) || top === undefined) return memoryFiles(found)
  const folder = top.slice(0, -manifestFile.length)
  const inside = [...found].filter(([name]) => name.startsWith(folder))
  return memoryFiles(new Map(inside.map(([name, content]) => [name.slice(folder.length), content])))
}

/** Files in memory as a blob store. */
export function memoryFiles(contents: Map<string, Uint8Array> = new Map()): BlobStore {
  return {
    async read(key) {
      const found = contents.get(key)
      if (!found) throw new QuernError('missing', `there is no file '${key}'`)
      return found
    },
    async write(key, content) {
      contents.set(key, content.slice())
    },
    exists: async (key) => contents.has(key),
    list: async (prefix) => [...contents.keys()].filter((key) => key.startsWith(prefix)).sort(),
    async remove(key) {
      contents.delete(key)
    },
  }
}

/** Whether the end of the central directory (signature PK 5 6) stands where it must: within the last 65557 bytes. */
function hasEnd(bytes: Uint8Array): boolean {
  for (let i = bytes.length - 22; i >= 0 && i >= bytes.length - 65557; i--) {
    if (bytes[i] === 0x50 && bytes[i + 1] === 0x4b && bytes[i + 2] === 5 && bytes[i + 3] === 6) return true
  }
  return false
}

interface Entry {
  readonly name: string
  readonly chunks: Uint8Array[]
  bytes: number
  whole: boolean
}

function unpack(bytes: Uint8Array, what: string, limits: UnzipLimits): Map<string, Uint8Array> {
  const { maxBytes = 2 ** 30, maxFiles = 1000 } = limits
  const entries = new Map<string, Entry>()
  let total = 0
  let claimed = 0
  const refuse = (message: string): never => {
    throw new QuernError('input', `${what}: ${message}`)
  }
  const open = (file: UnzipFile): void => {
    if (file.name.endsWith('/')) return
    const { name, originalSize = 0 } = file
    const fault = unsafePath(name)
    if (fault !== undefined) refuse(`the entry ${JSON.stringify(name)} is refused: ${fault}`)
    if (entries.has(name)) refuse(`the entry '${name}' comes twice`)
    if (entries.size >= maxFiles) refuse(`more than ${maxFiles} files`)
    claimed += originalSize
    if (claimed > maxBytes) refuse(`'${name}' makes it ${claimed} bytes unpacked, allowed are ${maxBytes}`)
    if (file.compression !== 0 && file.compression !== 8) {
      refuse(`'${name}' is compressed by method ${file.compression}; known are 0 (stored) and 8 (deflate)`)
    }
    const entry: Entry = { name, chunks: [], bytes: 0, whole: false }
    entries.set(name, entry)
    file.ondata = (error, chunk, final) => {
      if (error) throw error
      total += chunk.length
      entry.bytes += chunk.length
      if (total > maxBytes) refuse(`'${name}' unpacks to more than the ${maxBytes} bytes that are allowed`)
      if (file.originalSize !== undefined && entry.bytes > file.originalSize) {
        refuse(`'${name}' claims ${file.originalSize} bytes and unpacks to more`)
      }
      entry.chunks.push(chunk)
      entry.whole = final
    }
    file.start()
  }
  try {
    const unzip = new Unzip(open)
    unzip.register(UnzipInflate)
    for (let at = 0; at < bytes.length; at += pushed) {
      unzip.push(bytes.subarray(at, at + pushed), at + pushed >= bytes.length)
    }
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('input', `${what}: damaged zip: ${messageOf(cause)}`, { cause })
  }
  const cut = [...entries.values()].find((entry) => !entry.whole)
  if (cut) refuse(`the entry '${cut.name}' is cut off after ${cut.bytes} bytes`)
  return new Map([...entries.values()].map((entry) => [entry.name, joined(entry)]))
}

function joined({ chunks, bytes }: Entry): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
