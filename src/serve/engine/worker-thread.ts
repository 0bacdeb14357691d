/** One worker thread as seen from the server: questions with answers, and what happens when it dies. */
import { Worker } from 'node:worker_threads'
import { QuernError } from '../../core/errors.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { FromWorker, Question, ToWorker } from './messages.ts'
import type { BatchResult, Place, ScheduledModel } from './scheduler.ts'

type Answer<T extends FromWorker['type']> = Extract<FromWorker, { type: T }>

interface Pending {
  resolve(message: FromWorker): void
  reject(error: unknown): void
}

/** A copy of its own where a view shows a part of something larger, since a message would carry the whole. */
function compact(feeds: NamedTensors): NamedTensors {
  const own: Record<string, NamedTensors[string]> = {}
  for (const name in feeds) {
    const fed = feeds[name]!
    const { data } = fed
    const isPart = !Array.isArray(data) && data.byteLength !== data.buffer.byteLength
    own[name] = isPart ? { ...fed, data: (data as Uint8Array).slice() } : fed
  }
  return own
}

/** Milliseconds that a thread is given to end: it finishes the run that it is at. */
const patience = 5000

export class WorkerThread implements Place {
  readonly #worker: Worker
  /** by the ids of their messages; places are used again, where a Map's table would be made anew all the time */
  readonly #pending: (Pending | undefined)[] = []
  readonly #models = new Map<ScheduledModel, number>()
  #nextModel = 0
  #end = (_hasExited: boolean): void => {}
  readonly #ended = new Promise<boolean>((resolve) => {
    this.#end = resolve
  })
  isGone = false

  /** @param onDeath called once when the thread ends though nobody closed it */
  constructor(onDeath: (thread: WorkerThread, cause: Error) => void) {
    // Loaders of TypeScript do not reach into threads: where the sources run, as in tests, what was built of them works in the threads.
    const isBuilt = import.meta.url.endsWith('.js')
    const program = isBuilt ? './worker.js' : '../../../dist/serve/engine/worker.js'
    this.#worker = new Worker(new URL(program, import.meta.url))
    this.#worker.on('message', (message: FromWorker) => this.#receive(message))
    let cause = new Error('the worker ended')
    this.#worker.on('error', (error: Error) => {
      cause = error
    })
    this.#worker.on('exit', () => {
      this.#end(true)
      const isClosed = this.isGone
      this.isGone = true
      for (const pending of this.#pending.splice(0)) {
        pending?.reject(new QuernError('io', `a worker died: ${cause.message}`, { cause }))
      }
      if (!isClosed) onDeath(this, cause)
    })
  }

  has(model: ScheduledModel): boolean {
    return !this.isGone && this.#models.has(model)
  }

  async load(model: ScheduledModel, bytes: Uint8Array, threads: number): Promise<Answer<'loaded'>> {
    const number = this.#nextModel++
    const loaded = await this.#ask<'loaded'>({ type: 'load', model: number, bytes, threads })
    this.#models.set(model, number)
    return loaded
  }

  async run(model: ScheduledModel, feeds: NamedTensors, outputs: readonly string[] | undefined): Promise<BatchResult> {
    const number = this.#models.get(model)!
    return (await this.#ask<'done'>({ type: 'run', model: number, feeds: compact(feeds), outputs })) as BatchResult
  }

  async release(model: ScheduledModel): Promise<void> {
    const number = this.#models.get(model)
    if (number === undefined || this.isGone) return
    this.#models.delete(model)
    await this.#ask<'released'>({ type: 'release', model: number })
  }

  /** Resolves to whether the thread has ended: a run that is longer than the server's patience goes on. */
  async close(): Promise<boolean> {
    this.isGone = true
    // Not terminate(): a thread that is stopped while the runtime computes in it takes the whole process along.
    this.#worker.postMessage({ type: 'close' } satisfies ToWorker)
    const timer = setTimeout(() => this.#end(false), patience)
    const hasEnded = await this.#ended
    clearTimeout(timer)
    this.#worker.unref()
    return hasEnded
  }

  #ask<T extends FromWorker['type']>(message: Question): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      if (this.isGone) return reject(new QuernError('io', 'the worker has ended'))
      const free = this.#pending.indexOf(undefined)
      const id = free < 0 ? this.#pending.length : free
      this.#pending[id] = { resolve: resolve as Pending['resolve'], reject }
      this.#worker.postMessage({ id, ...message } satisfies ToWorker)
    })
  }

  #receive(message: FromWorker): void {
    const pending = this.#pending[message.id]
    this.#pending[message.id] = undefined
    if (message.type !== 'failed') pending?.resolve(message)
    else pending?.reject(new QuernError(message.kind, message.message, { hint: message.hint }))
  }
}
