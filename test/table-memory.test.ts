/** Training on a table that is larger than data.memory, in processes of their own: what they hold does not grow with the rows. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runProcess } from '../bench/processes.ts'

const columns = 150
const [few, many] = [50_000, 180_000]
/** MB of a number for each cell of the rows that one table has more than the other. */
const more = ((many - few) * columns * 8) / 2 ** 20

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-memory-'))
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const cells = Array.from({ length: columns }, (_, i) => `(hash(r * ${columns} + ${i}) % 997)::DOUBLE AS c${i}`)
  for (const rows of [few, many]) {
    const select = `SELECT ${cells.join(', ')}, CASE WHEN c0 + c1 > 997 THEN 'yes' ELSE 'no' END AS y FROM range(${rows}) t(r)`
    await connection.run(
      `COPY (${select}) TO '${join(root, `${rows}.parquet`)}' (FORMAT parquet, ROW_GROUP_SIZE 20480)`,
    )
  }
  connection.closeSync()
}, 60_000)
afterAll(() => rm(root, { recursive: true, force: true }))

const repository = fileURLToPath(new URL('..', import.meta.url))
const hook = (path: string): string[] => ['--import', pathToFileURL(join(repository, path)).href]

/** Peak MB of the whole command: reading, an epoch, evaluation, report. */
async function peakOf(rows: number, memory: number): Promise<number> {
  await rm(join(root, '.quern'), { recursive: true, force: true })
  const data = { source: `${rows}.parquet`, target: 'y', memory }
  const train = { epochs: 1, batchSize: 512 }
  const config = {
    task: 'tabular-classification',
    name: 'm',
    threads: 1,
    data,
    model: 'linear',
    baselines: false,
    train,
  }
  await writeFile(join(root, 'quern.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const hooks = [...hook('scripts/typescript.mjs'), ...hook('bench/programs/print-peak-memory.mjs')]
  const command = [process.execPath, ...hooks, join(repository, 'src/cli/main.ts'), 'train', '--json']
  const { stderr, stdout } = await runProcess(command, { cwd: root })
  expect(stdout).toContain('"done"')
  return Number(/^peak ([\d.]+) MB$/m.exec(stderr)![1])
}

it('holds hardly more for almost four times as many rows, and far less than in memory', {
  timeout: 240_000,
}, async () => {
  const [small, large, whole] = [await peakOf(few, 4), await peakOf(many, 4), await peakOf(many, 4096)]
  expect(large - small).toBeLessThan(more / 2)
  expect(whole - large).toBeGreaterThan(more)
})
