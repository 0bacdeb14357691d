/**
 * Adam (Kingma & Ba, "Adam: a method for stochastic optimization", 2015) and AdamW (Loshchilov & Hutter,
 * "Decoupled weight decay regularization", 2019), with the defaults of Keras.
 */

import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface AdamOptions {
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  /** added to sqrt(v) before the bias correction, as Keras does: the "epsilon hat" of the paper's section 2 */
  readonly epsilon: number
}

export interface AdamWOptions extends AdamOptions {
  /** w loses learningRate * weightDecay * w per step, outside of the moments */
  readonly weightDecay: number
}

const adamFields: Fields<AdamOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  beta1: number(0.9, { minimum: 0, below: 1 }),
  beta2: number(0.999, { minimum: 0, below: 1 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
}

const adamwFields: Fields<AdamWOptions> = { ...adamFields, weightDecay: number(0.004, { minimum: 0 }) }

/**
 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 * w -= learningRate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = adam({ learningRate: 3e-4 })
 */
export function adam(options: Given<AdamOptions> = {}): Optimizer {
  return create('adam', { ...readOptions('adam', options, adamFields) }, 0)
}

/**
 * Adam with decoupled weight decay. Segments with `decayFactor` 0 (biases, normalisation) do not decay.
 *
 * @example
 * const optimizer = adamw({ learningRate: 3e-4, weightDecay: 0.1 })
 */
export function adamw(options: Given<AdamWOptions> = {}): Optimizer {
  const config = readOptions('adamw', options, adamwFields)
  return create('adamw', { ...config }, config.weightDecay)
}

function create(name: string, options: AdamOptions & { readonly [option: string]: unknown }, decay: number): Optimizer {
  const { beta1, beta2, epsilon } = options
  return {
    name,
    config: { name, ...options },
    slots: ['firstMoment', 'secondMoment'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const base = learningRate * segment.learningRateFactor
      kernels.adam(segment, segment.slots[0]!, segment.slots[1]!, {
        gradientScale,
        beta1,
        beta2,
        rate: (base * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step),
        epsilon,
        shrink: base * decay * segment.decayFactor,
      })
      flushSlots(kernels, segment, step)
    },
  }
}
