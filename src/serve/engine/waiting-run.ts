/** One request's run from its arrival to its results. It waits in a batcher, and leaves it when its client leaves. */
import type { Tensor } from '../../core/tensor.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { LeaveListener, RunOptions } from '../passage.ts'
import { RequestError } from '../request-error.ts'
import type { Batcher, Waiting } from './batcher.ts'

export interface RunRequest {
  readonly feeds: NamedTensors
  readonly outputs: readonly string[] | undefined
  readonly rows: number
  /** on the scheduler's clock */
  readonly arrived: number
  readonly options: RunOptions
}

type Results = Record<string, Tensor>

/** A class, and its own listener: with a closure for each of its ends, a request would leave twice the garbage. */
export class WaitingRun implements Waiting, LeaveListener {
  readonly feeds: NamedTensors
  readonly outputs: readonly string[] | undefined
  readonly rows: number
  readonly arrived: number
  readonly priority: number
  readonly deadline: number
  readonly #options: RunOptions
  readonly #batcher: Batcher
  readonly #resolve: (results: Results) => void
  readonly #reject: (error: unknown) => void

  private constructor(
    batcher: Batcher,
    { feeds, outputs, rows, arrived, options }: RunRequest,
    resolve: (results: Results) => void,
    reject: (error: unknown) => void,
  ) {
    this.feeds = feeds
    this.outputs = outputs
    this.rows = rows
    this.arrived = arrived
    this.priority = options.priority ?? 0
    this.deadline = options.deadline ?? Infinity
    this.#options = options
    this.#batcher = batcher
    this.#resolve = resolve
    this.#reject = reject
    options.signal?.addEventListener('abort', this, { once: true })
  }

  /** Puts the request into the queue; its results. Rejects with RequestError 499 when the client leaves before it was taken out. */
  static in(batcher: Batcher, request: RunRequest): Promise<Results> {
    return new Promise((resolve, reject) => batcher.push(new WaitingRun(batcher, request, resolve, reject)))
  }

  done(results: Results, milliseconds: number, startedAt: number): void {
    const { signal, onRun, onResults } = this.#options
    signal?.removeEventListener('abort', this)
    onRun?.({
      examples: this.rows,
      queuedMilliseconds: startedAt - this.arrived,
      computeMilliseconds: milliseconds,
    })
    this.#resolve(results)
    onResults?.(this.feeds, this.outputs, results)
  }

  failed(error: unknown): void {
    this.#options.signal?.removeEventListener('abort', this)
    this.#reject(error)
  }

  /** The client has left. */
  handleEvent(): void {
    if (this.#batcher.remove(this)) this.failed(new RequestError(499, 'the client left'))
  }
}
