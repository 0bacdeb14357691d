/** Puts the real parts together for the actions. Heavy libraries are loaded by their owners when they are first used. */
import { join, resolve } from 'node:path'
import type { Services } from '../actions/services.ts'
import type { Log } from '../core/ports.ts'
import { createPictureDecoder } from '../data/picture-decoder.ts'
import { prefetchBatches, warmThread } from '../data/prefetch.ts'
import { encodePng } from '../data/sharp-encoder.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createFileBlobs } from '../store/file-blobs.ts'
import { createRunStore } from '../store/file-runs.ts'
import { versions } from './version.ts'

export interface ServicesOptions {
  /** the project's folder: runs and cache are kept in its .quern */
  readonly root: string
  /** paths that a user types start here */
  readonly cwd: string
  readonly log: Log
  readonly now?: () => number
}

export function createServices({ root, cwd, log, now = Date.now }: ServicesOptions): Services {
  const clock = { now }
  return {
    backend: createNodeBackend(),
    table,
    runs: createRunStore(createFileBlobs(join(root, '.quern/runs')), clock),
    cache: createFileBlobs(join(root, '.quern/cache')),
    folder: (path) => createFileBlobs(resolve(cwd, path)),
    images: createPictureDecoder,
    encodePng,
    batches: prefetchBatches,
    warmBatches: warmThread,
    clock,
    log,
    versions: versions(),
  }
}

/** For code that uses the library: everything starts in the current folder, nothing is said. */
export function createLibraryServices(): Services {
  const cwd = process.cwd()
  return createServices({ root: cwd, cwd, log: { info: () => undefined, warn: () => undefined } })
}
