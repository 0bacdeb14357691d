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
/**
 * Relative, of the losses after three updates. The gradients are the same sums, but where the runtime fuses operators otherwise they round
 * otherwise, and the first updates of AdamW take the sign of a gradient for its size.
 */
const mostDifference = 1e-4
const peerWays = ['none', 'all'] as const

async function run(context: BenchContext): Promise<Figure> {
  const [steps, rounds, threads] = [context.number('steps'), context.number('rounds'), context.number('threads')]
  const shape = context.text('shape')
  sizesOf(shape, shapeOfRecord)
  const ours = await gptProgram()
  const text = await writeText(context.folder)
  const peerWords = [peerProgram('peak_memory.py'), peerProgram('torch_gpt_step.py'), text, shape, String(steps)]
  const runs: Record<(typeof ways)[number], GptRun[]> = { none: [], cheap: [], all: [] }
  const peers: Record<(typeof peerWays)[number], number[]> = { none: [], all: [] }
  for (let round = 1; round <= rounds; round++) {
    for (const again of ways) {
      const made = await ours({ text, shape, steps, threads, again })
      runs[again].push(made)
      context.progress(
        `round ${round}: again ${again}: ${made.memory.toFixed(0)} MB, ${made.milliseconds.toFixed(0)} ms`,
      )
    }
    for (const again of peerWays) {
      const { stdout } = await runProcess([python, ...peerWords, again], { env: { OPENBLAS_NUM_THREADS: '2' } })
      const memory = Number(/^peak ([\d.]+) MB$/m.exec(stdout)?.[1] ?? Number.NaN)
      peers[again].push(memory)
      context.progress(`round ${round}: PyTorch, again ${again}: ${memory.toFixed(0)} MB`)
    }
  }
  const of = (list: readonly GptRun[]) => ({
    memory: summary(list.map(({ memory }) => memory)),
    milliseconds: summary(list.map(({ milliseconds }) => milliseconds)),
    loss: list[0]!.loss,
  })
  const [kept, cheap, all] = [of(runs.none), of(runs.cheap), of(runs.all)]
  const [peer, peerAgain] = [summary(peers.none), summary(peers.all)]
  const lossDifference = Math.max(...[cheap, all].map(({ loss }) => Math.abs(loss / kept.loss - 1)))
  return {
    metric: 'peak resident memory with all activations computed again',
    unit: 'MB',
    better: 'lower',
    value: all.memory.median,
    kept,
    cheap,
    all,
    peer,
    /** with the activations of its blocks computed again */
    peerAgain,
    ratio: rounded(peer.median / kept.memory.median),
    ratioAgain: rounded(peerAgain.median / all.memory.median),
    lossDifference,
    holds: lossDifference < mostDifference && all.memory.median < kept.memory.median,
    peerCommand: `${python} bench/peers/peak_memory.py bench/peers/torch_gpt_step.py TEXT ${shape} ${steps} none|all`,
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
    steps: { default: 1, summary: 'steps of each side in each round' },
    rounds: { default: 2, summary: 'times that the sides take turns' },
    threads: { default: 2, summary: 'threads of our side' },
  },
  run,
}
