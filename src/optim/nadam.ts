/**
 * Variants of Adam: NAdam (Dozat, "Incorporating Nesterov momentum into Adam", 2016) with the defaults of Keras, RAdam (Liu et al.,
 * "On the variance of the adaptive learning rate and beyond", arXiv:1908.03265), which Keras lacks, with those of PyTorch.
 */
import { flushSlots, type Optimizer } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface NadamOptions {
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** decoupled: w loses learningRate * weightDecay * w per step */
  readonly weightDecay: number
}

export type RadamOptions = NadamOptions

const nadamFields: Fields<NadamOptions> = {
  learningRate: number(0.001, { minimum: 0 }),
  beta1: number(0.9, { minimum: 0, below: 1 }),
  beta2: number(0.999, { minimum: 0, below: 1 }),
  epsilon: number(1e-7, { minimum: 1e-30 }),
  weightDecay: number(0, { minimum: 0 }),
}

const radamFields: Fields<RadamOptions> = { ...nadamFields, epsilon: number(1e-8, { minimum: 1e-30 }) }

/**
 * Adam that looks one step ahead, by a momentum that warms up: u(t) = beta1 (1 - 0.96^t / 2), U(t) = u(1) ... u(t);
 * w -= learningRate * (u(t + 1) m / (1 - U(t + 1)) + (1 - u(t)) g / (1 - U(t))) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = nadam({ learningRate: 3e-4 })
 */
export function nadam(options: Given<NadamOptions> = {}): Optimizer {
  const config = readOptions('nadam', options, nadamFields)
  const { beta1, beta2, epsilon, weightDecay } = config
  return {
    name: 'nadam',
    config: { name: 'nadam', ...config },
    slots: ['firstMoment', 'secondMoment'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const base = learningRate * segment.learningRateFactor
      const correction = Math.sqrt(1 - beta2 ** step)
      kernels.nadam(segment, segment.slots[0]!, segment.slots[1]!, {
        gradientScale,
        beta1,
        beta2,
        rate: (base * correction * warmMomentum(beta1, step + 1)) / (1 - warmProduct(beta1, step + 1)),
        look: (base * correction * (1 - warmMomentum(beta1, step))) / (1 - warmProduct(beta1, step)),
        epsilon: epsilon * correction,
        shrink: base * weightDecay * segment.decayFactor,
      })
      flushSlots(kernels, segment, step)
    },
  }
}

const warmMomentum = (beta1: number, step: number) => beta1 * (1 - 0.5 * 0.96 ** step)

/** Products of 1 - 0.96^i / 2 up to i: from i = 1000 on a factor is 1 in float64. */
const warmUps = [1]
for (let i = 1; i <= 1000; i++) warmUps.push(warmUps[i - 1]! * (1 - 0.5 * 0.96 ** i))

/** u(1) ... u(step): it follows from the step, so nothing is kept beside the slots. */
const warmProduct = (beta1: number, step: number) => beta1 ** step * warmUps[Math.min(step, 1000)]!

/**
 * Adam whose step is shortened while few gradients stand behind the second moment, and is that of momentum alone in the first steps
 * (5 with the default beta2): with r = 2 / (1 - beta2) - 1 and s = r - 2 t beta2^t / (1 - beta2^t),
 * the step of Adam times sqrt((s - 4) (s - 2) r / ((r - 4) (r - 2) s)) where s > 5, else w -= learningRate * m / (1 - beta1^t)
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = radam({ learningRate: 3e-4 })
 */
export function radam(options: Given<RadamOptions> = {}): Optimizer {
  const config = readOptions('radam', options, radamFields)
  const { beta1, beta2, weightDecay } = config
  return {
    name: 'radam',
    config: { name: 'radam', ...config },
    slots: ['firstMoment', 'secondMoment'],
    update(kernels, segment, { learningRate, step, gradientScale }) {
      const base = learningRate * segment.learningRateFactor
      const rectification = rectify(beta2, step)
      // Beside 2^60 float32 does not see sqrt(v): the kernel of Adam then divides by a constant, which the rate takes back.
      const plain = rectification === undefined
      const factor = plain ? 2 ** 60 : rectification * Math.sqrt(1 - beta2 ** step)
      kernels.adam(segment, segment.slots[0]!, segment.slots[1]!, {
        gradientScale,
        beta1,
        beta2,
        rate: (base * factor) / (1 - beta1 ** step),
        epsilon: plain ? 2 ** 60 : config.epsilon,
        shrink: base * weightDecay * segment.decayFactor,
      })
      flushSlots(kernels, segment, step)
    },
  }
}

/** The paper's r_t, or undefined where the variance of the second moment is not tractable. */
function rectify(beta2: number, step: number): number | undefined {
  const most = 2 / (1 - beta2) - 1
  const length = most - (2 * step * beta2 ** step) / (1 - beta2 ** step)
  if (length <= 5) return undefined
  return Math.sqrt(((length - 4) * (length - 2) * most) / ((most - 4) * (most - 2) * length))
}
