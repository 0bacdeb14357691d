/** LAMB (You et al., "Large batch optimization for deep learning", arXiv:1904.00962, 2020), with the defaults of Keras. */
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface LambOptions {
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  /** added below the root, as Keras does */
  readonly epsilon: number
  /** the paper's lambda: part of the direction, so the trust ratio covers it */
  readonly weightDecay: number
}

const fields: Fields<LambOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  beta1: number(0.9, { minimum: 0, below: 1 }),
  beta2: number(0.999, { minimum: 0, below: 1 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * Adam whose step is, in each parameter, as long as a fixed share of the weights:
 * u = (m / (1 - beta1^t)) / sqrt(v / (1 - beta2^t) + epsilon) + weightDecay * w; w -= learningRate * |w| / |u| * u,
 * with 1 in place of |w| / |u| where either is 0. The gradients hold u afterwards.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = lamb({ learningRate: 0.002, weightDecay: 0.01 })
 */
export function lamb(options: Given<LambOptions> = {}): Optimizer {
  const config = readOptions('lamb', options, fields)
  const { beta1, beta2, epsilon, weightDecay } = config
  return {
    name: 'lamb',
    config: { name: 'lamb', ...config },
    slots: ['firstMoment', 'secondMoment'],
    byParameter: true,
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const { parameters, gradients, count } = segment
      kernels.lamb(segment, segment.slots[0]!, segment.slots[1]!, {
        gradientScale,
        beta1,
        beta2,
        correction1: 1 / (1 - beta1 ** step),
        correction2: 1 / (1 - beta2 ** step),
        epsilon,
        decay: weightDecay * segment.decayFactor,
      })
      const weights = Math.sqrt(kernels.sumOfSquares(parameters, count))
      const direction = Math.sqrt(kernels.sumOfSquares(gradients, count))
      const trust = weights > 0 && direction > 0 ? weights / direction : 1
      kernels.sgd(segment, { rate: learningRate * segment.learningRateFactor * trust, shrink: 0 })
      flushSlots(kernels, segment, step)
    },
  }
}
