/** Losses on numbers: functions of the difference of predictions and targets of the same shape. */
import { QuernError } from '../../core/errors.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { unit } from './embeddings.ts'
import { type Loss, meanLoss, requireFit, requireForm } from './loss.ts'

/** A loss on the difference of predictions and targets of the same shape, averaged over all elements. */
function regression(name: string, config: Loss['config'], of: (g: Emitter, difference: Value) => Value): Loss {
  return meanLoss(name, config, (g, predictions, targets) => {
    requireFit(name, shapeOf(predictions), predictions, targets)
    return of(g, g.sub(predictions, g.cast(targets, 'float32')))
  })
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

/** mean of log(cosh(prediction - target)): d^2 / 2 near 0, |d| - log 2 far away. Written as |d| + softplus(-2 |d|) - log 2. */
export function logCosh(): Loss {
  return regression('logCosh', {}, (g, d) => {
    const size = g.abs(d)
    return g.sub(g.add(size, g.op('Softplus', [g.mul(size, -2)])), Math.LN2)
  })
}

/** mean of 100 |prediction - target| / max(|target|, 1e-7), in percent. */
export function meanAbsolutePercentageError(): Loss {
  const name = 'meanAbsolutePercentageError'
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireFit(name, shapeOf(predictions), predictions, targets)
    const y = g.cast(targets, 'float32')
    return g.mul(g.div(g.abs(g.sub(y, predictions)), g.max(g.abs(y), 1e-7)), 100)
  })
}

/**
 * Quantile (pinball) loss: mean of max(q d, (q - 1) d) with d = target - prediction (Koenker and Bassett 1978). With one quantile (default the
 * median, 0.5) targets have the shape of the predictions; with several, predictions are `[batch, ..., quantiles]` and targets `[batch, ...]`.
 */
export function quantile(options: { quantiles?: number | readonly number[] } = {}): Loss {
  const name = 'quantile'
  const { quantiles = 0.5 } = options
  const list = typeof quantiles === 'number' ? [quantiles] : quantiles
  const wrong = list.find((q) => !(q > 0 && q < 1))
  if (wrong !== undefined || list.length === 0) {
    throw new QuernError('config', `quantile: quantiles must be above 0 and below 1, received ${wrong ?? 'none'}`)
  }
  return meanLoss(name, { quantiles }, (g, predictions, targets) => {
    const shape = shapeOf(predictions)
    const single = typeof quantiles === 'number'
    if (!single)
      requireForm(name, `[batch, ..., ${list.length}]`, predictions, (s) => s.length > 1 && s.at(-1) === list.length)
    requireFit(name, single ? shape : shape.slice(0, -1), predictions, targets)
    const y = g.cast(targets, 'float32')
    const d = g.sub(single ? y : g.unsqueeze(y, [-1]), predictions)
    const q = g.constant({ dtype: 'float32', shape: single ? [] : [list.length], data: Float32Array.from(list) })
    return g.max(g.mul(d, q), g.mul(d, g.sub(q, 1)))
  })
}

/**
 * Negative log likelihood of counts under a Poisson distribution, without the term log(target!): mean of rate - target log(rate). The
 * predictions are rates of at least 0, or their logarithms with `logRate`: exp(z) - target z.
 */
export function poisson(options: { logRate?: boolean } = {}): Loss {
  const { logRate = false } = options
  return meanLoss('poisson', { ...options }, (g, predictions, targets) => {
    requireFit('poisson', shapeOf(predictions), predictions, targets)
    const y = g.cast(targets, 'float32')
    if (logRate) return g.sub(g.exp(predictions), g.mul(y, predictions))
    return g.sub(predictions, g.mul(y, g.log(g.add(predictions, 1e-7))))
  })
}

/** Minus the cosine of the angle between predictions and targets along the last axis: -1 where they point the same way, as in Keras. */
export function cosineSimilarity(): Loss {
  const name = 'cosineSimilarity'
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., features]', predictions, (s) => s.length >= 2)
    requireFit(name, shapeOf(predictions), predictions, targets)
    return g.neg(g.sum(g.mul(unit(g, predictions), unit(g, g.cast(targets, 'float32'))), [-1]))
  })
}
