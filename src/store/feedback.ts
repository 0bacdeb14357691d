/**
 * What was right, as clients tell it after an answer: lines of JSON that are only ever added, in files of bounded length, of which the oldest go
 * when there are too many. A line that a crash has torn is left out when they are read.
 */
import type { AppendableBlobStore } from './blobs.ts'

export interface FeedbackRecord {
  /** ISO 8601 */
  readonly time: string
  /** id of the request that was answered, and which of its examples, from 0 */
  readonly request: string
  readonly example: number
  /** id of the key that told it */
  readonly key: string
  /** which target of several it is about */
  readonly target?: string
  /** a class, a number, the labels of a set or the numbers of a vector */
  readonly label: string | number | readonly (string | number)[]
  /** what the model had answered of this target for this example */
  readonly answer: readonly number[]
}

/** Of one version of one model. */
export interface FeedbackStore {
  add(model: string, version: string, records: readonly FeedbackRecord[]): Promise<void>
  /** The last ones, the oldest first. */
  recent(model: string, version: string, most: number): Promise<FeedbackRecord[]>
}

/** Files of one version: when the last is full, the first goes. */
const files = 4

/** @param maxBytes of one version's files together */
export function createFeedbackStore(blobs: AppendableBlobStore, maxBytes: number): FeedbackStore {
  /** number and length of the file that is written, by folder */
  const open = new Map<string, { number: number; bytes: number }>()
  let work: Promise<unknown> = Promise.resolve()

  const keysOf = async (folder: string): Promise<string[]> =>
    (await blobs.list(folder)).filter((key) => /\/\d{6}\.jsonl$/.test(key))

  const openFile = async (folder: string): Promise<{ number: number; bytes: number }> => {
    const known = open.get(folder)
    if (known) return known
    const last = (await keysOf(folder)).at(-1)
    const found = last
      ? { number: Number(last.slice(-12, -6)), bytes: (await blobs.read(last)).length }
      : { number: 1, bytes: 0 }
    open.set(folder, found)
    return found
  }

  const append = async (folder: string, bytes: Uint8Array): Promise<void> => {
    const file = await openFile(folder)
    if (file.bytes > 0 && file.bytes + bytes.length > maxBytes / files) {
      file.number++
      file.bytes = 0
      const old = (await keysOf(folder)).slice(0, -(files - 1))
      for (const key of old) await blobs.remove(key)
    }
    await blobs.append(`${folder}${String(file.number).padStart(6, '0')}.jsonl`, bytes)
    file.bytes += bytes.length
  }

  return {
    add(model, version, records) {
      const text = records.map((record) => `${JSON.stringify(record)}\n`).join('')
      const bytes = new TextEncoder().encode(text)
      const next = work.then(() => append(folderOf(model, version), bytes))
      work = next.catch(() => undefined)
      return next
    },
    async recent(model, version, most) {
      const found: FeedbackRecord[] = []
      for (const key of (await keysOf(folderOf(model, version))).reverse()) {
        if (found.length >= most) break
        found.unshift(...recordsFrom(await blobs.read(key)))
      }
      return found.slice(-most)
    },
  }
}

const folderOf = (model: string, version: string): string => `${model}/${version}/`

function recordsFrom(bytes: Uint8Array): FeedbackRecord[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .flatMap((line): FeedbackRecord[] => {
      try {
        const record = JSON.parse(line) as FeedbackRecord
        return Array.isArray(record.answer) && record.label !== undefined ? [record] : []
      } catch {
        return []
      }
    })
}
