/** One training step of the seed's CNN beside PyTorch's, and if asked for, TensorFlow.js'. */
import { mnistFolder } from '../test/mnist-files.ts'
import { peerProgram, python, requireTfjs, requireTorch } from './peers.ts'
import { runForJson, runProcess } from './processes.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord, SpeedFigure } from './record.ts'
import { rounded, summary } from './statistics.ts'

interface Step {
  readonly milliseconds: number
  readonly loss: number
}

/** What torch_cnn_step.py prints: `torch 1.13.0 17.42 ms/step 1837 images/s loss 0.0412`. */
async function torchStep(steps: number, env: Record<string, string>): Promise<Step> {
  const { stdout } = await runProcess([python, peerProgram('torch_cnn_step.py'), mnistFolder, String(steps)], { env })
  const [, milliseconds, loss] = /([\d.]+) ms\/step .* loss ([\d.]+|nan)/.exec(stdout) ?? []
  if (milliseconds === undefined) throw new Error(`the peer printed no time: ${stdout}`)
  return { milliseconds: Number(milliseconds), loss: Number(loss) }
}

async function tfjsStep(context: BenchContext): Promise<Step & { version: string }> {
  const installed = await requireTfjs(context.progress)
  const steps = String(context.number('tfjsSteps'))
  return runForJson([process.execPath, peerProgram('tfjs-cnn-step.mjs'), mnistFolder, steps, installed])
}

async function run(context: BenchContext): Promise<SpeedFigure> {
  const [steps, rounds, threads] = [context.number('steps'), context.number('rounds'), context.number('threads')]
  const program = await compileProgram(new URL('./programs/cnn-step.ts', import.meta.url))
  // torch_cnn_step.py asks for two threads itself; OpenBLAS has a mind of its own.
  const env = { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' }
  const [ours, peer]: [Step[], Step[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    ours.push(await runForJson<Step>([process.execPath, program, mnistFolder, String(steps), String(threads)]))
    peer.push(await torchStep(steps, env))
    const [a, b] = [ours.at(-1)!, peer.at(-1)!]
    const ratio = (b.milliseconds / a.milliseconds).toFixed(2)
    context.progress(
      `round ${round}: ours ${a.milliseconds.toFixed(2)} ms, PyTorch ${b.milliseconds} ms: ${ratio} times as fast`,
    )
  }
  const times = (list: readonly Step[]): number[] => list.map(({ milliseconds }) => milliseconds)
  const [mine, other] = [summary(times(ours)), summary(times(peer))]
  const ratio = rounded(other.median / mine.median)
  const tfjs = context.flag('tfjs') ? await tfjsStep(context) : undefined
  return {
    metric: 'times as fast as PyTorch',
    value: ratio,
    floor: 3.5,
    ours: mine,
    peer: other,
    ratio,
    peerCommand: `${python} bench/peers/torch_cnn_step.py MNIST ${steps}`,
    peerVersion: `torch ${await requireTorch()}`,
    rounds,
    unit: 'ms a step',
    /** of the pairs that stand next to each other in time */
    ratios: ours.map(({ milliseconds }, i) => rounded(peer[i]!.milliseconds / milliseconds)),
    batchSize: 32,
    threads,
    losses: { ours: rounded(ours.at(-1)!.loss), peer: rounded(peer.at(-1)!.loss) },
    ...(tfjs === undefined ? {} : { tfjs: tfjsFigure(tfjs, mine.median, context.number('tfjsSteps')) }),
  }
}

function tfjsFigure(tfjs: Step & { version: string }, ours: number, steps: number): Record<string, unknown> {
  return {
    peer: rounded(tfjs.milliseconds),
    ratio: rounded(tfjs.milliseconds / ours),
    peerCommand: `node bench/peers/tfjs-cnn-step.mjs MNIST ${steps} FOLDER`,
    peerVersion: `@tensorflow/tfjs ${tfjs.version}, cpu backend`,
    steps,
  }
}

export const cnnStep: BenchRecord = {
  name: 'cnn-step',
  title: "a training step of the seed's CNN, batch 32: times as fast as PyTorch",
  takes: '1 minute',
  needs: ['torch'],
  builds: true,
  options: {
    steps: { default: 400, summary: 'steps of each side in each round' },
    rounds: { default: 5, summary: 'times that the two sides take turns' },
    threads: { default: 2, summary: 'threads of our side; the peer has 2' },
    tfjs: { default: false, summary: 'TensorFlow.js too; installs it outside of the repository' },
    tfjsSteps: { default: 3, summary: 'steps of TensorFlow.js, about 2 s each' },
  },
  run,
}
