/**
 * Batch jobs of a server: taken, listed, computed a few at once behind all requests, cancelled, removed when their time is over. What a job is and
 * how far it is stands in the store alone, so a server that starts again goes on with what the one before it began.
 */
import { messageOf, QuernError } from '../../core/errors.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { JobFormat, JobRecord, JobStore } from '../../store/jobs.ts'
import type { Catalog } from '../catalog.ts'
import type { Gate } from '../gate.ts'
import type { Principal } from '../principal.ts'
import { errorAnswer, RequestError } from '../request-error.ts'
import { contentOf } from '../sync-catalog.ts'
import { formOf, type JobWorld, runJob } from './run-job.ts'

export interface JobLimits {
  /** of a job's file */
  readonly maxFileBytes: number
  /** jobs that a key may have, ended ones that are still kept among them; more are answered 429 */
  readonly perKey: number
  /** jobs that are computed at once */
  readonly running: number
  /** milliseconds for which a job that ended is kept, with its files */
  readonly keepMilliseconds: number
  /** rows that are computed before the results so far are written; default 1024 */
  readonly partRows?: number
}

export interface JobsOptions {
  readonly store: JobStore
  readonly limits: JobLimits
  /** milliseconds since 1970 */
  readonly clock: Clock
  readonly isValid: JobWorld['isValid']
  /** default: a timer */
  readonly wait?: JobWorld['wait']
}

/** What the server puts to the options. */
interface JobsContext {
  readonly gate: Gate
  readonly catalog: Catalog
  readonly newId: () => string
  readonly log: Log
}

/** What is asked for. */
export interface NewJob {
  readonly model: string
  readonly version?: string | undefined
  readonly format: JobFormat
  /** default: as the rows */
  readonly results?: JobFormat | undefined
  /** answers for each row; default 1 */
  readonly topK?: number | undefined
  /** name of the file, for people */
  readonly file?: string | undefined
  /** the rows, or the name of a file that lies in the server's folder */
  readonly rows: AsyncIterable<Uint8Array> | string
}

/** Milliseconds between two looks for jobs whose time is over. */
const sweepEvery = 60_000
/** Milliseconds after which a job that did not get further is told again to who follows it: proxies close connections that are silent. */
const repeatEvery = 15_000

interface Running {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

const hasEnded = ({ state }: JobRecord): boolean => state !== 'queued' && state !== 'running'

export class Jobs {
  readonly limits: JobLimits
  readonly #store: JobStore
  readonly #world: JobWorld
  readonly #clock: Clock
  readonly #context: JobsContext
  readonly #records = new Map<string, JobRecord>()
  readonly #running = new Map<string, Running>()
  /** called at the next change of any job */
  readonly #followers = new Set<() => void>()
  /** uploads under way, by the ids of keys */
  readonly #coming = new Map<string, number>()
  readonly #closing = new AbortController()
  #state: 'new' | 'open' | 'taken' = 'new'
  #sweeping: Promise<void> = Promise.resolve()

  constructor(options: JobsOptions, context: JobsContext) {
    const { store, limits, clock, isValid, wait = timerWait } = options
    const { gate, catalog } = context
    this.limits = limits
    this.#store = store
    this.#clock = clock
    this.#context = context
    this.#world = { store, gate, catalog, isValid, wait, partRows: limits.partRows ?? 1024, now: () => this.#iso() }
  }

  /** Reads what there is and goes on with it. Where another server has the folder, this one takes no jobs. */
  async open(): Promise<void> {
    const { log } = this.#context
    if (!(await this.#store.claim())) {
      this.#state = 'taken'
      log.warn('another server works on the jobs of this folder: this one takes none')
      return
    }
    const records = await this.#store.list((id, why) => log.warn(`job ${id} cannot be used: ${why}`))
    for (const record of records) {
      this.#records.set(record.id, record.state === 'running' ? { ...record, state: 'queued' } : record)
    }
    this.#state = 'open'
    this.#sweeping = this.#sweepAgainAndAgain()
    this.#startNext()
  }

  /** Stops after what runs was given up; the next server goes on. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const { stop } of this.#running.values()) stop.abort()
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
    await this.#sweeping
    if (this.#state === 'open') await this.#store.release()
  }

  /** Takes a job once its file is here and looks usable. */
  async create(principal: Principal, asked: NewJob): Promise<JobRecord> {
    this.#mustBeOpen()
    const found = this.#context.catalog.find(asked.model, asked.version)
    const { id: owner, priority = 0 } = principal
    this.#claimPlace(owner)
    const id = this.#context.newId()
    try {
      const { rows, format, results = format, topK = 1, file } = asked
      const { store } = this.#world
      const bytes =
        typeof rows === 'string'
          ? await store.copyInput(id, rows, this.limits.maxFileBytes)
          : await store.putInput(id, rows)
      try {
        if (bytes === 0) throw new RequestError(400, 'the file is empty')
        await formOf(store, { id, format, file }, { name: found.name, manifest: found.manifest })
        const { name: model, version } = found
        const about = { id, owner, priority, model, version, content: contentOf(found), format, results, topK, file }
        const done = { input: 0, line: 1, rows: 0, failed: 0, result: 0 }
        const record: JobRecord = { ...about, bytes, state: 'queued', created: this.#iso(), done, failures: [] }
        await this.#save(record)
        this.#startNext()
        return record
      } catch (error) {
        await store.remove(id)
        throw error
      }
    } catch (error) {
      throw roomError(error, this.#context.log)
    } finally {
      this.#coming.set(owner, (this.#coming.get(owner) ?? 1) - 1)
    }
  }

  /** The jobs of a key, newest first. */
  list({ id }: Principal): readonly JobRecord[] {
    this.#mustBeOpen()
    return [...this.#records.values()].filter((job) => job.owner === id && !this.#isOver(job)).reverse()
  }

  /** A job of this key; those of others are not there, as far as it can see. */
  find({ id: owner }: Principal, id: string): JobRecord {
    this.#mustBeOpen()
    const job = this.#records.get(id)
    if (job && job.owner === owner && !this.#isOver(job)) return job
    throw new QuernError('missing', `there is no job ${JSON.stringify(id.slice(0, 64))}; GET /jobs lists them`)
  }

  /**
   * The job as it is, and again whenever it has got further, until it has ended or is gone, the server stops or the signal fires. For a slow reader
   * what lies between is left out.
   */
  async *follow(principal: Principal, id: string, left: AbortSignal): AsyncGenerator<JobRecord> {
    let job: JobRecord | undefined = this.find(principal, id)
    const over = AbortSignal.any([left, this.#closing.signal])
    while (job) {
      yield job
      if (hasEnded(job)) return
      const told: JobRecord = job
      const repeat = new AbortController()
      const time = this.#world.wait(repeatEvery, AbortSignal.any([over, repeat.signal])).then(() => repeat.abort())
      while (!over.aborted && !repeat.signal.aborted && this.#records.get(id) === told) await this.#change(time)
      repeat.abort()
      if (over.aborted) return
      job = this.#records.get(id)
    }
  }

  /** Bytes of the results of a job that has ended. */
  result(job: JobRecord, from: number, to: number): AsyncIterable<Uint8Array> {
    return this.#store.readResult(job.id, from, to)
  }

  /** Ends a job that has not ended: what was computed stays. Removes one that has. */
  async cancel(principal: Principal, id: string): Promise<JobRecord | undefined> {
    const job = this.find(principal, id)
    if (hasEnded(job)) {
      await this.#remove(job)
      return undefined
    }
    const running = this.#running.get(id)
    running?.stop.abort()
    await running?.ended
    const now = this.#records.get(id) ?? job
    // It may have come to its end meanwhile.
    if (!hasEnded(now)) await this.#end({ ...now, state: 'cancelled' })
    return this.#records.get(id)!
  }

  /** Resolves at the next change of any job, or with `other`. */
  async #change(other: Promise<void>): Promise<void> {
    let wake = (): void => {}
    const changed = new Promise<void>((resolve) => {
      wake = resolve
    })
    this.#followers.add(wake)
    await Promise.race([changed, other])
    this.#followers.delete(wake)
  }

  #changed(): void {
    for (const wake of this.#followers) wake()
  }

  #mustBeOpen(): void {
    if (this.#state === 'open' && !this.#closing.signal.aborted) return
    const why = this.#state === 'taken' ? "another server works on this folder's jobs" : 'jobs are not taken now'
    throw new RequestError(503, why)
  }

  #claimPlace(owner: string): void {
    const kept = [...this.#records.values()].filter((job) => job.owner === owner && !this.#isOver(job)).length
    const coming = this.#coming.get(owner) ?? 0
    if (kept + coming >= this.limits.perKey) {
      throw new RequestError(
        429,
        `this key has ${kept + coming} jobs, as many as it may have: DELETE those that are not needed`,
      )
    }
    this.#coming.set(owner, coming + 1)
  }

  /** Begins what waits while there is room: first the key that has the fewest running, then the higher priority, then who came first. */
  #startNext(): void {
    const runningOf = (owner: string): number =>
      [...this.#running.keys()].filter((id) => this.#records.get(id)?.owner === owner).length
    while (this.#running.size < this.limits.running && !this.#closing.signal.aborted) {
      const waiting = [...this.#records.values()].filter(
        ({ state, id }) => state === 'queued' && !this.#running.has(id),
      )
      waiting.sort((a, b) => runningOf(a.owner) - runningOf(b.owner) || b.priority - a.priority)
      const [next] = waiting
      if (!next) return
      const stop = new AbortController()
      const ended = this.#run(next, stop.signal).finally(() => {
        this.#running.delete(next.id)
        this.#startNext()
      })
      this.#running.set(next.id, { stop, ended })
    }
  }

  async #run(job: JobRecord, signal: AbortSignal): Promise<void> {
    try {
      for await (const now of runJob({ job, world: this.#world, signal })) {
        if (hasEnded(now)) return await this.#end(now)
        await this.#save(now)
        if (signal.aborted) return
      }
    } catch (error) {
      if (signal.aborted) return
      const { status, message } = errorAnswer(error, job.id)
      if (status >= 500) this.#context.log.warn(`job ${job.id} failed: ${messageOf(error)}`)
      const now: JobRecord = { ...(this.#records.get(job.id) ?? job), state: 'failed', failure: message }
      await this.#end(now).catch((again: unknown) => {
        // The disk is full, perhaps. Not begun again and again: the next server goes on from what was recorded.
        this.#records.set(job.id, { ...now, ended: this.#iso() })
        this.#changed()
        this.#context.log.warn(`job ${job.id} could not be recorded: ${messageOf(again)}`)
      })
    }
  }

  #end(job: JobRecord): Promise<void> {
    const expires = new Date(this.#clock.now() + this.limits.keepMilliseconds).toISOString()
    return this.#save({ ...job, ended: this.#iso(), expires })
  }

  async #save(job: JobRecord): Promise<void> {
    await this.#store.save(job)
    this.#records.set(job.id, job)
    this.#changed()
  }

  #isOver({ expires }: JobRecord): boolean {
    return expires !== undefined && Date.parse(expires) <= this.#clock.now()
  }

  async #remove(job: JobRecord): Promise<void> {
    await this.#store.remove(job.id)
    this.#records.delete(job.id)
    this.#changed()
  }

  async #sweepAgainAndAgain(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      for (const job of [...this.#records.values()]) {
        if (!this.#isOver(job)) continue
        await this.#remove(job).catch((error: unknown) =>
          this.#context.log.warn(`job ${job.id} could not be removed: ${messageOf(error)}`),
        )
      }
      await this.#world.wait(sweepEvery, signal)
    }
  }

  #iso(): string {
    return new Date(this.#clock.now()).toISOString()
  }
}

/** A disk that is full is not the client's fault, and may be emptied. */
function roomError(error: unknown, log: Log): unknown {
  if (!(error instanceof QuernError) || error.kind !== 'io') return error
  log.warn(`a job was not taken: ${error.message}`)
  return new RequestError(503, 'the server cannot keep the file now', { cause: error, retryAfterSeconds: 60 })
}

function timerWait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}
