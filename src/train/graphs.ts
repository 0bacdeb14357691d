/**
 * The graphs of training. One step is ONE graph: preprocessing, forward pass, losses, gradients and new states, with parameters as
 * inputs. Evaluation is a second graph over the same parameters. Shapes are numbers here; export traces the model again with a
 * symbolic batch.
 */
import { backward } from '../autodiff/backward.ts'
import { recompute } from '../autodiff/recompute.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import type { TracedDraw, TracedParameter } from '../nn/trace.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { clearedOutputs } from '../passes/cleared-outputs.ts'
import { computeEarly } from '../passes/compute-early.ts'
import { optimizeForward, optimizeInference, optimizeStep } from '../passes/index.ts'
import { keepGates } from '../passes/keep-gates.ts'
import { leavesLast } from '../passes/leaves-last.ts'
import { type LentMemory, lendMemory } from '../passes/lend-memory.ts'
import { drawing } from '../passes/share.ts'
import { withoutLastReshapes } from '../passes/without-last-reshapes.ts'
import { zerosAtRunTime } from '../passes/zeros-at-run-time.ts'
import type { ParameterPlan } from './assign.ts'
import { type JointTrace, traceJoint } from './joint-trace.ts'
import type { JointNetwork } from './network.ts'
import type { Recomputation } from './step-options.ts'

export interface TracedGraph {
  readonly graph: Graph
  readonly parameters: readonly TracedParameter[]
  /** scalars: the mean losses of the batch by objective, penalties included while training; then what objectives report */
  readonly losses: ReadonlyMap<string, Value>
  /** `[batch, ...]` */
  readonly outputs: ReadonlyMap<string, Value>
  readonly draws: readonly TracedDraw[]
}

export interface TrainingGraph extends TracedGraph {
  /** by the path of the parameter, each of the loss of the objective that trains it: its elements in order, possibly in another shape */
  readonly gradients: ReadonlyMap<string, Value>
  /** inputs by the path of the parameter: the memory of its gradient, which is to be zeros when a run begins */
  readonly zeros: ReadonlyMap<string, Value>
  /** values that lie in the memory of gradients until those are computed */
  readonly loans: ReadonlyMap<Value, GradientPlace>
  /** new values of states, by path */
  readonly updates: ReadonlyMap<string, Value>
}

/** A place in the memory of a gradient. */
export interface GradientPlace {
  /** of the parameter */
  readonly path: string
  readonly byteOffset: number
}

/** Forward pass and losses of a batch of a fixed size, in inference mode. */
export function evaluationGraph(network: JointNetwork, batch: number): TracedGraph {
  const { objectives } = network
  const traced = traceJoint(network, { batch, training: false, objectives })
  const { g, parameters, tracer } = traced
  const named = results(traced, traced.losses)
  const graph = optimizeInference(g.builder.finish(distinct(g, named.values)))
  return { graph, parameters, draws: tracer.draws, ...named.of(graph.outputs) }
}

export interface StatisticsGraph {
  readonly graph: Graph
  readonly parameters: readonly TracedParameter[]
  readonly draws: readonly TracedDraw[]
  /** by the path of the state that is a moving mean of it */
  readonly statistics: ReadonlyMap<string, Value>
}

/** What moving means of the network are means of, for one batch in training mode. */
export function statisticsGraph(network: JointNetwork, batch: number): StatisticsGraph {
  const { objectives } = network
  const { g, parameters, tracer } = traceJoint(network, { batch, training: true, objectives })
  const means = [...tracer.statistics.values()].map((all) => {
    const sum = all.reduce((a, b) => g.add(a, b))
    return all.length === 1 ? sum : g.div(sum, all.length)
  })
  const graph = optimizeInference(g.builder.finish(distinct(g, means)))
  const statistics = new Map([...tracer.statistics.keys()].map((path, i) => [path, graph.outputs[i]!]))
  return { graph, parameters, draws: tracer.draws.filter(({ value }) => graph.inputs.includes(value)), statistics }
}

export interface GradientPlan {
  readonly plan: ParameterPlan
  readonly recompute?: Recomputation | undefined
  readonly keepOutputs?: boolean | undefined
  /** the runtime writes a gradient when it is computed: until then its memory may hold other values (passes/lend-memory.ts); default false */
  readonly lendGradients?: boolean | undefined
}

/** Losses, gradients and new states of a forward pass in training mode, with the objectives that it was traced for. */
export function trainingGraph(
  network: JointNetwork,
  traced: JointTrace,
  { plan, recompute: again, keepOutputs = true, lendGradients = false }: GradientPlan,
): TrainingGraph {
  const { g, parameters, tracer } = traced
  const losses = new Map(
    [...traced.losses].map(([name, loss]) => {
      const penalty = penalties(g, parameters, (path) => plan.get(path)?.objective === name)
      return [name, penalty ? g.add(loss, penalty) : loss]
    }),
  )
  const named = results(keepOutputs ? traced : { ...traced, outputs: new Map() }, losses)
  const states = [...tracer.updates.keys()]
  const forward = optimizeForward(g.builder.finish([...named.values, ...tracer.updates.values()]), network.table)

  const kept = keepGates(forward, network.table)
  const step = new Emitter(kept.table, GraphBuilder.resume(kept.graph))
  const gradients = new Map<string, Value>()
  for (const [name, loss] of named.of(forward.outputs).losses) {
    const trained = parameters.filter(({ path }) => plan.get(path)?.objective === name)
    if (trained.length === 0) continue
    const found = backward(
      step,
      loss,
      trained.map(({ value }) => value),
    )
    for (const [i, { path }] of trained.entries()) gradients.set(path, found[i]!)
  }
  const outputs = distinct(step, [...forward.outputs, ...gradients.values()])
  const optimized = optimizeStep(kept.finish(step.builder.finish(outputs)), network.table)
  const whole = withoutLastReshapes(optimized, forward.outputs.length)
  const cleared = clearedOutputs(whole, new Set(whole.outputs.slice(forward.outputs.length)))
  const late = zerosAtRunTime(cleared.graph, network.table)
  const { table } = network
  const early = late.outputs.slice(0, forward.outputs.length)
  const ordered = again ? recomputed(late, { again, table, forward: early.length }) : computeEarly(late, early, table)
  const lenders = ordered.outputs.slice(early.length).filter((value) => !cleared.zeros.has(value))
  const lent: LentMemory = lendMemory(ordered, lendGradients ? lenders : [])
  const graph = leavesLast(lent.graph)
  const [updates, found] = [named.values.length, forward.outputs.length].map((from) => graph.outputs.slice(from))
  const paths = [...gradients.keys()].map((path, i) => [path, found![i]!] as const)
  return {
    graph,
    parameters,
    draws: tracer.draws,
    ...named.of(graph.outputs),
    updates: new Map(states.map((path, i) => [path, updates![i]!])),
    gradients: new Map(paths),
    loans: placesOf(lent, paths),
    zeros: new Map(
      paths.flatMap(([path, value]) => (cleared.zeros.has(value) ? [[path, cleared.zeros.get(value)!]] : [])),
    ),
  }
}

function placesOf({ loans }: LentMemory, paths: readonly (readonly [path: string, gradient: Value])[]) {
  const pathOf = new Map(paths.map(([path, gradient]) => [gradient, path]))
  return new Map([...loans].map(([value, { of, byteOffset }]) => [value, { path: pathOf.get(of)!, byteOffset }]))
}

/** Computes activations again. `forward`: how many of the graph's outputs belong to the forward pass. */
function recomputed(graph: Graph, of: { again: Recomputation; table: OpTable; forward: number }): Graph {
  const { again, table, forward } = of
  const isCostly = ({ op, domain }: Node) => table.get(domain, op)?.costly === true
  return recompute(graph, {
    table,
    forward: graph.outputs.slice(0, forward),
    keeps: (node) => drawing.has(node.op) || (again === 'cheap' && isCostly(node)),
  })
}

/** Losses, reports and outputs as one list, and the list of a finished graph by their names again. */
function results({ reports, outputs }: JointTrace, losses: ReadonlyMap<string, Value>) {
  const scalars = [...losses.keys(), ...reports.keys()]
  return {
    values: [...losses.values(), ...reports.values(), ...outputs.values()],
    of: (values: readonly Value[]) => ({
      losses: new Map(scalars.map((name, i) => [name, values[i]!])),
      outputs: new Map([...outputs.keys()].map((name, i) => [name, values[scalars.length + i]!])),
    }),
  }
}

/** Sum of l1 |w| + l2 w^2 over the regularised parameters; undefined when there are none. */
function penalties(
  g: Emitter,
  parameters: readonly TracedParameter[],
  isTrained: (path: string) => boolean,
): Value | undefined {
  const terms = parameters.flatMap(({ path, value, spec }) => {
    const { l1 = 0, l2 = 0 } = (isTrained(path) && spec.regularizer) || {}
    return [
      ...(l1 > 0 ? [g.mul(g.sum(g.abs(value)), l1)] : []),
      ...(l2 > 0 ? [g.mul(g.sum(g.mul(value, value)), l2)] : []),
    ]
  })
  return terms.length === 0 ? undefined : terms.reduce((a, b) => g.add(a, b))
}

/** Each output goes to memory of its own: one that is an input, a constant or an output already gets a copy. */
function distinct(g: Emitter, outputs: readonly Value[]): Value[] {
  const seen = new Set<Value>([...g.builder.inputs, ...g.builder.parameters])
  return outputs.map((value) => {
    if (!seen.has(value) && !value.constant) {
      seen.add(value)
      return value
    }
    return g.op('Identity', [value])
  })
}
