/** Schedules that depend on the step alone. */
import { type Fields, flag, type Given, number, readOptions } from './options.ts'
import { amountField, checkStep, learningRateField, type Schedule, updatesOf } from './schedule.ts'

export interface ConstantOptions {
  readonly learningRate: number
}

/** The same rate all the way. */
export function constant(options: Given<ConstantOptions>): Schedule {
  const config = readOptions<ConstantOptions>('constant', options, { learningRate: learningRateField })
  return pure('constant', { ...config }, () => config.learningRate)
}

export interface DecayOptions {
  readonly learningRate: number
  /** updates (up to 1: share of the run) after which the rate is multiplied by decayRate */
  readonly decaySteps: number
  readonly decayRate: number
}

const decayFields: Fields<DecayOptions> = {
  learningRate: learningRateField,
  decaySteps: amountField(undefined),
  decayRate: number(undefined, { above: 0 }),
}

/**
 * learningRate * decayRate ^ floor(step / decaySteps)
 * @example
 * step({ learningRate: 0.1, decaySteps: 0.3 })   // a tenth after each 30 % of the run
 */
export function step(options: Given<DecayOptions>): Schedule {
  const config = readOptions('step', options, { ...decayFields, decayRate: number(0.1, { above: 0 }) })
  const { learningRate, decaySteps, decayRate } = config
  return pure('step', { ...config }, (at, total) => {
    // A share such as 0.3 of 10 updates is 3 but for rounding: count a step that all but reaches the edge.
    return learningRate * decayRate ** Math.floor(at / updatesOf(decaySteps, total) + 1e-9)
  })
}

/** learningRate * decayRate ^ (step / decaySteps), as Keras' ExponentialDecay */
export function exponential(options: Given<DecayOptions>): Schedule {
  const config = readOptions('exponential', options, decayFields)
  const { learningRate, decaySteps, decayRate } = config
  return pure('exponential', { ...config }, (at, total) => {
    return learningRate * decayRate ** (at / updatesOf(decaySteps, total))
  })
}

export interface CosineOptions {
  readonly learningRate: number
  /** updates (up to 1: share of the run) from the highest to the lowest rate */
  readonly decaySteps: number
  /** lowest rate as a share of the highest (Keras: alpha) */
  readonly finalFactor: number
  /** true: start over after each decaySteps; false: stay at the lowest */
  readonly restarts: boolean
  /** length of a cycle over the one before it (Keras: t_mul) */
  readonly cycleGrowth: number
  /** highest rate of a cycle over that of the one before it (Keras: m_mul) */
  readonly peakFactor: number
}

const cosineFields: Fields<CosineOptions> = {
  learningRate: learningRateField,
  decaySteps: amountField(1),
  finalFactor: number(0, { minimum: 0, maximum: 1 }),
  restarts: flag(false),
  cycleGrowth: number(1, { minimum: 1 }),
  peakFactor: number(1, { above: 0, maximum: 1 }),
}

/**
 * final + (peak - final) * (1 + cos(pi * progress)) / 2, with warm restarts if wanted
 * (Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017).
 */
export function cosine(options: Given<CosineOptions>): Schedule {
  const config = readOptions('cosine', options, cosineFields)
  const { learningRate, decaySteps, finalFactor, restarts, cycleGrowth, peakFactor } = config
  return pure('cosine', { ...config }, (at, total) => {
    let progress = at / updatesOf(decaySteps, total)
    if (!restarts) return learningRate * between(finalFactor, 1, fall(Math.min(1, progress)))
    let cycle = Math.floor(progress)
    if (cycleGrowth > 1) {
      // cycle i starts at 1 + q + ... + q^(i-1) = (q^i - 1) / (q - 1) lengths of the first
      cycle = Math.floor(Math.log1p(progress * (cycleGrowth - 1)) / Math.log(cycleGrowth) + 1e-9)
      progress = (progress - (cycleGrowth ** cycle - 1) / (cycleGrowth - 1)) / cycleGrowth ** cycle
    } else progress -= cycle
    return learningRate * between(finalFactor, peakFactor ** cycle, fall(Math.max(0, progress)))
  })
}

export interface OneCycleOptions {
  /** the highest rate */
  readonly learningRate: number
  /** share of the run in which the rate rises */
  readonly riseShare: number
  /** first rate as a share of the highest */
  readonly startFactor: number
  /** last rate as a share of the highest */
  readonly finalFactor: number
}

const oneCycleFields: Fields<OneCycleOptions> = {
  learningRate: learningRateField,
  riseShare: number(0.3, { above: 0, below: 1 }),
  startFactor: number(1 / 25, { minimum: 0, maximum: 1 }),
  finalFactor: number(1 / 250_000, { minimum: 0, maximum: 1 }),
}

/** Up and down by half cosines over the whole run (Smith & Topin, "Super-convergence", 2018; PyTorch's defaults). */
export function oneCycle(options: Given<OneCycleOptions>): Schedule {
  const config = readOptions('oneCycle', options, oneCycleFields)
  const { learningRate, riseShare, startFactor, finalFactor } = config
  return pure('oneCycle', { ...config }, (at, total) => {
    const progress = Math.min(1, at / total)
    if (progress < riseShare) return learningRate * between(1, startFactor, fall(progress / riseShare))
    return learningRate * between(finalFactor, 1, fall((progress - riseShare) / (1 - riseShare)))
  })
}

/** 1 at progress 0, 0 at progress 1, half a cosine between */
const fall = (progress: number) => (1 + Math.cos(Math.PI * progress)) / 2

const between = (low: number, high: number, share: number) => low + (high - low) * share

function pure(
  name: string,
  options: Readonly<Record<string, unknown>>,
  rate: (step: number, total: number) => number,
): Schedule {
  const at = (step: number, total: number) => {
    checkStep(step, total)
    return rate(step, total)
  }
  return { name, config: { name, ...options }, at, memory: undefined }
}
