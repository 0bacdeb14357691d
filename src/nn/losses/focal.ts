/**
 * Focal losses: cross-entropy times (1 - p)^gamma, where p is the probability of the right class, so that easy examples count less.
 * Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equations 4 and 5.
 */
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { within } from '../options.ts'
import { type Loss, meanLoss, requireFit, requireForm } from './loss.ts'
import { classFactors, logitsOf, logProbabilities, requireWeights, tiny } from './probabilities.ts'

export interface FocalOptions {
  /** how much less easy examples count; 0 is cross-entropy; default 2 */
  readonly gamma?: number
  /** the predictions are scores before the softmax or sigmoid; default: found out from the graph (isScore in loss.ts) */
  readonly fromLogits?: boolean
}

export interface BinaryFocalOptions extends FocalOptions {
  /** factor where the target is 1; 1 - alpha where it is 0. Default: 1 for both */
  readonly alpha?: number
}

export interface CategoricalFocalOptions extends FocalOptions {
  /** a factor for each class: the paper's alpha */
  readonly classWeights?: readonly number[]
}

/** Binary focal loss of probabilities (or logits) against targets 0 or 1 of the same shape, averaged over all elements. */
export function binaryFocalCrossentropy(options: BinaryFocalOptions = {}): Loss {
  const name = 'binaryFocalCrossentropy'
  const { gamma = 2, alpha, fromLogits } = options
  within(name, 'gamma', gamma, 0, Infinity)
  if (alpha !== undefined) within(name, 'alpha', alpha, 0, 1)
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    requireFit(name, shapeOf(predictions), predictions, targets)
    const y = g.cast(targets, 'float32')
    const values = binaryValues(g, predictions, y, { gamma, fromLogits })
    return alpha === undefined ? values : g.mul(values, g.add(g.mul(y, 2 * alpha - 1), 1 - alpha))
  })
}

function binaryValues(
  g: Emitter,
  predictions: Value,
  y: Value,
  { gamma, fromLogits }: { gamma: number; fromLogits: boolean | undefined },
): Value {
  const logits = logitsOf(g, predictions, fromLogits)
  if (logits) {
    // With m = z for y = 1 and -z for y = 0: -log p = softplus(-m), log(1 - p) = -softplus(m). No power of 0, for any gamma.
    const margin = g.mul(logits, g.sub(g.mul(y, 2), 1))
    const loss = g.op('Softplus', [g.neg(margin)])
    return g.mul(g.exp(g.mul(g.op('Softplus', [margin]), -gamma)), loss)
  }
  const p = g.op('Clip', [predictions, g.scalar(tiny), g.scalar(1 - tiny)])
  const right = g.add(g.mul(y, p), g.mul(g.sub(1, y), g.sub(1, p)))
  return g.mul(g.pow(g.sub(1, right), gamma), g.neg(g.log(right)))
}

/** Focal loss of `[batch, ..., classes]` from one-hot targets of the same shape. */
export function categoricalFocalCrossentropy(options: CategoricalFocalOptions = {}): Loss {
  const name = 'categoricalFocalCrossentropy'
  const { gamma = 2, classWeights, fromLogits } = options
  within(name, 'gamma', gamma, 0, Infinity)
  if (classWeights) requireWeights(name, classWeights)
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2 && typeof s.at(-1) === 'number')
    requireFit(name, shapeOf(predictions), predictions, targets)
    const factors = classFactors(g, name, classWeights, shapeOf(predictions).at(-1) as number)
    const logP = logProbabilities(g, predictions, fromLogits)
    // Kept off 0, where a power below 1 has no slope.
    const wrong = g.max(g.sub(1, g.exp(logP)), tiny)
    const terms = g.mul(g.mul(g.pow(wrong, gamma), logP), g.cast(targets, 'float32'))
    return g.neg(g.sum(factors ? g.mul(terms, factors) : terms, [-1]))
  })
}
