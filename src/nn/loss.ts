/**
 * Losses, with Keras' names. A loss writes the mean over the batch as one scalar. Losses on probabilities look for the softmax
 * or sigmoid in front of them and work on its input instead: log(softmax(x)) in one step loses no digits.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape, type Shape } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { rate } from './options.ts'

export interface Loss {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** The scalar loss of predictions `[batch, ...]` against targets. */
  readonly apply: (g: Emitter, predictions: Value, targets: Value) => Value
}

export interface CrossEntropyOptions {
  /** the predictions are scores before the softmax or sigmoid; default: found out from the graph */
  readonly fromLogits?: boolean
  /** share of the target that is spread evenly over the classes (Szegedy et al. 2016); default 0 */
  readonly labelSmoothing?: number
}

const tiny = 1e-7

function checked(loss: string, { fromLogits, labelSmoothing = 0 }: CrossEntropyOptions) {
  return { fromLogits, labelSmoothing: rate(loss, 'labelSmoothing', labelSmoothing) }
}

/** The value that an operator was applied to along the last axis, when `value` is its result. */
function inputOf(g: Emitter, op: string, value: Value): Value | undefined {
  const producer = g.builder.nodes.findLast((node) => node.outputs[0] === value)
  if (producer?.op !== op) return undefined
  const axis = producer.attributes.axis
  const isLast = axis?.kind !== 'int' || axis.value === -1 || axis.value === shapeOf(value).length - 1
  return isLast ? producer.inputs[0] : undefined
}

/**
 * Without this check [batch, 1] against [batch] would broadcast to [batch, batch], and training would go on with nonsense.
 * Dimensions that are not known yet fit anything.
 */
function requireFit(loss: string, expected: Shape, predictions: Value, targets: Value): void {
  const found = shapeOf(targets)
  const fits =
    found.length === expected.length &&
    found.every((dim, i) => dim === expected[i] || typeof dim !== 'number' || typeof expected[i] !== 'number')
  if (fits) return
  throw new QuernError(
    'input',
    `${loss}: predictions ${formatShape(shapeOf(predictions))} need targets ${formatShape(expected)}, received ${formatShape(found)}`,
  )
}

/** log of the class probabilities `[batch, classes]` */
function logProbabilities(g: Emitter, predictions: Value, fromLogits: boolean | undefined): Value {
  const logits = fromLogits ? predictions : fromLogits === undefined ? inputOf(g, 'Softmax', predictions) : undefined
  if (logits) return g.logSoftmax(logits)
  const logged = inputOf(g, 'LogSoftmax', predictions) && predictions
  return logged ?? g.log(g.op('Clip', [predictions, g.scalar(tiny), g.scalar(1)]))
}

/** -mean over the batch of sum over classes of targets * log p, with the classes on the last axis. */
function crossEntropy(g: Emitter, logP: Value, targets: Value, labelSmoothing: number): Value {
  const classes = shapeOf(logP).at(-1)
  if (typeof classes !== 'number') {
    throw new QuernError('input', `cross-entropy needs the number of classes, received ${formatShape(shapeOf(logP))}`)
  }
  const smoothed = labelSmoothing === 0 ? targets : g.add(g.mul(targets, 1 - labelSmoothing), labelSmoothing / classes)
  return g.neg(g.mean(g.sum(g.mul(smoothed, logP), [-1])))
}

/**
 * Cross-entropy of `[batch, ..., classes]` from class numbers `[batch, ...]` (any integer type). A number that is no class adds
 * nothing to the loss: the graph cannot refuse it, who feeds it must.
 */
export function sparseCategoricalCrossentropy(options: CrossEntropyOptions = {}): Loss {
  const { fromLogits, labelSmoothing } = checked('sparseCategoricalCrossentropy', options)
  return {
    name: 'sparseCategoricalCrossentropy',
    config: { ...options },
    apply: (g, predictions, targets) => {
      const shape = shapeOf(predictions)
      const classes = shape.at(-1)
      if (shape.length < 2 || typeof classes !== 'number') {
        throw new QuernError(
          'input',
          `sparseCategoricalCrossentropy needs predictions [batch, ..., classes], received ${formatShape(shape)}`,
        )
      }
      requireFit('sparseCategoricalCrossentropy', shape.slice(0, -1), predictions, targets)
      const values = g.constant({ dtype: 'float32', shape: [2], data: new Float32Array([0, 1]) })
      const depth = g.constant({ dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(classes)) })
      const oneHot = g.op('OneHot', [g.cast(targets, 'int64'), depth, values], { axis: -1 })
      return crossEntropy(g, logProbabilities(g, predictions, fromLogits), oneHot, labelSmoothing)
    },
  }
}

/** Cross-entropy from one-hot or soft targets `[batch, classes]`. */
export function categoricalCrossentropy(options: CrossEntropyOptions = {}): Loss {
  const { fromLogits, labelSmoothing } = checked('categoricalCrossentropy', options)
  return {
    name: 'categoricalCrossentropy',
    config: { ...options },
    apply: (g, predictions, targets) => {
      requireFit('categoricalCrossentropy', shapeOf(predictions), predictions, targets)
      return crossEntropy(g, logProbabilities(g, predictions, fromLogits), g.cast(targets, 'float32'), labelSmoothing)
    },
  }
}

/** Binary cross-entropy of probabilities (or logits) against 0 / 1 targets of the same shape, averaged over all elements. */
export function binaryCrossentropy(options: CrossEntropyOptions = {}): Loss {
  const { fromLogits, labelSmoothing } = checked('binaryCrossentropy', options)
  return {
    name: 'binaryCrossentropy',
    config: { ...options },
    apply: (g, predictions, targets) => {
      requireFit('binaryCrossentropy', shapeOf(predictions), predictions, targets)
      const given = g.cast(targets, 'float32')
      const y = labelSmoothing === 0 ? given : g.add(g.mul(given, 1 - labelSmoothing), labelSmoothing / 2)
      const found = fromLogits === undefined ? inputOf(g, 'Sigmoid', predictions) : undefined
      const logits = fromLogits ? predictions : found
      if (logits) {
        // max(z, 0) - z y + log(1 + exp(-|z|)): no overflow for any z
        const softplus = g.op('Softplus', [g.neg(g.abs(logits))])
        return g.mean(g.add(g.sub(g.relu(logits), g.mul(logits, y)), softplus))
      }
      const p = g.op('Clip', [predictions, g.scalar(tiny), g.scalar(1 - tiny)])
      const yes = g.mul(y, g.log(p))
      const no = g.mul(g.sub(1, y), g.log(g.sub(1, p)))
      return g.neg(g.mean(g.add(yes, no)))
    },
  }
}

/** A loss on the difference of predictions and targets of the same shape, averaged over all elements. */
function regression(name: string, config: Loss['config'], of: (g: Emitter, difference: Value) => Value): Loss {
  return {
    name,
    config,
    apply: (g, predictions, targets) => {
      requireFit(name, shapeOf(predictions), predictions, targets)
      return g.mean(of(g, g.sub(predictions, g.cast(targets, 'float32'))))
    },
  }
}

/** mean of (prediction - target)^2 */
export function meanSquaredError(): Loss {
  return regression('meanSquaredError', {}, (g, d) => g.mul(d, d))
}

/** mean of |prediction - target| */
export function meanAbsoluteError(): Loss {
  return regression('meanAbsoluteError', {}, (g, d) => g.abs(d))
}

/** Huber 1964: d^2 / 2 for |d| <= delta, delta (|d| - delta / 2) beyond. */
export function huber(options: { delta?: number } = {}): Loss {
  const { delta = 1 } = options
  if (!(delta > 0 && delta < Infinity))
    throw new QuernError('config', `huber: delta must be above 0, received ${delta}`)
  return regression('huber', { delta }, (g, d) => {
    const size = g.abs(d)
    const near = g.min(size, delta)
    // near^2 / 2 + delta (|d| - near): equal to both branches without a Where
    return g.add(g.mul(g.mul(near, near), 0.5), g.mul(g.sub(size, near), delta))
  })
}

const losses = {
  sparseCategoricalCrossentropy,
  categoricalCrossentropy,
  binaryCrossentropy,
  meanSquaredError,
  meanAbsoluteError,
  huber,
}

export type LossName =
  | 'sparseCategoricalCrossentropy'
  | 'categoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'
  | 'huber'

/** A loss by name, or the loss itself. */
export function lossFrom(loss: LossName | Loss): Loss {
  if (typeof loss !== 'string') return loss
  if (Object.hasOwn(losses, loss)) return losses[loss]()
  throw new QuernError('config', `unknown loss '${loss}'. ${suggestion(loss, Object.keys(losses))}`)
}
