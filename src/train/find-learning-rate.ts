/**
 * The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", arXiv:1506.01186, 2017; the smoothing and the stop are
 * fastai's): the rate grows by the same factor at each step until the loss runs away. What was trained is put back.
 */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Augment } from '../data/augment.ts'
import { createBatches } from '../data/batches.ts'
import type { EpochSampler } from '../data/class-sampling.ts'
import type { Dataset } from '../data/dataset.ts'
import { arraysOf } from './evaluate-dataset.ts'
import type { TrainingStep } from './step.ts'

export interface RateTestOptions {
  readonly step: TrainingStep
  readonly train: Dataset
  readonly batchSize: number
  readonly random: Random
  /** examples of an epoch; default: each of `train` once */
  readonly sampler?: EpochSampler | undefined
  readonly augment?: { readonly column: string; readonly apply: Augment } | undefined
  /** first rate; default 1e-7 */
  readonly from?: number | undefined
  /** last rate; default 10 */
  readonly to?: number | undefined
  /** rates that are tried, at least 10; default 100 */
  readonly steps?: number | undefined
  /** share that the smoothed loss keeps at each step, in [0, 1); default 0.9 */
  readonly smoothing?: number | undefined
  /** ends where the smoothed loss is so many times the least; default 4 */
  readonly divergence?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export interface RatePoint {
  readonly learningRate: number
  readonly loss: number
  /** exponential average of the losses so far, without the bias of its start */
  readonly smoothed: number
}

export interface RateTest {
  readonly points: readonly RatePoint[]
  readonly reason: 'finished' | 'diverged' | 'interrupted'
  /** where the smoothed loss falls fastest over the logarithm of the rate; undefined where it never falls */
  readonly steepest: number | undefined
  /** a tenth of the rate with the least smoothed loss; undefined where that is the first */
  readonly minimumTenth: number | undefined
}

/**
 * Trains `steps` batches (of the first epochs' order) at rates from `from` to `to`. Parameters, states and the optimizer's slots end as they began, bit
 * for bit, also when it fails or is stopped.
 *
 * @throws QuernError 'config' for options out of range, 'numeric' when the very first loss is not finite
 * @example
 * const { steepest } = await findLearningRate({ step, train, batchSize: 32, random })
 */
export async function findLearningRate(options: RateTestOptions): Promise<RateTest> {
  const test = checkOptions(options)
  const { step } = options
  const kept = [...step.state.values()].map(({ data }) => (data as Float32Array).slice())
  try {
    const { points, reason } = await ramp(options, test)
    return { points, reason, ...suggestions(points) }
  } finally {
    for (const [i, { data }] of [...step.state.values()].entries()) (data as Float32Array).set(kept[i]!)
  }
}

/** Options with their defaults. */
type Test = { readonly [K in 'from' | 'to' | 'steps' | 'smoothing' | 'divergence']: number }

function checkOptions({ from = 1e-7, to = 10, steps = 100, smoothing = 0.9, divergence = 4 }: RateTestOptions): Test {
  const refuse = (what: string, value: number): never => {
    throw new QuernError('config', `${what}, received ${value}`)
  }
  if (!(from > 0 && from < Infinity)) refuse('the first learning rate must be above 0', from)
  if (!(to > from && to < Infinity)) refuse(`the last learning rate must be above the first (${from})`, to)
  if (!(Number.isInteger(steps) && steps >= 10)) refuse('a rate test has a whole number of at least 10 steps', steps)
  if (!(smoothing >= 0 && smoothing < 1)) refuse('smoothing must be a number >= 0 and < 1', smoothing)
  if (!(divergence > 1)) refuse('divergence must be a number above 1', divergence)
  return { from, to, steps, smoothing, divergence }
}

async function ramp(options: RateTestOptions, test: Test): Promise<Pick<RateTest, 'points' | 'reason'>> {
  const { step, train, batchSize, random, sampler, augment, signal, onProgress } = options
  const into = arraysOf(step)
  const source = random.fork('batches')
  const batches = createBatches(train, { batchSize, into, random: source, sampler, ...(augment ? { augment } : {}) })
  // A smaller last batch would need a graph of its own, and its loss is noisier.
  const whole = Math.max(1, Math.floor((sampler ?? train).length / batchSize))
  const points: RatePoint[] = []
  let [average, least] = [0, Infinity]
  for (let i = 0; i < test.steps; i++) {
    if (signal?.aborted) return { points, reason: 'interrupted' }
    if (i % whole === 0) batches.start(i / whole + 1)
    const learningRate = test.from * (test.to / test.from) ** (i / (test.steps - 1))
    const loss = await lossOf(step, batches.fill(i % whole), i + 1, learningRate)
    if (loss === undefined) return { points, reason: 'diverged' }
    average = test.smoothing * average + (1 - test.smoothing) * loss
    const smoothed = average / (1 - test.smoothing ** (i + 1))
    points.push({ learningRate, loss, smoothed })
    onProgress?.(i + 1, test.steps)
    least = Math.min(least, smoothed)
    // Counted from the least loss upwards, so that a loss below 0 works too.
    if (smoothed > least + (test.divergence - 1) * Math.max(Math.abs(least), 1e-12))
      return { points, reason: 'diverged' }
  }
  return { points, reason: 'finished' }
}

/** Undefined when the loss or a gradient ran away; at the first step nothing was learned yet, so the model or the data are to blame. */
async function lossOf(step: TrainingStep, count: number, number: number, rate: number): Promise<number | undefined> {
  try {
    return (await step.run(count, number, rate)).loss
  } catch (error) {
    if (number > 1 && error instanceof QuernError && error.kind === 'numeric') return undefined
    throw error
  }
}

/** Share of the points over which a slope is taken, either way, and that at the beginning count for nothing: they are few batches, and chance. */
const noisy = 0.05

/** Of the part from the largest smoothed loss, before which it only wavers, to the least: behind it the loss rises. */
export function suggestions(points: readonly RatePoint[]): Pick<RateTest, 'steepest' | 'minimumTenth'> {
  let least = 0
  for (const [i, { smoothed }] of points.entries()) if (smoothed < points[least]!.smoothed) least = i
  const width = Math.max(1, Math.round(noisy * points.length))
  let first = Math.min(Math.floor(2 * noisy * points.length), least)
  for (let i = first; i < least; i++) if (points[i]!.smoothed >= points[first]!.smoothed) first = i
  let [steepest, slope]: [number | undefined, number] = [undefined, 0]
  for (let i = first + 1; i < least; i++) {
    const reach = Math.min(width, i - first, least - i)
    const [before, here, next] = [points[i - reach]!, points[i]!, points[i + reach]!]
    const change = (next.smoothed - before.smoothed) / Math.log(next.learningRate / before.learningRate)
    if (change < slope) [steepest, slope] = [here.learningRate, change]
  }
  return { steepest, minimumTenth: least === 0 ? undefined : points[least]!.learningRate / 10 }
}
