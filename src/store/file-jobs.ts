/**
 * Batch jobs in a folder: `<id>/job.json`, `<id>/rows`, `<id>/results`. The record is replaced by a rename, the results are synced before it, so
 * that whenever the machine stops the record tells the truth about the other two.
 */
import type { FileHandle } from 'node:fs/promises'
import { constants, copyFile, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { messageOf, QuernError } from '../core/errors.ts'
import { partsOf } from './blobs.ts'
import { createFileBlobs } from './file-blobs.ts'
import { codeOf, fileError } from './file-error.ts'
import { type Machine, thisMachine } from './file-runs.ts'
import { type JobRecord, type JobStore, jobFormats } from './jobs.ts'

const recordFile = 'job.json'
const rowsFile = 'rows'
const resultsFile = 'results'
const claimFile = 'server.json'

const piece = 1 << 20
const format = 1

export interface FileJobsOptions {
  /** files in it can be named in place of being sent; without it none can */
  readonly files?: string | undefined
  readonly machine?: Machine
}

/** @example const jobs = createFileJobs('.quern/jobs') */
export function createFileJobs(folder: string, { files, machine = thisMachine }: FileJobsOptions = {}): JobStore {
  const root = resolve(folder)
  const blobs = createFileBlobs(root)
  const pathOf = (id: string, name: string): string => join(root, ...partsOf(`${id}/${name}`))
  return {
    async claim() {
      if (!(await claimFolder(blobs, machine))) return false
      for (const id of await foldersOf(root)) {
        if (!(await blobs.exists(`${id}/${recordFile}`))) await rm(join(root, id), { recursive: true, force: true })
      }
      return true
    },
    async release() {
      await blobs.remove(claimFile)
    },
    async list(onDamaged) {
      const records: JobRecord[] = []
      for (const id of await foldersOf(root)) {
        try {
          records.push(recordFrom(await blobs.read(`${id}/${recordFile}`), id))
        } catch (error) {
          onDamaged(id, messageOf(error))
        }
      }
      return records.sort((a, b) => a.created.localeCompare(b.created) || a.id.localeCompare(b.id))
    },
    async putInput(id, chunks) {
      const path = pathOf(id, rowsFile)
      let bytes = 0
      await makingFile(join(root, id), path, async (file) => {
        for await (const chunk of chunks) {
          await writeAll(file, chunk, bytes)
          bytes += chunk.length
        }
      })
      return bytes
    },
    async copyInput(id, name, most) {
      const source = await namedFile(files, name)
      const { size } = await stat(source)
      if (size > most) {
        throw new QuernError('input', `the file ${name} may have ${most} bytes, it has ${size}`, {
          hint: 'Divide it, or raise jobs.maxFile in quern.serve.json.',
        })
      }
      const path = pathOf(id, rowsFile)
      await makingFile(join(root, id), path, () => copyFile(source, path, constants.COPYFILE_FICLONE))
      // It may have grown meanwhile: what counts is what was copied.
      return (await stat(path)).size
    },
    save: (record) =>
      blobs.write(
        `${record.id}/${recordFile}`,
        new TextEncoder().encode(`${JSON.stringify({ job: format, ...record }, undefined, 2)}\n`),
      ),
    readInput: (id, from) => readFrom(pathOf(id, rowsFile), from, Number.MAX_SAFE_INTEGER),
    async addResult(id, at, bytes) {
      const path = pathOf(id, resultsFile)
      try {
        const file = await open(path, constants.O_RDWR | constants.O_CREAT)
        try {
          await file.truncate(at)
          await writeAll(file, bytes, at)
          await file.sync()
        } finally {
          await file.close()
        }
      } catch (error) {
        throw fileError('write', path, error, bytes.length)
      }
    },
    readResult: (id, from, to) => readFrom(pathOf(id, resultsFile), from, to),
    async remove(id) {
      const path = join(root, ...partsOf(id))
      try {
        // The record first: a folder without one is no job any more.
        await rm(join(path, recordFile), { force: true })
        await rm(path, { recursive: true, force: true })
      } catch (error) {
        throw fileError('remove', path, error)
      }
    },
  }
}

/** Runs `fill` with a new file, synced at the end; removes the folder when it fails. */
async function makingFile(folder: string, path: string, fill: (file: FileHandle) => Promise<unknown>): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    const file = await open(path, 'w')
    try {
      await fill(file)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
    // What the client did, or the sender of the rows, is said in its own words.
    throw codeOf(error)?.startsWith('E') && !(error instanceof QuernError) ? fileError('write', path, error) : error
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let at = 0
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten
}

async function* readFrom(path: string, from: number, to: number): AsyncGenerator<Uint8Array> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    // A job that has computed nothing yet has no results.
    if (codeOf(error) === 'ENOENT' && from >= to) return
    throw fileError('read', path, error)
  }
  try {
    for (let at = from; at < to; ) {
      const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(piece, to - at)), 0, null, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** The path of a file that a client named, once it is sure that it lies in the folder and is a file. */
async function namedFile(folder: string | undefined, name: string): Promise<string> {
  if (folder === undefined) {
    throw new QuernError('input', 'this server has no folder of files that could be named', {
      hint: "Send the file itself, or set jobs.files in the server's configuration.",
    })
  }
  const missing = (cause?: unknown): QuernError =>
    new QuernError('missing', `there is no file ${JSON.stringify(name.slice(0, 100))} in the server's folder`, {
      cause,
    })
  const root = await realpath(folder).catch((cause: unknown) => {
    throw fileError('read', folder, cause)
  })
  let parts: readonly string[]
  try {
    parts = partsOf(name)
  } catch (cause) {
    throw new QuernError(
      'input',
      `'file' is a path within the server's folder, without '..', received ${JSON.stringify(name.slice(0, 100))}`,
      { cause },
    )
  }
  const path = await realpath(join(root, ...parts)).catch((cause: unknown) => {
    throw missing(cause)
  })
  // A link may lead anywhere.
  if (!path.startsWith(root + sep) || !(await stat(path)).isFile()) throw missing()
  return path
}

async function foldersOf(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw fileError('read', root, error)
  }
}

/** One server works on the jobs of a folder. A claim of a process that no longer runs counts for nothing. */
async function claimFolder(blobs: ReturnType<typeof createFileBlobs>, machine: Machine): Promise<boolean> {
  const { pid, host } = machine
  const claim = new TextEncoder().encode(`${JSON.stringify({ pid, host })}\n`)
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await blobs.create(claimFile, claim)) return true
    let held: { pid?: unknown; host?: unknown } = {}
    try {
      held = JSON.parse(new TextDecoder().decode(await blobs.read(claimFile))) as typeof held
    } catch {
      // It was released in this moment, or is damaged.
    }
    // In a container every server has the same number: one's own is that of a predecessor.
    const isMine = held.host === host && held.pid === pid
    const isAlive = held.host === host && typeof held.pid === 'number' && machine.isAlive(held.pid)
    if (isAlive && !isMine) return false
    await blobs.remove(claimFile)
  }
  return false
}

function recordFrom(bytes: Uint8Array, id: string): JobRecord {
  const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>
  const { job, ...record } = value
  const done = (record.done ?? {}) as Record<string, unknown>
  const isWhole =
    job === format &&
    record.id === id &&
    ['owner', 'model', 'version', 'content', 'state', 'created'].every((key) => typeof record[key] === 'string') &&
    ['format', 'results'].every((key) => jobFormats.includes(record[key] as never)) &&
    ['input', 'line', 'rows', 'failed', 'result'].every((key) => Number.isSafeInteger(done[key])) &&
    ['priority', 'topK', 'bytes'].every((key) => Number.isFinite(record[key])) &&
    Array.isArray(record.failures)
  if (!isWhole) throw new QuernError('input', `${recordFile} is no record of a job of this version`)
  return record as unknown as JobRecord
}
