/** Peak resident memory of training, data included, beside PyTorch's. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mnistFolder } from '../test/mnist-files.ts'
import { root } from './machine.ts'
import { mnistSource } from './mnist.ts'
import { peerProgram, python, requireTorch } from './peers.ts'
import { runForJson, runProcess } from './processes.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** The last line with a peak in what a program printed. */
function peakIn(text: string): number {
  const found = [...text.matchAll(/^peak ([\d.]+) MB$/gm)].at(-1)
  if (!found) throw new Error(`no peak of memory in: ${text.slice(-300)}`)
  return Number(found[1])
}

/** The whole command: loading, an epoch, validation, checkpoints, bundle, evaluation, report. */
async function trainCommand({ folder }: BenchContext, examples: number): Promise<number | undefined> {
  const cli = `${root}/dist/cli/main.js`
  if (!existsSync(cli)) return undefined
  const source = await mnistSource(folder, { examples, test: true })
  const config = { task: 'image-classification', name: 'memory', data: { source }, model: 'cnn', train: { epochs: 1 } }
  await writeFile(join(folder, 'quern.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const hook = pathToFileURL(`${root}/bench/programs/print-peak-memory.mjs`).href
  const { stderr } = await runProcess([process.execPath, '--import', hook, cli, 'train', '--json'], { cwd: folder })
  return peakIn(stderr)
}

async function run(context: BenchContext): Promise<Figure> {
  const [steps, rounds] = [context.number('steps'), context.number('rounds')]
  const program = await compileProgram(new URL('./programs/cnn-step.ts', import.meta.url))
  const peerWords = [peerProgram('peak_memory.py'), peerProgram('torch_cnn_step.py'), mnistFolder, String(steps)]
  const [ours, peer]: [number[], number[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    ours.push((await runForJson<{ memory: number }>([process.execPath, program, mnistFolder, String(steps)])).memory)
    peer.push(peakIn((await runProcess([python, ...peerWords])).stdout))
    context.progress(`round ${round}: ours ${ours.at(-1)!.toFixed(0)} MB, PyTorch ${peer.at(-1)!.toFixed(0)} MB`)
  }
  const command = await trainCommand(context, context.number('examples'))
  const [mine, other] = [summary(ours), summary(peer)]
  return {
    metric: 'peak resident memory',
    unit: 'MB',
    better: 'lower',
    value: mine.median,
    ours: mine,
    peer: other,
    ratio: rounded(other.median / mine.median),
    peerCommand: `${python} bench/peers/peak_memory.py bench/peers/torch_cnn_step.py MNIST ${steps}`,
    peerVersion: `torch ${await requireTorch()}`,
    rounds,
    protocol: `one process each: data in memory, ${steps} training steps of 32 images (an epoch of 54,000 has 1,688), no evaluation; VmHWM at the end`,
    ...(command === undefined ? {} : { trainCommand: rounded(command) }),
  }
}

export const mnistMemory: BenchRecord = {
  name: 'mnist-memory',
  title: "peak resident memory of an epoch of the seed's CNN beside PyTorch's",
  takes: '2 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    steps: { default: 1688, summary: 'training steps; 1688 are an epoch' },
    rounds: { default: 3, summary: 'times that the two sides take turns' },
    examples: { default: 0, summary: 'training images for `quern train`, for a trial; 0: all' },
  },
  run,
}
