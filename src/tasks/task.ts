/**
 * The task record: what an application adds to the general machinery. One record a file; index.ts is the table. A task says which
 * data it takes, what its network is, how it is scored and described; it does not know how it is launched.
 */
import type { z } from 'zod'
import type { TrainSection } from '../contract/config.ts'
import type { ImagePreprocessing } from '../contract/manifest.ts'
import type { BlobStore } from '../core/ports.ts'
import type { Augment } from '../data/augment.ts'
import type { Dataset } from '../data/dataset.ts'
import type { ProfileInput } from '../data/profile.ts'
import type { SourceReport, SplitName } from '../data/source.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Layer } from '../nn/layer.ts'
import type { Loss } from '../nn/losses/index.ts'
import type { ColumnSpec } from '../train/network.ts'

/** Configuration sections that every task's schema has, after defaults. */
export interface TaskConfig {
  readonly task: string
  readonly name?: string | undefined
  readonly seed: number
  readonly device: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  readonly threads?: number | undefined
  readonly train: TrainSection
  readonly metrics: readonly MetricSpec[]
}

export interface LoadOptions {
  /** leaves out and reports what cannot be read, whatever the configuration says: inspection wants to see all of it */
  readonly skipBroken?: boolean | undefined
  /** folder that relative paths of the configuration start from */
  readonly root: string
  /** decoded data is kept here between runs */
  readonly cache?: BlobStore | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TaskData {
  /** test and validation may be absent: the data gave none, or the configuration asked for none */
  readonly splits: Readonly<Partial<Record<SplitName, Dataset>>> & { readonly train: Dataset }
  /** class names */
  readonly labels: readonly string[]
  readonly report: SourceReport
  /** sizes of the pictures as they were found, by storage row, for the profile */
  readonly originals?: ProfileInput['originals']
  /** how raw input becomes the model's input; goes into the bundle */
  readonly preprocessing: ImagePreprocessing
}

export interface TaskNetwork {
  /** preprocessing and network in one: it takes the raw columns */
  readonly model: Layer
  readonly loss: Loss
  readonly inputs: readonly ColumnSpec[]
  readonly target: ColumnSpec
  /** name of the output in the exported graph */
  readonly output: string
}

export interface Task<Config extends TaskConfig = TaskConfig> {
  readonly name: string
  /** one line for `quern init --help` */
  readonly summary: string
  /** the whole configuration; unknown keys are errors */
  readonly schema: z.ZodType<Config>
  /** Reads and splits the data. Statistics are taken of the training split alone. */
  load(config: Config, options: LoadOptions): Promise<TaskData>
  network(config: Config, data: TaskData): TaskNetwork
  augment(config: Config): { readonly column: string; readonly apply: Augment } | undefined
  /** the files of a new project, by path: configuration (TypeScript source) and README */
  starter(options: { source: string; name: string }): Readonly<Record<string, string>>
}
