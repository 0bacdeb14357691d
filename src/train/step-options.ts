/** What a training step is made of, and how it goes about a batch. */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Optimizer } from '../optim/optimizer.ts'
import type { Given } from '../optim/options.ts'
import type { GradientRules } from '../optim/update.ts'
import type { Backend, SessionOptions } from '../runtime/backend.ts'
import type { JointNetwork, Network } from './network.ts'
import type { ParameterGroup } from './parameter-groups.ts'
import { mostObjectives } from './sessions.ts'

export interface StepOptions {
  readonly network: Network | JointNetwork
  /** of objectives and groups that have none of their own; a schedule moves its learning rate and, in proportion, theirs */
  readonly optimizer: Optimizer
  readonly backend: Backend
  readonly session?: SessionOptions
  /** source of initial parameters and of dropout masks */
  readonly random: Random
  /** most examples of a training step */
  readonly batchSize: number
  /** most examples of an evaluation run; default 256 */
  readonly evaluationBatchSize?: number
  /** parameters that are trained differently */
  readonly groups?: readonly ParameterGroup[] | undefined
  /** steps of an epoch, for groups that are trained from a later epoch on */
  readonly stepsPerEpoch?: number | undefined
  /** clipping and penalties on all parameters, by default none; the norm that is clipped is that of one objective's gradient */
  readonly rules?: Given<GradientRules>
  /** evaluates and exports a moving average of the parameters in place of them */
  readonly ema?: ParameterAverage | undefined
  /** room for means of the parameters over epochs, which are evaluated and exported in place of them; see weight-averaging.ts */
  readonly swa?: boolean | undefined
  /**
   * parts that a training batch is run in, one after the other, before one update on the mean of their gradients: the memory of a
   * part, the step of the whole. Statistics of a batch are those of each part. Default 1, at most `batchSize`.
   */
  readonly accumulate?: number | undefined
  /** computes activations a second time for the gradients in place of keeping them; default: keeps all */
  readonly recompute?: Recomputation | undefined
  /**
   * training runs leave their outputs for `predictions`; default true. Without, only evaluations do, and the runtime reuses that memory once the loss is
   * there: of scores over many classes as much as one copy of them.
   */
  readonly keepOutputs?: boolean | undefined
}

/**
 * Which activations are computed a second time, a segment of the network at a time: 'all' takes the least memory, at the price of at most one more
 * forward pass; 'cheap' leaves out products of matrices and convolutions, which keeps most of the speed. The gradients are the same.
 */
export type Recomputation = (typeof recomputations)[number]

export const recomputations = ['all', 'cheap'] as const

/** Exponential moving average of parameters (Polyak & Juditsky 1992). States, such as batch statistics, are averages already. */
export interface ParameterAverage {
  /** share that the average keeps at each step, in [0, 1); less at first: min(decay, (1 + step) / (10 + step)), as in TensorFlow */
  readonly decay: number
}

/** @throws QuernError 'config' for an average, parts or objectives that cannot be */
export function checkStepOptions(options: StepOptions): void {
  if ('objectives' in options.network) checkObjectives(options.network)
  const { accumulate = 1, batchSize, recompute, ema: { decay } = { decay: 0 } } = options
  if (recompute !== undefined && !recomputations.includes(recompute)) {
    throw new QuernError('config', `recompute must be 'all' or 'cheap', received ${JSON.stringify(recompute)}`)
  }
  if (options.ema && options.swa) {
    throw new QuernError('config', "set one of 'ema' and 'swa', received both: each says which weights are exported")
  }
  if (!(decay >= 0 && decay < 1)) {
    throw new QuernError('config', `ema.decay must be a number >= 0 and < 1, received ${decay}`)
  }
  if (!(Number.isInteger(accumulate) && accumulate >= 1 && accumulate <= batchSize)) {
    throw new QuernError(
      'config',
      `accumulate must be a whole number from 1 to batchSize (${batchSize}), received ${accumulate}`,
    )
  }
}

function checkObjectives({ objectives }: JointNetwork): void {
  if (objectives.length < 1 || objectives.length > mostObjectives) {
    throw new QuernError('config', `a network has 1 to ${mostObjectives} objectives, received ${objectives.length}`)
  }
  const names = new Set<string>()
  for (const { name, every = 1 } of objectives) {
    if (name === '' || (objectives.length > 1 && name === 'loss') || names.has(name)) {
      throw new QuernError('config', `objectives need names of their own, other than 'loss', received '${name}'`)
    }
    names.add(name)
    if (Number.isInteger(every) && every >= 1) continue
    throw new QuernError('config', `objective '${name}': every must be a whole number of at least 1, received ${every}`)
  }
  if (objectives.some(({ every = 1 }) => every === 1)) return
  throw new QuernError('config', 'no objective takes part in every step', {
    hint: "Leave out 'every' for the one that is trained most often.",
  })
}
