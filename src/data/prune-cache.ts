/** Keeps a cache on the disk from growing for ever: what was not used for long goes, and the oldest while all is too large. IO. */
import { readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BlobStore } from '../core/ports.ts'

export interface CacheLimits {
  /** bytes of everything that is kept; default 10 GiB */
  readonly bytes?: number | undefined
  /** days without use after which an entry goes; default 30 */
  readonly days?: number | undefined
}

const day = 86_400_000
/** A file that is being written is no older than this. */
const writing = day

interface Kept {
  readonly path: string
  readonly bytes: number
  /** milliseconds since 1970 */
  readonly used: number
}

/**
 * Removes entries of the store by age, then by size; `current`, a key, stays. Files whose names differ only behind the last dot are one entry.
 * What others are reading stays readable to them: a file that is open goes when it is closed. Nothing happens to stores that are no folder.
 */
export async function pruneCache(
  store: BlobStore,
  current: string,
  now: number,
  { bytes: most = 10 * 2 ** 30, days = 30 }: CacheLimits = {},
): Promise<readonly string[]> {
  if (!store.pathOf) return []
  const here = await store.pathOf(current)
  const root = here.slice(0, -current.length)
  const entries = new Map<string, Kept[]>()
  for (const file of await filesBelow(root)) {
    const isTemporary = file.path.endsWith('.tmp')
    if (isTemporary && now - file.used > writing) await rm(file.path, { force: true })
    if (isTemporary) continue
    const name = entryOf(file.path)
    entries.set(name, [...(entries.get(name) ?? []), file])
  }
  const own = entryOf(here)
  const all = [...entries].map(([name, files]) => ({
    name,
    files,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    used: Math.max(...files.map(({ used }) => used)),
  }))
  let total = all.reduce((sum, { bytes }) => sum + bytes, 0)
  const removed: string[] = []
  for (const entry of all.toSorted((a, b) => a.used - b.used)) {
    if (entry.name === own || (now - entry.used <= days * day && total <= most)) continue
    for (const { path } of entry.files) await rm(path, { force: true })
    total -= entry.bytes
    removed.push(entry.name.slice(root.length))
  }
  return removed
}

const entryOf = (path: string): string =>
  join(dirname(path), path.slice(dirname(path).length + 1).replace(/\.[^.]*$/, ''))

async function filesBelow(folder: string): Promise<Kept[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const found: Kept[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const info = await stat(path).catch(() => undefined)
    if (info) found.push({ path, bytes: info.size, used: info.mtimeMs })
  }
  return found
}
