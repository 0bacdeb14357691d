/** Graph -> graph: adapters as parameters of a graph, or as inputs that each run brings along. */

import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Shape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { initialParameters } from '../nn/trace.ts'
import { Emitter } from '../ops/emitter.ts'
import { table as everyOperator } from '../ops/index.ts'
import type { OpTable } from '../ops/op.ts'
import type { Adapter } from './adapter.ts'
import type { AdapterContext, AdapterMethod, AdapterParameter, PlacedSite } from './method.ts'
import { placedSites, writeAdapted } from './write.ts'

export interface AdaptedGraph {
  /** inputs and outputs as before; the adapter's parameters are the graph's own, by path */
  readonly graph: Graph
  readonly sites: readonly PlacedSite[]
  readonly parameters: readonly AdapterParameter[]
}

/**
 * The graph with an adapter beside the weights that it means; weights are its constants and stay as they are. In inference form: nothing is dropped.
 *
 * @throws QuernError 'config' for patterns that mean nothing and ranks over a weight's size, 'unsupported' for weights that have no adapter
 * @example
 * const { graph } = await readModel(bytes)
 * const adapted = adaptGraph(graph, lora({ rank: 4, targets: 'query' }))
 * writeModel(adapted.graph, { parameters: adapterStart(adapted, createRandom(0)) })
 */
export function adaptGraph(graph: Graph, method: AdapterMethod, table: OpTable = everyOperator): AdaptedGraph {
  return adapted(graph, method, table, ({ builder }, { path, spec }) =>
    builder.parameter(path, { dtype: 'float32', shape: spec.shape }),
  )
}

/** The graph with a trained adapter beside the weights that it changes, its numbers as constants: for weights that cannot take it up. */
export function withAdapterBeside(
  graph: Graph,
  { method, parameters }: Pick<Adapter, 'method' | 'parameters'>,
  table: OpTable = everyOperator,
): Graph {
  return adapted(graph, method, table, (g, { path }) => g.constant(parameters.get(path)!, path)).graph
}

/** Name of the dimension of ranks, and of the input of factors, of graphs whose adapters are inputs. */
export const rankDimension = 'adapter_rank'
export const gateInput = 'adapter_gate'
/** Name of the first dimension of the factors: 1, or the rows of the batch. */
export const rowDimension = 'adapter_rows'

/**
 * The graph with the matrices of LoRA as inputs of any rank, and one more input, `adapter_gate` `[rows, rank]`, that multiplies the low-rank values: one
 * loaded base serves any adapter of these targets. Of several adapters side by side along the rank, the gate's rows choose.
 */
export function adaptGraphByInputs(graph: Graph, method: AdapterMethod, table: OpTable = everyOperator): AdaptedGraph {
  if (method.kind !== 'lora' || method.config.decomposed === true) {
    throw new QuernError('unsupported', 'adapters that are chosen at each run are LoRA without lengths of its own', {
      hint: 'Merge (IA)3 and decomposed adapters into a copy of the model.',
    })
  }
  let gate: Value | undefined
  const open = ({ path, spec }: AdapterParameter): Shape =>
    spec.shape.map((size, axis) => (axis === (path.endsWith('_A') ? 0 : 1) ? rankDimension : size))
  return adapted(
    graph,
    method,
    table,
    ({ builder }, parameter) => builder.input(parameter.path, { dtype: 'float32', shape: open(parameter) }),
    (g) => (gate ??= g.builder.input(gateInput, { dtype: 'float32', shape: [rowDimension, rankDimension] })),
  )
}

function adapted(
  graph: Graph,
  method: AdapterMethod,
  table: OpTable,
  declare: (g: Emitter, parameter: AdapterParameter) => Value,
  gateOf?: (g: Emitter) => Value,
): AdaptedGraph {
  const builder = GraphBuilder.resume(graph)
  builder.nodes.length = 0
  const g = new Emitter(table, builder)
  const sites = placedSites(graph.nodes, method)
  const declared = new Map<string, { value: Value; parameter: AdapterParameter }>()
  const c: AdapterContext = {
    g,
    training: false,
    parameter: (parameter) => {
      const known = declared.get(parameter.path) ?? { parameter, value: declare(g, parameter) }
      declared.set(parameter.path, known)
      return known.value
    },
    dropoutMask: () => {
      throw new QuernError('unsupported', 'a graph outside of training drops nothing')
    },
    ...(gateOf ? { gate: gateOf(g) } : {}),
  }
  writeAdapted(c, graph.nodes, { sites, method })
  const finished = builder.finish(graph.outputs)
  return { graph: finished, sites, parameters: [...declared.values()].map(({ parameter }) => parameter) }
}

/** The numbers that an adapter starts from, by path. */
export function adapterStart({ parameters }: AdaptedGraph, random: Random): ReadonlyMap<string, Tensor<Float32Array>> {
  const value: Value = { name: '', type: undefined, constant: undefined }
  return initialParameters(
    parameters.map((parameter) => ({ ...parameter, value, trainable: true })),
    random,
  )
}
