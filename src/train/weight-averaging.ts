/**
 * Stochastic weight averaging (Izmailov et al., "Averaging weights leads to wider optima and better generalization", arXiv:1803.05407, 2018):
 * from some epoch on the learning rate stays high, and the mean of the weights at the ends of epochs is what is validated and exported.
 */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Augment } from '../data/augment.ts'
import { createBatches } from '../data/batches.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Schedule } from '../optim/schedule.ts'
import { arraysOf } from './evaluate-dataset.ts'
import type { TrainingStep } from './step.ts'

/** What a user sets; see `weightAveraging` for the defaults. */
export interface AveragingOptions {
  /** first epoch whose weights are averaged, or in which a cycle begins, from 1; default: behind three quarters of the run */
  readonly fromEpoch?: number | undefined
  /** rate of the epochs that are averaged, or that a cycle ends with; default: half the optimizer's */
  readonly learningRate?: number | undefined
  /** epochs in which the rate goes from where the schedule stood to `learningRate`, by half a cosine; 0 jumps; default 1 */
  readonly annealEpochs?: number | undefined
  /** epochs in which the rate falls, again and again, from the optimizer's to `learningRate`; the weights at the ends count. Default 0: a constant rate */
  readonly cycleEpochs?: number | undefined
}

export interface WeightAveraging {
  readonly fromEpoch: number
  readonly learningRate: number
  readonly annealEpochs: number
  /** 0: a constant rate */
  readonly cycleEpochs: number
  /** that cycles begin with */
  readonly peak: number
}

/** @throws QuernError 'config' for epochs that do not fit the run, and for an unfit rate */
export function weightAveraging(
  options: AveragingOptions,
  { epochs, learningRate: peak }: { readonly epochs: number; readonly learningRate: number },
): WeightAveraging {
  const {
    fromEpoch = Math.floor(0.75 * epochs) + 1,
    learningRate = peak / 2,
    annealEpochs = 1,
    cycleEpochs = 0,
  } = options
  const refuse = (name: string, expected: string, received: number) => {
    throw new QuernError('config', `swa.${name} must be ${expected}, received ${received}`, {
      hint: `The run has ${epochs} epochs: train for longer, or average from an earlier one.`,
    })
  }
  const isWhole = (n: number, least: number, most: number) => Number.isInteger(n) && n >= least && n <= most
  if (!isWhole(fromEpoch, 1, epochs)) refuse('fromEpoch', `a whole number from 1 to ${epochs}`, fromEpoch)
  const left = epochs - fromEpoch + 1
  if (!isWhole(cycleEpochs, 0, left)) {
    refuse(
      'cycleEpochs',
      `a whole number from 1 to ${left}, the epochs from fromEpoch on, or 0 for a constant rate`,
      cycleEpochs,
    )
  }
  if (!(annealEpochs >= 0 && annealEpochs < Infinity)) refuse('annealEpochs', 'a number >= 0', annealEpochs)
  if (!(learningRate >= 0 && learningRate < Infinity)) refuse('learningRate', 'a number >= 0', learningRate)
  return { fromEpoch, learningRate, annealEpochs, cycleEpochs, peak }
}

/** The schedule until averaging begins; from then on a constant rate behind half a cosine, or cycles that fall in straight lines. */
export function averagingSchedule(schedule: Schedule, swa: WeightAveraging, epochs: number): Schedule {
  const { fromEpoch, learningRate, annealEpochs, cycleEpochs, peak } = swa
  return {
    name: 'swa',
    config: { ...schedule.config, swa },
    memory: schedule.memory,
    at(step, total) {
      const perEpoch = total / epochs
      const begin = Math.round((fromEpoch - 1) * perEpoch)
      if (step < begin) return schedule.at(step, total)
      if (cycleEpochs > 0) {
        const length = cycleEpochs * perEpoch
        const share = (((step - begin) % length) + 1) / length // of the cycle, 1 at its last step
        return (1 - share) * peak + share * learningRate
      }
      const progress = annealEpochs === 0 ? 1 : Math.min(1, (step - begin) / (annealEpochs * perEpoch))
      const share = (1 + Math.cos(Math.PI * progress)) / 2
      return learningRate + (schedule.at(begin, total) - learningRate) * share
    },
  }
}

export interface AveragingRun {
  readonly step: TrainingStep
  readonly train: Dataset
  readonly random: Random
  readonly augment?: { readonly column: string; readonly apply: Augment } | undefined
  readonly signal?: AbortSignal | undefined
}

/** Models in the mean when an epoch ends; 0: it is what training stands at. */
function modelsAt({ fromEpoch, cycleEpochs }: WeightAveraging, epoch: number): number {
  return Math.max(0, Math.floor((epoch - fromEpoch + 1) / Math.max(1, cycleEpochs)))
}

/**
 * The end of an epoch: its weights join the mean (`isNew`: they are not in it yet), and a pass over the training data gathers the statistics
 * of batch normalisation under the mean weights. False when the signal came before the end of that pass: to be done again.
 */
export async function averageEpoch(
  { step, train, random, augment, signal }: AveragingRun,
  { swa, epoch, isNew }: { readonly swa: WeightAveraging; readonly epoch: number; readonly isNew: boolean },
): Promise<boolean> {
  const models = modelsAt(swa, epoch)
  // Within a later cycle the mean stays as it is, and so do its statistics.
  if (models > 0 && models === modelsAt(swa, epoch - 1)) return true
  if (isNew) step.averageWeights(Math.max(1, models))
  // The mean of one model is that model: its moving statistics are as good as gathered ones.
  if (models < 2) return true
  const batches = createBatches(train, {
    batchSize: step.partSize,
    into: arraysOf(step),
    random: random.fork('statistics'),
    ...(augment ? { augment } : {}),
  })
  batches.start(epoch)
  for (let i = 0; i < batches.steps; i++) {
    if (signal?.aborted) return false
    const count = batches.fill(i)
    if (!(await step.gatherStatistics(count, i, count / train.length))) return true
  }
  return true
}
