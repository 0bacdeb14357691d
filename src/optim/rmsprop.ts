/** RMSprop (Hinton, "Neural networks for machine learning", lecture 6, 2012; centered: Graves, arXiv:1308.0850), as in Keras. */
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, flag, type Given, number, readOptions } from './options.ts'

export interface RmspropOptions {
  readonly learningRate: number
  /** decay of the average of squared gradients */
  readonly rho: number
  readonly momentum: number
  /** added below the root, as Keras does */
  readonly epsilon: number
  /** divides by the deviation of the gradient in place of its size */
  readonly centered: boolean
  /** decoupled: w loses learningRate * weightDecay * w per step */
  readonly weightDecay: number
}

const fields: Fields<RmspropOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  rho: number(0.9, { minimum: 0, below: 1 }),
  momentum: number(0, { minimum: 0, below: 1 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
  centered: flag(false),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * v = rho v + (1 - rho) g^2; b = momentum b + learningRate * g / sqrt(v + epsilon); w -= b.
 * Centered: a = rho a + (1 - rho) g, and v - a^2 in place of v below the root.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = rmsprop({ learningRate: 1e-3, momentum: 0.9 })
 */
export function rmsprop(options: Given<RmspropOptions> = {}): Optimizer {
  const config = readOptions('rmsprop', options, fields)
  const { rho, momentum, epsilon, centered, weightDecay } = config
  const extra = [...(centered ? ['meanGradient'] : []), ...(momentum > 0 ? ['velocity'] : [])]
  return {
    name: 'rmsprop',
    config: { name: 'rmsprop', ...config },
    slots: ['meanSquare', ...extra],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const rate = learningRate * segment.learningRateFactor
      const [square, ...rest] = segment.slots as [number, ...number[]]
      const mean = centered ? rest.shift() : undefined
      const shrink = rate * weightDecay * segment.decayFactor
      const scalars = { gradientScale, rho, rate, epsilon, momentum, shrink }
      kernels.rmsprop(segment, { square, mean, velocity: rest.shift() }, scalars)
      flushSlots(kernels, segment, step)
    },
  }
}
