/** Worker threads, the sessions in them, and one scheduler over all: what the server computes with. */
import { messageOf } from '../../core/errors.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { Tensor } from '../../core/tensor.ts'
import type { NamedTensors, PortInfo } from '../../runtime/backend.ts'
import type { RunOptions } from '../passage.ts'
import { RequestError } from '../request-error.ts'
import type { BatchSettings } from './batcher.ts'
import { isNear, NearPlace } from './near-place.ts'
import { type QueueState, ScheduledModel, Scheduler, type Timers } from './scheduler.ts'
import { WorkerThread } from './worker-thread.ts'

export interface EngineOptions {
  /** worker threads: as many batches are computed at once; usually one for each core */
  readonly workers: number
  /** of a session, inside one operator; default 1 */
  readonly threads?: number
  readonly clock: Clock
  readonly log: Log
}

/** A model in all workers. */
export interface EngineModel {
  readonly inputs: readonly PortInfo[]
  readonly outputs: readonly PortInfo[]
  readonly queue: QueueState
  /** One request's tensors, computed with others' when the settings allow it. */
  run(
    feeds: NamedTensors,
    outputs: readonly string[] | undefined,
    options?: RunOptions,
  ): Promise<Record<string, Tensor>>
  release(): Promise<void>
}

const timers: Timers = {
  soon: (callback) => void setImmediate(callback),
  after(callback, milliseconds) {
    // A process that has nothing else to do need not wait for the deadline of a request.
    const timer = setTimeout(callback, milliseconds).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

interface Loaded {
  readonly bytes: Uint8Array
  readonly model: ScheduledModel
}

/** Below so many ms a batch can be waited for to its end, however near the deadline is: what looks at the clock for each request takes time itself. */
const shortMilliseconds = 250

/** Of batches so far, with the way to the worker; nothing is known of a model that was never run. */
const isShort = ({ batchMilliseconds, runTimes }: ScheduledModel): boolean =>
  runTimes.count > 0 && batchMilliseconds < shortMilliseconds

/** Before a worker that died is replaced: a model that kills every worker must not keep the machine busy. */
const pauseMilliseconds = 1000

export class Engine {
  readonly #options: EngineOptions
  readonly #scheduler: Scheduler
  readonly #near: NearPlace
  readonly #threads = new Set<WorkerThread>()
  readonly #loaded = new Set<Loaded>()
  #isClosed = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.#scheduler = new Scheduler({ clock: options.clock, timers })
    this.#near = new NearPlace(options.clock)
    this.#scheduler.addPlace(this.#near)
    for (let i = 0; i < options.workers; i++) this.#start()
  }

  /** Sessions that a model of this size has at most. */
  sessionsOf(bytes: number): number {
    return this.#options.workers + Number(isNear(bytes))
  }

  /** Workers that can compute now: fewer than `workers` while one that died is replaced. */
  get alive(): number {
    return this.#threads.size
  }

  /** Makes a session in every worker. Throws when the runtime does not accept the model. */
  async load(name: string, bytes: Uint8Array, settings: BatchSettings): Promise<EngineModel> {
    // One copy for all threads.
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    const loaded: Loaded = { bytes: shared, model: new ScheduledModel(name, settings) }
    const { model } = loaded
    const threads = [...this.#threads]
    const results = await Promise.allSettled(threads.map((thread) => this.#loadInto(thread, loaded)))
    const failed = results.find((result) => result.status === 'rejected')
    const done = results.find((result) => result.status === 'fulfilled')
    if (failed || !done) {
      await Promise.all(threads.map((thread) => thread.release(model).catch(() => undefined)))
      throw failed?.reason ?? new Error('there is no worker')
    }
    this.#loaded.add(loaded)
    this.#near.consider(model, bytes, shared, done.value.inputs)
    this.#scheduler.addModel(model)
    return {
      inputs: done.value.inputs,
      outputs: done.value.outputs,
      queue: model,
      run: (feeds, outputs, options) => {
        const answer = this.#scheduler.run(model, feeds, outputs, options)
        return isShort(model) ? answer : this.#inTime(answer, options?.deadline)
      },
      release: async () => {
        this.#loaded.delete(loaded)
        this.#scheduler.removeModel(model)
        await Promise.all([this.#near, ...this.#threads].map((place) => place.release(model)))
      },
    }
  }

  /** Resolves to false when a thread still computes. Then `process.exit`, or the end of the process's work, would make the runtime abort it: only a signal ends it cleanly. */
  async close(): Promise<boolean> {
    this.#isClosed = true
    const [, ...ended] = await Promise.all([this.#near.close(), ...[...this.#threads].map((thread) => thread.close())])
    this.#threads.clear()
    return ended.every(Boolean)
  }

  /** A run that has begun goes on, but nobody waits for it beyond the deadline. Rejects with RequestError 504 then. */
  async #inTime<T>(answer: Promise<T>, deadline = Infinity): Promise<T> {
    if (deadline === Infinity) return answer
    let timer: { cancel(): void } | undefined
    const late = new Promise<never>((_, reject) => {
      const wait = Math.max(0, deadline - this.#options.clock.now())
      timer = timers.after(() => reject(new RequestError(504, 'the time for this request is over')), wait)
    })
    try {
      return await Promise.race([answer, late])
    } finally {
      timer!.cancel()
    }
  }

  #loadInto(thread: WorkerThread, { model, bytes }: Loaded): ReturnType<WorkerThread['load']> {
    return thread.load(model, bytes, this.#options.threads ?? 1)
  }

  #start(): WorkerThread {
    const thread = new WorkerThread((dead, cause) => this.#replace(dead, cause))
    this.#threads.add(thread)
    this.#scheduler.addPlace(thread)
    return thread
  }

  /** What it computed has failed; what waits is computed by the others, and by its successor. */
  #replace(dead: WorkerThread, cause: Error): void {
    this.#threads.delete(dead)
    this.#scheduler.removePlace(dead)
    if (this.#isClosed) return
    this.#options.log.warn(`a worker died and is replaced: ${cause.message}`)
    timers.after(() => {
      if (this.#isClosed) return
      const thread = this.#start()
      for (const loaded of this.#loaded) {
        this.#loadInto(thread, loaded).then(
          () => this.#scheduler.wake(),
          (error: unknown) => {
            if (!this.#isClosed) this.#options.log.warn(`a model was not loaded again: ${messageOf(error)}`)
          },
        )
      }
    }, pauseMilliseconds)
  }
}
