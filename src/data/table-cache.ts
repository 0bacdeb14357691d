/**
 * Encoded tables on the disk: one entry for a content and the settings that made rows of it. An entry is two files: `.rows`, its columns one behind
 * the other, rows of one width each; and `.json`, written last, which says what they are and what the rows' hash is. What is damaged, half written
 * or of another version counts as absent. IO.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type DType, dtypes, type NumericArray } from '../core/dtype.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import type { StoredColumn } from './dataset.ts'
import { type EncodedColumn, type RowSink, rowBytesOf } from './encode-rows.ts'
import { type CacheLimits, pruneCache } from './prune-cache.ts'

/** Raised whenever the same settings give other rows. */
const version = 2

/** Bytes that are read and hashed at once. */
const chunk = 1 << 22

interface Head<About> {
  readonly version: number
  readonly rows: number
  readonly columns: readonly EncodedColumn[]
  /** bytes of the rows, and their hash */
  readonly bytes: number
  readonly sha256: string
  /** files that the rows were made of besides the table: pictures, sounds */
  readonly files: readonly (readonly [path: string, stamp: string])[]
  readonly about: About
}

export interface TableEntry<About> {
  readonly about: About
  readonly columns: Readonly<Record<string, Tensor>>
  /** columns that are left in the file */
  readonly stored: Readonly<Record<string, StoredColumn>> | undefined
}

export interface OpenEntryOptions {
  /** bytes of a row's blocks over all rows up to which they are read into memory */
  readonly memory: number
  /** columns that are read into memory in any case */
  readonly always: readonly string[]
}

/** Where a new entry is written. */
export interface EntryWriter<About> {
  readonly sink: RowSink
  /** Makes the entry: from here on it is found. `files`: what the rows were made of besides the table. */
  finish(about: About, files: Iterable<string>): Promise<void>
  /** Removes what was written; nothing happens to a finished entry. */
  discard(): Promise<void>
}

export interface TableCache {
  /** The entry; undefined when there is none that can be used. Its last use is now. */
  open<About>(key: string, options: OpenEntryOptions): Promise<TableEntry<About> | undefined>
  create<About>(key: string, columns: readonly EncodedColumn[], rows: number): Promise<EntryWriter<About>>
  /** what went wrong so far, in sentences */
  readonly warnings: readonly string[]
}

/** Key of an entry: whatever else, the same settings and the same content give the same. */
export function entryKey(...parts: readonly unknown[]): string {
  const hash = createHash('sha256').update(JSON.stringify([version, ...parts]))
  return hash.digest('hex').slice(0, 32)
}

/** The cache of a store; undefined where the store is no folder: rows are read and written in parts. */
export function createTableCache(
  store: BlobStore | undefined,
  clock: { now(): number } = Date,
  limits: CacheLimits = {},
): TableCache | undefined {
  if (!store?.pathOf) return undefined
  const warnings: string[] = []
  const pathOf = (key: string, ending: string): Promise<string> => store.pathOf!(`tables/${key}.${ending}`)
  return {
    warnings,
    async open<About>(key: string, options: OpenEntryOptions) {
      const [head, rows] = [await pathOf(key, 'json'), await pathOf(key, 'rows')]
      try {
        if (!(await store.exists(`tables/${key}.json`))) return undefined
        const parsed = headFrom<About>(new TextDecoder().decode(await store.read(`tables/${key}.json`)))
        const entry = parsed && (await readEntry(parsed, rows, options))
        if (!entry) {
          warnings.push(`the cache of encoded rows (tables/${key}) was damaged and is made again`)
          return undefined
        }
        for (const [path, stamp] of parsed.files) if ((await stampOf(path)) !== stamp) return undefined
        const now = new Date(clock.now())
        for (const path of [head, rows]) await utimes(path, now, now)
        return entry
      } catch (error) {
        warnings.push(`the cache of encoded rows cannot be read: ${messageOf(error)}`)
        return undefined
      }
    },
    async create<About>(key: string, columns: readonly EncodedColumn[], rows: number) {
      const path = await pathOf(key, 'rows')
      await mkdir(dirname(path), { recursive: true })
      const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${Math.floor(performance.now())}.tmp`)
      return entryWriter<About>({ path, temporary, columns, rows }, async (head) => {
        await store.write(`tables/${key}.json`, new TextEncoder().encode(JSON.stringify(head)))
        await pruneCache(store, `tables/${key}.json`, clock.now(), limits)
      })
    },
  }
}

/** Where each column begins in the file of rows, and the end. */
function layout(
  columns: readonly EncodedColumn[],
  rows: number,
): { starts: ReadonlyMap<string, number>; bytes: number } {
  let bytes = 0
  const starts = new Map<string, number>()
  for (const column of columns) {
    starts.set(column.name, bytes)
    bytes += rows * rowBytesOf(column)
  }
  return { starts, bytes }
}

function entryWriter<About>(
  of: { path: string; temporary: string; columns: readonly EncodedColumn[]; rows: number },
  publish: (head: Head<About>) => Promise<void>,
): EntryWriter<About> {
  const { path, temporary, columns, rows } = of
  const { starts, bytes } = layout(columns, rows)
  const widths = new Map(columns.map((column) => [column.name, rowBytesOf(column)]))
  let file: number | undefined = openSync(temporary, 'wx+')
  const discard = async (): Promise<void> => {
    if (file === undefined) return
    closeSync(file)
    file = undefined
    await rm(temporary, { force: true })
  }
  return {
    discard,
    sink(column, first, { data }) {
      const { buffer, byteOffset, byteLength } = data as NumericArray
      writeWhole(
        file!,
        new Uint8Array(buffer, byteOffset, byteLength),
        starts.get(column)! + first * widths.get(column)!,
      )
    },
    async finish(about, files) {
      const sha256 = hashOf(file!, bytes)
      if (sha256 === undefined) throw new QuernError('io', `${temporary} is shorter than what was written to it`)
      const stamps: (readonly [string, string])[] = []
      for (const each of new Set(files)) stamps.push([each, await stampOf(each)])
      closeSync(file!)
      file = undefined
      try {
        const handle = await open(temporary, 'r+')
        await handle.sync().finally(() => handle.close())
        await rename(temporary, path)
      } finally {
        await rm(temporary, { force: true })
      }
      await publish({ version, rows, columns, bytes, sha256, files: stamps, about })
    },
  }
}

function headFrom<About>(text: string): Head<About> | undefined {
  try {
    const head = JSON.parse(text) as Head<About>
    const isHead = head.version === version && Array.isArray(head.columns) && Array.isArray(head.files)
    return isHead && head.bytes === layout(head.columns, head.rows).bytes ? head : undefined
  } catch {
    return undefined
  }
}

/** Undefined when the rows are not what the head says. */
async function readEntry<About>(
  head: Head<About>,
  path: string,
  { memory, always }: OpenEntryOptions,
): Promise<TableEntry<About> | undefined> {
  const info = await stat(path).catch(() => undefined)
  if (info?.size !== head.bytes) return undefined
  const file = openSync(path, 'r')
  let isKept = false
  try {
    const { starts } = layout(head.columns, head.rows)
    const blocks = head.columns.filter(({ name }) => !always.includes(name))
    const isLarge = blocks.reduce((sum, column) => sum + head.rows * rowBytesOf(column), 0) > memory
    if (hashOf(file, head.bytes) !== head.sha256) return undefined
    const columns: Record<string, Tensor> = {}
    // The readers hold it, and it the file.
    const holder = { file }
    const stored: Record<string, StoredColumn> = {}
    for (const column of head.columns) {
      const { name, dtype } = column
      const shape = [head.rows, ...column.shape]
      const [start, width] = [starts.get(name)!, rowBytesOf(column)]
      if (isLarge && blocks.includes(column)) {
        const read = (first: number, count: number, into: Uint8Array): void =>
          readRows(holder.file, into.subarray(0, count * width), start + first * width, path)
        stored[name] = { dtype, shape, read, digest: `${head.sha256} ${name}` }
      } else {
        const data = arrayFor(dtype, head.rows * width)
        readRows(file, new Uint8Array(data.buffer), start, path)
        columns[name] = tensor(dtype, shape, data)
      }
    }
    isKept = isLarge
    if (isLarge) openFiles.register(holder, file)
    return { about: head.about, columns, stored: isLarge ? stored : undefined }
  } finally {
    if (!isKept) closeSync(file)
  }
}

/** Files of columns that nobody reads any more are closed. */
const openFiles = new FinalizationRegistry<number>((file) => closeSync(file))

function arrayFor(dtype: DType, bytes: number): NumericArray {
  const Values = dtypes[dtype].array as unknown as new (buffer: ArrayBuffer) => NumericArray
  return new Values(new ArrayBuffer(bytes))
}

function readRows(file: number, into: Uint8Array, position: number, path: string): void {
  let at = 0
  while (at < into.length) {
    const count = readSync(file, into, at, Math.min(1 << 30, into.length - at), position + at)
    if (count === 0) throw new QuernError('io', `${path} became shorter while it was read`, { hint: 'Train again.' })
    at += count
  }
}

function writeWhole(file: number, bytes: Uint8Array, position: number): void {
  let at = 0
  while (at < bytes.length) at += writeSync(file, bytes, at, Math.min(1 << 30, bytes.length - at), position + at)
}

/** sha256 of the first bytes of a file; undefined when it has fewer. */
function hashOf(file: number, bytes: number): string | undefined {
  const hash = createHash('sha256')
  const part = new Uint8Array(Math.min(chunk, bytes))
  for (let at = 0; at < bytes; ) {
    const count = readSync(file, part, 0, Math.min(part.length, bytes - at), at)
    if (count === 0) return undefined
    hash.update(part.subarray(0, count))
    at += count
  }
  return hash.digest('hex')
}

/** Size and time of change: what tells one state of a file from another without reading it; '' when it is not there. */
async function stampOf(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined)
  return info ? `${info.size}:${info.mtimeMs}` : ''
}
