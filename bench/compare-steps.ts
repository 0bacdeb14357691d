/** Training steps of ours beside those of other frameworks: the same work, in turn (A B A B), ratios of neighbours, both losses. */
import { join } from 'node:path'
import { QuernError, suggestion } from '../src/core/errors.ts'
import { peerProgram, requireTorch, python as systemPython } from './peers.ts'
import { runForJson, runProcess } from './processes.ts'
import { type OperatorShare, operatorShares, profileLines, readProfile } from './profile.ts'
import { compileProgram } from './program.ts'
import { pythonPeers, requirePythonPeer } from './python-peers.ts'
import type { BenchContext, OptionSpec, SpeedFigure, Summary } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** What a program of steps prints, ours and a peer's. */
interface Steps {
  /** of a step, by the clock */
  readonly milliseconds: number
  /** of a step, of all threads; absent in programs that do not say */
  readonly processor?: number
  readonly firstLoss?: number
  /** mean of the last ten steps, or the last one */
  readonly loss: number
  readonly parameters?: number
  /** which of several ways the peer found to be the fastest */
  readonly way?: string
}

export interface PeerProgram {
  /** file in bench/peers/ */
  readonly file: string
  /** times as fast that ours must be; absent where it is told and not demanded */
  readonly floor?: number
}

export interface StepComparison {
  /** file in bench/programs/, without its ending */
  readonly program: string
  /** what both sides read, and their sizes: the arguments in front of the number of steps */
  readonly work: readonly string[]
  /** by the names of `--peers`; 'torch' is Debian's */
  readonly peers: Readonly<Record<string, PeerProgram>>
}

const profileSteps = 6

/** Options of every comparison of steps. */
export function stepOptions(defaults: {
  steps: number
  rounds: number
  peers?: string
}): Record<'steps' | 'rounds' | 'threads' | 'peers' | 'profile', OptionSpec> {
  return {
    steps: { default: defaults.steps, summary: 'steps of each side in each round' },
    rounds: { default: defaults.rounds, summary: 'times that the two sides take turns' },
    threads: { default: 2, summary: 'threads of both sides; torch_cnn_step.py and torch_gpt_step.py always have 2' },
    peers: {
      default: defaults.peers ?? 'torch',
      summary: 'names joined by commas: torch (Debian), and from PyPI torch-pypi, jax, tensorflow',
    },
    profile: { default: false, summary: 'after the rounds, the share of each operator in our step' },
  }
}

/** Runs all rounds. The figure is the ratio to the first peer named; it holds when the ratio to each reaches that peer's floor. */
export async function compareSteps(context: BenchContext, comparison: StepComparison): Promise<SpeedFigure> {
  // All are asked for before the first is measured: one that is missing should not show after minutes.
  const peers: Peer[] = []
  for (const name of peerNames(context.text('peers'), Object.keys(comparison.peers))) {
    peers.push({ name, ...comparison.peers[name]!, ...(await peerOf(name, context.progress)) })
  }
  const program = await compileProgram(new URL(`./programs/${comparison.program}.ts`, import.meta.url))
  const results: PeerResult[] = []
  for (const peer of peers) results.push(await besidePeer(context, comparison, program, peer))
  const first = results[0]!
  const operators = context.flag('profile') ? await profileOf(context, comparison, program) : undefined
  return {
    metric: `times as fast as ${first.peerVersion}`,
    value: first.ratio,
    ...first,
    unit: 'ms a step',
    holds: results.every(({ holds }) => holds),
    rounds: context.number('rounds'),
    threads: context.number('threads'),
    work: comparison.work.slice(1).join(' '),
    ...(results.length > 1 ? { peers: Object.fromEntries(results.map((result) => [result.name, result])) } : {}),
    ...(operators ? { profile: operators } : {}),
  }
}

/** The names of `--peers`; throws `config` for one that the comparison does not have. */
export function peerNames(text: string, known: readonly string[]): string[] {
  const names = text.split(',').filter((name) => name !== '')
  for (const name of names) {
    if (known.includes(name)) continue
    throw new QuernError('config', `--peers does not know '${name}' here. ${suggestion(name, known)}`)
  }
  if (names.length === 0) throw new QuernError('config', `--peers needs one of ${known.join(', ')}`)
  return names
}

interface Peer extends PeerProgram {
  readonly name: string
  readonly python: string
  readonly version: string
}

interface PeerResult {
  readonly name: string
  readonly ours: Summary
  readonly peer: Summary
  readonly ratio: number
  /** of the pairs that stand next to each other in time */
  readonly ratios: readonly number[]
  /** of processor time, where both say it: less disturbed by other work on the machine */
  readonly processorRatio?: number
  readonly floor?: number
  readonly holds: boolean
  readonly peerCommand: string
  readonly peerVersion: string
  readonly losses: Readonly<Record<'ours' | 'peer', readonly (number | undefined)[]>>
  readonly parameters: Readonly<Record<'ours' | 'peer', number | undefined>>
  readonly way?: string
}

async function besidePeer(
  context: BenchContext,
  { work }: StepComparison,
  program: string,
  { name, file, floor, python, version }: Peer,
): Promise<PeerResult> {
  const [steps, threads] = [String(context.number('steps')), String(context.number('threads'))]
  const [ours, theirs]: [Steps[], Steps[]] = [[], []]
  for (let round = 1; round <= context.number('rounds'); round++) {
    ours.push(await runForJson<Steps>([process.execPath, program, ...work, steps, threads]))
    theirs.push(await peerSteps([python, peerProgram(file), ...work, steps], threads))
    const [a, b] = [ours.at(-1)!, theirs.at(-1)!]
    const ratio = (b.milliseconds / a.milliseconds).toFixed(2)
    const [mine, other] = [a, b].map(({ milliseconds }) => milliseconds.toFixed(1))
    context.progress(`round ${round}: ours ${mine} ms, ${version} ${other} ms: ${ratio} times as fast`)
  }
  requireSameWork(ours.at(-1)!, theirs.at(-1)!, version)
  const [mine, other] = [ours, theirs].map((list) => summary(list.map(({ milliseconds }) => milliseconds))) as [
    Summary,
    Summary,
  ]
  const ratio = rounded(other.median / mine.median)
  const processor = (list: readonly Steps[]): number => summary(list.map((each) => each.processor ?? Number.NaN)).median
  const processorRatio = processor(theirs) / processor(ours)
  const { way } = theirs.at(-1)!
  const said = (list: readonly Steps[]) =>
    [list.at(-1)!.firstLoss, list.at(-1)!.loss].map((loss) => loss && rounded(loss))
  return {
    ...{ name, ours: mine, peer: other, ratio },
    ratios: ours.map(({ milliseconds }, i) => rounded(theirs[i]!.milliseconds / milliseconds)),
    ...(Number.isFinite(processorRatio) ? { processorRatio: rounded(processorRatio) } : {}),
    ...(floor === undefined ? {} : { floor }),
    holds: floor === undefined || ratio >= floor,
    peerCommand:
      `${name === 'torch' ? systemPython : 'python'} bench/peers/${file} FILE ${work.slice(1).join(' ')} ${steps}`.replace(
        / +/g,
        ' ',
      ),
    peerVersion: version,
    losses: { ours: said(ours), peer: said(theirs) },
    parameters: { ours: ours.at(-1)!.parameters, peer: theirs.at(-1)!.parameters },
    ...(way === undefined ? {} : { way }),
  }
}

async function peerOf(name: string, progress: (message: string) => void): Promise<{ python: string; version: string }> {
  if (Object.hasOwn(pythonPeers, name)) return requirePythonPeer(name, progress)
  return { python: systemPython, version: `torch ${await requireTorch()}` }
}

/** A line of JSON, or what the first two programs print: `torch 1.13.0 17.42 ms/step 1837 images/s loss 0.0412`. */
async function peerSteps(command: readonly string[], threads: string): Promise<Steps> {
  // Programs ask for their threads themselves; OpenBLAS has a mind of its own.
  const env = { BENCH_THREADS: threads, OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads }
  const { stdout } = await runProcess(command, { env })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (line.startsWith('{')) return JSON.parse(line) as Steps
  const [, milliseconds, loss] = /([\d.]+) ms\/step .* loss ([\d.]+|nan)/.exec(line) ?? []
  if (milliseconds === undefined) throw new Error(`the peer printed no time: ${stdout}`)
  return { milliseconds: Number(milliseconds), loss: Number(loss) }
}

/** Two models of one size that learn: what differs by more than this is not the same work. */
const parameterTolerance = 0.005

function requireSameWork(ours: Steps, theirs: Steps, version: string): void {
  const [a, b] = [ours.parameters, theirs.parameters]
  if (a !== undefined && b !== undefined && Math.abs(a - b) > parameterTolerance * b) {
    throw new Error(`not the same work: our model has ${a} parameters, that of ${version} ${b}`)
  }
  if (!Number.isFinite(ours.loss) || !Number.isFinite(theirs.loss)) {
    throw new Error(`a side does not learn: losses ${ours.loss} (ours), ${theirs.loss} (${version})`)
  }
}

async function profileOf(
  context: BenchContext,
  { work, program: name }: StepComparison,
  program: string,
): Promise<OperatorShare[]> {
  const prefix = join(context.folder, `profile-${name}`)
  const threads = String(context.number('threads'))
  await runForJson<Steps>([process.execPath, program, ...work, String(profileSteps), threads, prefix])
  const shares = operatorShares(await readProfile(prefix))
  for (const line of profileLines(shares)) context.progress(line)
  return shares
}
