/** How long a person waits for `quern --help`: the whole process, beside Node's own start. */
import { existsSync } from 'node:fs'
import { QuernError } from '../src/core/errors.ts'
import { root } from './machine.ts'
import { runProcess } from './processes.ts'
import type { BenchRecord } from './record.ts'
import { summary } from './statistics.ts'

export const importTime: BenchRecord = {
  name: 'import-time',
  title: 'from the start of `quern --help` to its end',
  takes: '10 seconds',
  needs: [],
  builds: true,
  options: { runs: { default: 15, summary: 'starts, in turn with an empty program' } },
  async run({ number, progress }) {
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
    return { unit: 's', value: all.median, floor: 0.4, better: 'lower', quernHelp: all, emptyProgram: summary(bare) }
  },
}
