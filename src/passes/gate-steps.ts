/**
 * What the recurrences of LSTM (lstm-steps.ts) and GRU (gru-steps.ts) share when they keep their gates. Features come first here: a step is
 * `[features, batch]`, a sequence `[time, features, batch]`. So the weights stand on the left of every product, where the runtime reads them in
 * place; on the right it would copy them at each step: 0.37 ms where h R^T took 0.59, and 0.26 where dgates R took 0.60 (256 units,
 * batch 32, one thread).
 */
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'

/** One direction of a node. */
export interface Steps {
  readonly g: Emitter
  /** unique in the graph */
  readonly name: string
  readonly backwards: boolean
  /** `[time, features, batch]` */
  readonly x: Value
  /** `[time * batch, features]` */
  readonly rows: Value
  /** `[gates * hidden, features]` */
  readonly w: Value
  /** `[gates * hidden, hidden]` */
  readonly r: Value
  /** biases of W and of R, `[gates * hidden, 1]` */
  readonly bias: readonly [Value, Value] | undefined
  /** first states, `[hidden, batch]`: hidden, and for LSTM the cell */
  readonly initial: readonly Value[]
  /** steps that lie within their sequence, bool `[time, 1, batch]`; undefined when all do */
  readonly valid: Value | undefined
}

/** What comes back to one direction. */
export interface Arriving {
  /** gradient of the outputs, `[time, hidden, batch]` */
  readonly dy: Value | undefined
  /** gradients of the last states, `[hidden, batch]` */
  readonly dLast: readonly (Value | undefined)[]
}

export interface StepGradients {
  /** `[time, batch, features]` */
  readonly x: Value
  readonly w: Value
  readonly r: Value
  /** of the biases of W and of R, `[gates * hidden]` */
  readonly bias: readonly [Value, Value]
  /** `[hidden, batch]` */
  readonly initial: readonly Value[]
}

/** A recurrence that has run, and its gradient from what it kept. */
export interface Kept {
  /** outputs, `[time, hidden, batch]`, not masked */
  readonly y: Value
  /** last states, `[hidden, batch]` */
  readonly last: readonly Value[]
  readonly gradient: (g: Emitter, name: string, arriving: Arriving) => StepGradients
}

export type KeepGates = (steps: Steps) => Kept

/**
 * A bias `[n, 1]` for every example, `[n, batch]`. It is added in the loop: the runtime adds a column to `[128, 1024, 32]` in 27 ms, and equal
 * shapes in 128 times 0.01.
 */
export function biasFor(g: Emitter, bias: Value, state: Value): Value {
  return g.expand(bias, [shapeOf(bias)[0]!, shapeOf(state)[1]!])
}

/** The sums of a step with their bias. */
export function withBias(g: Emitter, sums: Value, bias: Value | undefined): Value {
  return bias ? g.add(sums, bias) : sums
}

/** `value` where the step is valid, `otherwise` elsewhere. */
export function within(g: Emitter, valid: Value | undefined, value: Value, otherwise: Value | number): Value {
  return valid ? g.where(valid, value, otherwise) : value
}

/** Rows [from, to) of a matrix. */
export function rowsOf(g: Emitter, x: Value, from: number, to: number): Value {
  return g.slice(x, [from], [to], [0])
}

/** `[time, n, batch]` as `[n, time * batch]`, for a product that sums over all steps. */
export function sideBySide(g: Emitter, x: Value): Value {
  const [time, n, batch] = shapeOf(x) as [number, number, number]
  return g.reshape(g.transpose(x, [1, 0, 2]), [n, time * batch])
}

/** `[time, n, batch]` as `[time * batch, n]`. */
export function asRows(g: Emitter, x: Value): Value {
  const [time, n, batch] = shapeOf(x) as [number, number, number]
  return g.reshape(g.transpose(x, [0, 2, 1]), [time * batch, n])
}

/** The gradient of the input, `[time, batch, features]`, from that of the sums in the gates, `[time, rows of W, batch]`. */
export function ofInput(g: Emitter, w: Value, sums: Value): Value {
  return g.transpose(g.matMul(g.swapLast(w), sums), [0, 2, 1])
}

/** The gradient that arrives at the state behind a step. */
export function arrivingAt(g: Emitter, dh: Value, dy: Value | undefined): Value {
  return dy ? g.add(dh, dy) : dh
}
