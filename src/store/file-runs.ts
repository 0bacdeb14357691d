/** The runs of a project over an appendable blob store: ids, status, who is alive, damage. Paths and bytes are the store's affair. */
import { hostname } from 'node:os'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { type AppendableBlobStore, blobsWithin } from './blobs.ts'
import { createEventLog } from './event-log.ts'
import type { Run, RunStatus, RunStore } from './runs.ts'

/** A recorded step renews the sign of life after so many milliseconds. */
const heartbeat = 30_000
/** Without a sign of life for so long a run is dead, even if its process number lives: numbers are used again. */
const patience = 3_600_000

export interface Machine {
  readonly pid: number
  readonly host: string
  /** whether a process of this machine lives */
  isAlive(pid: number): boolean
}

export const thisMachine: Machine = {
  pid: process.pid,
  host: hostname(),
  isAlive(pid) {
    try {
      process.kill(pid, 0)
      return true
    } catch (error) {
      // EPERM: there is such a process, and it is another user's.
      return (error as { code?: string }).code === 'EPERM'
    }
  },
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`)
const iso = (milliseconds: number): string => new Date(milliseconds).toISOString()

/** '20261123-141502' of a time, in UTC, so that ids sort by time across a change of the clocks. */
function stamp(milliseconds: number): string {
  return iso(milliseconds).slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
}

/** The time in an id, as ISO 8601; undefined for a folder that was not named by this file. */
function timeOf(id: string): string | undefined {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(id) ?? []
  return y === undefined ? undefined : `${y}-${mo}-${d}T${h}:${mi}:${s}.000Z`
}

function byTime(a: RunStatus, b: RunStatus): number {
  return a.started.localeCompare(b.started) || a.id.localeCompare(b.id, 'en', { numeric: true })
}

/** @example const runs = createRunStore(createFileBlobs('.quern/runs'), { now: Date.now }) */
export function createRunStore(files: AppendableBlobStore, clock: Clock, machine: Machine = thisMachine): RunStore {
  const at = (id: string): FolderRun => new FolderRun(id, blobsWithin(files, id), clock, machine)

  async function ids(): Promise<string[]> {
    const folders = (await files.list(''))
      .filter((key) => key.includes('/'))
      .map((key) => key.slice(0, key.indexOf('/')))
    return [...new Set(folders)].filter((name) => !name.startsWith('.'))
  }

  async function newestFirst(): Promise<RunStatus[]> {
    const all = await Promise.all((await ids()).map((id) => at(id).status()))
    return all.sort(byTime).reverse()
  }

  return {
    async create({ name, task, config, environment }) {
      const now = clock.now()
      const base = `${stamp(now)}-${name.toLowerCase().replace(/[^a-z0-9._-]+/g, '-')}`
      const { pid, host } = machine
      const time = { started: iso(now), updated: iso(now) }
      const fresh = {
        name,
        task,
        state: 'running' as const,
        ...time,
        epochs: 0,
        step: 0,
        scores: {},
        process: { pid, host },
      }
      for (let n = 1; ; n++) {
        const id = n === 1 ? base : `${base}-${n}`
        // The status claims the id: of two runs that start in the same second, one gets it.
        if (!(await files.create(`${id}/status.json`, json({ id, ...fresh })))) continue
        const run = at(id)
        await run.files.write('config.json', json(config))
        await run.files.write('environment.json', json(environment))
        return run
      }
    },
    list: newestFirst,
    async open(id) {
      const known = await ids()
      if (known.includes(id)) return at(id)
      if (known.length === 0)
        throw new QuernError('missing', 'there are no runs yet', { hint: 'Start one: quern train' })
      if (id === 'latest') return at((await newestFirst())[0]!.id)
      const matches = id === '' ? [] : known.filter((other) => other.startsWith(id))
      if (matches.length === 1) return at(matches[0]!)
      if (matches.length > 1) {
        throw new QuernError(
          'missing',
          `'${id}' is the beginning of ${matches.length} runs: ${matches.sort().join(', ')}`,
          {
            hint: 'Type more of the id.',
          },
        )
      }
      const recent = known.sort().reverse().slice(0, 10)
      throw new QuernError('missing', `there is no run '${id}'`, {
        hint: `${suggestion(id, recent)} 'latest' is the newest; \`quern runs\` lists all.`,
      })
    },
  }
}

class FolderRun implements Run {
  readonly id: string
  readonly files: AppendableBlobStore
  readonly #clock: Clock
  readonly #machine: Machine
  readonly events: Run['events']
  readonly #append: Run['record']
  /** updates one after another: each reads the status, changes it and writes it */
  #updates: Promise<void> = Promise.resolve()
  #lastSign = 0

  constructor(id: string, files: AppendableBlobStore, clock: Clock, machine: Machine) {
    this.id = id
    this.files = files
    this.#clock = clock
    this.#machine = machine
    const log = createEventLog(files, 'events.jsonl', clock)
    this.events = log.read
    this.#append = log.append
  }

  async status(): Promise<RunStatus> {
    const status = await this.#stored()
    if (status.state !== 'running' || this.#isAlive(status)) return status
    return { ...status, state: 'interrupted' }
  }

  async update(change: Parameters<Run['update']>[0]): Promise<void> {
    const next = this.#updates.then(async () => {
      const now = this.#clock.now()
      const { process: _, ...old } = await this.#stored()
      const merged = { ...old, ...change, id: this.id, updated: iso(now) }
      const { pid, host } = this.#machine
      await this.files.write(
        'status.json',
        json(merged.state === 'running' ? { ...merged, process: { pid, host } } : merged),
      )
      this.#lastSign = now
    })
    this.#updates = next.catch(() => undefined)
    await next
  }

  async config(): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await this.files.read('config.json')))
  }

  async record(event: Parameters<Run['record']>[0]): Promise<void> {
    await this.#append(event)
    const isDue = event.type === 'step' && this.#clock.now() - this.#lastSign >= heartbeat
    if (event.type === 'checkpoint' || isDue) await this.update({ step: event.step })
  }

  /** What status.json says; of a damaged one, what can still be said. */
  async #stored(): Promise<RunStatus> {
    try {
      const status = JSON.parse(new TextDecoder().decode(await this.files.read('status.json'))) as RunStatus
      if (typeof status?.state !== 'string' || typeof status.started !== 'string')
        throw new Error('state or start missing')
      return { ...status, id: this.id, scores: status.scores ?? {} }
    } catch (error) {
      const started = timeOf(this.id) ?? iso(0)
      const name = this.id.replace(/^\d{8}-\d{6}-/, '')
      const why = `status.json cannot be read: ${messageOf(error)}`
      return {
        id: this.id,
        name,
        task: '',
        state: 'failed',
        started,
        updated: started,
        epochs: 0,
        step: 0,
        scores: {},
        error: why,
      }
    }
  }

  #isAlive({ process, updated }: RunStatus): boolean {
    const recent = this.#clock.now() - Date.parse(updated) < patience
    if (!process) return recent
    const { pid, host, isAlive } = this.#machine
    if (process.host !== host) return recent
    return process.pid === pid || (recent && isAlive(process.pid))
  }
}
