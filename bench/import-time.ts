/** How long a person waits for `quern --help`, beside Node's own start; and what opening a large model costs, whose weights lie in a file beside it. */
import { existsSync } from 'node:fs'
import { QuernError } from '../src/core/errors.ts'
import { root } from './machine.ts'
import { runForJson, runProcess } from './processes.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** of the file, for opening it */
const mostMemory = 1.3

/** Seconds and peak memory of processes that open the model, and that compare it with its untouched file too, as training does. */
async function openLarge({ folder, number, progress }: BenchContext) {
  const program = await compileProgram(new URL('./programs/import-external.ts', import.meta.url))
  const call = <T>(...words: readonly string[]) => runForJson<T>([process.execPath, program, folder, ...words])
  const { bytes } = await call<{ bytes: number }>('write', String(number('megabytes')))
  const measured = async (work: 'open' | 'compare') => {
    const { seconds, peak } = await call<{ seconds: number; peak: number }>(work)
    progress(`${work}: ${rounded(seconds)} s, ${Math.round(peak / 1e6)} MB, ${rounded(peak / bytes)} of the file`)
    return { seconds: rounded(seconds), megabytes: Math.round(peak / 1e6), ofTheFile: rounded(peak / bytes) }
  }
  return { fileMegabytes: Math.round(bytes / 1e6), open: await measured('open'), compare: await measured('compare') }
}

export const importTime: BenchRecord = {
  name: 'import-time',
  title: 'from the start of `quern --help` to its end; peak memory of opening a model with external data',
  takes: '1 minute',
  needs: [],
  builds: true,
  options: {
    runs: { default: 15, summary: 'starts, in turn with an empty program' },
    megabytes: { default: 500, summary: 'of the model with external data' },
  },
  async run(context) {
    const { number, progress } = context
    const main = `${root}/dist/cli/main.js`
    if (!existsSync(main)) {
      throw new QuernError('missing', 'dist/cli/main.js is not there', { hint: 'Build it: npm run build' })
    }
    const [help, bare]: [number[], number[]] = [[], []]
    // The first start reads the files from the disk: not counted.
    for (let run = 0; run <= number('runs'); run++) {
      const { seconds } = await runProcess([process.execPath, main, '--help'])
      const empty = await runProcess([process.execPath, '-e', '0'])
      if (run === 0) continue
      help.push(seconds)
      bare.push(empty.seconds)
    }
    const all = summary(help)
    progress(`${help.length} starts from ${all.min} to ${all.max} s`)
    const externalData = await openLarge(context)
    const floor = 0.4
    return {
      ...{ unit: 's', value: all.median, floor, better: 'lower', memoryFloor: mostMemory },
      holds: all.median <= floor && Math.max(externalData.open.ofTheFile, externalData.compare.ofTheFile) <= mostMemory,
      ...{ quernHelp: all, emptyProgram: summary(bare), externalData },
      protocol: 'a process each; VmHWM at the end, Node, the runtime and the pages of the file that it maps included',
    }
  },
}
