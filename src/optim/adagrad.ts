/**
 * Adagrad (Duchi, Hazan & Singer, "Adaptive subgradient methods", 2011) and Adadelta (Zeiler, arXiv:1212.5701, 2012), with the
 * defaults of Keras.
 */
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface AdagradOptions {
  readonly learningRate: number
  /** what the sum of squared gradients starts from */
  readonly initialAccumulatorValue: number
  /** added below the root, as Keras does */
  readonly epsilon: number
  /** decoupled: w loses learningRate * weightDecay * w per step */
  readonly weightDecay: number
}

export interface AdadeltaOptions {
  /** 1 is the paper's method; Keras' default is 0.001 */
  readonly learningRate: number
  /** decay of both averages */
  readonly rho: number
  /** added below both roots */
  readonly epsilon: number
  readonly weightDecay: number
}

const adagradFields: Fields<AdagradOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  initialAccumulatorValue: number(0.1, { minimum: 0 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
  weightDecay: number(0, { minimum: 0 }),
}

const adadeltaFields: Fields<AdadeltaOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  rho: number(0.95, { minimum: 0, below: 1 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * v += g^2; w -= learningRate * g / sqrt(initialAccumulatorValue + v + epsilon). The slot holds v alone, since slots start at 0.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = adagrad({ learningRate: 0.01 })
 */
export function adagrad(options: Given<AdagradOptions> = {}): Optimizer {
  const config = readOptions('adagrad', options, adagradFields)
  const { initialAccumulatorValue, weightDecay } = config
  const epsilon = config.epsilon + initialAccumulatorValue
  return {
    name: 'adagrad',
    config: { name: 'adagrad', ...config },
    slots: ['squareSum'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const rate = learningRate * segment.learningRateFactor
      const shrink = rate * weightDecay * segment.decayFactor
      kernels.adagrad(segment, segment.slots[0]!, { gradientScale, rate, epsilon, shrink })
      flushSlots(kernels, segment, step)
    },
  }
}

/**
 * v = rho v + (1 - rho) g^2; step = sqrt(d + epsilon) / sqrt(v + epsilon) * g; d = rho d + (1 - rho) step^2;
 * w -= learningRate * step
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = adadelta({ learningRate: 1 })
 */
export function adadelta(options: Given<AdadeltaOptions> = {}): Optimizer {
  const config = readOptions('adadelta', options, adadeltaFields)
  const { rho, epsilon, weightDecay } = config
  return {
    name: 'adadelta',
    config: { name: 'adadelta', ...config },
    slots: ['meanSquare', 'meanSquareStep'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const rate = learningRate * segment.learningRateFactor
      const shrink = rate * weightDecay * segment.decayFactor
      const scalars = { gradientScale, rho, rate, epsilon, shrink }
      kernels.adadelta(segment, segment.slots[0]!, segment.slots[1]!, scalars)
      flushSlots(kernels, segment, step)
    },
  }
}
