/**
 * What a layer is: a pure function that writes operators, with a configuration of plain data. It declares the parameters that it
 * needs where it uses them, so one function says shapes, initial values and computation. No base class, no state: the same
 * layer object applied twice in a model shares its parameters.
 */
import type { DType } from '../core/dtype.ts'
import type { Shape, StaticShape } from '../core/shape.ts'
import type { Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { Distribution } from './distribution.ts'
import type { Initializer, KernelLayout } from './initializers.ts'
import { keepMask } from './mask.ts'

/** Penalty on a parameter, added to the loss: l1 * sum |w| + l2 * sum w^2, as in Keras. */
export interface Regularizer {
  readonly l1?: number
  readonly l2?: number
}

export interface ParameterSpec {
  readonly shape: StaticShape
  readonly initializer: Initializer
  /** how the initializer reads the dimensions; default 'dense' */
  readonly layout?: KernelLayout
  readonly regularizer?: Regularizer | undefined
  /** decoupled weight decay applies; default true for kernels (rank > 1), false for biases and scales */
  readonly decay?: boolean
}

/** What a layer may do while it is applied. */
export interface LayerContext {
  readonly g: Emitter
  /** dropout drops and batch normalisation uses the batch's own statistics */
  readonly training: boolean
  /** A trained parameter by its name within the layer. */
  parameter(name: string, spec: ParameterSpec): Value
  /**
   * A value that training carries along but does not train, such as a moving mean. Where a layer is applied twice in a step, the
   * second time reads what the first one has updated it to.
   */
  state(name: string, spec: ParameterSpec): Value
  /**
   * The state's value after this training step. Ignored in inference. `statistic`: where the state is a moving mean, what this batch alone
   * adds to it; its plain mean over the data replaces the moving one when weights are averaged.
   */
  update(name: string, value: Value, statistic?: Value): void
  /** A fresh random mask at every step, each element 0 with probability `rate` and 1 / (1 - rate) otherwise. */
  dropoutMask(shape: Shape, rate: number): Value
  /** Fresh random numbers at every step, standard normal unless said otherwise. */
  random(shape: Shape, distribution?: Distribution): Value
  /** Applies an inner layer; its parameters get `name/` in front. */
  inner(name: string, layer: Layer, inputs: readonly Value[]): Value
}

/** Options as written: JSON, but for an activation of the user's own. */
export type PlainConfig = Readonly<Record<string, unknown>>

export interface LayerDefinition {
  /** such as 'conv2d': names the layer in messages and, numbered, its parameters */
  readonly kind: string
  readonly config: PlainConfig
  /** how many inputs it takes; default 'one' */
  readonly arity?: 'one' | 'many'
  /** its output has the steps of its first input, or of all, `[batch, time, ...]`: their padding masks are handed on (mask.ts) */
  readonly keepsMask?: 'first' | 'all'
  readonly apply: (c: LayerContext, inputs: readonly Value[]) => Value
  /** a model of several outputs: all of them by name; its `apply` refuses to choose one */
  readonly applyAll?: (c: LayerContext, inputs: readonly Value[]) => Readonly<Record<string, Value>>
}

/** A layer: plain data, and a function that connects it to symbolic tensors (the functional style). */
export interface Layer extends LayerDefinition {
  (input: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor
}

/** What every layer's options may hold. */
export interface CommonOptions {
  /** name of the layer's parameters in the model; default: the kind, numbered */
  readonly name?: string
}

/** A wire of the functional style: it holds no numbers; `model` turns what wires connect into a layer. */
export type SymbolicTensor =
  | { readonly kind: 'input'; readonly spec: InputSpec }
  | { readonly kind: 'call'; readonly layer: Layer; readonly inputs: readonly SymbolicTensor[] }

/** Makes a layer from its definition. */
export function layer(definition: LayerDefinition): Layer {
  const call = (input: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor => ({
    kind: 'call',
    layer: self,
    inputs: 'kind' in input ? [input] : input,
  })
  const { apply, keepsMask } = definition
  const self: Layer = Object.assign(call, definition, {
    apply: keepsMask
      ? (c: LayerContext, inputs: readonly Value[]) =>
          keepMask(c.g, keepsMask === 'all' ? inputs : inputs.slice(0, 1), apply(c, inputs))
      : apply,
  })
  return self
}

/** Element type and shape of a model input, without the batch axis. */
export interface InputSpec {
  readonly name: string
  readonly dtype: DType
  /** one example */
  readonly shape: StaticShape
}
