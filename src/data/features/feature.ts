/**
 * How a column goes into a network. What can be numbers in the graph is there: scaling, filling, one-hot, embedding; what cannot (looking a
 * text up, taking a date apart) is `encode`. Each record is fitted on the training split alone; its state is plain JSON and is all that a
 * bundle keeps.
 *
 * A row's cells stand in two blocks: `numbers` float64 `[batch, n]`, NaN where there is none, and `categories` int32 `[batch, n]`.
 */
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import type { Column, ColumnKind } from '../table/table.ts'

export type BlockName = 'numbers' | 'categories'

/** What a feature may do while it writes operators. A layer's context (nn/layer.ts) is one. */
export interface FeatureContext {
  readonly g: Emitter
  /** A trained parameter. Names are unique within the table's features. */
  parameter(name: string, spec: { shape: readonly number[]; initializer: FeatureInitializer; decay?: boolean }): Value
}

type FeatureInitializer = { readonly name: 'randomNormal'; readonly stddev: number }

/** A column's part in a group of columns of the same feature. */
export interface Fitted<State> {
  readonly name: string
  readonly state: State
}

/** Rows of the training split, in a column. */
export interface TrainingColumn {
  readonly column: Column
  readonly rows: ArrayLike<number>
}

export interface Feature<State = unknown> {
  readonly name: string
  /** one line for the guide */
  readonly summary: string
  /** kinds of columns that it takes */
  readonly kinds: readonly ColumnKind[]
  readonly block: BlockName
  /**
   * How a column becomes one token: 'number': the graph gives a number for each column, then a mark for each whose state has `gaps`; 'place':
   * the cell is a place among the state's `values`, from 2 on. Absent: what the graph gives goes through a dense layer.
   */
  readonly token?: 'number' | 'place'
  /** cells of the block that it takes */
  width(state: State): number
  /** Throws `config` for options that it does not know. */
  fit(training: TrainingColumn, options: Readonly<Record<string, unknown>>): State
  /** Writes the cells of every row: row i at `into[i * stride + at]`. A value that training has not seen is told; errors name rows by `nameOf`. */
  encode(
    state: State,
    column: Column,
    rows: number,
    into: Cells,
    at: number,
    stride: number,
    onUnseen: OnUnseen,
    nameOf?: (row: number) => string,
  ): void
  /**
   * float32 `[batch, m]` from the cells of all columns of this feature, side by side in `cells` `[batch, sum of widths]`. `linear`: for a
   * model without hidden layers, so that what is learnt is a weight for each value.
   */
  graph(
    columns: readonly Fitted<State>[],
    c: FeatureContext,
    cells: Value,
    options: { readonly linear: boolean },
  ): Value
}

export type Cells = Float64Array | Int32Array
export type OnUnseen = (column: string, value: string) => void
