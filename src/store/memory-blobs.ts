/** A blob store in memory: for tests, and for what need not outlive the process. */
import { type AppendableBlobStore, missingBlob, partsOf } from './blobs.ts'

/** Blobs are copied on their way in and out: what a caller does with its bytes later changes nothing here. */
export function createMemoryBlobs(): AppendableBlobStore {
  const blobs = new Map<string, Uint8Array>()
  const keyOf = (key: string): string => partsOf(key).join('/')
  return {
    async read(key) {
      const bytes = blobs.get(keyOf(key))
      if (!bytes) throw missingBlob(key, 'memory')
      return bytes.slice()
    },
    write: async (key, bytes) => void blobs.set(keyOf(key), Uint8Array.from(bytes)),
    exists: async (key) => blobs.has(keyOf(key)),
    list: async (prefix) => [...blobs.keys()].filter((key) => key.startsWith(prefix)).sort(),
    remove: async (key) => void blobs.delete(keyOf(key)),
    async append(key, bytes) {
      const old = blobs.get(keyOf(key)) ?? new Uint8Array(0)
      const joined = new Uint8Array(old.length + bytes.length)
      joined.set(old)
      joined.set(bytes, old.length)
      blobs.set(keyOf(key), joined)
    },
    async create(key, bytes) {
      if (blobs.has(keyOf(key))) return false
      blobs.set(keyOf(key), Uint8Array.from(bytes))
      return true
    },
  }
}
