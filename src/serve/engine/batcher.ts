/**
 * The queue of one model: bounded, ordered by priority and then by arrival, and cut into micro-batches. Pure: no clock, no worker; time
 * is an argument. Requests of one batch have the same outputs and the same sizes but for the batch axis.
 */
import type { Tensor } from '../../core/tensor.ts'
import type { NamedTensors } from '../../runtime/backend.ts'

/** How a model is queued and batched. */
export interface BatchSettings {
  /** examples in one run; 1 computes every request alone */
  readonly maxRows: number
  /** how long a batch that is not full may wait for more while another one of its model computes; never when none does */
  readonly maxDelayMilliseconds: number
  /** requests that may wait */
  readonly maxQueued: number
}

export const defaultBatchSettings: BatchSettings = { maxRows: 32, maxDelayMilliseconds: 0, maxQueued: 1000 }

/** A request that waits. */
export interface Waiting {
  readonly feeds: NamedTensors
  readonly outputs: readonly string[] | undefined
  /** examples, the first axis of every input */
  readonly rows: number
  readonly priority: number
  /** must have begun by then */
  readonly deadline: number
  readonly arrived: number
  readonly done: (results: Record<string, Tensor>, batchMilliseconds: number, startedAt: number) => void
  readonly failed: (error: unknown) => void
}

interface Entry {
  readonly waiting: Waiting
  readonly key: string
}

export class Batcher {
  readonly settings: BatchSettings
  /** the first is served first */
  #queue: Entry[] = []
  #rows = 0

  constructor(settings: BatchSettings) {
    this.settings = settings
  }

  get length(): number {
    return this.#queue.length
  }

  /** examples that wait */
  get rows(): number {
    return this.#rows
  }

  get isFull(): boolean {
    return this.#queue.length >= this.settings.maxQueued
  }

  /** What is served next. */
  get head(): Waiting | undefined {
    return this.#queue[0]?.waiting
  }

  /** examples of the next batch, at most */
  get nextRows(): number {
    return Math.max(this.head?.rows ?? 0, Math.min(this.#rows, this.settings.maxRows))
  }

  /** Examples that would be served before a newcomer of this priority. */
  rowsAhead(priority: number): number {
    let rows = this.#rows
    for (let i = this.#queue.length - 1; i >= 0 && this.#queue[i]!.waiting.priority < priority; i--) {
      rows -= this.#queue[i]!.waiting.rows
    }
    return rows
  }

  push(waiting: Waiting): void {
    let at = this.#queue.length
    while (at > 0 && this.#queue[at - 1]!.waiting.priority < waiting.priority) at--
    const entry = { waiting, key: batchKey(waiting) }
    if (at === this.#queue.length) this.#queue.push(entry)
    else this.#queue.splice(at, 0, entry)
    this.#rows += waiting.rows
  }

  /** Takes one out, when it still waits. */
  remove(waiting: Waiting): boolean {
    const at = this.#queue.findIndex((entry) => entry.waiting === waiting)
    if (at < 0) return false
    this.#queue.splice(at, 1)
    this.#rows -= waiting.rows
    return true
  }

  /** Takes out those whose deadline has passed. */
  expire(now: number): Waiting[] {
    if (!this.#queue.some(({ waiting }) => waiting.deadline <= now)) return []
    const late = this.#queue.filter(({ waiting }) => waiting.deadline <= now).map(({ waiting }) => waiting)
    this.#queue = this.#queue.filter(({ waiting }) => waiting.deadline > now)
    for (const { rows } of late) this.#rows -= rows
    return late
  }

  /** When `take` or `expire` has something to do though nothing new comes. */
  nextWake(isComputing: boolean): number {
    let earliest = Infinity
    for (const { waiting } of this.#queue) earliest = Math.min(earliest, waiting.deadline)
    if (isComputing && this.head) earliest = Math.min(earliest, this.head.arrived + this.settings.maxDelayMilliseconds)
    return earliest
  }

  /** Whether a batch should go to a free worker now. */
  isReady(now: number, isComputing: boolean): boolean {
    const { head } = this
    if (!head) return false
    const { maxDelayMilliseconds, maxRows } = this.settings
    return !isComputing || this.#rows >= maxRows || now >= head.arrived + maxDelayMilliseconds
  }

  /** The next batch: the first of the queue and all that fit it, in order, up to `most` examples. A request with more than that goes alone. */
  take(most: number = this.settings.maxRows): Waiting[] {
    const first = this.#queue[0]
    if (!first) return []
    if (this.#queue.length === 1) return this.clear()
    const taken = new Set<Entry>([first])
    let rows = first.waiting.rows
    for (let i = 1; i < this.#queue.length && rows < most; i++) {
      const entry = this.#queue[i]!
      if (entry.key !== first.key || rows + entry.waiting.rows > most) continue
      taken.add(entry)
      rows += entry.waiting.rows
    }
    this.#queue = taken.size === this.#queue.length ? [] : this.#queue.filter((entry) => !taken.has(entry))
    this.#rows -= rows
    return [...taken].map(({ waiting }) => waiting)
  }

  /** Empties the queue. */
  clear(): Waiting[] {
    const all = this.#queue.map(({ waiting }) => waiting)
    this.#queue = []
    this.#rows = 0
    return all
  }
}

/** Equal for requests that can be computed together. */
function batchKey({ feeds, outputs }: Waiting): string {
  let key = outputs === undefined ? '' : `${outputs.length}:${outputs.join()}`
  for (const name in feeds) key += `;${name}:${feeds[name]!.shape.slice(1).join()}`
  return key
}
