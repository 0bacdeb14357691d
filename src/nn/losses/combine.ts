/** Losses made of losses: sums with weights, and weights of the examples. */
import { QuernError } from '../../core/errors.ts'
import { formatShape, type Shape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import type { Loss, LossRule } from './loss.ts'
import { fits } from './loss.ts'

export interface LossTerm {
  readonly loss: Loss
  /** default 1 */
  readonly weight?: number
}

/**
 * The weighted sum of several losses on one output.
 *
 * @example
 * combinedLoss([{ loss: binaryCrossentropy() }, { loss: dice(), weight: 0.5 }])
 */
export function combinedLoss(terms: readonly LossTerm[]): Loss {
  if (terms.length === 0) throw new QuernError('config', 'combinedLoss needs at least one loss')
  for (const { loss, weight = 1 } of terms) {
    if (Number.isFinite(weight)) continue
    throw new QuernError('config', `combinedLoss: the weight of ${loss.name} must be a number, received ${weight}`)
  }
  const sum =
    (rules: readonly LossRule[]): LossRule =>
    (g, predictions, targets) =>
      rules
        .map((rule, i) => {
          const value = rule(g, predictions, targets)
          const weight = terms[i]!.weight ?? 1
          return weight === 1 ? value : g.mul(value, weight)
        })
        .reduce((a, b) => g.add(a, b))
  const each = terms.map(({ loss }) => loss.each)
  return {
    name: 'combinedLoss',
    config: { terms: terms.map(({ loss: { name, config }, weight = 1 }) => ({ name, config, weight })) },
    apply: sum(terms.map(({ loss }) => loss.apply)),
    ...(each.every((rule) => rule !== undefined) ? { each: sum(each) } : {}),
  }
}

/** The mean over the batch of weights `[batch]` times the losses of the examples; it divides by the number of examples, as Keras does. */
export function weightedMean(g: Emitter, loss: Loss, { predictions, targets, weights }: WeightedValues): Value {
  const batch = shapeOf(predictions)[0]!
  if (!fits([batch], shapeOf(weights))) {
    throw new QuernError(
      'input',
      `${loss.name}: sample weights must be [${String(batch)}], received ${formatShape(shapeOf(weights))}`,
    )
  }
  return g.mean(g.mul(lossesOfExamples(loss)(g, predictions, targets), g.cast(weights, 'float32')))
}

export interface WeightedValues {
  readonly predictions: Value
  readonly targets: Value
  /** `[batch]` */
  readonly weights: Value
}

function lossesOfExamples({ name, each }: Loss): LossRule {
  if (each) return each
  throw new QuernError('unsupported', `${name} has no sample weights: it compares the examples with each other`)
}

/**
 * A loss with sample weights in the targets: `[batch, n + 1]`, the n numbers of the target, then the weight. The n numbers get the shape
 * that fits the predictions: theirs, theirs without the last axis (class numbers), or `[batch, n]`. For a weight that comes as a column of
 * its own, `weightedMean`.
 *
 * @example
 * weighted(sparseCategoricalCrossentropy())   // targets float32 [batch, 2]: class number, weight
 */
export function weighted(loss: Loss): Loss {
  lossesOfExamples(loss)
  const each: LossRule = (g, predictions, packed) => {
    const shape = shapeOf(packed)
    const width = shape[1]
    if (shape.length !== 2 || typeof width !== 'number' || width < 2) {
      throw new QuernError(
        'input',
        `weighted ${loss.name} needs targets [batch, 1 + numbers of the target], received ${formatShape(shape)}`,
      )
    }
    const numbers = g.slice(packed, [0], [width - 1], [1])
    const targets = g.reshape(numbers, targetShape(shapeOf(predictions), shape[0]!, width - 1))
    const weights = g.squeeze(g.slice(packed, [width - 1], [width], [1]), [1])
    return g.mul(loss.each!(g, predictions, targets), g.cast(weights, 'float32'))
  }
  return {
    name: 'weighted',
    config: { loss: { name: loss.name, config: loss.config } },
    apply: (g, predictions, targets) => g.mean(each(g, predictions, targets)),
    each,
  }
}

function targetShape(predictions: Shape, batch: Shape[number], count: number): Shape {
  const rest = predictions.slice(1)
  const size = (dims: Shape) => dims.reduce<number>((n, dim) => (typeof dim === 'number' ? n * dim : Number.NaN), 1)
  if (size(rest) === count) return [batch, ...rest]
  if (rest.length > 0 && size(rest.slice(0, -1)) === count) return [batch, ...rest.slice(0, -1)]
  return [batch, count]
}
