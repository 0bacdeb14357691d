/**
 * Batches of a dataset, written into arrays of the caller's. The order of an epoch is a pure function of (seed,
 * epoch), so a resumed run sees the batches that the uninterrupted one would have seen.
 */

import { dtypes, type NumericArray } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Augment, AugmentConfig } from './augment.ts'
import { type Blocks, blocksOf, shuffleBlocks } from './block-order.ts'
import type { EpochSampler } from './class-sampling.ts'
import { columnOf, columnType, type Dataset, exampleShape, exampleSize } from './dataset.ts'
import { createGather, gatherStored } from './gather.ts'

/** Storage rows in the order of an epoch (Fisher-Yates; by blocks where they lie in a file), written into `into` when it is given. */
export function epochOrder(
  dataset: Dataset,
  random: Random,
  epoch: number,
  into: Int32Array = new Int32Array(dataset.length),
): Int32Array {
  into.set(dataset.rows)
  return shuffled(dataset, into, random.fork('epoch').fork(epoch))
}

function shuffled(dataset: Dataset, rows: Int32Array, random: Random): Int32Array {
  const blocks = storedBlocks(dataset)
  return blocks ? shuffleBlocks(rows, blocks, random) : random.shuffle(rows)
}

/** How a dataset's rows are read where they lie in a file: in blocks of as many rows for every column; undefined where all is in memory. */
function storedBlocks({ stored }: Dataset): Blocks | undefined {
  const columns = Object.values(stored ?? {})
  if (columns.length === 0) return undefined
  const widths = columns.map((column) => exampleSize(column) * dtypes[column.dtype].array!.BYTES_PER_ELEMENT)
  return blocksOf(widths.reduce((sum, width) => sum + width, 0))
}

/** As `epochOrder`, of the examples that a sampler draws. */
export function sampledOrder(
  dataset: Dataset,
  sampler: EpochSampler,
  random: Random,
  epoch: number,
  into: Int32Array,
): Int32Array {
  const ofEpoch = random.fork('epoch').fork(epoch)
  sampler.draw(ofEpoch, into)
  return shuffled(dataset, into, ofEpoch)
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
      if (sampler) sampledOrder(dataset, sampler, random, epoch, order)
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
  const blocks = storedBlocks(dataset)
  const gathers = Object.entries(of.into).map(([name, target]) => {
    const column = columnType(dataset, name)
    const needed = of.capacity * exampleSize(column)
    if (target.length < needed) {
      throw new QuernError(
        'input',
        `a batch of ${of.capacity} of column '${name}' needs ${needed} elements, the target holds ${target.length}`,
      )
    }
    const stored = dataset.stored?.[name]
    if (!stored || !blocks) return createGather(name, columnOf(dataset, name), target)
    // In the file's own order a block is done when the next one begins.
    return gatherStored(name, stored, target, of.random ? blocks : { ...blocks, window: 4 })
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
