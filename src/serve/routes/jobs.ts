/** Batch jobs over a file of rows: `POST /jobs` with the file or the name of one, then what came of it as a file. A key sees its own jobs. */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { modelName } from '../../contract/config.ts'
import { parseWith } from '../../contract/parse.ts'
import { type JobFormat, type JobRecord, jobFormats } from '../../store/jobs.ts'
import { bodyChunks, bodyOf } from '../body.ts'
import { rangeOf } from '../byte-range.ts'
import type { AppContext } from '../context.ts'
import { errorBody } from '../error-body.ts'
import type { Gate, Gated } from '../gate.ts'
import type { Jobs, NewJob } from '../jobs/jobs.ts'
import { jsonFrom } from '../json.ts'
import { filesOf, formFrom, topKFrom } from '../predict-body.ts'
import type { Principal } from '../principal.ts'
import { RequestError } from '../request-error.ts'
import { rowFormatOf } from '../row-inputs.ts'
import { type ServerEvent, sseAnswer } from '../sse.ts'

interface JobRequest {
  readonly model?: string | undefined
  readonly version?: string | undefined
  readonly format?: JobFormat | undefined
  readonly results?: JobFormat | undefined
  readonly topK?: number | undefined
  readonly file?: string | undefined
}

const settings = {
  model: z.string().max(200).optional(),
  version: z.string().regex(modelName).optional(),
  format: z.enum(jobFormats).optional(),
  results: z.enum(jobFormats).optional(),
  topK: z.int().positive().max(1000).optional(),
  file: z.string().min(1).max(1000).optional(),
}

/** As JSON, for a file that lies in the server's folder; behind the '?' or in a form the same without quotes. */
export const jobRequest: z.ZodType<JobRequest> = z.strictObject(settings)

export const jobSettings: readonly string[] = Object.keys(settings)

export function jobRoutes({ catalog, gate, jobs }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  const mine = (c: Context<Gated>): { jobs: Jobs; principal: Principal } => {
    const { principal } = c.get('passage')
    if (jobs && principal) return { jobs, principal }
    throw new RequestError(501, 'this server takes no jobs: it was started with --public, or without a folder for them')
  }
  app.post('/jobs', async (c) => {
    const { jobs, principal } = mine(c)
    const { model = catalog.only('model='), ...asked } = await newJobFrom(c, jobs.limits.maxFileBytes)
    const job = await jobs.create(principal, { ...asked, model })
    c.get('passage').model = job.model
    c.get('passage').version = job.version
    return c.json(shown(job), 202, { location: `/jobs/${job.id}` })
  })
  app.get('/jobs', (c) => {
    const { jobs, principal } = mine(c)
    return c.json({ jobs: jobs.list(principal).map(shown) })
  })
  app.get('/jobs/:job', (c) => {
    const { jobs, principal } = mine(c)
    return c.json(shown(jobs.find(principal, c.req.param('job'))))
  })
  app.get('/jobs/:job/events', (c) => {
    const { jobs, principal } = mine(c)
    const job = jobs.find(principal, c.req.param('job'))
    // A browser asks again whenever a stream ends, until it is told that there is no more.
    if (job.ended !== undefined && c.req.header('last-event-id') === eventOf(job).id) return c.body(null, 204)
    const events = progressOf(jobs.follow(principal, job.id, c.get('passage').signal))
    return sseAnswer(events, { failed: (error) => gate.onStreamError(error, c) })
  })
  app.delete('/jobs/:job', async (c) => {
    const { jobs, principal } = mine(c)
    const left = await jobs.cancel(principal, c.req.param('job'))
    return left ? c.json(shown(left)) : c.body(null, 204)
  })
  app.get('/jobs/:job/result', (c) => {
    const { jobs, principal } = mine(c)
    return result(c, { gate, jobs }, jobs.find(principal, c.req.param('job')))
  })
  return app
}

/** A job as its owner sees it. */
function shown(job: JobRecord): Record<string, unknown> {
  const { id, model, version, state, format, results, topK, file, created, started, ended, expires } = job
  const { done, bytes, failure, failures } = job
  const progress = bytes === 0 ? 1 : Math.floor((1000 * done.input) / bytes) / 1000
  const times = { created, started, ended, expires }
  const rows = { done: done.rows, failed: done.failed }
  return { id, model, version, state, progress, rows, failure, failures, format, results, topK, file, bytes, ...times }
}

/** Named by the state: a browser listens for 'running' and for 'done'. */
function eventOf(job: JobRecord): ServerEvent {
  return { event: job.state, id: `${job.state}-${job.done.rows}`, data: shown(job) }
}

async function* progressOf(jobs: AsyncIterable<JobRecord>): AsyncGenerator<ServerEvent> {
  for await (const job of jobs) yield eventOf(job)
}

type Given = Omit<NewJob, 'model'> & { readonly model?: string | undefined }

async function newJobFrom(c: Context<Gated>, most: number): Promise<Given> {
  const header = c.req.header('content-type') ?? ''
  const type = header.split(';')[0]!.trim().toLowerCase()
  if (type === 'application/json') {
    const asked = parseWith(jobRequest, jsonFrom(await bodyOf(c)), 'the request', 'input')
    const { file } = asked
    if (file === undefined) throw new RequestError(400, "'file' must name a file of the server's folder")
    const format = asked.format ?? rowFormatOf('', file) ?? missingFormat(`the ending of ${JSON.stringify(file)}`)
    return { ...asked, format, rows: file, file: file.split('/').at(-1) }
  }
  const asked = settingsFrom(c.req.query())
  if (type !== 'multipart/form-data') {
    const format =
      asked.format ?? rowFormatOf(type, asked.file) ?? missingFormat(`the content type '${type.slice(0, 80)}'`)
    return { ...asked, format, rows: bodyChunks(c, most) }
  }
  const form = await formFrom(await bodyOf(c), header)
  const fields = [...form.entries()].filter(([, value]) => typeof value === 'string') as [string, string][]
  const given = { ...asked, ...settingsFrom(Object.fromEntries(fields)) }
  const [[, file], ...others] = filesOf(form) as [[string, File], ...unknown[]]
  if (others.length > 0) throw new RequestError(400, `a job has one file, received ${others.length + 1}`)
  const name = given.file ?? file.name
  const format =
    given.format ?? rowFormatOf(file.type.split(';')[0]!, name) ?? missingFormat(`the file's name and type`)
  return { ...given, format, file: name.slice(0, 200), rows: file.stream() as unknown as AsyncIterable<Uint8Array> }
}

function missingFormat(what: string): never {
  throw new RequestError(415, `${what} does not say what the rows are: give format=csv or format=jsonl`)
}

/** Settings as texts. */
function settingsFrom(texts: Readonly<Record<string, string>>): JobRequest {
  const { topK, ...others } = texts
  return parseWith(jobRequest, { ...others, topK: topKFrom(topK) }, 'the request', 'input')
}

const typeOf: Readonly<Record<JobFormat, string>> = { csv: 'text/csv; charset=utf-8', jsonl: 'application/jsonl' }

function result(c: Context<Gated>, { gate, jobs }: { gate: Gate; jobs: Jobs }, job: JobRecord): Response {
  if (job.ended === undefined) {
    throw new RequestError(409, `job ${job.id} is ${job.state}: its results can be read when it has ended`, {
      retryAfterSeconds: 5,
    })
  }
  const size = job.done.result
  const etag = `"${job.id}"`
  const ifRange = c.req.header('if-range')
  const range = ifRange === undefined || ifRange === etag ? rangeOf(c.req.header('range'), size) : undefined
  const headers = {
    'content-type': typeOf[job.results],
    'content-disposition': `attachment; filename="results-${job.id}.${job.results}"`,
    'accept-ranges': 'bytes',
    etag,
  }
  if (range === 'outside') {
    c.get('passage').failure = 'the range lies outside of the file'
    const body = errorBody(c.req.path, 416, `the results have ${size} bytes`)
    return c.json(body, 416, { 'content-range': `bytes */${size}` })
  }
  const { from, to } = range ?? { from: 0, to: size }
  const length = { 'content-length': String(to - from) }
  const part = range ? { 'content-range': `bytes ${from}-${to - 1}/${size}` } : {}
  const failed = (error: unknown): unknown => gate.onStreamError(error, c)
  return c.body(streamOf(jobs.result(job, from, to), failed), range ? 206 : 200, { ...headers, ...length, ...part })
}

/** @param failed told why it ends too early; the client sees that by its length */
function streamOf(chunks: AsyncIterable<Uint8Array>, failed: (error: unknown) => void): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        failed(error)
        throw error
      }
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
