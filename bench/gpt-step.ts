/** One training step of a small GPT beside PyTorch's: layers, heads, width, context, batch and vocabulary are those of `--shape`. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { QuernError } from '../src/core/errors.ts'
import { root } from './machine.ts'
import { peerProgram, python, requireTorch } from './peers.ts'
import { runForJson, runProcess } from './processes.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord, SpeedFigure } from './record.ts'
import { rounded, summary } from './statistics.ts'

interface Step {
  readonly milliseconds: number
  readonly loss: number
}

const small = '4,4,128,64,12,65'
/** How many times as fast as PyTorch a shape must be; the larger one runs near the rate of the matrix products on both sides. */
const floors: Readonly<Record<string, number>> = { [small]: 4, '6,6,384,128,8,65': 2.7 }

const textSize = 1_000_000

/** The pages of docs/, one behind the other and again until there is enough. */
async function writeText(folder: string): Promise<string> {
  const pages = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).sort()
  const text = Buffer.concat(await Promise.all(pages.map((name) => readFile(join(root, 'docs', name)))))
  const path = join(folder, 'text.txt')
  await writeFile(path, Buffer.alloc(textSize, text))
  return path
}

/** What torch_gpt_step.py prints: `torch 1.13.0 161.2 ms/step 4764 tokens/s loss 2.312`. */
async function torchStep(text: string, shape: string, steps: number, env: Record<string, string>): Promise<Step> {
  const { stdout } = await runProcess([python, peerProgram('torch_gpt_step.py'), text, shape, String(steps)], { env })
  const [, milliseconds, loss] = /([\d.]+) ms\/step .* loss ([\d.]+|nan)/.exec(stdout) ?? []
  if (milliseconds === undefined) throw new Error(`the peer printed no time: ${stdout}`)
  return { milliseconds: Number(milliseconds), loss: Number(loss) }
}

async function run(context: BenchContext): Promise<SpeedFigure> {
  const [steps, rounds, threads] = [context.number('steps'), context.number('rounds'), context.number('threads')]
  const shape = context.text('shape')
  if (!/^[1-9]\d*(,[1-9]\d*){5}$/.test(shape)) {
    throw new QuernError('config', `--shape must be six numbers such as ${small}, received '${shape}'`)
  }
  const program = await compileProgram(new URL('./programs/gpt-step.ts', import.meta.url))
  const text = await writeText(context.folder)
  // torch_gpt_step.py asks for two threads itself; OpenBLAS has a mind of its own.
  const env = { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' }
  const [ours, peer]: [Step[], Step[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    ours.push(await runForJson<Step>([process.execPath, program, text, shape, String(steps), String(threads)]))
    peer.push(await torchStep(text, shape, steps, env))
    const [a, b] = [ours.at(-1)!, peer.at(-1)!]
    const ratio = (b.milliseconds / a.milliseconds).toFixed(2)
    context.progress(
      `round ${round}: ours ${a.milliseconds.toFixed(1)} ms, PyTorch ${b.milliseconds} ms: ${ratio} times as fast`,
    )
  }
  const times = (list: readonly Step[]): number[] => list.map(({ milliseconds }) => milliseconds)
  const [mine, other] = [summary(times(ours)), summary(times(peer))]
  const ratio = rounded(other.median / mine.median)
  const floor = floors[shape]
  return {
    metric: 'times as fast as PyTorch',
    value: ratio,
    ...(floor === undefined ? {} : { floor }),
    ours: mine,
    peer: other,
    ratio,
    peerCommand: `${python} bench/peers/torch_gpt_step.py TEXT ${shape} ${steps}`,
    peerVersion: `torch ${await requireTorch()}`,
    rounds,
    unit: 'ms a step',
    /** of the pairs that stand next to each other in time */
    ratios: ours.map(({ milliseconds }, i) => rounded(peer[i]!.milliseconds / milliseconds)),
    shape,
    threads,
    losses: { ours: rounded(ours.at(-1)!.loss), peer: rounded(peer.at(-1)!.loss) },
  }
}

export const gptStep: BenchRecord = {
  name: 'gpt-step',
  title: 'a training step of a small GPT: times as fast as PyTorch',
  takes: '2 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: small, summary: 'layers,heads,width,context,batch,vocabulary; the larger is 6,6,384,128,8,65' },
    steps: { default: 60, summary: 'steps of each side in each round' },
    rounds: { default: 5, summary: 'times that the two sides take turns' },
    threads: { default: 2, summary: 'threads of our side; the peer has 2' },
  },
  run,
}
