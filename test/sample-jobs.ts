/** Servers that take batch jobs, on a folder of their own, with small real models; files of rows, and what comes of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pipeline } from '../src/bundle/index.ts'
import type { JobLimits, JobsOptions } from '../src/serve/jobs/jobs.ts'
import type { Passage } from '../src/serve/passage.ts'
import { createFileJobs } from '../src/store/file-jobs.ts'
import type { JobStore } from '../src/store/jobs.ts'
import { type Answer, answerOf, type SampleApp, sampleApp, samplePipeline } from './sample-server.ts'
import { sampleTablePipeline } from './sample-table.ts'

export interface JobServer extends SampleApp {
  ask(path: string, init?: RequestInit, key?: string): Promise<Response>
  post(query: string, body: string | FormData, type?: string, key?: string): Promise<Answer>
  /** the job once it has ended */
  ended(id: string, key?: string): Promise<Answer['body']>
  result(id: string, headers?: Record<string, string>, key?: string): Promise<{ answer: Response; text: string }>
}

export interface JobServerOptions {
  readonly store?: JobStore
  readonly limits?: Partial<JobLimits>
  readonly models?: Readonly<Record<string, Pipeline>>
  readonly valid?: (owner: string) => boolean
  readonly wait?: JobsOptions['wait']
  readonly observers?: readonly ((passage: Passage) => void)[]
}

/** Several servers may follow each other on one folder. */
export class JobBench {
  readonly root: string
  readonly models: Readonly<Record<'price' | 'risk' | 'tiny', Pipeline>>
  now: number = Date.parse('2026-11-23T12:00:00Z')
  readonly #opened: JobServer[] = []

  private constructor(root: string, models: JobBench['models']) {
    this.root = root
    this.models = models
  }

  static async make(): Promise<JobBench> {
    const root = await mkdtemp(join(tmpdir(), 'quern-jobs-'))
    const [price, risk] = [await sampleTablePipeline('regression'), await sampleTablePipeline('classification')]
    return new JobBench(root, { price, risk, tiny: await samplePipeline() })
  }

  /** Ends what was opened, and empties the folder. */
  async clear(): Promise<void> {
    for (const { jobs } of this.#opened.splice(0)) await jobs!.close()
    await rm(this.root, { recursive: true, force: true })
    this.now = Date.parse('2026-11-23T12:00:00Z')
  }

  async remove(): Promise<void> {
    await this.clear()
    for (const pipeline of Object.values(this.models)) await pipeline.release()
  }

  /** Whoever asks without a key is 'shop'. */
  async server({
    store,
    limits,
    models = this.models,
    valid = () => true,
    observers,
    wait = (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  }: JobServerOptions = {}): Promise<JobServer> {
    const served = Object.entries(models).map(([name, pipeline]) => ({ name, version: '1', pipeline }))
    const made = sampleApp(served, {
      authenticate: (key) => ({ id: key ?? 'shop', scopes: ['infer'] }),
      ...(observers ? { observers } : {}),
      jobs: {
        store: store ?? createFileJobs(join(this.root, 'jobs'), { files: join(this.root, 'files') }),
        limits: { maxFileBytes: 1e6, perKey: 20, running: 1, keepMilliseconds: 3_600_000, partRows: 256, ...limits },
        clock: { now: () => this.now },
        isValid: async (owner) => valid(owner),
        wait,
      },
    })
    const server = { ...made, ...clientOf(made) }
    this.#opened.push(server)
    await made.jobs!.open()
    return server
  }
}

function clientOf({ app }: SampleApp): Pick<JobServer, 'ask' | 'post' | 'ended' | 'result'> {
  const ask: JobServer['ask'] = async (path, init = {}, key = 'shop') =>
    app.request(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } })
  return {
    ask,
    post: async (query, body, type, key) =>
      answerOf(
        await ask(`/jobs?${query}`, { method: 'POST', body, headers: type ? { 'content-type': type } : {} }, key),
      ),
    async ended(id, key) {
      for (;;) {
        const { body } = await answerOf(await ask(`/jobs/${id}`, {}, key))
        if (body.ended !== undefined) return body
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
    },
    async result(id, headers = {}, key) {
      const answer = await ask(`/jobs/${id}/result`, { headers }, key)
      return { answer, text: await answer.text() }
    },
  }
}

/** CSV; rows for which `bad` is true cannot be used. */
export function rowsOf(count: number, bad: (i: number) => boolean = () => false): string {
  const lines = Array.from({ length: count }, (_, i) => `"r ${i}",${bad(i) ? 'old' : 20 + (i % 50)},${i * 7}`)
  return `id,age,income\n${lines.join('\n')}\n`
}

/** What has to come of them. */
export async function pricesOf(
  price: Pipeline,
  count: number,
  bad: (i: number) => boolean = () => false,
): Promise<string> {
  const rows = Array.from({ length: count }, (_, i) => ({ age: 20 + (i % 50), income: i * 7 }))
  const answers = (await price.predictBatch(rows)) as { value: number }[][]
  const error = (i: number) => `"line ${i + 2}: column 'age' must hold a finite number, received ""old"""`
  const lines = answers.map(([answer], i) => (bad(i) ? `${i + 1},,${error(i)}` : `${i + 1},${answer!.value},`))
  return `row,value,error\n${lines.join('\n')}\n`
}
