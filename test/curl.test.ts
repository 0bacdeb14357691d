/** curl as it is typed: a request, a job whose file is streamed from the disk, its results in parts. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFileJobs } from '../src/store/file-jobs.ts'
import { inferBody, type LiveServer, liveServer } from './live-server.ts'
import { samplePixels } from './sample-bundle.ts'

function hasCurl(): boolean {
  try {
    execFileSync('curl', ['--version'])
    return true
  } catch {
    return false
  }
}

describe.skipIf(!hasCurl())('curl', () => {
  let live: LiveServer
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quern-curl-'))
    const jobs = {
      store: createFileJobs(join(folder, 'jobs')),
      limits: { maxFileBytes: 40e6, perKey: 9, running: 1, keepMilliseconds: 1e9 },
      clock: { now: Date.now },
      isValid: async () => true,
    }
    // Files of jobs may be longer than other bodies.
    live = await liveServer({ jobs, maxBodyBytes: 1e6 })
  })
  afterAll(async () => {
    await live.close()
    await rm(folder, { recursive: true, force: true })
  })
  const curl = async (...words: string[]): Promise<string> =>
    (await promisify(execFile)('curl', ['-sS', ...words], { maxBuffer: 1e8 })).stdout
  const at = (path: string): string => live.server.url + path

  test('asks for tensors and for the list', async () => {
    await writeFile(join(folder, 'body.json'), inferBody(3))
    const answer = JSON.parse(await curl('--data-binary', `@${join(folder, 'body.json')}`, at('/v2/models/tiny/infer')))
    expect(answer.outputs[0].data).toHaveLength(5)
    const openApi = JSON.parse(await curl(at('/openapi.json')))
    expect(openApi.openapi).toBe('3.1.0')
  })

  test('sends a file for a job and reads its results', async () => {
    const pixels = [...samplePixels(4)].slice(0, 144)
    const picture = [Array.from({ length: 12 }, (_, i) => pixels.slice(12 * i, 12 * i + 12))]
    const rows = Array.from({ length: 4000 }, (_, i) => JSON.stringify(i % 1000 === 9 ? {} : { inputs: picture }))
    const file = join(folder, 'rows.jsonl')
    await writeFile(file, rows.join('\n'))
    expect((await readFile(file)).length).toBeGreaterThan(1e6)
    const made = JSON.parse(
      await curl('-X', 'POST', '-H', 'content-type: application/jsonl', '-T', file, at('/jobs?model=tiny&results=csv')),
    )
    expect(made).toMatchObject({ model: 'tiny', state: 'queued', format: 'jsonl', results: 'csv' })
    await expect
      .poll(async () => JSON.parse(await curl(at(`/jobs/${made.id}`))), { timeout: 30_000 })
      .toMatchObject({ state: 'done', progress: 1, rows: { done: 4000, failed: 4 } })
    const whole = await curl(at(`/jobs/${made.id}/result`))
    const lines = whole.trim().split('\n')
    expect(lines.slice(1).map((line) => Number(line.split(',')[0]))).toEqual(rows.map((_, i) => i + 1))
    const [first, rest] = [
      await curl('-r', '0-999', at(`/jobs/${made.id}/result`)),
      await curl('-r', '1000-', at(`/jobs/${made.id}/result`)),
    ]
    expect(first + rest).toBe(whole)
    // What was cut off goes on where it was.
    const part = join(folder, 'part.csv')
    await writeFile(part, whole.slice(0, 1234))
    await curl('-C', '-', '-o', part, at(`/jobs/${made.id}/result`))
    expect(await readFile(part, 'utf8')).toBe(whole)
  })

  test('is told that a file is too long, while it sends', async () => {
    const file = join(folder, 'long.csv')
    await writeFile(file, 'x'.repeat(41e6))
    const answer = await curl(
      '-X',
      'POST',
      '-H',
      'content-type: text/csv',
      '-H',
      'expect:',
      '-T',
      file,
      at('/jobs?model=tiny'),
    ).catch((error: Error) => error.message)
    // The answer may come before curl has sent all: then it sees a connection that was closed.
    expect(answer).toMatch(/the body may have 40000000 bytes|curl: \((?:52|55|56)\)/)
    expect(JSON.parse(await curl(at('/jobs'))).jobs).toHaveLength(1)
  })
})
