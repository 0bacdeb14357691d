/** Class probabilities, logits and labels in the forms that several families of losses need. */
import { QuernError } from '../../core/errors.ts'
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { inputOf, isScore } from './loss.ts'

/** Probabilities are kept this far from 0 and 1. */
export const tiny = 1e-7

/** Weights that are finite and not negative. */
export function requireWeights(loss: string, weights: readonly number[]): void {
  const wrong = weights.find((weight) => !(weight >= 0 && weight < Infinity))
  if (wrong === undefined && weights.length > 0) return
  const received = weights.length === 0 ? 'none' : String(wrong)
  throw new QuernError(
    'config',
    `${loss}: classWeights must be numbers of at least 0, one a class, received ${received}`,
  )
}

/** Factors of the classes as a constant `[classes]`, or undefined for equal ones. */
export function classFactors(
  g: Emitter,
  loss: string,
  weights: readonly number[] | undefined,
  classes: number,
): Value | undefined {
  if (!weights) return undefined
  if (weights.length !== classes) {
    throw new QuernError(
      'input',
      `${loss}: classWeights has ${weights.length} numbers, the predictions have ${classes} classes`,
    )
  }
  return g.constant({ dtype: 'float32', shape: [classes], data: Float32Array.from(weights) })
}

/** log of the class probabilities `[batch, ..., classes]` */
export function logProbabilities(g: Emitter, predictions: Value, fromLogits: boolean | undefined): Value {
  const logits = scoresOf(g, 'Softmax', predictions, fromLogits)
  if (logits) return g.logSoftmax(logits)
  const logged = inputOf(g, 'LogSoftmax', predictions) && predictions
  return logged ?? g.log(g.op('Clip', [predictions, g.scalar(tiny), g.scalar(1)]))
}

/** Rows of 0 with a 1 at the class, `[..., classes]`; a number that is no class gives a row of zeros. */
export function oneHot(g: Emitter, labels: Value, classes: number): Value {
  const values = g.constant({ dtype: 'float32', shape: [2], data: new Float32Array([0, 1]) })
  const depth = g.constant({ dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(classes)) })
  // OneHot counts negative numbers from the end: `classes` is the number that is no class.
  const numbers = g.cast(labels, 'int64')
  const positive = g.where(g.less(numbers, 0), classes, numbers)
  return g.op('OneHot', [positive, depth, values], { axis: -1 })
}

/** What the sigmoid was applied to, or what has no sigmoid behind it yet. */
export function logitsOf(g: Emitter, predictions: Value, fromLogits: boolean | undefined): Value | undefined {
  return scoresOf(g, 'Sigmoid', predictions, fromLogits)
}

/** The scores behind predictions, as said or, when nothing is said, as found in the graph; undefined for probabilities. */
function scoresOf(g: Emitter, op: string, predictions: Value, fromLogits: boolean | undefined): Value | undefined {
  if (fromLogits !== undefined) return fromLogits ? predictions : undefined
  return inputOf(g, op, predictions) ?? (isScore(g, predictions) ? predictions : undefined)
}
