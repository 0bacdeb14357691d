/**
 * What is trained: models, the columns they are fed, and objectives. An objective is a scalar of the graph that some of the
 * parameters are to make small: one loss on one output is the simplest, a GAN has two.
 */
import type { DType } from '../core/dtype.ts'
import type { Pattern } from '../core/patterns.ts'
import type { Shape, StaticShape } from '../core/shape.ts'
import type { Value } from '../graph/graph.ts'
import type { Distribution } from '../nn/distribution.ts'
import type { Layer } from '../nn/layer.ts'
import type { Loss } from '../nn/losses/index.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import type { Optimizer } from '../optim/optimizer.ts'

/** A column of the data as the graph takes it: one example, without the batch axis. */
export interface ColumnSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: StaticShape
}

/** One model with one loss. */
export interface Network {
  readonly model: Layer
  readonly loss: Loss
  readonly inputs: readonly ColumnSpec[]
  readonly target: ColumnSpec
  readonly table: OpTable
}

/** Any number of models with objectives over them. */
export interface JointNetwork {
  /** parameters of a model get its name in front; the name '' adds none */
  readonly models: Readonly<Record<string, Layer>>
  readonly columns: readonly ColumnSpec[]
  readonly objectives: readonly Objective[]
  /**
   * 'simultaneous' (default): one run of the graph gives the gradients of all objectives, then all are updated. 'alternating': each
   * objective runs and is updated in turn, on the same batch and the same random numbers, so a later one sees the earlier one's update.
   */
  readonly order?: Order | undefined
  /** what is kept for scores, by name, `[batch, ...]` each */
  readonly outputs?: ((c: ObjectiveContext) => Readonly<Record<string, Value>>) | undefined
  readonly table: OpTable
}

export type Order = 'simultaneous' | 'alternating'

export interface Objective {
  /** names its loss in events */
  readonly name: string
  /** writes the scalar that is to become small */
  readonly loss: (c: ObjectiveContext) => Value
  /** parameters that it trains; default: all. What no objective trains stays as it is */
  readonly parameters?: Pattern | readonly Pattern[] | undefined
  /** default: the step's optimizer */
  readonly optimizer?: Optimizer | undefined
  /** takes part in each n-th step: n, 2 n, ...; default 1 */
  readonly every?: number | undefined
}

/** What an objective may do: it is written once for each batch size, in training and in inference mode. */
export interface ObjectiveContext {
  readonly g: Emitter
  /** false while a validation split is evaluated */
  readonly training: boolean
  /** examples of the batch */
  readonly batch: number
  /** A column of the data, `[batch, ...]`. */
  column(name: string): Value
  /**
   * Applies a model by its name. The same model on the same values, in the same mode, is applied once: objectives share it.
   * `training: false` takes a teacher or a critic in inference mode while others train.
   */
  apply(model: string, inputs: Value | readonly Value[], mode?: ApplyMode): Value
  /** As `apply`, for a model of several outputs. */
  applyAll(model: string, inputs: Value | readonly Value[], mode?: ApplyMode): Readonly<Record<string, Value>>
  /** Fresh random numbers at every step, standard normal unless said otherwise. The same site gives the same numbers. */
  random(site: string, shape: Shape, distribution?: Distribution): Value
  /** Reports a scalar by name, beside the losses: a part of the loss, say. */
  report(name: string, scalar: Value): void
}

export interface ApplyMode {
  /** default: the mode of the graph */
  readonly training?: boolean
}

/** Names of the only objective and the only output of a `Network`. */
export const onlyLoss = 'loss'
const onlyOutput = 'predictions'

/** A network as the general case. */
export function jointFrom(network: Network | JointNetwork): JointNetwork {
  if ('objectives' in network) return network
  const { model, loss, inputs, target, table } = network
  const predictions = (c: ObjectiveContext) =>
    c.apply(
      '',
      inputs.map(({ name }) => c.column(name)),
    )
  return {
    models: { '': model },
    columns: [...inputs, target],
    objectives: [{ name: onlyLoss, loss: (c) => loss.apply(c.g, predictions(c), c.column(target.name)) }],
    outputs: (c) => ({ [onlyOutput]: predictions(c) }),
    table,
  }
}
