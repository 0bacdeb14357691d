/**
 * The task record: what an application adds to the general machinery. One record a file; index.ts is the table. A task says which
 * data it takes, what its network is, how it is scored and described; it does not know how it is launched.
 */
import type { z } from 'zod'
import type { TrainSection } from '../contract/config.ts'
import type { FromSection, PixelSection } from '../contract/from.ts'
import type { Manifest, Preprocessing } from '../contract/manifest.ts'
import type { BlobStore } from '../core/ports.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Augmentation } from '../data/batches.ts'
import type { Dataset } from '../data/dataset.ts'
import type { ImageForm } from '../data/image-decoder.ts'
import type { ImageProfile } from '../data/image-profile.ts'
import type { SourceReport, SplitName } from '../data/source.ts'
import type { TableProfile } from '../data/table-profile.ts'
import type { Report } from '../evaluate/report-input.ts'
import type { Graph } from '../graph/graph.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Transfer, TransferOptions } from '../nn/imported/transfer.ts'
import type { Layer } from '../nn/layer.ts'
import type { Loss } from '../nn/losses/index.ts'
import type { ColumnSpec } from '../train/network.ts'
import type { Scorer } from '../train/scores.ts'

/** Configuration sections that every task's schema has, after defaults. */
export interface TaskConfig {
  readonly task: string
  readonly name?: string | undefined
  readonly seed: number
  readonly device: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  readonly threads?: number | undefined
  readonly train: TrainSection
  readonly metrics: readonly MetricSpec[]
  /** the model that training starts from; absent: from random weights */
  readonly from?: FromSection | undefined
}

/** How a picture becomes the input of a base. */
export interface BaseImage extends Partial<ImageForm> {
  /** absent where the graph itself takes pixels of 0 to 255 */
  readonly pixels?: PixelSection | undefined
}

/** The model that training starts from, as a task sees it. */
export interface TaskBase {
  /** as it was asked for */
  readonly name: string
  /** weights are constants */
  readonly graph: Graph
  /** sha256 of the ONNX file */
  readonly hash: string
  readonly labels?: readonly string[] | undefined
  readonly image?: BaseImage | undefined
  /** the folder's tokenizer.json: a model of text, whose tokens come from it */
  readonly tokenizer?: BaseTokenizer | undefined
  /** what stands in its place, such as it with adapters beside its weights: see `TransferOptions` */
  readonly around?: TransferOptions['around']
}

/** A file in the format of Hugging Face's tokenizers. */
export interface BaseTokenizer {
  /** 'BPE', 'WordPiece', 'Unigram', 'WordLevel' */
  readonly kind: string
  /** number of its tokens */
  readonly vocabulary: number
  /** the file as it is, for whatever makes tokens of texts */
  readonly bytes: Uint8Array
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
  /** class names; none where numbers are estimated */
  readonly labels: readonly string[]
  readonly report: SourceReport
  /** what is in the data, and what is wrong with it: worked out when it is asked for */
  profile(): Profile
  /** how raw input becomes the model's inputs; goes into the bundle */
  readonly preprocessing: Preprocessing
}

export type Profile = ImageProfile | TableProfile

export interface TaskNetwork {
  /** preprocessing and network in one: it takes the raw columns */
  readonly model: Layer
  readonly inputs: readonly ColumnSpec[]
  readonly target: ColumnSpec
  /** one for most; a model of several has `applyAll`, which gives them by these names */
  readonly outputs: readonly [TaskOutput, ...TaskOutput[]]
  /** of a model that starts from another */
  readonly start?: TaskStart | undefined
}

/** An output of a network, and what it is trained for. */
export interface TaskOutput {
  /** in the exported graph */
  readonly name: string
  /** of this output and the whole target column; the sum over all outputs is trained on */
  readonly loss: Loss
  /** of one example */
  readonly shape: readonly number[]
  /** what the model must answer, and how to make it do so, for models of a user's own */
  readonly what: string
  readonly hint: string
  /** what its loss is called where there are several */
  readonly title?: string
}

/** What of a network comes from a base. */
export interface TaskStart extends Pick<Transfer, 'base' | 'groups' | 'output'> {
  /** from the raw columns to what the base takes; undefined where that is the same */
  readonly prepare: Layer | undefined
}

/** A simple model that is trained beside the network and shown with it. */
export interface Baseline {
  /** 'linear', 'majority class', ... */
  readonly name: string
  readonly network: TaskNetwork
  /** in place of the configuration's */
  readonly train: Partial<TrainSection>
}

/** What a new project is begun with. */
export interface StarterOptions {
  /** default: the task's own */
  readonly source: string | undefined
  readonly name: string
  /** the column to be answered, of tasks on tables */
  readonly target?: string | undefined
}

/** The elements of the only output. */
export const onlyOutput = ({ outputs }: SplitAnswers): Float32Array => Object.values(outputs)[0]!.data

/** The answers of a model for a whole split. */
export interface SplitAnswers {
  /** `[examples, ...]` each, by the names of the outputs */
  readonly outputs: Readonly<Record<string, Tensor<Float32Array>>>
  readonly dataset: Dataset
  readonly labels: readonly string[]
  readonly preprocessing: Preprocessing
}

export interface Task<Config extends TaskConfig = TaskConfig> {
  readonly name: string
  /** one line for `quern init --help` */
  readonly summary: string
  /** the whole configuration; unknown keys are errors */
  readonly schema: z.ZodType<Config>
  /** Reads and splits the data. Statistics are taken of the training split alone. */
  load(config: Config, options: LoadOptions): Promise<TaskData>
  network(config: Config, data: TaskData, base?: TaskBase): TaskNetwork
  /** the configuration with what a base asks for where nothing is said, such as the size of pictures; absent: takes no base */
  adopt?(config: Config, base: TaskBase): Config
  /** the configuration with what the base of a trained bundle asked for where nothing is said; absent: takes no base */
  adopted?(config: Config, manifest: Manifest): Config
  augment(config: Config): Augmentation | undefined
  /** the configuration with one of `folds` parts of the data as the test, and no other; absent: cannot be validated so */
  atFold?(config: Config, at: { readonly folds: number; readonly fold: number; readonly repeat: number }): Config
  /** metrics of the configuration, while training */
  scorer(config: Config): Scorer
  /** every number that the report shows */
  report(answers: SplitAnswers): Report
  /** Throws `config` when the model was made for data that is prepared otherwise. */
  checkPreprocessing(data: TaskData, manifest: Manifest, what: string): void
  /** column of the pictures that a report shows beside mistakes */
  readonly pictures?: string
  /** absent: none are trained */
  baselines?(config: Config, data: TaskData): readonly Baseline[]
  /** the files of a new project, by path: configuration (TypeScript source) and README */
  starter(options: StarterOptions): Readonly<Record<string, string>>
}
