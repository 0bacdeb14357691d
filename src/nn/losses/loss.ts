/**
 * What a loss is, and the two ways to make one: from values whose mean is the loss, or from a scalar. Losses are pure functions on
 * values of a graph; they declare nothing and hold nothing.
 */
import { QuernError } from '../../core/errors.ts'
import { type Dim, formatShape, type Shape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'

/** Writes a loss of predictions `[batch, ...]` against targets. */
export type LossRule = (g: Emitter, predictions: Value, targets: Value) => Value

export interface Loss {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** The scalar loss of predictions `[batch, ...]` against targets. */
  readonly apply: LossRule
  /** The losses of the examples, `[batch]`, whose mean is the loss. Absent where a loss compares the examples with each other. */
  readonly each?: LossRule
}

/** Losses of parts of the examples, and which parts count. */
export interface PartLosses {
  /** `[batch, ...]` */
  readonly values: Value
  /** 1 where a part counts and 0 where not, of the shape of `values`, which are 0 there already; default: all count */
  readonly counted?: Value | undefined
}

/** A loss that is the mean of `[batch, ...]` values over all parts that count; 0 when none does. */
export function meanLoss(
  name: string,
  config: Loss['config'],
  parts: (g: Emitter, predictions: Value, targets: Value) => Value | PartLosses,
): Loss {
  const written = (g: Emitter, predictions: Value, targets: Value): PartLosses => {
    const found = parts(g, predictions, targets)
    return 'values' in found ? found : { values: found }
  }
  const share = (g: Emitter, counted: Value) => g.max(g.sum(counted), 1)
  return {
    name,
    config,
    apply: (g, predictions, targets) => {
      const { values, counted } = written(g, predictions, targets)
      return counted ? g.div(g.sum(values), share(g, counted)) : g.mean(values)
    },
    each: (g, predictions, targets) => {
      const { values, counted } = written(g, predictions, targets)
      const rest = shapeOf(values).flatMap((_, axis) => (axis === 0 ? [] : [axis]))
      if (!counted) return g.mean(values, rest)
      const batch = requireNumber(name, 'the batch size', shapeOf(values)[0]!)
      return g.mul(g.sum(values, rest), g.div(batch, share(g, counted)))
    },
  }
}

/**
 * Without this check [batch, 1] against [batch] would broadcast to [batch, batch], and training would go on with nonsense.
 * Dimensions that are not known yet fit anything.
 */
export function requireFit(loss: string, expected: Shape, predictions: Value, targets: Value): void {
  if (fits(expected, shapeOf(targets))) return
  throw new QuernError(
    'input',
    `${loss}: predictions ${formatShape(shapeOf(predictions))} need targets ${formatShape(expected)}, received ${formatShape(shapeOf(targets))}`,
  )
}

/** An error that names the loss unless `fit` holds for the predictions: `form` says what they must be, such as '[batch, classes]'. */
export function requireForm(loss: string, form: string, predictions: Value, fit: (shape: Shape) => boolean): void {
  const shape = shapeOf(predictions)
  if (fit(shape)) return
  throw new QuernError('input', `${loss} needs predictions ${form}, received ${formatShape(shape)}`)
}

/** A dimension that a formula counts with. */
export function requireNumber(loss: string, what: string, dim: Dim | undefined): number {
  if (typeof dim === 'number') return dim
  throw new QuernError('input', `${loss} needs ${what} as a number, received ${String(dim)}`)
}

export function fits(expected: Shape, found: Shape): boolean {
  return (
    found.length === expected.length &&
    found.every((dim, i) => dim === expected[i] || typeof dim !== 'number' || typeof expected[i] !== 'number')
  )
}

/** The value that an operator was applied to along the last axis, when `value` is its result. */
export function inputOf(g: Emitter, op: string, value: Value): Value | undefined {
  const producer = g.builder.nodes.findLast((node) => node.outputs[0] === value)
  if (producer?.op !== op) return undefined
  const axis = producer.attributes.axis
  const isLast = axis?.kind !== 'int' || axis.value === -1 || axis.value === shapeOf(value).length - 1
  return isLast ? producer.inputs[0] : undefined
}

/** Operators that hand on what they are given, in another form. */
const forms: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'])
const products: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose'])

/** Whether a value is what a product with weights gives, with or without a bias: without bounds, so scores and no probabilities. */
export function isScore(g: Emitter, value: Value): boolean {
  const producer = g.builder.nodes.findLast(({ outputs }) => outputs[0] === value)
  if (!producer) return false
  const inputs = producer.inputs.filter((input): input is Value => input !== undefined)
  if (forms.has(producer.op)) return isScore(g, inputs[0]!)
  if (producer.op === 'Add') return inputs.some((input) => isScore(g, input))
  // Weights are parameters, or constants of a frozen model; a product of two computed values may well mix probabilities.
  return products.has(producer.op) && inputs.slice(0, 2).some((input) => isWeight(g, input))
}

const isWeight = (g: Emitter, value: Value) => value.constant !== undefined || g.builder.parameters.includes(value)
