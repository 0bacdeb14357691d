/**
 * A folder as a blob store. A write is a temporary file beside the blob, fsync, rename, fsync of the folder: whenever the machine
 * stops, and when the disk is full, a blob is the old one or the new one, whole.
 */
import { randomUUID } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { copyFile, link, mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { QuernError } from '../core/errors.ts'
import { type AppendableBlobStore, isTemporary, missingBlob, partsOf } from './blobs.ts'
import { codeOf, fileError } from './file-error.ts'

/** Bytes asked of the system in one call; Node refuses 2 GiB and more. */
const chunk = 1 << 30

/**
 * Blobs below a folder, which is made at the first write.
 *
 * @throws QuernError 'missing' for a blob that is not there, 'io' for a disk that fails (full, no permission), naming the file,
 *   'input' for a key that would lead out of the folder, also by a symbolic link
 * @example
 * const blobs = createFileBlobs('.quern/cache')
 * await blobs.write('a/b.bin', bytes)
 */
export function createFileBlobs(folder: string): AppendableBlobStore {
  const root = resolve(folder)

  /** The path of a key, once it is sure that no link on the way leads out of the root. */
  async function pathOf(key: string): Promise<string> {
    const path = join(root, ...partsOf(key))
    let real: string
    try {
      real = await realpath(root)
    } catch {
      return path // The root is not there yet, so nothing below it can be a link.
    }
    for (let at = path; at !== root; at = dirname(at)) {
      const found = await realpath(at).catch(() => undefined)
      if (found === undefined) continue
      if (found.startsWith(real.endsWith(sep) ? real : real + sep)) return path
      throw new QuernError('input', `'${key}' leads out of ${root} by a symbolic link to ${found}`)
    }
    return path
  }

  /** Puts a finished temporary file in its place by `place`; nothing of it is left when that fails. */
  async function viaTemporary(
    key: string,
    bytes: Uint8Array,
    place: (temporary: string, path: string) => Promise<void>,
  ): Promise<void> {
    const path = await pathOf(key)
    try {
      await retryOnce(async () => {
        await makeFolder(dirname(path))
        const temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`)
        try {
          await writeSynced(temporary, bytes)
          await place(temporary, path)
        } finally {
          await rm(temporary, { force: true }).catch(() => undefined)
        }
        await syncFolder(dirname(path))
      })
    } catch (error) {
      throw fileError('write', path, error, bytes.length)
    }
  }

  return {
    pathOf,
    async read(key) {
      const path = await pathOf(key)
      try {
        return await readWhole(path)
      } catch (error) {
        throw isAbsent(error) ? missingBlob(key, root, error) : fileError('read', path, error)
      }
    },
    write: (key, bytes) => viaTemporary(key, bytes, rename),
    async create(key, bytes) {
      let taken = false
      await viaTemporary(key, bytes, async (temporary, path) => {
        taken = !(await placeNew(temporary, path))
      })
      return !taken
    },
    async append(key, bytes) {
      const path = await pathOf(key)
      try {
        await retryOnce(async () => {
          await makeFolder(dirname(path))
          await appendWhole(path, bytes)
        })
      } catch (error) {
        throw fileError('write', path, error, bytes.length)
      }
    },
    async exists(key) {
      const path = await pathOf(key)
      try {
        return (await stat(path)).isFile()
      } catch (error) {
        if (isAbsent(error)) return false
        throw fileError('read', path, error)
      }
    },
    async list(prefix) {
      const folders = prefix.split('/').slice(0, -1)
      if (folders.length > 0) await pathOf(folders.join('/'))
      const found: string[] = []
      await collect(join(root, ...folders), folders.map((name) => `${name}/`).join(''), found)
      return found.filter((key) => key.startsWith(prefix)).sort()
    },
    async remove(key) {
      const path = await pathOf(key)
      try {
        await rm(path, { force: true })
      } catch (error) {
        throw fileError('remove', path, error)
      }
      await removeEmpty(dirname(path), root)
    },
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')
}

/** A folder may vanish between its making and its use when another process removes its last blob: then once more. */
async function retryOnce(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    await work()
  }
}

/** Makes a folder and those above it. (Node's own `recursive` never returns where nobody may make folders, as in /proc.) */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(folder)).isDirectory()) return
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder).catch((again: unknown) => {
      if (codeOf(again) !== 'EEXIST') throw again
    })
  }
  await syncFolder(dirname(folder))
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const bytes = new Uint8Array(size)
    let at = 0
    while (at < size) {
      const { bytesRead } = await file.read(bytes, at, Math.min(chunk, size - at), at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return at === size ? bytes : bytes.slice(0, at)
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0
  while (at < bytes.length) at += (await file.write(bytes, at, Math.min(chunk, bytes.length - at))).bytesWritten
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await writeAll(file, bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Adds all of the bytes or, when the disk is full, none. Not synced: a line of a log is not worth a wait for the disk. */
async function appendWhole(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'a')
  try {
    const { size } = await file.stat()
    try {
      await writeAll(file, bytes)
    } catch (error) {
      await file.truncate(size).catch(() => undefined)
      throw error
    }
  } finally {
    await file.close()
  }
}

/** Gives a file its name when that is free. A hard link does it in one go; disks without links (FAT) get a copy. */
async function placeNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path).catch((error: unknown) => {
      if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') throw error
      return copyFile(temporary, path, constants.COPYFILE_EXCL)
    })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Makes a rename durable. Systems that cannot open a folder (Windows) keep it durable by themselves. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EBADF'].includes(codeOf(error) ?? '')) throw error
  }
}

/** Keys of all blobs below a folder. Links to files count when they stay inside; links to folders are not followed. */
async function collect(folder: string, prefix: string, found: string[]): Promise<void> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return
    throw fileError('read', folder, error)
  }
  for (const entry of entries) {
    if (entry.isDirectory()) await collect(join(folder, entry.name), `${prefix}${entry.name}/`, found)
    else if ((entry.isFile() || entry.isSymbolicLink()) && !isTemporary(entry.name)) found.push(prefix + entry.name)
  }
}

/** Folders exist only as parts of keys: those that a removal left empty go too. */
async function removeEmpty(folder: string, root: string): Promise<void> {
  for (let at = folder; at !== root && at.startsWith(root + sep); at = dirname(at)) {
    try {
      await rmdir(at)
    } catch {
      return
    }
  }
}
