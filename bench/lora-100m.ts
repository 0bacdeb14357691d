/** LoRA on a Transformer of 100 M frozen parameters, and training all of it: seconds a step and peak memory beside PyTorch with the same LoRA. */
import { writeText } from './examples.ts'
import { peerProgram, python, requireTorch } from './peers.ts'
import { runForJson, runProcess } from './processes.ts'
import { compileProgram } from './program.ts'
import type { BenchContext, BenchRecord, Figure, Summary } from './record.ts'
import { sizesOf } from './sizes.ts'
import { rounded, summary } from './statistics.ts'

const shapeOfRecord = '12,12,768,128,4,9728,8'
const leastSpeed = 1
const mostMemory = 0.8

interface Run {
  readonly milliseconds: number
  readonly processor: number
  readonly firstLoss: number
  readonly loss: number
  readonly parameters: number
  readonly memory: number
}

type Side = 'ours' | 'peer'
const works = ['lora', 'full'] as const
type Work = (typeof works)[number]

async function run(context: BenchContext): Promise<Figure> {
  const [steps, rounds, threads] = ['steps', 'rounds', 'threads'].map((name) => String(context.number(name)))
  const [shape, again] = [context.text('shape'), context.text('recompute')]
  sizesOf(shape, shapeOfRecord)
  const version = `torch ${await requireTorch()}`
  const program = await compileProgram(new URL('./programs/lora-step.ts', import.meta.url))
  const text = await writeText(context.folder)
  const env = { BENCH_THREADS: threads!, OMP_NUM_THREADS: threads!, OPENBLAS_NUM_THREADS: threads! }
  const sides: Record<Side, (work: Work) => Promise<Run>> = {
    ours: (work) => runForJson<Run>([process.execPath, program, text, shape, steps!, threads!, '', work, again]),
    peer: async (work) => {
      const words = [peerProgram('peak_memory.py'), peerProgram('torch_lora_step.py'), text, shape, steps!, work]
      const { stdout } = await runProcess([python, ...words], { env })
      const [line = '', peak = ''] = stdout.trim().split('\n').slice(-2)
      return { ...(JSON.parse(line) as Run), memory: Number(/^peak ([\d.]+) MB$/.exec(peak)?.[1] ?? Number.NaN) }
    },
  }
  const found: Record<Work, Record<Side, Run[]>> = { lora: { ours: [], peer: [] }, full: { ours: [], peer: [] } }
  const asked = context.text('work') === 'both' ? works : works.slice(0, 1)
  for (let round = 1; round <= Number(rounds); round++) {
    for (const work of asked) {
      for (const side of ['ours', 'peer'] as const) {
        const made = await sides[side](work)
        found[work][side].push(made)
        const { milliseconds, memory } = made
        context.progress(
          `round ${round}: ${work} ${side}: ${(milliseconds / 1000).toFixed(2)} s a step, ${memory.toFixed(0)} MB`,
        )
      }
    }
  }
  const low = compared(found.lora)
  const full = asked.includes('full') ? compared(found.full) : undefined
  const holds = ({ ratio, memoryRatio }: Compared) => ratio >= leastSpeed && memoryRatio <= mostMemory
  return {
    metric: `LoRA on 100 M frozen parameters: times as fast as ${version}`,
    value: low.ratio,
    floor: leastSpeed,
    holds: holds(low) && (!full || holds(full)),
    memoryFloor: mostMemory,
    lora: low,
    ...(full && { full }),
    peerCommand: `${python} bench/peers/peak_memory.py bench/peers/torch_lora_step.py TEXT ${shape} ${steps} lora|full`,
    peerVersion: version,
    protocol: 'one process each, in turn; VmHWM at the end, runtime and program included',
    recompute: again,
    rounds: Number(rounds),
    shape,
  }
}

interface Compared {
  readonly ours: Record<'seconds' | 'memory', Summary>
  readonly peer: Record<'seconds' | 'memory', Summary>
  /** times as fast as the peer */
  readonly ratio: number
  readonly processorRatio: number
  /** our memory over the peer's */
  readonly memoryRatio: number
  readonly losses: Readonly<Record<Side, readonly number[]>>
  readonly parameters: Readonly<Record<Side, number>>
}

function compared({ ours, peer }: Record<Side, Run[]>): Compared {
  const of = (list: readonly Run[]) => ({
    seconds: summary(list.map(({ milliseconds }) => milliseconds / 1000)),
    memory: summary(list.map(({ memory }) => memory)),
    processor: summary(list.map(({ processor }) => processor)).median,
  })
  const [a, b] = [of(ours), of(peer)]
  const [first, other] = [ours[0]!, peer[0]!]
  if (Math.abs(first.parameters - other.parameters) > 0.005 * other.parameters) {
    throw new Error(`not the same work: ${first.parameters} trained parameters against ${other.parameters}`)
  }
  return {
    ours: { seconds: a.seconds, memory: a.memory },
    peer: { seconds: b.seconds, memory: b.memory },
    ratio: rounded(b.seconds.median / a.seconds.median),
    processorRatio: rounded(b.processor / a.processor),
    memoryRatio: rounded(a.memory.median / b.memory.median),
    losses: { ours: [first.firstLoss, first.loss], peer: [other.firstLoss, other.loss] },
    parameters: { ours: first.parameters, peer: other.parameters },
  }
}

export const lora100m: BenchRecord = {
  name: 'lora-100m',
  title: 'LoRA on a Transformer of 100 M parameters, and all of it: speed and memory beside PyTorch',
  takes: '8 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: shapeOfRecord, summary: 'layers,heads,width,context,batch,vocabulary,rank' },
    steps: { default: 5, summary: 'steps of each side in each round, behind 2 (ours) or 3 of warming up' },
    rounds: { default: 3, summary: 'times that the sides take turns' },
    threads: { default: 2, summary: 'threads of both sides' },
    recompute: {
      default: 'all',
      summary: 'activations of our side that are computed again in place of being kept',
      choices: ['none', 'cheap', 'all'],
    },
    work: { default: 'both', summary: 'what is trained', choices: ['both', 'lora'] },
  },
  run,
}
