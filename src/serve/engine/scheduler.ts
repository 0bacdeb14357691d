/**
 * Gives batches to workers: the model whose first request has the highest priority, then waits for the longest time, is next. A worker that is free
 * takes what is there at once; while all are busy requests gather, so batches grow with the load and nobody waits without need.
 * No worker, thread or clock of its own: they are arguments.
 */
import type { Clock } from '../../core/ports.ts'
import type { Tensor } from '../../core/tensor.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { LeaveSignal, RunOptions } from '../passage.ts'
import { RequestError } from '../request-error.ts'
import { joinFeeds, splitResults } from './batch-tensors.ts'
import { Batcher, type BatchSettings, type Waiting } from './batcher.ts'
import { RunTimes } from './run-times.ts'
import { WaitingRun } from './waiting-run.ts'

export interface BatchResult {
  readonly results: Record<string, Tensor>
  readonly milliseconds: number
}

interface Batch {
  readonly place: Place
  readonly model: ScheduledModel
  readonly requests: readonly Waiting[]
  readonly startedAt: number
}

/** A place where one batch at a time is computed. */
export interface Place {
  /**
   * computes in this thread, which nothing else happens in meanwhile: it takes over what it can and leaves the rest, and is not counted when it is told how long a newcomer waits
   */
  readonly isSpare?: boolean
  /** false: this model is not loaded there, or should not be computed there in batches of `rows` */
  has(model: ScheduledModel, rows: number): boolean
  /** Computes a batch; no promise where it was computed before this returns. */
  run(
    model: ScheduledModel,
    feeds: NamedTensors,
    outputs: readonly string[] | undefined,
  ): BatchResult | Promise<BatchResult>
  /** told of the requests of every batch that was computed, here or elsewhere */
  note?(model: ScheduledModel, requests: readonly { readonly rows: number }[]): void
}

export interface Timers {
  /** calls back after everything that came in with the present turn */
  soon(callback: () => void): void
  after(callback: () => void, milliseconds: number): { cancel(): void }
}

export interface SchedulerOptions {
  readonly clock: Clock
  readonly timers: Timers
}

/** What is known of a model's queue; live. */
export interface QueueState {
  readonly queued: number
  readonly computing: number
  /** examples of the last batches, for a histogram; the receiver is told of each */
  onBatch: ((rows: number, milliseconds: number) => void) | undefined
}

export class ScheduledModel implements QueueState {
  readonly name: string
  readonly batcher: Batcher
  computing = 0
  /** of a batch, and of an example in it, with the way to the worker and back: moving averages */
  batchMilliseconds = 0
  rowMilliseconds = 0
  /** when a request was taken last, on the scheduler's clock */
  lastTaken: number = -Infinity
  /** of runs, without the way */
  readonly runTimes: RunTimes = new RunTimes()
  onBatch: ((rows: number, milliseconds: number) => void) | undefined

  constructor(name: string, settings: BatchSettings) {
    this.name = name
    this.batcher = new Batcher(settings)
  }

  get queued(): number {
    return this.batcher.length
  }

  /** @param whole with the way to the worker and back: what those who wait will wait for */
  measured(rows: number, milliseconds: number, whole: number): void {
    const weight = this.batchMilliseconds === 0 ? 1 : 0.1
    this.batchMilliseconds += weight * (whole - this.batchMilliseconds)
    this.rowMilliseconds += weight * (whole / rows - this.rowMilliseconds)
    this.runTimes.note(rows, milliseconds)
    this.onBatch?.(rows, milliseconds)
  }
}

/**
 * Over what the past tells, for the wait, for the run itself, and for a run of one request as `RunTimes` has it: times spread, and an answer that is late was computed for nothing. A queue that is half as long as
 * deadlines allow keeps the workers as busy as a whole one, and everybody waits half as long.
 */
const margins = { wait: 2, run: 1.25, alone: 1.5 }

/** After so long without a request that was taken, one is, whatever the past tells. */
const probeMilliseconds = 1000

export class Scheduler {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #models = new Set<ScheduledModel>()
  /** and whether it is free; no Set of the free ones, whose table would be made anew all the time */
  readonly #places = new Map<Place, { isIdle: boolean }>()
  readonly #repeated = new WeakSet<Waiting>()
  #isScheduled = false
  #timer: { readonly at: number; cancel(): void } | undefined

  constructor({ clock, timers }: SchedulerOptions) {
    this.#clock = clock
    this.#timers = timers
  }

  addPlace(place: Place): void {
    this.#places.set(place, { isIdle: true })
    this.#schedule()
  }

  /** What runs there goes on; nothing new is sent there. */
  removePlace(place: Place): void {
    this.#places.delete(place)
  }

  /** A place has got a model. */
  wake(): void {
    this.#schedule()
  }

  addModel(model: ScheduledModel): void {
    this.#models.add(model)
  }

  /** Those that wait are refused. */
  removeModel(model: ScheduledModel): void {
    this.#models.delete(model)
    for (const waiting of model.batcher.clear())
      waiting.failed(new RequestError(503, `model '${model.name}' was unloaded`))
  }

  /** Computes the feeds of one request, together with others'. Rejects with RequestError 503, 504 or 499 when it was not computed. */
  run(
    model: ScheduledModel,
    feeds: NamedTensors,
    outputs: readonly string[] | undefined,
    options: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    const { signal, deadline = Infinity, priority = 0 } = options
    const arrived = this.#clock.now()
    const rows = Object.values(feeds)[0]?.shape[0] ?? 1
    const refusal = this.#refusal(model, arrived, rows, deadline, priority, signal)
    if (refusal) return Promise.reject(refusal)
    model.lastTaken = arrived
    const results = WaitingRun.in(model.batcher, { feeds, outputs, rows, arrived, options })
    this.#schedule()
    return results
  }

  /** How long a newcomer would wait, in ms, as far as the past tells. */
  expectedWait(model: ScheduledModel, priority: number): number {
    let [places, idle] = [0, 0]
    for (const [{ isSpare = false }, { isIdle }] of this.#places) {
      if (isSpare) continue
      places++
      if (isIdle) idle++
    }
    places = Math.max(1, places)
    const busy = idle === 0 ? model.batchMilliseconds / places : 0
    return busy + (model.batcher.rowsAhead(priority) * model.rowMilliseconds) / places
  }

  /** Who would not be served in time is told so at once, rather than when it is too late. */
  #refusal(
    model: ScheduledModel,
    now: number,
    rows: number,
    deadline: number,
    priority: number,
    signal: LeaveSignal | undefined,
  ): RequestError | undefined {
    if (signal?.aborted) return new RequestError(499, 'the client left')
    if (deadline <= now) return new RequestError(504, 'the time for this request is over')
    const wait = this.expectedWait(model, priority)
    const retryAfterSeconds = Math.max(1, wait / 1000)
    if (model.batcher.isFull) {
      return new RequestError(503, `model '${model.name}' has ${model.queued} requests waiting`, { retryAfterSeconds })
    }
    // Whose batch would be too long gets a smaller one: see rowsInTime.
    const run = Math.min(model.batchMilliseconds, margins.alone * model.runTimes.expect(rows))
    if (now + margins.wait * wait + margins.run * run <= deadline) return undefined
    // What is known may be of another time, or of one run that was disturbed: were nobody taken, nothing else would ever be known.
    if (wait === 0 && model.computing === 0 && now - model.lastTaken >= probeMilliseconds) return undefined
    return new RequestError(503, `model '${model.name}' cannot answer in time: the wait is ${Math.ceil(wait)} ms`, {
      retryAfterSeconds,
    })
  }

  /** Once for all requests that arrive in one turn of the event loop: they may become one batch. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#timers.soon(() => {
      this.#isScheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const now = this.#clock.now()
    for (const { batcher } of this.#models) {
      for (const late of batcher.expire(now)) late.failed(new RequestError(504, 'the time for this request is over'))
    }
    // In the order in which they were added: the near one first. It begins last, when the others have what they compute beside it.
    let spare: Batch | undefined
    for (const [place, state] of this.#places) {
      if (!state.isIdle) continue
      const model = this.#next(place, now)
      if (!model) continue
      state.isIdle = false
      const batch = { place, model, requests: model.batcher.take(rowsInTime(model, now)), startedAt: now }
      if (place.isSpare) spare = batch
      else this.#compute(batch)
    }
    this.#wakeLater(now)
    if (spare) this.#compute(spare)
  }

  #next(place: Place, now: number): ScheduledModel | undefined {
    let best: ScheduledModel | undefined
    for (const model of this.#models) {
      if (!model.batcher.isReady(now, model.computing > 0) || !place.has(model, model.batcher.nextRows)) continue
      if (!best || isBefore(model.batcher.head!, best.batcher.head!)) best = model
    }
    return best
  }

  /** A place that is idle and does not take the model, such as the near one, is none that it waits for. */
  #hasIdle(model: ScheduledModel): boolean {
    for (const [place, { isIdle }] of this.#places) if (isIdle && place.has(model, model.batcher.nextRows)) return true
    return false
  }

  #isWaiting(): boolean {
    for (const { queued } of this.#models) if (queued > 0) return true
    return false
  }

  #compute(batch: Batch): void {
    batch.model.computing++
    const running = this.#run(batch)
    if (running) void running.then(() => this.#computed(batch))
    else this.#computed(batch)
  }

  #computed({ place, model }: Batch): void {
    model.computing--
    const state = this.#places.get(place)
    if (state) state.isIdle = true
    // Behind a run in this thread the sockets are read first.
    if (!place.isSpare) this.#dispatch()
    else if (this.#isWaiting()) this.#schedule()
  }

  /** Never throws, and what it promises, where the batch was not computed before it returned, is never rejected. */
  #run(batch: Batch): Promise<void> | undefined {
    const { place, model, requests } = batch
    try {
      const feeds = requests.length === 1 ? requests[0]!.feeds : joinFeeds(requests)
      const result = place.run(model, feeds, requests[0]!.outputs)
      if (result instanceof Promise) {
        return result
          .then((result) => this.#answer(batch, result))
          .catch((error: unknown) => this.#failed(batch, error))
      }
      this.#answer(batch, result)
      return undefined
    } catch (error) {
      return this.#failed(batch, error)
    }
  }

  #answer({ model, requests, startedAt }: Batch, { results, milliseconds }: BatchResult): void {
    let rows = 0
    for (const request of requests) rows += request.rows
    model.measured(rows, milliseconds, this.#clock.now() - startedAt)
    for (const place of this.#places.keys()) place.note?.(model, requests)
    const parts = requests.length === 1 ? [results] : splitResults(results, requests)
    for (let i = 0; i < requests.length; i++) requests[i]!.done(parts[i]!, milliseconds, startedAt)
  }

  /** An error of several is repeated one by one, so that it is told to the one whose fault it is. */
  async #failed(batch: Batch, error: unknown): Promise<void> {
    const { place, model, requests } = batch
    if (!this.#places.has(place)) for (const request of requests) this.#repeat(model, request, error)
    else if (requests.length === 1) requests[0]!.failed(error)
    else for (const request of requests) await this.#run({ ...batch, requests: [request] })
  }

  /** What a place that died had begun is computed elsewhere, once: a request may be what it died of. */
  #repeat(model: ScheduledModel, waiting: Waiting, error: unknown): void {
    if (this.#repeated.has(waiting) || !this.#models.has(model)) {
      waiting.failed(error)
      return
    }
    this.#repeated.add(waiting)
    model.batcher.push(waiting)
    this.#schedule()
  }

  #wakeLater(now: number): void {
    let at = Infinity
    for (const model of this.#models) {
      const { batcher, computing, queued } = model
      if (queued > 0) at = Math.min(at, batcher.nextWake(computing > 0 && this.#hasIdle(model)))
    }
    if (this.#timer && this.#timer.at <= at && this.#timer.at > now) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (at === Infinity) return
    const timer = this.#timers.after(
      () => {
        this.#timer = undefined
        this.#dispatch()
      },
      Math.max(0, at - now),
    )
    this.#timer = { at, cancel: () => timer.cancel() }
  }
}

/**
 * Examples of the next batch, so that it ends before its first request must be answered: of a slow model a full one would make all of them late. One where nothing is known.
 */
function rowsInTime({ batcher, runTimes }: ScheduledModel, now: number): number {
  const left = (batcher.head!.deadline - now) / margins.run
  let rows = batcher.settings.maxRows
  if (left === Infinity) return rows
  while (rows > 1 && runTimes.expect(rows) > left) rows >>= 1
  return rows
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.priority === b.priority ? a.arrived < b.arrived : a.priority > b.priority
}
