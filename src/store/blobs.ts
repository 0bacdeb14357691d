/** What the adapters of BlobStore share: the port with the two operations that logs and ids need, keys, and stores in stores. */
import { QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'

/** A blob store in which a blob can also grow and a name can be claimed. */
export interface AppendableBlobStore extends BlobStore {
  /** Adds bytes at the end of a blob, which begins empty. A crash may tear what was added last, never what stood before. */
  append(key: string, bytes: Uint8Array): Promise<void>
  /** Writes a blob that does not exist yet; false when it does. Of several callers at the same time, one gets true. */
  create(key: string, bytes: Uint8Array): Promise<boolean>
}

/** Files that are being written have such names; they are no blobs. */
export function isTemporary(name: string): boolean {
  return /^\.[^/]*\.tmp$/.test(name)
}

/** The parts of a key, or an error: a key is names joined by '/', none of them empty, '.', '..' or with a strange character. */
export function partsOf(key: string): string[] {
  const parts = key.split('/')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const wrong = parts.some((part) => /^\.{0,2}$|[\\\u0000-\u001f]|^[A-Za-z]:/.test(part)) || isTemporary(parts.at(-1)!)
  if (!wrong) return parts
  throw new QuernError('input', `'${key}' is no key of a blob: expected names joined by '/', without '..'`)
}

/** The error of reading a blob that is not there. */
export function missingBlob(key: string, where: string, cause?: unknown): QuernError {
  return new QuernError('missing', `there is no '${key}' in ${where}`, { cause })
}

/** The blobs whose keys begin with `folder/`, as a store of their own. */
export function blobsWithin(store: AppendableBlobStore, folder: string): AppendableBlobStore {
  const prefix = `${partsOf(folder).join('/')}/`
  const inside = (key: string): string => prefix + partsOf(key).join('/')
  return {
    read: (key) => store.read(inside(key)),
    write: (key, bytes) => store.write(inside(key), bytes),
    exists: (key) => store.exists(inside(key)),
    list: async (start) => (await store.list(prefix + start)).map((key) => key.slice(prefix.length)),
    remove: (key) => store.remove(inside(key)),
    append: (key, bytes) => store.append(inside(key), bytes),
    create: (key, bytes) => store.create(inside(key), bytes),
  }
}
