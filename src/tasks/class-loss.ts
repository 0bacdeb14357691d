/** The loss of every task whose answer is one of several classes, and the examples of its epochs: where classes are rare, as `train` asks. */
import type { TrainSection } from '../contract/config.ts'
import type { ImbalanceSection } from '../contract/imbalance.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { createClassSampler, type EpochSampler } from '../data/class-sampling.ts'
import { countClasses, type Dataset } from '../data/dataset.ts'
import { categoricalFocalCrossentropy, type Loss, sparseCategoricalCrossentropy } from '../nn/index.ts'
import { oneHot } from '../nn/losses/probabilities.ts'

/** Classes of the training split, and how many examples each has. */
export interface Classes {
  readonly labels: readonly string[]
  counts(): readonly number[]
}

export const classesOf = (train: Dataset): Classes => ({ labels: train.labels, counts: () => countClasses(train) })

/**
 * Cross-entropy, or focal loss, of class numbers, with the weights of the classes.
 * Throws `config` for a weight of a class that there is not, and for focal loss with smoothed labels.
 */
export function classLoss(train: TrainSection, classes: Classes): Loss {
  const { focal, labelSmoothing } = train
  const weights = classWeights(train.classWeights, classes)
  const given = weights ? { classWeights: weights } : {}
  if (!focal) return sparseCategoricalCrossentropy({ labelSmoothing, ...given })
  if (labelSmoothing > 0) {
    throw new QuernError('config', 'train.focal and train.labelSmoothing cannot be combined', {
      hint: 'Focal loss lets go of what is certain, smoothing holds on to it: remove one of them.',
    })
  }
  const loss = categoricalFocalCrossentropy({ gamma: focal.gamma, ...given })
  const { labels } = classes
  return {
    ...loss,
    apply: (g, predictions, targets) => loss.apply(g, predictions, oneHot(g, targets, labels.length)),
    each: (g, predictions, targets) => loss.each!(g, predictions, oneHot(g, targets, labels.length)),
  }
}

/** A factor for each class; undefined when nothing is asked for. */
function classWeights(given: ImbalanceSection['classWeights'], { labels, ...of }: Classes): number[] | undefined {
  if (given === undefined) return undefined
  if (given !== 'balanced') {
    for (const label of Object.keys(given)) {
      if (labels.includes(label)) continue
      throw new QuernError(
        'config',
        `train.classWeights names the class '${label}', which there is not. ${suggestion(label, labels)}`,
      )
    }
    return labels.map((label) => given[label] ?? 1)
  }
  const counts = of.counts()
  const examples = counts.reduce((sum, count) => sum + count, 0)
  const present = counts.filter((count) => count > 0).length
  // A class without training examples weighs nothing in training, and as much as others in validation.
  return counts.map((count) => (count === 0 ? 1 : examples / (present * count)))
}

/** What chooses the examples of an epoch; undefined where each counts once. */
export function epochSampler({ sampling }: TrainSection, data: Dataset): EpochSampler | undefined {
  return sampling && createClassSampler(data, sampling)
}

/** Throws `config` where classes are weighed that there are not. */
export function refuseImbalance({ classWeights: weights, sampling, focal }: TrainSection): void {
  const [key] =
    Object.entries({ classWeights: weights, sampling, focal }).find(([, value]) => value !== undefined) ?? []
  if (key === undefined) return
  throw new QuernError('config', `train.${key} goes by classes; this task answers numbers`, {
    hint: `Remove train.${key}.`,
  })
}
