/** Batches that a thread makes ahead of training: what costs time is changing pictures at random, not copying them. */
import { Worker } from 'node:worker_threads'
import type { NumericArray } from '../core/dtype.ts'
import type { Tensor } from '../core/tensor.ts'
import {
  type Augmentation,
  type Batches,
  type BatchesConfig,
  createBatches,
  epochOrder,
  sampledOrder,
} from './batches.ts'
import { columnOf, type Dataset, exampleSize } from './dataset.ts'
import { type Ahead, at, done, slots, stateOf, wakes, writing } from './prefetch-protocol.ts'

/** Columns of more bytes are not copied into shared memory: their batches are made where they are needed. */
const mostBytes = 2 ** 31
/** A batch that was begun is waited for; a thread that takes longer than this is given up. */
const patience = 5000
/** The very first batch is left to a thread that has run before; one that does not bring it within this is late. */
const firstPatience = 100

/** A thread that has loaded its program and has no work yet. */
let spare: Worker | undefined

/** Starts the thread before its work is known: it takes longer to begin than a step takes, and building the graph of a step longer than both. */
export function warmThread(): void {
  spare ??= startThread()
}

function startThread(): Worker {
  // Loaders of TypeScript do not reach into threads: where the sources run, as in tests, what was built of them works in the thread.
  const isBuilt = import.meta.url.endsWith('.js')
  const program = isBuilt ? './prefetch-thread.js' : '../../dist/data/prefetch-thread.js'
  const worker = new Worker(new URL(program, import.meta.url))
  worker.on('error', () => {
    if (spare === worker) spare = undefined
  })
  worker.unref()
  return worker
}

export interface PrefetchedBatches extends Batches {
  /** batches that the thread had ready */
  readonly ahead: number
}

/** As `createBatches`, bit for bit; where examples are augmented, a thread makes them ahead. */
export function prefetchBatches(dataset: Dataset, config: BatchesConfig): Batches {
  const { augment, random, into } = config
  if (!augment?.config || !random || dataset.stored) return createBatches(dataset, config)
  const bytes = Object.keys(into).reduce((sum, name) => sum + bytesOf(columnOf(dataset, name)).length, 0)
  if (bytes > mostBytes) return createBatches(dataset, config)
  return new Prefetched(dataset, { ...config, augment, random })
}

/** Bytes of a column of numbers; none of texts, which batches refuse themselves. */
function bytesOf({ data }: Tensor): Uint8Array {
  return Array.isArray(data) ? new Uint8Array(0) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

type Config = BatchesConfig & { readonly augment: Augmentation; readonly random: NonNullable<BatchesConfig['random']> }

class Prefetched implements PrefetchedBatches {
  readonly steps: number
  readonly batchSize: number
  ahead = 0
  readonly #dataset: Dataset
  readonly #config: Config
  /** makes what the thread did not begin */
  readonly #own: Batches
  readonly #length: number
  readonly #numbers = new Int32Array(new SharedArrayBuffer(4 * (at.states + slots)))
  readonly #orders: Int32Array<SharedArrayBuffer>
  readonly #slots: Readonly<Record<string, Uint8Array<SharedArrayBuffer>>>
  readonly #targets: readonly (readonly [target: Uint8Array, slots: Uint8Array, example: number])[]
  #worker: Worker | undefined
  /** until the first batch: whether the thread had begun when there was work for it */
  #warm = false
  /** ticket of the epoch's first batch */
  #first = 0
  #started = false
  #step = 0

  constructor(dataset: Dataset, config: Config) {
    this.#own = createBatches(dataset, config)
    this.#dataset = dataset
    this.#config = config
    this.steps = this.#own.steps
    this.batchSize = config.batchSize
    this.#length = config.sampler?.length ?? dataset.length
    this.#orders = new Int32Array(new SharedArrayBuffer(8 * this.#length))
    this.#numbers.fill(-1, at.states)
    const capacity = Math.min(this.batchSize, this.#length)
    const names = Object.keys(config.into)
    const sizes = names.map((name) => exampleBytes(columnOf(dataset, name), config.into[name]!))
    this.#slots = Object.fromEntries(
      names.map((name, i) => [name, new Uint8Array(new SharedArrayBuffer(slots * capacity * sizes[i]!))]),
    )
    this.#targets = names.map((name, i) => {
      const { buffer, byteOffset, byteLength } = config.into[name]!
      return [new Uint8Array(buffer, byteOffset, byteLength), this.#slots[name]!, sizes[i]!]
    })
  }

  get epoch(): number {
    return this.#own.epoch
  }

  start(epoch: number): void {
    const numbers = this.#numbers
    const follows = this.#started && epoch === this.epoch + 1
    this.#own.start(epoch)
    Atomics.add(numbers, at.generation, 1)
    // An epoch that follows has batches already: its order was written when the one before it began.
    if (follows) this.#first += this.steps
    else {
      if (this.#started) this.#first += 2 * this.steps + slots
      Atomics.add(numbers, at.line, 1)
      this.#order(epoch)
    }
    this.#order(epoch + 1)
    Atomics.store(numbers, at.first, this.#first)
    Atomics.store(numbers, at.epoch, epoch)
    Atomics.store(numbers, at.wanted, this.#first)
    Atomics.add(numbers, at.generation, 1)
    this.#signal()
    if (!this.#started) this.#worker = this.#begin()
    this.#started = true
  }

  fill(step: number): number {
    const [own, ticket] = [this.#own, this.#first + step]
    const isStep = this.#started && Number.isInteger(step) && step >= 0 && step < this.steps
    this.#step = step
    if (!isStep || !this.#isDone(ticket)) {
      // Its error, where there is one, is the error of `createBatches`.
      const count = own.fill(step)
      this.#move(ticket + 1)
      return count
    }
    const count = Math.min(this.batchSize, this.#length - step * this.batchSize)
    const slot = ticket % slots
    for (const [target, source, size] of this.#targets) {
      const start = slot * (source.length / slots)
      target.set(source.subarray(start, start + count * size))
    }
    // Asked for a second time, its slot may have been given away meanwhile.
    if (Atomics.load(this.#numbers, stateOf(ticket)) !== done(ticket)) return own.fill(step)
    this.ahead++
    this.#move(ticket + 1)
    return count
  }

  rowAt(index: number): number {
    const { epoch } = this
    return this.#orders[(epoch % 2) * this.#length + this.#step * this.batchSize + index]!
  }

  release(): void {
    Atomics.store(this.#numbers, at.stop, 1)
    this.#signal()
    this.#worker = undefined
  }

  /** Whether the thread has the batch, or has it in a moment. */
  #isDone(ticket: number): boolean {
    const numbers = this.#numbers
    if (Atomics.load(numbers, at.wanted) !== ticket) this.#move(ticket, true)
    const place = stateOf(ticket)
    if (this.#warm) Atomics.wait(numbers, place, -1, firstPatience)
    this.#warm = false
    if (Atomics.load(numbers, place) === writing(ticket) && this.#worker) {
      if (Atomics.wait(numbers, place, writing(ticket), patience) === 'timed-out') this.release()
    }
    return Atomics.load(numbers, place) === done(ticket)
  }

  #move(ticket: number, wake = ticket % wakes === 0): void {
    Atomics.store(this.#numbers, at.wanted, ticket)
    if (wake) this.#signal()
  }

  #signal(): void {
    Atomics.add(this.#numbers, at.signal, 1)
    Atomics.notify(this.#numbers, at.signal)
  }

  /** The order of `createBatches`: a pure function of seed and epoch. */
  #order(epoch: number): void {
    const { random, sampler } = this.#config
    const into = this.#orders.subarray((epoch % 2) * this.#length, (epoch % 2 === 0 ? 1 : 2) * this.#length)
    if (!sampler) epochOrder(this.#dataset, random, epoch, into)
    else sampledOrder(this.#dataset, sampler, random, epoch, into)
  }

  #begin(): Worker {
    const { augment, random, sampler, into } = this.#config
    const columns = Object.fromEntries(
      Object.keys(into).map((name) => {
        const column = columnOf(this.#dataset, name)
        const bytes = shared(bytesOf(column))
        const Values = column.data.constructor as new (buffer: SharedArrayBuffer) => NumericArray
        return [name, { ...column, data: new Values(bytes.buffer) } as Tensor]
      }),
    )
    const ahead: Ahead = {
      numbers: this.#numbers,
      columns,
      orders: this.#orders,
      length: this.#length,
      steps: this.steps,
      batchSize: this.batchSize,
      slots: this.#slots,
      augment: { column: augment.column, config: augment.config! },
      repeats: sampler !== undefined,
      random: { seed: random.seed, stream: random.stream },
    }
    this.#warm = spare !== undefined
    const worker = spare ?? startThread()
    spare = undefined
    worker.postMessage(ahead)
    // A thread that dies costs time and nothing else: its batches are made here.
    worker.on('error', () => this.release())
    return worker
  }
}

const exampleBytes = (column: Tensor, { BYTES_PER_ELEMENT }: NumericArray): number =>
  exampleSize(column) * BYTES_PER_ELEMENT
