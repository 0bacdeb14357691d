/**
 * Sessions of a training step and what they are bound to. One is made when a batch size, or a set of objectives, first occurs: the
 * last batch of an epoch is smaller. Nothing here says when which of them runs.
 */
import type { Random } from '../core/random.ts'
import { requireStatic, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { TracedParameter } from '../nn/trace.ts'
import { writeModel } from '../onnx/write.ts'
import { weightsAsInputs } from '../passes/weights-as-inputs.ts'
import { createArena } from '../runtime/arena.ts'
import type { Backend, BoundRun, Session, SessionOptions } from '../runtime/backend.ts'
import { withWeights } from '../runtime/bound-weights.ts'
import { createKernels, type Kernels } from '../runtime/kernels/kernels.ts'
import { type ParameterPlan, stagesOf } from './assign.ts'
import { type Draw, drawsOf, feedsOfDraws, layoutOfDraws } from './draws.ts'
import { evaluationGraph, statisticsGraph, type TracedGraph, type TrainingGraph, trainingGraph } from './graphs.ts'
import { type JointTrace, traceJoint } from './joint-trace.ts'
import { rowsOf, type StepMemory } from './memory.ts'
import type { JointNetwork } from './network.ts'
import type { Recomputation } from './step-options.ts'

/** A set of objectives: bit i stands for the i-th. */
export type Due = number

/** How many groups of parameters have begun to be trained: an index into `stagesOf`. */
export type Stage = number

/** Stages that a run can have. */
const mostStages = 64

/** Objectives that a set can hold. */
export const mostObjectives = 16

/** A scalar that the runtime writes: the loss of an objective, or what one reports. */
export interface NamedScalar {
  readonly name: string
  readonly view: Float32Array
  /** it is the loss of an objective */
  readonly isLoss: boolean
}

/** One run of the step graph, on some examples of the batch. */
export interface Part {
  readonly run: BoundRun
  /** of the batch: what its losses and its gradients count for */
  readonly share: number
  readonly draws: readonly Draw[]
  /** gradients that begin as zeros */
  readonly cleared: readonly Float32Array[]
  readonly moves: readonly StateMove[]
  readonly scalars: readonly NamedScalar[]
}

/** A state's new value, copied over the old one after each run. */
export interface StateMove {
  readonly to: number
  readonly from: number
  readonly count: number
}

export interface Evaluation {
  readonly session: Session
  readonly run: BoundRun
  readonly scalars: readonly NamedScalar[]
  readonly draws: readonly Draw[]
  /** of the memory that the draws are in */
  readonly kernels: Kernels | undefined
}

export interface SessionsOptions {
  readonly network: JointNetwork
  readonly plan: ParameterPlan
  readonly memory: StepMemory
  readonly backend: Backend
  readonly session: SessionOptions | undefined
  readonly random: Random
  readonly recompute: Recomputation | undefined
  readonly keepOutputs: boolean | undefined
  /** most examples of a part */
  readonly partSize: number
  /** of a part of that size, with all objectives; given away: it is written to */
  readonly traced: JointTrace
}

/** One run of what moving means are means of, under the averaged weights. */
export interface StatisticsRun {
  readonly session: Session
  readonly run: BoundRun
  readonly draws: readonly Draw[]
  /** where a statistic is written, and where its mean is gathered */
  readonly means: readonly StateMove[]
}

interface TrainingSession {
  readonly session: Session
  readonly made: TrainingGraph
}

export class StepSessions {
  readonly #o: SessionsOptions
  readonly #all: Due
  #traced: JointTrace | undefined
  /** by examples of the batch and objectives */
  readonly #training = new Map<number, readonly Part[]>()
  /** by examples of a part and objectives */
  readonly #sessions = new Map<number, TrainingSession>()
  readonly #evaluation = new Map<number, Evaluation>()
  readonly #statistics = new Map<number, StatisticsRun>()

  constructor(options: SessionsOptions) {
    this.#o = options
    this.#traced = options.traced
    this.#all = 2 ** options.network.objectives.length - 1
  }

  #key(count: number, due: Due, stage: Stage): number {
    return (count * 2 ** mostObjectives + due) * mostStages + stage
  }

  /** The runs of a batch that were made before. */
  known(count: number, due: Due, stage: Stage): readonly Part[] | undefined {
    return this.#training.get(this.#key(count, due, stage))
  }

  /** The runs of a batch, made when they are not there. */
  async parts(count: number, due: Due, stage: Stage): Promise<readonly Part[]> {
    const known = this.known(count, due, stage)
    if (known) return known
    const parts: Part[] = []
    const { partSize } = this.#o
    for (let first = 0; first < count; first += partSize) {
      parts.push(await this.#part({ first, count: Math.min(partSize, count - first), whole: count, due, stage }))
    }
    this.#training.set(this.#key(count, due, stage), parts)
    return parts
  }

  /** The evaluation of so many examples, made when it is not there. */
  async evaluation(count: number): Promise<Evaluation> {
    const known = this.#evaluation.get(count)
    if (known) return known
    const { network, memory, random } = this.#o
    const made = evaluationGraph(network, count)
    const session = await this.#createSession(made)
    const feeds = this.#feeds(made.parameters, memory.kept, count, 0)
    const scalars = this.#scalars(made)
    // Evaluation may need more numbers than training has room for, and mostly needs none.
    const arena = made.draws.length > 0 ? createArena({ regions: { draws: layoutOfDraws(made.draws) } }) : undefined
    if (arena) Object.assign(feeds, feedsOfDraws(made.draws, arena.region('draws')))
    const evaluation = {
      session,
      run: session.bind(feeds, this.#results(made, count, 0)),
      scalars,
      draws: arena ? drawsOf(made.draws, arena.region('draws'), random.fork('evaluation')) : [],
      kernels: arena && createKernels(arena.memory),
    }
    this.#evaluation.set(count, evaluation)
    return evaluation
  }

  /** The run of so many examples that gathers statistics for the averages; undefined where the network has none. */
  async statistics(count: number): Promise<StatisticsRun | undefined> {
    const known = this.#statistics.get(count)
    if (known) return known
    const { network, memory, random } = this.#o
    const made = statisticsGraph(network, count)
    if (made.statistics.size === 0) return undefined
    const { arena, kept } = memory
    const [draws, next] = [arena.region('draws'), arena.region('nextStates')]
    const session = await this.#createSession(made)
    const feeds = { ...this.#feeds(made.parameters, kept, count, 0), ...feedsOfDraws(made.draws, draws) }
    const inputs = new Set([...made.graph.inputs, ...made.graph.parameters].map(({ name }) => name))
    const fed = Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.has(name)))
    const results = Object.fromEntries([...made.statistics].map(([path, { name }]) => [name, next.view(path)]))
    const run = {
      session,
      run: session.bind(fed, results),
      draws: drawsOf(made.draws, draws, random.fork('statistics')),
      means: [...made.statistics.keys()].map((path) => this.#moveOf(path, 'averageStates')),
    }
    this.#statistics.set(count, run)
    return run
  }

  async release(): Promise<void> {
    const all = [this.#sessions, this.#evaluation, this.#statistics].flatMap((made) => [...made.values()])
    for (const { session } of all as readonly { readonly session: Session }[]) await session.release()
    this.#sessions.clear()
    this.#statistics.clear()
    this.#training.clear()
    this.#evaluation.clear()
  }

  async #part(of: { first: number; count: number; whole: number; due: Due; stage: Stage }): Promise<Part> {
    const { first, count, whole, due, stage } = of
    const { memory, random } = this.#o
    const { session, made } = await this.#sessionFor(count, due, stage)
    const { arena, fresh, home } = memory
    const results = this.#results(made, count, first)
    const memoryOf = (path: string, value: Value): Tensor => ({
      ...fresh.get(path)!,
      shape: requireStatic(shapeOf(value), `the gradient of '${path}'`),
    })
    for (const [path, value] of made.gradients) results[value.name] = memoryOf(path, value)
    for (const [value, { path, byteOffset }] of made.loans) {
      const shape = requireStatic(shapeOf(value), `the value '${value.name}'`)
      results[value.name] = { ...fresh.get(path)!, shape, data: floatsAt(fresh.get(path)!, byteOffset, sizeOf(shape)) }
    }
    const next = arena.region('nextStates')
    for (const [path, value] of made.updates) results[value.name] = next.view(path)
    const draws = arena.region('draws')
    const zeros = Object.fromEntries([...made.zeros].map(([path, value]) => [value.name, memoryOf(path, value)]))
    const feeds = { ...this.#feeds(made.parameters, home, count, first), ...feedsOfDraws(made.draws, draws), ...zeros }
    return {
      run: session.bind(feeds, results),
      share: count / whole,
      draws: drawsOf(made.draws, draws, random),
      cleared: Object.values(zeros).map(({ data }) => data as Float32Array),
      moves: [...made.updates.keys()].map((path) => this.#moveOf(path)),
      scalars: this.#scalars(made),
    }
  }

  async #sessionFor(count: number, due: Due, stage: Stage): Promise<TrainingSession> {
    const key = this.#key(count, due, stage)
    let known = this.#sessions.get(key)
    if (!known) {
      const plan = this.#planOf(stage)
      const { backend, session } = this.#o
      const lendGradients = backend.writesAtOnce?.(session) ?? false
      const made = trainingGraph(this.#o.network, this.#traceOf(count, due), { ...this.#o, plan, lendGradients })
      known = { made, session: await this.#createSession(made) }
      this.#sessions.set(key, known)
    }
    return known
  }

  /** What is trained in a stage. */
  #planOf(stage: Stage): ParameterPlan {
    const { plan } = this.#o
    const stages = stagesOf(plan)
    if (stage === stages.length - 1) return plan
    return new Map([...plan].filter(([, { begins }]) => begins <= stages[stage]!))
  }

  /** The trace that the memory was planned with serves once. */
  #traceOf(batch: number, due: Due): JointTrace {
    const { network, partSize } = this.#o
    const first = this.#traced
    if (first && batch === partSize && due === this.#all) {
      this.#traced = undefined
      return first
    }
    const objectives = network.objectives.filter((_, i) => (due >> i) & 1)
    return traceJoint(network, { batch, training: true, objectives })
  }

  #moveOf(path: string, home: 'states' | 'averageStates' = 'states'): StateMove {
    const { arena } = this.#o.memory
    const [states, next] = [arena.region(home), arena.region('nextStates')]
    const { byteOffset, byteLength } = states.layout.places.get(path)!
    return { to: states.byteOffset + byteOffset, from: next.byteOffset + byteOffset, count: byteLength / 4 }
  }

  #feeds(
    parameters: readonly TracedParameter[],
    from: ReadonlyMap<string, Tensor>,
    count: number,
    first: number,
  ): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {}
    for (const [name, view] of this.#o.memory.batch) feeds[name] = rowsOf(view, count, first)
    for (const { path } of parameters) feeds[path] = from.get(path)!
    return feeds
  }

  #results({ losses, outputs }: TracedGraph, count: number, first: number): Record<string, Tensor> {
    const { arena } = this.#o.memory
    const results: Record<string, Tensor> = {}
    for (const [name, value] of losses) results[value.name] = arena.region('losses').view(name)
    for (const [name, value] of outputs) results[value.name] = rowsOf(arena.region('outputs').view(name), count, first)
    return results
  }

  #scalars({ losses }: TracedGraph): readonly NamedScalar[] {
    const { views } = this.#o.memory.arena.region('losses')
    const isLoss = (name: string) => this.#o.network.objectives.some((objective) => objective.name === name)
    return [...losses.keys()].map((name) => ({
      name,
      view: views.get(name)!.data as Float32Array,
      isLoss: isLoss(name),
    }))
  }

  async #createSession({ graph: whole }: Pick<TracedGraph, 'graph'>): Promise<Session> {
    const { backend, session } = this.#o
    const { graph, weights } = weightsAsInputs(whole)
    // The runtime cannot tell shapes behind gates (ops/after.ts), and reuses memory only where it knows them.
    const { model } = writeModel(graph, { intermediateTypes: 'unclear' })
    const options = { memoryPattern: false, inPlace: true, keepReshapes: true, ...session }
    return withWeights(await backend.createSession(model, options), weights)
  }
}

/** `count` numbers of a tensor of float32 from a byte on, as a view. */
function floatsAt({ data }: Tensor, byteOffset: number, count: number): Float32Array {
  return (data as Float32Array).subarray(byteOffset / 4, byteOffset / 4 + count)
}
