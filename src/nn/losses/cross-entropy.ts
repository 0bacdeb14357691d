/**
 * Cross-entropy losses. They look for the softmax or sigmoid in front of them and work on its input instead: log(softmax(x)) in one
 * step loses no digits.
 */
import { QuernError } from '../../core/errors.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { rate } from '../options.ts'
import { type Loss, meanLoss, requireFit, requireForm, requireNumber } from './loss.ts'
import { classFactors, logitsOf, logProbabilities, oneHot, requireWeights, tiny } from './probabilities.ts'

export interface CrossEntropyOptions {
  /** the predictions are scores before the softmax or sigmoid; default: found out from the graph (isScore in loss.ts) */
  readonly fromLogits?: boolean
  /** share of the target that is spread evenly over the classes (Szegedy et al. 2016); default 0 */
  readonly labelSmoothing?: number
}

export interface ClassWeightOptions {
  /** a factor for each class, applied to its part of the loss; the mean still divides by the number of examples, as in Keras */
  readonly classWeights?: readonly number[]
}

export interface CategoricalCrossentropyOptions extends CrossEntropyOptions, ClassWeightOptions {}

export interface SparseCategoricalCrossentropyOptions extends CategoricalCrossentropyOptions {
  /** positions with this class number count neither in the sum nor in the number of examples: padding, or words that are not masked */
  readonly ignoreIndex?: number
}

export interface BinaryCrossentropyOptions extends CrossEntropyOptions {
  /** factor of the loss where the target is 1 (for rare events: negatives / positives); default 1 */
  readonly positiveWeight?: number
}

function checked(loss: string, options: CategoricalCrossentropyOptions) {
  const { fromLogits, labelSmoothing = 0, classWeights } = options
  if (classWeights) requireWeights(loss, classWeights)
  return { fromLogits, labelSmoothing: rate(loss, 'labelSmoothing', labelSmoothing), classWeights }
}

/** - sum over the classes, on the last axis, of weights * targets * log p */
function crossEntropy(
  g: Emitter,
  logP: Value,
  targets: Value,
  { labelSmoothing, factors }: { labelSmoothing: number; factors: Value | undefined },
): Value {
  const classes = requireNumber('cross-entropy', 'the number of classes', shapeOf(logP).at(-1))
  const smoothed = labelSmoothing === 0 ? targets : g.add(g.mul(targets, 1 - labelSmoothing), labelSmoothing / classes)
  const weighted = factors ? g.mul(smoothed, factors) : smoothed
  return g.neg(g.sum(g.mul(weighted, logP), [-1]))
}

/**
 * -log p of the class that each label names, and 0 for a label that names none. It reads one element of a row where the sum over a one-hot row
 * reads all: loss and gradient of [8192, 256] take 0.55 of the time.
 */
function pickedCrossEntropy(
  g: Emitter,
  logP: Value,
  labels: Value,
  { classes, factors }: { classes: number; factors: Value | undefined },
): Value {
  const given = g.cast(labels, 'int64')
  const isClass = g.op('And', [g.less(given, classes), g.op('Not', [g.less(given, 0)])])
  const index = g.where(isClass, given, 0)
  const picked = g.squeeze(g.op('GatherElements', [logP, g.unsqueeze(index, [-1])], { axis: -1 }), [-1])
  const weights = g.cast(isClass, 'float32')
  return g.neg(g.mul(picked, factors ? g.mul(weights, g.op('Gather', [factors, index])) : weights))
}

/**
 * Cross-entropy of `[batch, ..., classes]` from class numbers `[batch, ...]` (any integer type). A number that is no class adds
 * nothing to the loss: the graph cannot refuse it, who feeds it must.
 *
 * With `ignoreIndex` the mean goes over the other positions, as for a masked language model, where only the masked words count. A
 * batch of nothing else has the loss 0.
 */
export function sparseCategoricalCrossentropy(options: SparseCategoricalCrossentropyOptions = {}): Loss {
  const name = 'sparseCategoricalCrossentropy'
  const { fromLogits, labelSmoothing, classWeights } = checked(name, options)
  const { ignoreIndex } = options
  if (ignoreIndex !== undefined && !Number.isInteger(ignoreIndex)) {
    throw new QuernError('config', `${name}: ignoreIndex must be a whole number, received ${ignoreIndex}`)
  }
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    const shape = shapeOf(predictions)
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2 && typeof s.at(-1) === 'number')
    requireFit(name, shape.slice(0, -1), predictions, targets)
    const classes = shape.at(-1) as number
    const factors = classFactors(g, name, classWeights, classes)
    const logP = logProbabilities(g, predictions, fromLogits)
    const values = (labels: Value): Value => {
      if (labelSmoothing === 0) return pickedCrossEntropy(g, logP, labels, { classes, factors })
      return crossEntropy(g, logP, oneHot(g, labels, classes), { labelSmoothing, factors })
    }
    if (ignoreIndex === undefined) return values(targets)
    const labels = g.cast(targets, 'int64')
    const ignored = g.equal(labels, ignoreIndex)
    const counted = g.where(ignored, 0, 1)
    return { values: g.mul(values(labels), counted), counted }
  })
}

/** Cross-entropy from one-hot or soft targets `[batch, ..., classes]`. */
export function categoricalCrossentropy(options: CategoricalCrossentropyOptions = {}): Loss {
  const name = 'categoricalCrossentropy'
  const { fromLogits, labelSmoothing, classWeights } = checked(name, options)
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2 && typeof s.at(-1) === 'number')
    requireFit(name, shapeOf(predictions), predictions, targets)
    const factors = classFactors(g, name, classWeights, shapeOf(predictions).at(-1) as number)
    const logP = logProbabilities(g, predictions, fromLogits)
    return crossEntropy(g, logP, g.cast(targets, 'float32'), { labelSmoothing, factors })
  })
}

/** Binary cross-entropy of probabilities (or logits) against 0 / 1 targets of the same shape, averaged over all elements. */
export function binaryCrossentropy(options: BinaryCrossentropyOptions = {}): Loss {
  const name = 'binaryCrossentropy'
  const { fromLogits, labelSmoothing } = checked(name, options)
  const { positiveWeight = 1 } = options
  if (!(positiveWeight > 0 && positiveWeight < Infinity)) {
    throw new QuernError('config', `${name}: positiveWeight must be above 0, received ${positiveWeight}`)
  }
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    requireFit(name, shapeOf(predictions), predictions, targets)
    const given = g.cast(targets, 'float32')
    const y = labelSmoothing === 0 ? given : g.add(g.mul(given, 1 - labelSmoothing), labelSmoothing / 2)
    const values = binaryValues(g, predictions, y, fromLogits)
    // w where the target is 1, 1 where it is 0
    return positiveWeight === 1 ? values : g.mul(values, g.add(g.mul(given, positiveWeight - 1), 1))
  })
}

function binaryValues(g: Emitter, predictions: Value, y: Value, fromLogits: boolean | undefined): Value {
  const logits = logitsOf(g, predictions, fromLogits)
  if (logits) {
    // max(z, 0) - z y + log(1 + exp(-|z|)): no overflow for any z
    const softplus = g.op('Softplus', [g.neg(g.abs(logits))])
    return g.add(g.sub(g.relu(logits), g.mul(logits, y)), softplus)
  }
  const p = g.op('Clip', [predictions, g.scalar(tiny), g.scalar(1 - tiny)])
  const yes = g.mul(y, g.log(p))
  const no = g.mul(g.sub(1, y), g.log(g.sub(1, p)))
  return g.neg(g.add(yes, no))
}
