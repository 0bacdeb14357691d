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
  isWhole: boolean
}

function unpack(bytes: Uint8Array, what: string, limits: UnzipLimits): Map<string, Uint8Array> {
  const unpacker = new Unpacker(what, limits)
  try {
    const unzip = new Unzip((file) => unpacker.open(file))
    unzip.register(UnzipInflate)
    for (let at = 0; at < bytes.length; at += pushed) {
      unzip.push(bytes.subarray(at, at + pushed), at + pushed >= bytes.length)
    }
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('input', `${what}: damaged zip: ${messageOf(cause)}`, { cause })
  }
  return unpacker.finish()
}

/** Takes in entry after entry and keeps count: of what they claim when they open, of what they are as they unpack. */
class Unpacker {
  readonly #what: string
  readonly #maxBytes: number
  readonly #maxFiles: number
  readonly #entries = new Map<string, Entry>()
  #claimed = 0
  #total = 0

  constructor(what: string, { maxBytes = 2 ** 30, maxFiles = 1000 }: UnzipLimits) {
    this.#what = what
    this.#maxBytes = maxBytes
    this.#maxFiles = maxFiles
  }

  open(file: UnzipFile): void {
    const { name, compression, originalSize = 0 } = file
    if (name.endsWith('/')) return
    const fault = unsafePath(name)
    if (fault !== undefined) throw this.#refusal(`the entry ${JSON.stringify(name)} is refused: ${fault}`)
    if (this.#entries.has(name)) throw this.#refusal(`the entry '${name}' comes twice`)
    if (this.#entries.size >= this.#maxFiles) throw this.#refusal(`more than ${this.#maxFiles} files`)
    this.#claimed += originalSize
    if (this.#claimed > this.#maxBytes) {
      throw this.#refusal(`'${name}' makes it ${this.#claimed} bytes unpacked, allowed are ${this.#maxBytes}`)
    }
    if (compression !== 0 && compression !== 8) {
      throw this.#refusal(`'${name}' is compressed by method ${compression}; known are 0 (stored) and 8 (deflate)`)
    }
    const entry: Entry = { name, chunks: [], bytes: 0, isWhole: false }
    this.#entries.set(name, entry)
    file.ondata = (error, chunk, final) => {
      if (error) throw error
      this.#add(entry, chunk, file.originalSize)
      entry.isWhole = final
    }
    file.start()
  }

  #add(entry: Entry, chunk: Uint8Array, claimed: number | undefined): void {
    this.#total += chunk.length
    entry.bytes += chunk.length
    if (this.#total > this.#maxBytes) {
      throw this.#refusal(`'${entry.name}' unpacks to more than the ${this.#maxBytes} bytes that are allowed`)
    }
    if (claimed !== undefined && entry.bytes > claimed) {
      throw this.#refusal(`'${entry.name}' claims ${claimed} bytes and unpacks to more`)
    }
    entry.chunks.push(chunk)
  }

  finish(): Map<string, Uint8Array> {
    const entries = [...this.#entries.values()]
    const cut = entries.find((entry) => !entry.isWhole)
    if (cut) throw this.#refusal(`the entry '${cut.name}' is cut off after ${cut.bytes} bytes`)
    return new Map(entries.map((entry) => [entry.name, joined(entry)]))
  }

  #refusal(message: string): QuernError {
    return new QuernError('input', `${this.#what}: ${message}`)
  }
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
