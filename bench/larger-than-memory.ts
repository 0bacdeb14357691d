/** Three million flights, trained on with their encoded rows on the disk and in memory: peak memory, time, the share of it that waits for data. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../test/package-files.ts'
import { root } from './machine.ts'
import { runProcess } from './processes.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** MB of encoded rows that are kept in memory. */
const sides = { disk: 16, memory: 4096 } as const
type Side = keyof typeof sides

interface Run {
  /** peak of the whole command, MB */
  readonly memory: number
  /** of the whole command */
  readonly seconds: number
  readonly dataWait: number
  readonly stepsPerSecond: number
}

/** The whole command: reading, encoding, an epoch, evaluation, report. Nothing is left of a run before. */
async function trainOnce({ folder }: BenchContext, source: string, memory: number): Promise<Run> {
  await rm(join(folder, '.quern'), { recursive: true, force: true })
  const config = {
    task: 'tabular-regression',
    name: 'flights',
    data: { source, target: 'delay', memory, split: { validation: 0.05, test: 0.05 }, onMissingTarget: 'skip' },
    baselines: false,
    train: { epochs: 1, batchSize: 1024 },
  }
  await writeFile(join(folder, 'quern.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const hook = pathToFileURL(`${root}/bench/programs/print-peak-memory.mjs`).href
  const command = [process.execPath, '--import', hook, `${root}/dist/cli/main.js`, 'train', '--json']
  const { stdout, stderr, seconds } = await runProcess(command, { cwd: folder })
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type?: string; dataWait?: number; stepsPerSecond?: number })
  const { dataWait = Number.NaN, stepsPerSecond = Number.NaN } = events.findLast(({ type }) => type === 'done') ?? {}
  const [, peak] = [...stderr.matchAll(/^peak ([\d.]+) MB$/gm)].at(-1)!
  return { memory: Number(peak), seconds, dataWait, stepsPerSecond }
}

async function run(context: BenchContext): Promise<Figure> {
  const rounds = context.number('rounds')
  const source = await packedFile('vega-datasets@3.2.1', 'data/flights-3m.parquet')
  const runs: Record<Side, Run[]> = { disk: [], memory: [] }
  for (let round = 1; round <= rounds; round++) {
    for (const side of Object.keys(sides) as Side[]) {
      const made = await trainOnce(context, source, sides[side])
      runs[side].push(made)
      context.progress(`round ${round}, ${side}: ${Math.round(made.memory)} MB, ${rounded(made.seconds)} s`)
    }
  }
  const of = (side: Side) => {
    const median = (pick: (run: Run) => number): number => rounded(summary(runs[side].map(pick)).median)
    return {
      memory: median(({ memory }) => memory),
      seconds: median(({ seconds }) => seconds),
      stepsPerSecond: median(({ stepsPerSecond }) => stepsPerSecond),
      dataWait: median(({ dataWait }) => dataWait),
    }
  }
  const [disk, memory] = [of('disk'), of('memory')]
  return {
    metric: 'peak resident memory with encoded rows on the disk',
    unit: 'MB',
    better: 'lower',
    value: disk.memory,
    disk,
    memory,
    protocol: `one process each, in turn: the whole of quern train with an epoch; VmHWM at the end; data.memory ${sides.disk} and ${sides.memory}`,
    rounds,
  }
}

export const largerThanMemory: BenchRecord = {
  name: 'larger-than-memory',
  title: 'three million flights trained on from the disk and from memory: peak memory and time',
  takes: '2 minutes',
  needs: [],
  builds: true,
  options: { rounds: { default: 1, summary: 'times that the two sides take turns' } },
  run,
}
