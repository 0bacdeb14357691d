/**
 * Batches of a dataset, written into arrays of the caller's. The order of an epoch is a pure function of (seed,
 * epoch), so a resumed run sees the batches that the uninterrupted one would have seen.
 */

import type { NumericArray } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Augment, AugmentConfig } from './augment.ts'
import type { EpochSampler } from './class-sampling.ts'
import { columnOf, type Dataset, exampleShape, exampleSize } from './dataset.ts'
import { createGather } from './gather.ts'

/** Storage rows in the order of an epoch (Fisher-Yates), written into `into` when it is given. */
export function epochOrder(
  dataset: Dataset,
  random: Random,
  epoch: number,
  into: Int32Array = new Int32Array(dataset.length),
): Int32Array {
  into.set(dataset.rows)
  return random.fork('epoch').fork(epoch).shuffle(into)
}

/** As `epochOrder`, of the examples that a sampler draws. */
export function sampledOrder(sampler: EpochSampler, random: Random, epoch: number, into: Int32Array): Int32Array {
  const ofEpoch = random.fork('epoch').fork(epoch)
  sampler.draw(ofEpoch, into)
  return ofEpoch.shuffle(into)
}

export interface BatchesConfig {
  readonly batchSize: number
  /** arrays that receive the columns, each with room for a batch; columns that are not named are not read */
  readonly into: Readonly<Record<string, NumericArray>>
  /** shuffles each epoch; without it the dataset's own order is kept (evaluation) */
  readonly random?: Random
  /** chooses the examples of each epoch, some of them more than once; needs `random`. Default: each example once */
  readonly sampler?: EpochSampler | undefined
  /** changes each gathered example of an image column in place (training only); needs `random` */
  readonly augment?: Augmentation
}

export interface Augmentation {
  readonly column: string
  readonly apply: Augment
  /** what `apply` was made of, so that a thread can make it too */
  readonly config?: AugmentConfig | undefined
}

export interface Batches {
  /** batches in an epoch; the last one may be smaller */
  readonly steps: number
  readonly batchSize: number
  /** epoch whose order is in force */
  readonly epoch: number
  /** sets the order of an epoch; needed before the first `fill` of a shuffled dataset */
  start(epoch: number): void
  /** writes batch `step` of the epoch into the arrays and returns its number of examples */
  fill(step: number): number
  /** storage row of an example of the batch that was filled last */
  rowAt(index: number): number
  /** ends what works ahead */
  release?(): void
}

/**
 * Batches of the dataset.
 *
 *     const batches = createBatches(train, { batchSize: 32, into: { image: x, label: y }, random })
 *     batches.start(epoch)
 *     for (let step = 0; step < batches.steps; step++) run(batches.fill(step))
 */
export function createBatches(dataset: Dataset, config: BatchesConfig): Batches {
  const { batchSize, into, random, sampler, augment } = config
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new QuernError('config', `batchSize must be a whole number of at least 1, received ${batchSize}`)
  }
  if (dataset.length === 0) throw new QuernError('input', 'cannot make batches of a dataset without examples')
  if (sampler && !random) throw new QuernError('input', 'a sampler needs a source of random numbers')
  const length = sampler?.length ?? dataset.length
  const capacity = Math.min(batchSize, length)
  const fill = createFill(dataset, { capacity, into, augment, random, repeats: sampler !== undefined })
  const order = sampler ? new Int32Array(length) : dataset.rows.slice()
  const steps = Math.ceil(order.length / batchSize)
  let epoch = 0
  let started = !random
  let first = 0
  return {
    steps,
    batchSize,
    get epoch() {
      return epoch
    },
    start(next) {
      epoch = next
      started = true
      if (!random) return
      if (sampler) sampledOrder(sampler, random, epoch, order)
      else epochOrder(dataset, random, epoch, order)
    },
    fill(step) {
      if (!started) throw new QuernError('input', 'shuffled batches need start(epoch) before fill(step)')
      if (!(step >= 0 && step < steps))
        throw new QuernError('input', `step must be from 0 to ${steps - 1}, received ${step}`)
      first = step * batchSize
      const count = Math.min(batchSize, order.length - first)
      fill(order, first, count, epoch)
      return count
    },
    rowAt: (index) => order[first + index]!,
  }
}

/** Writes examples, from `first` of an order on, and changes them as they are to be in an epoch. */
export type Fill = (order: Int32Array, first: number, count: number, epoch: number) => void

/** What fills batches of up to `capacity` examples; `repeats`: an epoch may hold an example more than once. */
export function createFill(
  dataset: Dataset,
  of: Pick<BatchesConfig, 'into'> & {
    readonly capacity: number
    readonly augment: Augmentation | undefined
    readonly random: Random | undefined
    readonly repeats: boolean
  },
): Fill {
  const gathers = Object.entries(of.into).map(([name, target]) => {
    const column = columnOf(dataset, name)
    const needed = of.capacity * exampleSize(column)
    if (target.length < needed) {
      throw new QuernError(
        'input',
        `a batch of ${of.capacity} of column '${name}' needs ${needed} elements, the target holds ${target.length}`,
      )
    }
    return createGather(name, column, target)
  })
  const change = of.augment && createChange(dataset, of.augment, of.into, of.random, of.repeats)
  return (order, first, count, epoch) => {
    for (let i = 0; i < gathers.length; i++) gathers[i]!(order, first, count)
    change?.(order, first, count, epoch)
  }
}

/**
 * Applies the augmentation to each gathered example, with numbers that depend on (seed, epoch, storage row) alone; where examples occur more
 * than once in an epoch, on the place in the epoch too, so that they are not changed alike.
 */
function createChange(
  dataset: Dataset,
  { column, apply }: Augmentation,
  into: BatchesConfig['into'],
  random: Random | undefined,
  repeats: boolean,
): Fill {
  const pixels = into[column]
  const shape = exampleShape(columnOf(dataset, column))
  if (!(pixels instanceof Uint8Array) || shape.length !== 3) {
    throw new QuernError('input', `augmentation needs uint8 pictures [channels, height, width] in column '${column}'`)
  }
  if (!random) throw new QuernError('input', 'augmentation needs a source of random numbers')
  const size = exampleSize(columnOf(dataset, column))
  const base = random.fork('augment')
  let stream = base
  let streamOf = Number.NaN
  return (order, first, count, epoch) => {
    if (epoch !== streamOf) [stream, streamOf] = [base.fork(epoch), epoch]
    for (let i = 0; i < count; i++) {
      const own = stream.fork(order[first + i]!)
      apply(pixels, i * size, shape, repeats ? own.fork(first + i) : own)
    }
  }
}
