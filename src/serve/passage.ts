/** What the gate knows of one request, stream or job, from its first byte to its last. */
import type { NamedTensors } from '../runtime/backend.ts'
import type { Principal } from './principal.ts'
import { RequestError } from './request-error.ts'

/** What one run of a model took, as the engine tells it. */
export interface RunReport {
  readonly examples: number
  readonly queuedMilliseconds: number
  readonly computeMilliseconds: number
}

export type OnResults = (feeds: NamedTensors, outputs: readonly string[] | undefined, results: NamedTensors) => void

/** An event listener that is an object, as the DOM knows it. */
export interface LeaveListener {
  handleEvent(): void
}

/** What of an AbortSignal the engine needs. One of each request costs a tenth of the platform's. */
export interface LeaveSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: LeaveListener, options: { readonly once: true }): void
  removeEventListener(type: 'abort', listener: LeaveListener): void
}

/** What a run of a model is told besides its tensors. */
export interface RunOptions {
  /** given up when it fires: a run that still waits leaves the queue */
  readonly signal?: LeaveSignal
  /** on the server's clock, in ms; a run that cannot start before is refused */
  readonly deadline?: number
  /** the higher goes first; default 0 */
  readonly priority?: number
  readonly onRun?: (report: RunReport) => void
  /** told what was computed, when it was */
  readonly onResults?: OnResults | undefined
}

/** Told of what a model computed on behalf of a passage, before the answer is written: it must cost next to nothing. */
export type ResultObserver = (passage: Passage, feeds: NamedTensors, results: NamedTensors) => void

export interface PassageStart {
  readonly id: string
  /** 'http', or 'job' for work that no client waits for */
  readonly kind: 'http' | 'job'
  /** such as 'POST /predict/cats', without what stands behind '?' */
  readonly what: string
  /** on the server's clock, in ms */
  readonly started: number
  readonly deadline: number
  readonly maxBodyBytes: number
  /** the W3C header of the same name, as it came */
  readonly traceparent?: string | undefined
  readonly onResults?: ResultObserver | undefined
  /** asks for memory for so many bytes of the body; throws when all bodies together have too many. Default: there is always enough */
  readonly takeBodyBytes?: ((bytes: number) => void) | undefined
}

export type PassageState = 'running' | 'ended'

/**
 * Routes fill in what they alone know (`examples` when no model counted them, tokens); the rest is the gate's and the engine's. Observers get it
 * once, after the last byte of the answer, and read only.
 */
export class Passage implements PassageStart {
  readonly id: string
  readonly kind: 'http' | 'job'
  readonly what: string
  readonly started: number
  readonly maxBodyBytes: number
  readonly traceparent: string | undefined
  deadline: number
  priority = 0
  /** who asks; undefined where no key is needed, or where the key was refused */
  principal: Principal | undefined
  model: string | undefined
  version: string | undefined
  /** 499: the client left before its answer was whole */
  status = 0
  /** why it failed, as the client was told, which may repeat a word of the payload: not for logs below 500; undefined for statuses below 400 */
  failure: string | undefined
  /** of the body */
  bytesIn = 0
  /** written to the connection, headers too; without a connection, of the body */
  bytesOut = 0
  examples = 0
  tokensIn = 0
  tokensOut = 0
  /** waited for a worker, summed over the runs of the request */
  queuedMilliseconds = 0
  computeMilliseconds = 0
  /** from the first byte of the request to the last of the answer */
  milliseconds = 0
  state: PassageState = 'running'
  /** of its body, in memory until it ends */
  bodyBytes = 0
  readonly #takeBodyBytes: ((bytes: number) => void) | undefined
  readonly #held: (() => void)[] = []
  readonly #onResults: ResultObserver | undefined
  #abort: AbortController | undefined
  /** by the slots of `PassageNote`s */
  readonly notes: unknown[] = []
  readonly #leaving = new Leaving()

  constructor({
    id,
    kind,
    what,
    started,
    deadline,
    maxBodyBytes,
    traceparent,
    onResults,
    takeBodyBytes,
  }: PassageStart) {
    this.id = id
    this.kind = kind
    this.what = what
    this.started = started
    this.deadline = deadline
    this.maxBodyBytes = maxBodyBytes
    this.traceparent = traceparent
    this.#onResults = onResults
    this.#takeBodyBytes = takeBodyBytes
  }

  /** Before so much more of the body is kept in memory. Throws RequestError 503 when there is no room for it now, 499 when the passage is over, since nobody would give it back. */
  takeBody(bytes: number): void {
    if (this.state === 'ended') throw new RequestError(499, 'the client left')
    this.#takeBodyBytes?.(bytes)
    this.bodyBytes += bytes
  }

  /** fires when the client leaves, or the job is cancelled */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#leaving.aborted) this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Nobody waits for the answer any more. */
  abort(): void {
    this.#leaving.fire()
    this.#abort?.abort()
  }

  /** Calls `release` once, when all is over: a model stays loaded until the last byte of a stream. */
  hold(release: () => void): void {
    if (this.state === 'ended') release()
    else this.#held.push(release)
  }

  /** For every run of a model on behalf of this passage. */
  runOptions(): RunOptions {
    const observe = this.#onResults
    return {
      onResults: observe && ((feeds, _, results) => observe(this, feeds, results)),
      signal: this.#leaving,
      deadline: this.deadline,
      priority: this.priority,
      onRun: ({ examples, queuedMilliseconds, computeMilliseconds }) => {
        this.examples += examples
        this.queuedMilliseconds += queuedMilliseconds
        this.computeMilliseconds += computeMilliseconds
      },
    }
  }

  /** The gate's, once. */
  finish(now: number): void {
    this.state = 'ended'
    this.milliseconds = now - this.started
    for (const release of this.#held.splice(0)) release()
  }
}

/**
 * What an observer keeps of a passage until it is over. It lies on the passage and not in a Map of passages: V8 makes the table of a Map anew after every few entries that come and go, and
 * an old table keeps what stood in it, and the next table, alive until the whole heap is collected.
 */
export class PassageNote<T> {
  static #slots = 0
  readonly #slot = PassageNote.#slots++

  of(passage: Passage): T | undefined {
    return passage.notes[this.#slot] as T | undefined
  }

  set(passage: Passage, note: T | undefined): void {
    passage.notes[this.#slot] = note
  }
}

/** Listeners that are told once. */
class Leaving implements LeaveSignal {
  aborted = false
  readonly #listeners: LeaveListener[] = []

  addEventListener(_: 'abort', listener: LeaveListener): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_: 'abort', listener: LeaveListener): void {
    const at = this.#listeners.indexOf(listener)
    if (at >= 0) this.#listeners.splice(at, 1)
  }

  fire(): void {
    if (this.aborted) return
    this.aborted = true
    for (const listener of this.#listeners.splice(0)) listener.handleEvent()
  }
}
