/** What actions need from the outside: built once by the composition roots (cli/main.ts, serve/main.ts). */
import type { BlobStore, Clock, Log } from '../core/ports.ts'
import type { Tensor } from '../core/tensor.ts'
import type { createBatches } from '../data/batches.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import type { OpTable } from '../ops/op.ts'
import type { Backend } from '../runtime/backend.ts'
import type { RunStore } from '../store/runs.ts'
import type { Task, TaskConfig } from '../tasks/task.ts'

export interface Services {
  readonly backend: Backend
  readonly table: OpTable
  /** `.quern/runs` of the project */
  readonly runs: RunStore
  /** `.quern/cache` of the project */
  readonly cache: BlobStore
  /** any folder as a blob store: bundles to read, exports to write */
  readonly folder: (path: string) => BlobStore
  readonly images: () => Promise<ImageDecoder>
  /** a picture uint8 `[channels, height, width]` as a PNG file: data/sharp-encoder.ts */
  readonly encodePng: (picture: Tensor) => Promise<Uint8Array>
  /** batches that a thread makes ahead of training: data/prefetch.ts; default: the thread that trains makes them */
  readonly batches?: typeof createBatches | undefined
  /** starts that thread before there are batches to make */
  readonly warmBatches?: (() => void) | undefined
  readonly clock: Clock
  readonly log: Log
  /** versions of what a result depends on: quern, node, onnxruntime */
  readonly versions: Readonly<Record<string, string>>
}

/** A project whose configuration was checked. */
export interface Project {
  /** absolute path of the folder with quern.config.ts */
  readonly root: string
  readonly name: string
  readonly task: Task
  readonly config: TaskConfig
}
