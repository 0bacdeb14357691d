/** THE table of losses, with Keras' names where Keras has them. */
import { QuernError, suggestion } from '../../core/errors.ts'
import { clip, contrastive, infoNce, ntXent } from './contrastive.ts'
import { binaryCrossentropy, categoricalCrossentropy, sparseCategoricalCrossentropy } from './cross-entropy.ts'
import { ctc } from './ctc.ts'
import { jensenShannon, klDivergence } from './divergence.ts'
import { binaryFocalCrossentropy, categoricalFocalCrossentropy } from './focal.ts'
import { categoricalHinge, hinge, multiMargin, squaredHinge } from './hinge.ts'
import { gaussianMixture, gaussianNll, latentKl, logisticMixture } from './likelihood.ts'
import type { Loss } from './loss.ts'
import { dice, jaccard, tversky } from './overlap.ts'
import {
  cosineSimilarity,
  huber,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  poisson,
  quantile,
} from './regression.ts'
import { triplet } from './triplet.ts'

export * from './adversarial.ts'
export * from './combine.ts'
export * from './contrastive.ts'
export * from './cross-entropy.ts'
export * from './ctc.ts'
export * from './divergence.ts'
export * from './focal.ts'
export * from './hinge.ts'
export * from './likelihood.ts'
export type { Loss, LossRule } from './loss.ts'
export * from './overlap.ts'
export * from './regression.ts'
export * from './triplet.ts'

const lossNames = [
  'sparseCategoricalCrossentropy',
  'categoricalCrossentropy',
  'binaryCrossentropy',
  'categoricalFocalCrossentropy',
  'binaryFocalCrossentropy',
  'meanSquaredError',
  'meanAbsoluteError',
  'meanAbsolutePercentageError',
  'huber',
  'logCosh',
  'quantile',
  'poisson',
  'cosineSimilarity',
  'klDivergence',
  'jensenShannon',
  'hinge',
  'squaredHinge',
  'categoricalHinge',
  'multiMargin',
  'dice',
  'tversky',
  'jaccard',
  'infoNce',
  'ntXent',
  'clip',
  'contrastive',
  'triplet',
  'gaussianNll',
  'gaussianMixture',
  'logisticMixture',
  'latentKl',
  'ctc',
] as const

export type LossName = (typeof lossNames)[number]

/** Each loss with its default options. */
export const losses: Readonly<Record<LossName, () => Loss>> = {
  sparseCategoricalCrossentropy,
  categoricalCrossentropy,
  binaryCrossentropy,
  categoricalFocalCrossentropy,
  binaryFocalCrossentropy,
  meanSquaredError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  huber,
  logCosh,
  quantile,
  poisson,
  cosineSimilarity,
  klDivergence,
  jensenShannon,
  hinge,
  squaredHinge,
  categoricalHinge,
  multiMargin,
  dice,
  tversky,
  jaccard,
  infoNce,
  ntXent,
  clip,
  contrastive,
  triplet,
  gaussianNll,
  gaussianMixture,
  logisticMixture,
  latentKl,
  ctc,
}

/** A loss by name, or the loss itself. */
export function lossFrom(loss: LossName | Loss): Loss {
  if (typeof loss !== 'string') return loss
  if (Object.hasOwn(losses, loss)) return losses[loss]()
  throw new QuernError('config', `unknown loss '${loss}'. ${suggestion(loss, Object.keys(losses))}`)
}
