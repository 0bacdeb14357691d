/** A server that stops anywhere on its way, and the next one: no row is lost, none comes twice. */
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { JobBench, pricesOf, rowsOf } from '../../../test/sample-jobs.ts'
import type { Pipeline } from '../../bundle/index.ts'
import { createFileJobs } from '../../store/file-jobs.ts'
import type { JobStore } from '../../store/jobs.ts'

let bench: JobBench
let price: Pipeline
beforeAll(async () => {
  bench = await JobBench.make()
  price = bench.models.price
})
afterEach(() => bench.clear())
afterAll(() => bench.remove())

describe('a restart', () => {
  /** A store that stops like a machine without power: at the nth write, before it, in its middle or behind it; then nothing works any more. */
  function dying(inner: JobStore, nth: number, where: 'before' | 'within' | 'behind', folder: string): JobStore {
    let writes = 0
    const dies = async (work: () => Promise<void>, torn: () => Promise<void>): Promise<void> => {
      writes++
      if (writes > nth) throw new Error('no power')
      if (writes < nth || where === 'behind') await work()
      else if (where === 'within') await torn()
      if (writes === nth) throw new Error('no power')
    }
    return {
      ...inner,
      save: (record) =>
        dies(
          () => inner.save(record),
          async () => undefined,
        ),
      addResult: (id, at, bytes) =>
        dies(
          () => inner.addResult(id, at, bytes),
          () => appendFile(join(folder, id, 'results'), bytes.subarray(0, bytes.length >> 1)),
        ),
      release: async () => undefined,
    }
  }

  test('anywhere loses no row and repeats none', async () => {
    const count = 900
    const bad = (i: number) => i % 97 === 5
    const expected = await pricesOf(price, count, bad)
    const folder = join(bench.root, 'jobs')
    const where = fc.constantFrom('before' as const, 'within' as const, 'behind' as const)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ nth: fc.integer({ min: 1, max: 6 }), where }), { maxLength: 5 }),
        async (stops) => {
          await rm(folder, { recursive: true, force: true })
          const first = await bench.server()
          // Taken by a server that computes nothing yet.
          await first.jobs!.close()
          const quiet = await bench.server({ limits: { running: 0 } })
          const { id } = (await quiet.post('model=price', rowsOf(count, bad), 'text/csv')).body
          await quiet.jobs!.close()
          for (const { nth, where } of stops) {
            const store = dying(createFileJobs(folder), nth, where, folder)
            const dead = await bench.server({ store })
            while ((dead.jobs!.list({ id: 'shop', scopes: [] })[0]?.state ?? 'done') !== 'done') {
              await new Promise((resolve) => setTimeout(resolve, 2))
              if (dead.lines.some((line) => line.includes('could not be recorded'))) break
            }
            await dead.jobs!.close()
          }
          const last = await bench.server()
          const job = await last.ended(id)
          expect(job).toMatchObject({ state: 'done', rows: { done: count, failed: 10 } })
          expect((await last.result(id)).text).toBe(expected)
          await last.jobs!.close()
        },
      ),
      { seed: 3, numRuns: 12 },
    )
  })

  test('lets one server of several work, and cleans up what was never finished', async () => {
    const jobs = join(bench.root, 'jobs')
    await mkdir(join(jobs, 'half'), { recursive: true })
    await writeFile(join(jobs, 'half/rows'), 'a,b')
    await mkdir(join(jobs, 'hurt'))
    await writeFile(join(jobs, 'hurt/job.json'), '{"job":1}')
    const { lines } = await bench.server()
    expect((await readdir(jobs)).sort()).toEqual(['hurt', 'server.json'])
    expect(lines).toContainEqual(expect.stringContaining('! job hurt cannot be used'))
    const machine = { pid: 1, host: 'here', isAlive: (pid: number) => pid === 77 }
    await writeFile(join(jobs, 'server.json'), JSON.stringify({ pid: 77, host: 'here' }))
    const second = await bench.server({ store: createFileJobs(jobs, { machine }) })
    expect((await second.post('model=price', rowsOf(1), 'text/csv')).status).toBe(503)
    await writeFile(join(jobs, 'server.json'), JSON.stringify({ pid: 78, host: 'here' }))
    const third = await bench.server({ store: createFileJobs(jobs, { machine }) })
    expect((await third.post('model=price', rowsOf(1), 'text/csv')).status).toBe(202)
    expect(JSON.parse(await readFile(join(jobs, 'server.json'), 'utf8'))).toEqual({ pid: 1, host: 'here' })
  })
})
