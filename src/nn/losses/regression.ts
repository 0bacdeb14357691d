/** Losses on numbers: functions of the difference of predictions and targets of the same shape. */
import { QuernError } from '../../core/errors.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { type Loss, meanLoss, requireFit } from './loss.ts'

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
