/**
 * Columns that are an input of the graph each: pictures, sounds, texts as rows of words. What a cell becomes is a tensor of one shape for all rows; the
 * network gives each such column an encoder of its own.
 */
import type { Value } from '../../graph/graph.ts'
import type { ImageDecoder } from '../image-decoder.ts'
import type { ColumnKind } from '../table/table.ts'
import type { FeatureContext, TrainingColumn } from './feature.ts'

/** What is needed to read what cells refer to. */
export interface CellReaders {
  /** undefined where pictures cannot be decoded */
  readonly images: ImageDecoder | undefined
  /** bytes of a file; undefined where there are no files: cells must then be data: URIs */
  readonly readFile: ((path: string) => Promise<Uint8Array>) | undefined
}

export interface OwnFeature<State = unknown> {
  readonly name: string
  /** one line for the guide */
  readonly summary: string
  readonly kinds: readonly ColumnKind[]
  readonly dtype: 'uint8' | 'int32' | 'float32'
  /** of one row's tensor */
  shape(state: State): readonly number[]
  /** Throws `config` for options that it does not know. */
  fit(training: TrainingColumn, options: Readonly<Record<string, unknown>>): State
  /** Writes the tensor of a cell; a cell without a value is all zeros. Throws `input` for what cannot be read. */
  encode(
    state: State,
    cell: string,
    into: Uint8Array | Int32Array | Float32Array,
    c: CellReaders & { readonly onUnseen: (value: string) => void },
  ): Promise<void>
  /** What the encoder is fed: pictures `[batch, channels, height, width]`, sounds `[batch, channels, frames]`, words `[batch, words]`. */
  graph(state: State, c: FeatureContext, value: Value): Value
}

/** Name of the graph's input that holds a column. */
export const ownInput = ({ name, kind }: { readonly name: string; readonly kind: string }): string => `${kind}:${name}`
