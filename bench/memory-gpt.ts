/** Peak memory of training a GPT, with activations kept and with activations computed again, beside PyTorch's. */
import { writeText } from './examples.ts'
import { type GptRun, gptProgram } from './gpt-program.ts'
import { peerProgram, python, requireTorch } from './peers.ts'
import { runProcess } from './processes.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { sizesOf } from './sizes.ts'
import { rounded, summary } from './statistics.ts'

const shapeOfRecord = '6,6,384,512,8,65'
const ways = ['none', 'cheap', 'all'] as const

async function run(context: BenchContext): Promise<Figure> {
  const [steps, rounds, threads] = [context.number('steps'), context.number('rounds'), context.number('threads')]
  const shape = context.text('shape')
  sizesOf(shape, shapeOfRecord)
  const ours = await gptProgram()
  const text = await writeText(context.folder)
  const peerWords = [peerProgram('peak_memory.py'), peerProgram('torch_gpt_step.py'), text, shape, String(steps)]
  const runs: Record<(typeof ways)[number], GptRun[]> = { none: [], cheap: [], all: [] }
  const peer: number[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const again of ways) {
      const made = await ours({ text, shape, steps, threads, again })
      runs[again].push(made)
      context.progress(
        `round ${round}: again ${again}: ${made.memory.toFixed(0)} MB, ${made.milliseconds.toFixed(0)} ms`,
      )
    }
    const { stdout } = await runProcess([python, ...peerWords], { env: { OPENBLAS_NUM_THREADS: '2' } })
    peer.push(Number(/^peak ([\d.]+) MB$/m.exec(stdout)?.[1] ?? Number.NaN))
    context.progress(`round ${round}: PyTorch ${peer.at(-1)!.toFixed(0)} MB`)
  }
  const of = (list: readonly GptRun[]) => ({
    memory: summary(list.map(({ memory }) => memory)),
    milliseconds: summary(list.map(({ milliseconds }) => milliseconds)),
    loss: list[0]!.loss,
  })
  const [kept, cheap, all, other] = [of(runs.none), of(runs.cheap), of(runs.all), summary(peer)]
  return {
    metric: 'peak resident memory with all activations computed again',
    unit: 'MB',
    better: 'lower',
    value: all.memory.median,
    kept,
    cheap,
    all,
    peer: other,
    ratio: rounded(other.median / all.memory.median),
    /** the losses are the same, bit for bit */
    sameLoss: kept.loss === cheap.loss && kept.loss === all.loss,
    holds: kept.loss === all.loss && kept.loss === cheap.loss && all.memory.median < kept.memory.median,
    peerCommand: `${python} bench/peers/peak_memory.py bench/peers/torch_gpt_step.py TEXT ${shape} ${steps}`,
    peerVersion: `torch ${await requireTorch()}`,
    protocol: 'one process each; VmHWM at the end, runtime and program included',
    rounds,
    shape,
  }
}

export const memoryGpt: BenchRecord = {
  name: 'memory-gpt',
  title: "peak memory of training a GPT, activations kept or computed again, beside PyTorch's",
  takes: '5 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: shapeOfRecord, summary: 'layers,heads,width,context,batch,vocabulary' },
    steps: { default: 3, summary: 'steps of each side in each round' },
    rounds: { default: 3, summary: 'times that the sides take turns' },
    threads: { default: 2, summary: 'threads of our side' },
  },
  run,
}
