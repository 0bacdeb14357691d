/** What a task adds to the general pipeline: how raw input becomes the graph's inputs, how outputs are read, what the card says. */
import type { Manifest } from '../contract/manifest.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import type { NamedTensors } from '../runtime/backend.ts'

/** A row of a table: values by the names of their columns. What is absent, null or empty is a missing value. */
export type Row = Readonly<Record<string, unknown>>

/**
 * One example, as the task takes it: the bytes of an encoded picture, the graph's input as numbers (with or without a batch axis of
 * 1), or a row of a table.
 */
export type PredictInput = Uint8Array | Tensor | Row

/** One answer of a classifier; lists of them stand in descending order of the score, those of several targets one target after the other. */
export interface Prediction {
  /** of a model of several targets: the one that it is about */
  readonly target?: string
  readonly label: string
  /** probability, from 0 to 1 */
  readonly score: number
}

/** The answer of a regression, or of one of several targets: a number in the target's own unit. */
export interface Estimate {
  /** name of the target */
  readonly target: string
  readonly value: number
}

export type Answer = Prediction | Estimate

export interface PredictOptions {
  /** answers for each input; default 5, or as many as there are labels */
  readonly topK?: number
}

export interface PrepareContext {
  readonly manifest: Manifest
  /** undefined where pictures cannot be decoded; prepared tensors still can be used */
  readonly images: ImageDecoder | undefined
  /** told of a value that training has not seen, with the name of its column */
  readonly onUnseen: (column: string, value: string) => void
}

/** The parts of the model card that depend on what goes in. Markdown. */
export interface CardParts {
  /** what the model takes and gives, in a sentence or two */
  about(manifest: Described): string
  /** snippets of code */
  usage(manifest: Described): string
  /** what it cannot do, a sentence a point */
  limits(manifest: Described): readonly string[]
}

/** A manifest whose files are not written yet. */
export type Described = Omit<Manifest, 'files'>

/** How the models of a task answer one route. */
export interface OpenAiRoute {
  /** why the model of this bundle does not answer, though others of its task do; undefined where it does */
  lacks(manifest: Manifest): string | undefined
  /** What the body asks. Throws QuernError `input` with the name of what is wrong. */
  read(body: unknown, manifest: Manifest): OpenAiQuestion
}

export interface OpenAiQuestion {
  /** one or more */
  readonly inputs: readonly PredictInput[]
  /** answers that each of them needs */
  readonly topK: number
  /** words that the model reads of all inputs: it has no tokens of another kind */
  readonly tokens: number
  /** The body of the answer, from one list for each input. */
  answer(about: { readonly id: string; readonly model: string }, answers: readonly Answer[][]): Record<string, unknown>
}

/** One record a task; tasks.ts holds the table. */
export interface TaskPipeline {
  /** the manifest's `task` */
  readonly task: string
  /** Throws when the manifest's parts do not fit each other. */
  check(manifest: Manifest, what: string): void
  /** The graph's inputs for one example, `[1, ...]` each. */
  prepare(input: PredictInput, context: PrepareContext): Promise<NamedTensors>
  /** The answers for the example in a row of the outputs. */
  answers(outputs: NamedTensors, row: number, manifest: Manifest, topK: number): Answer[]
  readonly card: CardParts
  /** the routes of OpenAI's HTTP API that models of the task answer, by their paths, such as '/v1/embeddings'; default: none */
  readonly openai?: Readonly<Record<string, OpenAiRoute>>
}
