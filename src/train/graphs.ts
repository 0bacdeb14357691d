/**
 * The graphs of training. One step is ONE graph: preprocessing, forward pass, loss, gradients and new states, with parameters as
 * inputs. Evaluation is a second graph over the same parameters. Shapes are numbers here; export traces the model again with a
 * symbolic batch.
 */
import { backward } from '../autodiff/backward.ts'
import type { DType } from '../core/dtype.ts'
import type { StaticShape } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Value } from '../graph/graph.ts'
import type { Layer } from '../nn/layer.ts'
import type { Loss } from '../nn/losses/index.ts'
import { type TracedMask, type TracedParameter, trace } from '../nn/trace.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { optimizeForward, optimizeInference, optimizeStep } from '../passes/index.ts'

/** A column of the data as the graph takes it: one example, without the batch axis. */
export interface ColumnSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: StaticShape
}

export interface Network {
  readonly model: Layer
  readonly loss: Loss
  readonly inputs: readonly ColumnSpec[]
  readonly target: ColumnSpec
  readonly table: OpTable
}

interface TracedGraph {
  readonly graph: Graph
  readonly parameters: readonly TracedParameter[]
  /** scalar: the mean loss of the batch, penalties included while training */
  readonly loss: Value
  /** `[batch, ...]` */
  readonly predictions: Value
}

export interface TrainingGraph extends TracedGraph {
  /** one for every trainable parameter, in their order */
  readonly gradients: readonly Value[]
  /** new values of states, by path */
  readonly updates: ReadonlyMap<string, Value>
  readonly masks: readonly TracedMask[]
}

const batched = ({ name, dtype, shape }: ColumnSpec, batch: number) => ({
  name,
  type: { dtype, shape: [batch, ...shape] },
})

/** Forward pass and loss of a batch of a fixed size. */
export function evaluationGraph(network: Network, batch: number): TracedGraph {
  const { g, output, parameters } = trace(
    network.model,
    network.inputs.map((column) => batched(column, batch)),
    { table: network.table, training: false, name: 'evaluation' },
  )
  const target = addTarget(g, network, batch)
  const loss = network.loss.apply(g, output, target)
  const graph = optimizeInference(g.builder.finish(distinct(g, [loss, output])))
  return { graph, parameters, loss: graph.outputs[0]!, predictions: graph.outputs[1]! }
}

/** Forward pass, loss, gradients and new states of a batch of a fixed size. */
export function trainingGraph(network: Network, batch: number): TrainingGraph {
  const traced = trace(
    network.model,
    network.inputs.map((column) => batched(column, batch)),
    { table: network.table, training: true, name: 'step' },
  )
  const { g, parameters, masks } = traced
  const target = addTarget(g, network, batch)
  const data = network.loss.apply(g, traced.output, target)
  const penalty = penalties(g, parameters)
  const loss = penalty ? g.add(data, penalty) : data
  const paths = [...traced.updates.keys()]
  const outputs = [loss, traced.output, ...traced.updates.values()]
  const forward = optimizeForward(g.builder.finish(outputs), network.table)

  const step = new Emitter(network.table, GraphBuilder.resume(forward))
  const trainable = parameters.filter((parameter) => parameter.trainable).map((parameter) => parameter.value)
  const gradients = backward(step, forward.outputs[0]!, trainable)
  const graph = optimizeStep(step.builder.finish(distinct(step, [...forward.outputs, ...gradients])))
  const [total, predictions, ...rest] = graph.outputs
  return {
    graph,
    parameters,
    loss: total!,
    predictions: predictions!,
    updates: new Map(paths.map((path, i) => [path, rest[i]!])),
    gradients: rest.slice(paths.length),
    masks,
  }
}

function addTarget(g: Emitter, { target }: Network, batch: number): Value {
  return g.builder.input(target.name, { dtype: target.dtype, shape: [batch, ...target.shape] })
}

/** Sum of l1 |w| + l2 w^2 over the regularised parameters; undefined when there are none. */
function penalties(g: Emitter, parameters: readonly TracedParameter[]): Value | undefined {
  const terms = parameters.flatMap(({ value, spec, trainable }) => {
    const { l1 = 0, l2 = 0 } = (trainable && spec.regularizer) || {}
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
