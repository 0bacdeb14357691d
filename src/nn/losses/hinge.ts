/** Margin losses of classifiers: they push scores apart up to a margin and then rest. */
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { within } from '../options.ts'
import { type Loss, meanLoss, requireFit, requireForm } from './loss.ts'
import { classFactors, oneHot, requireWeights } from './probabilities.ts'

/** Targets are -1 and 1, or 0 and 1, of the shape of the scores. */
function binaryHinge(name: string, of: (g: Emitter, excess: Value) => Value): Loss {
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireFit(name, shapeOf(predictions), predictions, targets)
    const given = g.cast(targets, 'float32')
    const y = g.where(g.equal(given, 0), -1, given)
    return of(g, g.relu(g.sub(1, g.mul(y, predictions))))
  })
}

/** mean of max(0, 1 - y score), with targets y of -1 and 1 (or 0 and 1) of the shape of the scores. */
export function hinge(): Loss {
  return binaryHinge('hinge', (_, excess) => excess)
}

/** mean of max(0, 1 - y score)^2, with targets y of -1 and 1 (or 0 and 1) of the shape of the scores. */
export function squaredHinge(): Loss {
  return binaryHinge('squaredHinge', (g, excess) => g.mul(excess, excess))
}

/**
 * max(0, 1 + best wrong score - right score) for one-hot targets `[batch, ..., classes]`, as Keras computes it: the largest of
 * (1 - y) score, where the right class stands as 0, minus the sum of y score.
 */
export function categoricalHinge(): Loss {
  const name = 'categoricalHinge'
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2)
    requireFit(name, shapeOf(predictions), predictions, targets)
    const y = g.cast(targets, 'float32')
    const right = g.sum(g.mul(y, predictions), [-1])
    const wrong = g.op('ReduceMax', [g.mul(g.sub(1, y), predictions), g.integers([-1])], { keepdims: 0 })
    return g.relu(g.add(g.sub(wrong, right), 1))
  })
}

export interface MultiMarginOptions {
  /** default 1 */
  readonly margin?: number
  /** 1 or 2: the power of each excess; default 1 */
  readonly power?: 1 | 2
  readonly classWeights?: readonly number[]
}

/**
 * sum over the wrong classes i of max(0, margin - score[label] + score[i])^power / classes, for scores `[batch, ..., classes]` and class
 * numbers `[batch, ...]` (Crammer and Singer 2001; PyTorch's MultiMarginLoss).
 */
export function multiMargin(options: MultiMarginOptions = {}): Loss {
  const name = 'multiMargin'
  const { margin = 1, power = 1, classWeights } = options
  within(name, 'margin', margin, 0, Infinity)
  within(name, 'power', power, 1, 2)
  if (classWeights) requireWeights(name, classWeights)
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    const shape = shapeOf(predictions)
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2 && typeof s.at(-1) === 'number')
    requireFit(name, shape.slice(0, -1), predictions, targets)
    const classes = shape.at(-1) as number
    const y = oneHot(g, targets, classes)
    const right = g.sum(g.mul(y, predictions), [-1], true)
    const excess = g.mul(g.relu(g.add(g.sub(predictions, right), margin)), g.sub(1, y))
    const factors = classFactors(g, name, classWeights, classes)
    const found = g.mean(power === 2 ? g.mul(excess, excess) : excess, [-1])
    return factors ? g.mul(found, g.sum(g.mul(y, factors), [-1])) : found
  })
}
