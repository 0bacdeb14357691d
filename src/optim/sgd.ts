/** Stochastic gradient descent: plain, with momentum (Polyak 1964) and with Nesterov's look-ahead (Sutskever et al. 2013). */
import { QuernError } from '../core/errors.ts'
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, flag, type Given, number, readOptions } from './options.ts'

export interface SgdOptions {
  readonly learningRate: number
  readonly momentum: number
  readonly nesterov: boolean
  /** decoupled, as in Keras: w loses learningRate * weightDecay * w per step, outside of the momentum */
  readonly weightDecay: number
}

const fields: Fields<SgdOptions> = {
  learningRate: number(0.01, { minimum: 0 }),
  momentum: number(0, { minimum: 0, below: 1 }),
  nesterov: flag(false),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * Keras' SGD: v = momentum * v + learningRate * g; w -= v (Nesterov: w -= momentum * v + learningRate * g).
 * PyTorch keeps v without the learning rate; the two agree while the rate stays the same.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })
 */
export function sgd(options: Given<SgdOptions> = {}): Optimizer {
  const config = readOptions('sgd', options, fields)
  const { momentum, nesterov, weightDecay } = config
  if (nesterov && momentum === 0) {
    throw new QuernError('config', "option 'nesterov' of sgd needs 'momentum' above 0, received 0", {
      hint: 'Set momentum, commonly to 0.9.',
    })
  }
  return {
    name: 'sgd',
    config: { name: 'sgd', ...config },
    slots: momentum === 0 ? [] : ['velocity'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const rate = learningRate * segment.learningRateFactor
      const scalars = { rate: rate * gradientScale, shrink: rate * weightDecay * segment.decayFactor, momentum }
      if (momentum === 0) kernels.sgd(segment, scalars)
      else kernels[nesterov ? 'nesterov' : 'momentum'](segment, segment.slots[0]!, scalars)
      flushSlots(kernels, segment, step)
    },
  }
}
