/** Lion (Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675, 2023), with the defaults of Keras. */
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface LionOptions {
  /** every weight moves by this much: 3 to 10 times less than with Adam */
  readonly learningRate: number
  /** share of the momentum in the direction */
  readonly beta1: number
  /** decay of the momentum */
  readonly beta2: number
  /** decoupled: w loses learningRate * weightDecay * w per step; 3 to 10 times more than with AdamW */
  readonly weightDecay: number
}

const fields: Fields<LionOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  beta1: number(0.9, { minimum: 0, below: 1 }),
  beta2: number(0.99, { minimum: 0, below: 1 }),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * w -= learningRate * sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g. One slot, half of Adam's memory.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = lion({ learningRate: 1e-4, weightDecay: 1 })
 */
export function lion(options: Given<LionOptions> = {}): Optimizer {
  const config = readOptions('lion', options, fields)
  const { beta1, beta2, weightDecay } = config
  return {
    name: 'lion',
    config: { name: 'lion', ...config },
    slots: ['momentum'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const rate = learningRate * segment.learningRateFactor
      const shrink = rate * weightDecay * segment.decayFactor
      kernels.lion(segment, segment.slots[0]!, { gradientScale, beta1, beta2, rate, shrink })
      flushSlots(kernels, segment, step)
    },
  }
}
