/** Three million flights into memory, from Parquet and from CSV: rows a second and peak memory beside DuckDB alone and pandas. */
import { packedFile } from '../test/package-files.ts'
import { peerProgram } from './peers.ts'
import { runForJson } from './processes.ts'
import { compileProgram } from './program.ts'
import { requirePythonPeer } from './python-peers.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { rounded, summary } from './statistics.ts'

interface Run {
  readonly rows: number
  readonly seconds: number
  /** of all threads, start and libraries included */
  readonly processor: number
  /** peak, MB */
  readonly memory: number
}

const sides = ['ours', 'duckdb', 'pandas'] as const
type Side = (typeof sides)[number]
const formats = ['parquet', 'csv'] as const

async function run(context: BenchContext): Promise<Figure> {
  const rounds = context.number('rounds')
  const { python, version } = await requirePythonPeer('pandas', context.progress)
  const parquet = await packedFile('vega-datasets@3.2.1', 'data/flights-3m.parquet')
  const csv = `${context.folder}/flights.csv`
  await writeCsv(parquet, csv)
  const [ours, duckdb] = await Promise.all(
    ['ingest', 'ingest-duckdb'].map((name) => compileProgram(new URL(`./programs/${name}.ts`, import.meta.url))),
  )
  const commands: Record<Side, readonly string[]> = {
    ours: [process.execPath, ours!],
    duckdb: [process.execPath, duckdb!],
    pandas: [python, peerProgram('pandas_ingest.py')],
  }
  const found = Object.fromEntries(
    formats.map((format) => [format, { ours: [], duckdb: [], pandas: [] }]),
  ) as unknown as Record<(typeof formats)[number], Record<Side, Run[]>>
  for (let round = 1; round <= rounds; round++) {
    for (const format of formats) {
      for (const side of sides) {
        const made = await runForJson<Run>([...commands[side], format === 'csv' ? csv : parquet])
        found[format][side].push(made)
        context.progress(
          `round ${round}, ${format}, ${side}: ${rounded(made.seconds)} s, ${Math.round(made.memory)} MB`,
        )
      }
    }
  }
  const figures = Object.fromEntries(formats.map((format) => [format, compared(found[format])]))
  return {
    metric: 'rows a second from CSV, kinds found over all rows',
    unit: 'rows/s',
    value: figures.csv!.ours.rowsPerSecond,
    ...figures,
    peerCommand: `${python} bench/peers/pandas_ingest.py FILE; node ingest-duckdb.mjs FILE`,
    peerVersion: version,
    protocol:
      'one process each, in turn; VmHWM at the end; ours looks at every row for the kinds and then streams all chunks',
    rounds,
  }
}

function compared(runs: Record<Side, Run[]>) {
  const of = (side: Side) => {
    const seconds = summary(runs[side].map((each) => each.seconds))
    return {
      rowsPerSecond: Math.round(runs[side][0]!.rows / seconds.median),
      seconds,
      processor: rounded(summary(runs[side].map(({ processor }) => processor)).median),
      memory: Math.round(summary(runs[side].map(({ memory }) => memory)).median),
    }
  }
  const [ours, duckdb, pandas] = [of('ours'), of('duckdb'), of('pandas')]
  const times = (peer: typeof ours): number => rounded(peer.seconds.median / ours.seconds.median)
  const memory = (peer: typeof ours): number => rounded(ours.memory / peer.memory)
  return {
    ...{ ours, duckdb, pandas },
    ...{ timesDuckdb: times(duckdb), timesPandas: times(pandas) },
    ...{ memoryOfDuckdb: memory(duckdb), memoryOfPandas: memory(pandas) },
  }
}

/** The same rows as CSV, written by DuckDB. */
async function writeCsv(parquet: string, csv: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const text = (path: string): string => `'${path.replaceAll("'", "''")}'`
  await connection.run(`COPY (FROM ${text(parquet)}) TO ${text(csv)} (FORMAT csv, HEADER)`)
  connection.closeSync()
}

export const ingest: BenchRecord = {
  name: 'ingest',
  title:
    'three million flights from Parquet and from CSV: rows a second and peak memory beside DuckDB alone and pandas',
  takes: '2 minutes',
  needs: [],
  builds: true,
  options: { rounds: { default: 3, summary: 'runs of each side and format, in turn' } },
  run,
}
