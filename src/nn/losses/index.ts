/** THE table of losses, with Keras' names where Keras has them. */
import { QuernError, suggestion } from '../../core/errors.ts'
import { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './cross-entropy.ts'
import { ctc } from './ctc.ts'
import type { Loss } from './loss.ts'
import { huber, meanAbsoluteError, meanSquaredError } from './regression.ts'

export * from './cross-entropy.ts'
export * from './ctc.ts'
export type { Loss, LossRule } from './loss.ts'
export * from './regression.ts'

const lossNames = [
  'sparseCategoricalCrossentropy',
  'categoricalCrossentropy',
  'binaryCrossentropy',
  'meanSquaredError',
  'meanAbsoluteError',
  'huber',
  'ctc',
] as const

export type LossName = (typeof lossNames)[number]

/** Each loss with its default options. */
export const losses: Readonly<Record<LossName, () => Loss>> = {
  sparseCategoricalCrossentropy,
  categoricalCrossentropy,
  binaryCrossentropy,
  meanSquaredError,
  meanAbsoluteError,
  huber,
  ctc,
}

/** A loss by name, or the loss itself. */
export function lossFrom(loss: LossName | Loss): Loss {
  if (typeof loss !== 'string') return loss
  if (Object.hasOwn(losses, loss)) return losses[loss]()
  throw new QuernError('config', `unknown loss '${loss}'. ${suggestion(loss, Object.keys(losses))}`)
}
