/** The verbs on tables that are no files: the rows come through a spool, which each of them opens and gives back. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { zipSync } from 'fflate'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluateModel } from '../../src/actions/evaluate.ts'
import { inspectData } from '../../src/actions/inspect.ts'
import { openModel } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { createRandom } from '../../src/core/random.ts'
import { noPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

const rows = 200

interface Example {
  readonly size: number
  readonly kind: string
  readonly good: boolean
}

function examples(): Example[] {
  const random = createRandom(6)
  return Array.from({ length: rows }, (_, i) => {
    const size = Math.round(1000 * random.normal()) / 1000
    const kind = ['oak', 'elm', 'ash'][i % 3]!
    return { size, kind, good: size + (kind === 'oak' ? 1 : -0.5) > 0 }
  })
}

let folder: ProjectFolder
let server: PostgresServer | undefined
beforeAll(async () => {
  folder = await createProjectFolder()
  const all = examples()
  const database = new DatabaseSync(join(folder.root, 'trees.db'))
  database.exec('CREATE TABLE trees (size REAL, kind TEXT, good INTEGER)')
  const insert = database.prepare('INSERT INTO trees VALUES (?, ?, ?)')
  for (const { size, kind, good } of all) insert.run(size, kind, good ? 1 : 0)
  database.close()
  for (const [i, { kind, size, good }] of all.entries()) {
    const at = join(folder.root, 'notes', good ? 'good' : 'bad')
    await mkdir(at, { recursive: true })
    await writeFile(join(at, `${i}.txt`), `tree ${i} is of ${kind} and ${size > 0 ? 'large' : 'small'} for its age`)
  }
  const arrays = {
    'size.npy': npy(all.map(({ size }) => size)),
    'oak.npy': npy(all.map(({ kind }) => Number(kind === 'oak'))),
  }
  await writeFile(join(folder.root, 'trees.npz'), zipSync(arrays))
  if (noPostgres) return
  server = await startPostgres()
  Object.assign(process.env, server.environment)
  const sql = postgres(server.url, { onnotice: () => undefined })
  await sql`CREATE TABLE trees (size float8, kind text, good boolean)`
  await sql`INSERT INTO trees ${sql(all.map(({ size, kind, good }) => ({ size, kind, good })))}`
  await sql.end()
}, 60_000)
afterAll(async () => {
  for (const name of Object.keys(server?.environment ?? {})) delete process.env[name]
  await server?.stop()
  await folder.remove()
})

/** float64 `[rows]` as NumPy writes it. */
function npy(values: readonly number[]): Uint8Array {
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${values.length},), }`.padEnd(117).concat('\n')
  const bytes = new Uint8Array(10 + header.length + 8 * values.length)
  bytes.set([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0, ...Buffer.from(header)])
  const view = new DataView(bytes.buffer, 10 + header.length)
  for (const [i, value] of values.entries()) view.setFloat64(8 * i, value, true)
  return bytes
}

/** Inspected, trained on, trained on again from the cache, scored. */
async function allVerbs(task: string, data: Readonly<Record<string, unknown>>): Promise<string> {
  const config = { task, data, train: { epochs: 4, batchSize: 16 }, baselines: false }
  const project = resolveProject(config, { root: folder.root, what: 'quern.config.ts' })
  const profile = await inspectData(folder.services, project)
  expect(JSON.stringify(profile)).toContain(`${rows}`)
  const first = await train(folder.services, project)
  const second = await train(folder.services, project)
  expect(second.result.scores).toEqual(first.result.scores)
  await evaluateModel(folder.services, project, { model: second.result.run, split: 'test' })
  const { bundle, pipeline } = await openModel(folder.services, second.result.run)
  await pipeline.release()
  return bundle.manifest.lineage.data.sha256
}

describe('inspect, train and evaluate read', () => {
  it('an SQLite file', { timeout: 60_000 }, async () => {
    await allVerbs('tabular-classification', { source: 'sqlite:trees.db', table: 'trees', target: 'good' })
    await allVerbs('tabular-regression', {
      source: 'sqlite:trees.db',
      query: 'SELECT size, kind FROM trees',
      target: 'size',
    })
  })

  it('a folder of texts', { timeout: 60_000 }, async () => {
    await allVerbs('tabular-classification', { source: 'notes/', target: 'label' })
  })

  it('arrays', { timeout: 60_000 }, async () => {
    await allVerbs('tabular-regression', { source: 'trees.npz', target: 'size' })
  })

  it.skipIf(noPostgres)(`a PostgreSQL server${noPostgres ? ` (${noPostgres})` : ''}`, { timeout: 60_000 }, async () => {
    const data = { source: server!.address, table: 'trees', target: 'good' }
    const before = await allVerbs('tabular-classification', data)
    // What changed in the database is noticed, though rows of before are in the cache.
    const sql = postgres(server!.url)
    await sql`INSERT INTO trees VALUES (9, 'oak', true)`
    await sql.end()
    const project = resolveProject(
      { task: 'tabular-classification', data, train: { epochs: 1 }, baselines: false },
      { root: folder.root, what: 'c' },
    )
    const { result } = await train(folder.services, project)
    const { bundle, pipeline } = await openModel(folder.services, result.run)
    await pipeline.release()
    expect(bundle.manifest.lineage.data.sha256).not.toBe(before)
  })
})
