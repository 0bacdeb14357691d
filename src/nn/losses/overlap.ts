/**
 * Losses on the overlap of two regions, for segmentation: predictions are the probability of each pixel, targets 0 or 1 of the same
 * shape. The sums go over all axes of an example, or with `perClass` over the axes after the second one, `[batch, classes, ...]`.
 */
import { QuernError } from '../../core/errors.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { within } from '../options.ts'
import { type Loss, meanLoss, requireFit, requireForm } from './loss.ts'
import { classFactors, requireWeights } from './probabilities.ts'

export interface OverlapOptions {
  /** added above and below, so that two empty regions are alike; default 1 */
  readonly smooth?: number
  /** one overlap for each class of `[batch, classes, ...]`; default: one for each example */
  readonly perClass?: boolean
  /** with perClass: a factor for each class */
  readonly classWeights?: readonly number[]
  /** the predictions are scores before the sigmoid; default false */
  readonly fromLogits?: boolean
}

/** Sums over a region: both, predicted only, target only. */
interface Sums {
  readonly both: Value
  readonly predicted: Value
  readonly target: Value
}

function overlap(
  name: string,
  options: OverlapOptions,
  share: (g: Emitter, sums: Sums, smooth: number) => Value,
): Loss {
  const { smooth = 1, perClass = false, classWeights, fromLogits = false } = options
  within(name, 'smooth', smooth, 0, Infinity)
  if (classWeights) requireWeights(name, classWeights)
  if (classWeights && !perClass) throw new QuernError('config', `${name}: classWeights need perClass: true`)
  const first = perClass ? 2 : 1
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    const form = perClass ? '[batch, classes, ...]' : '[batch, ...]'
    requireForm(name, form, predictions, (s) => s.length > first && (!perClass || typeof s[1] === 'number'))
    requireFit(name, shapeOf(predictions), predictions, targets)
    const p = fromLogits ? g.sigmoid(predictions) : predictions
    const y = g.cast(targets, 'float32')
    const axes = shapeOf(predictions).flatMap((_, axis) => (axis < first ? [] : [axis]))
    const product = g.mul(p, y)
    const sums = {
      both: g.sum(product, axes),
      predicted: g.sum(g.sub(p, product), axes),
      target: g.sum(g.sub(y, product), axes),
    }
    const loss = g.sub(1, share(g, sums, smooth))
    const factors = perClass ? classFactors(g, name, classWeights, shapeOf(predictions)[1] as number) : undefined
    return factors ? g.mul(loss, factors) : loss
  })
}

/** 1 - (2 both + smooth) / (predicted + target + smooth), where each region includes both (Milletari et al. 2016, without their squares). */
export function dice(options: OverlapOptions = {}): Loss {
  return overlap('dice', options, (g, { both, predicted, target }, smooth) => {
    const twice = g.mul(both, 2)
    return g.div(g.add(twice, smooth), g.add(g.add(twice, g.add(predicted, target)), smooth))
  })
}

export interface TverskyOptions extends OverlapOptions {
  /** weight of what is predicted but not in the target; default 0.5 */
  readonly alpha?: number
  /** weight of what is in the target but not predicted; default 0.5. Both at 0.5 give Dice, both at 1 give Jaccard */
  readonly beta?: number
}

/** 1 - (both + smooth) / (both + alpha predicted only + beta target only + smooth) (Salehi et al. 2017). */
export function tversky(options: TverskyOptions = {}): Loss {
  const { alpha = 0.5, beta = 0.5 } = options
  within('tversky', 'alpha', alpha, 0, Infinity)
  within('tversky', 'beta', beta, 0, Infinity)
  return overlap('tversky', options, (g, { both, predicted, target }, smooth) => {
    const wrong = g.add(g.mul(predicted, alpha), g.mul(target, beta))
    return g.div(g.add(both, smooth), g.add(g.add(both, wrong), smooth))
  })
}

/** 1 - (intersection + smooth) / (union + smooth) */
export function jaccard(options: OverlapOptions = {}): Loss {
  return overlap('jaccard', options, (g, { both, predicted, target }, smooth) =>
    g.div(g.add(both, smooth), g.add(g.add(both, g.add(predicted, target)), smooth)),
  )
}
