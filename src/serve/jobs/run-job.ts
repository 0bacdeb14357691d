/**
 * One batch job from where it stands to its end: rows are read in parts, each part passes the gate and is computed, its results are written, then the
 * record says so. A part that was computed but not recorded is computed again and written over itself, so no row is lost and none comes twice.
 */
import type { Outcome } from '../../bundle/index.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import type { JobFailure, JobPosition, JobRecord, JobStore } from '../../store/jobs.ts'
import type { Catalog } from '../catalog.ts'
import type { Gate } from '../gate.ts'
import { useModel } from '../models.ts'
import { outcomesOf } from '../outcomes.ts'
import type { Passage } from '../passage.ts'
import { RequestError } from '../request-error.ts'
import { type ResultLines, resultLines } from '../result-lines.ts'
import { type RowForm, type RowInput, readRows, rowFormFrom } from '../row-inputs.ts'
import { contentOf } from '../sync-catalog.ts'

/** Bytes of the rows of a part, at most. */
const partBytes = 8 * 2 ** 20
/** Milliseconds that a part may take. */
const partPatience = 600_000
/** Milliseconds that a job waits for a server that has too much to do. */
const longestWait = 6 * 3_600_000
/** Failures that a record repeats; all are in the results. */
const mostFailures = 10
/** The beginning of a file, in which its header is. */
const headBytes = 1 << 18

export interface JobWorld {
  readonly store: JobStore
  readonly gate: Gate
  readonly catalog: Catalog
  /** whether the key that made a job may still be used */
  readonly isValid: (owner: string) => Promise<boolean>
  /** rows of a part: what is computed again after a crash, and what a metering sees as one */
  readonly partRows: number
  /** Resolves after so many milliseconds, or when the signal fires. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>
  /** ISO 8601 */
  readonly now: () => string
}

/** The job after each part that was written; the last one has ended, unless the signal fired. Throws when its files cannot be used. */
export async function* runJob({
  job,
  world,
  signal,
}: {
  readonly job: JobRecord
  readonly world: JobWorld
  readonly signal: AbortSignal
}): AsyncGenerator<JobRecord> {
  const { store } = world
  let now: JobRecord = { ...job, state: 'running', started: job.started ?? world.now() }
  const write = async (text: string, next: JobRecord): Promise<JobRecord> => {
    const bytes = new TextEncoder().encode(text)
    if (bytes.length > 0 || now.done.result === 0) await store.addResult(job.id, now.done.result, bytes)
    const done = { ...next.done, result: now.done.result + bytes.length }
    return { ...next, done }
  }
  const { manifest } = modelOf(job, world.catalog)
  const model = { name: job.model, manifest }
  const results = resultLines({ results: job.results, topK: job.topK, manifest })
  const rowForm = await formOf(store, job, model)
  if (now.done.result === 0) now = await write(results.header, now)
  yield now
  const rows = readRows(store.readInput(job.id, now.done.input), { form: rowForm, model, from: now.done })
  for await (const part of partsOf(rows, world.partRows)) {
    if (!(await world.isValid(job.owner)))
      throw new QuernError('input', 'the key of this job was revoked or has expired')
    const made = await computed(part, results, { job, world, signal })
    if (made === undefined) return
    const last = part.at(-1)!
    const done: JobPosition = {
      input: last.next.byte,
      line: last.next.line,
      rows: last.row,
      failed: now.done.failed + made.failures.length,
      result: now.done.result,
    }
    const failures = [...now.failures, ...made.failures].slice(0, mostFailures)
    now = await write(made.text, { ...now, done, failures })
    yield now
  }
  yield { ...now, state: 'done', done: { ...now.done, input: job.bytes } }
}

/** How the rows of a job's file are read. */
export async function formOf(
  store: JobStore,
  { id, format, file }: Pick<JobRecord, 'id' | 'format' | 'file'>,
  model: Parameters<typeof rowFormFrom>[2],
): Promise<RowForm> {
  let beginning: Uint8Array = new Uint8Array()
  for await (const chunk of store.readInput(id, 0)) {
    beginning = chunk.subarray(0, headBytes)
    break
  }
  return rowFormFrom(beginning, format, model, file ?? 'the file')
}

/** The version that the job began with; throws when it is not served any more. */
function modelOf({ model, version, content }: JobRecord, catalog: Catalog): ReturnType<Catalog['find']> {
  const found = catalog.find(model, version)
  if (contentOf(found) === content) return found
  throw new QuernError('missing', `version ${version} of model '${model}' is not the one that this job began with`)
}

async function* partsOf(rows: AsyncIterable<RowInput[]>, partRows: number): AsyncGenerator<RowInput[]> {
  let part: RowInput[] = []
  let bytes = 0
  for await (const chunk of rows) {
    for (const row of chunk) {
      part.push(row)
      bytes += row.bytes
      if (part.length < partRows && bytes < partBytes) continue
      yield part
      part = []
      bytes = 0
    }
  }
  if (part.length > 0) yield part
}

interface Made {
  readonly text: string
  readonly failures: readonly JobFailure[]
}

/** Results of a part. Waits and asks again while the server has too much to do; undefined when the signal fired. */
async function computed(
  part: readonly RowInput[],
  results: ResultLines,
  { job, world, signal }: { readonly job: JobRecord; readonly world: JobWorld; readonly signal: AbortSignal },
): Promise<Made | undefined> {
  const { gate, catalog, wait } = world
  const principal = { id: job.owner, scopes: ['infer' as const], priority: job.priority }
  const what = `job ${job.id} rows ${part[0]!.row} to ${part.at(-1)!.row}`
  let faults = 0
  let waited = 0
  for (let pause = 250; !signal.aborted; pause = Math.min(2 * pause, 15_000)) {
    try {
      return await gate.pass({ what, principal, signal, maxMilliseconds: partPatience }, (passage) =>
        answered(part, results, { job, catalog, passage }),
      )
    } catch (error) {
      if (signal.aborted) break
      if (error instanceof QuernError) throw error
      const isBusy = error instanceof RequestError && [429, 503, 504].includes(error.status)
      // A worker that died is replaced: what it computed may do better with another one.
      if (!isBusy && ++faults >= 3) throw error
      // Such as a model that is larger than all the memory there is: it will not fit tomorrow either.
      if (waited > longestWait) throw error
      waited += pause
      await wait(pause, signal)
    }
  }
  return undefined
}

async function answered(
  part: readonly RowInput[],
  results: ResultLines,
  { job, catalog, passage }: { readonly job: JobRecord; readonly catalog: Catalog; readonly passage: Passage },
): Promise<Made> {
  passage.bytesIn = part.reduce((sum, { bytes }) => sum + bytes, 0)
  const model = await useModel(catalog, passage, job.model, job.version)
  modelOf(job, catalog)
  const whole = part.flatMap(({ input }) => (input === undefined ? [] : [input]))
  const outcomes: Outcome[] = []
  for await (const outcome of outcomesOf(model.pipeline, whole, job.topK)) outcomes.push(outcome)
  const failures: JobFailure[] = []
  let text = ''
  let next = 0
  for (const { row, line, input, fault } of part) {
    const outcome = input === undefined ? undefined : outcomes[next++]!
    if (outcome && 'predictions' in outcome) text += results.line({ row, predictions: outcome.predictions })
    const reason = outcome && 'error' in outcome ? messageOf(outcome.error) : fault
    if (reason === undefined) continue
    failures.push({ row, line, reason })
    text += results.line({ row, error: `line ${line}: ${reason}` })
  }
  return { text, failures }
}
