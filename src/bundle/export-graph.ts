/**
 * A trained model as the bytes of an ONNX file that any runtime opens: the model is traced once more, in inference mode and
 * with a symbolic batch, and its parameters become initializers.
 */
import type { DType } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { StaticShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { type Graph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import type { Layer } from '../nn/layer.ts'
import { trace } from '../nn/trace.ts'
import { writeModel } from '../onnx/write.ts'
import type { OpTable } from '../ops/op.ts'
import { optimizeInference } from '../passes/index.ts'

/** Name of the first dimension of every input and output. */
const batchDimension = 'batch'

/** An input as the model takes it: one example, without the batch axis. */
export interface ExportedInput {
  readonly name: string
  readonly dtype: DType
  readonly shape: StaticShape
}

export interface ExportOptions {
  /** preprocessing and network in one: it takes the raw columns */
  readonly model: Layer
  readonly inputs: readonly ExportedInput[]
  /** name of the output; those of a model with several have names of their own */
  readonly output: string
  /** elements of every parameter and state by path; those that inference does not use are left out */
  readonly parameters: ReadonlyMap<string, Tensor>
  readonly table: OpTable
  /** name of the graph */
  readonly name: string
  /** metadata_props of the file */
  readonly metadata?: Readonly<Record<string, string>>
  /** version of Quern, written as the producer's */
  readonly version?: string
}

/**
 * The bytes of model.onnx. Inputs and outputs are `[batch, ...]` and keep the names given here.
 *
 * Errors: a parameter that is missing or of another shape, an output that is named like an input or a parameter, a model that draws
 * random numbers in inference.
 *
 * @example
 * const model = exportGraph({
 *   model: net, inputs: [{ name: 'pixels', dtype: 'uint8', shape: [1, 28, 28] }], output: 'probabilities', parameters, table, name: 'digits',
 * })
 */
export function exportGraph(options: ExportOptions): Uint8Array {
  const { model, inputs, output, parameters, table, name, metadata = {}, version = '' } = options
  const traced = trace(
    model,
    inputs.map(({ name, dtype, shape }) => ({ name, type: { dtype, shape: [batchDimension, ...shape] } })),
    { table, training: false, name },
  )
  const { g } = traced
  const [draw] = traced.draws
  if (draw) {
    throw new QuernError('unsupported', `the model draws random numbers in inference ('${draw.site}'): a file cannot`, {
      hint: 'Let the layer draw where c.training is true, or make the numbers an input of the model.',
    })
  }
  const outputs = traced.outputs ?? new Map([[output, traced.output]])
  const taken = new Set<Value>([...g.builder.inputs, ...g.builder.parameters])
  // A graph may not hand out its own input: ONNX wants each output computed by a node.
  const last = [...outputs.values()].map((value) => {
    const isFree = !taken.has(value) && value.constant === undefined
    taken.add(value)
    return isFree ? value : g.op('Identity', [value])
  })
  const optimized = withoutUnused(optimizeInference(g.builder.finish(last)))
  const graph = [...outputs.keys()].reduce((graph, name, i) => renameOutput(graph, i, name), optimized)
  return writeModel(graph, {
    parameters,
    metadata,
    intermediateTypes: true,
    producer: { name: 'quern', version },
  }).model
}

/** Parameters that training alone needs would be dead weight in the file. */
function withoutUnused(graph: Graph): Graph {
  const used = new Set<Value>([...graph.nodes.flatMap(valuesUsedBy), ...graph.outputs])
  return { ...graph, parameters: graph.parameters.filter((value) => used.has(value)) }
}

/** Gives an output the name that users of the model will ask for; a value between that has it gives it up. */
function renameOutput(graph: Graph, index: number, name: string): Graph {
  const from = graph.outputs[index]!
  if (from.name === name) return graph
  const values = [...graph.inputs, ...graph.parameters, ...graph.nodes.flatMap(({ outputs }) => outputs)]
  const taken = values.find((value) => value?.name === name)
  if (!taken) return renamed(graph, new Map([[from, { ...from, name }]]))
  if (graph.inputs.includes(taken) || graph.parameters.includes(taken) || graph.outputs.includes(taken)) {
    throw new QuernError(
      'config',
      `the output of the model cannot be named '${name}': an input, a parameter or another output is`,
      { hint: 'Name the output otherwise.' },
    )
  }
  return renamed(
    graph,
    new Map([
      [from, { ...from, name }],
      [taken, { ...taken, name: from.name }],
    ]),
  )
}

/** The graph with other values in the place of some, where they are computed and where they are read. */
function renamed(graph: Graph, names: ReadonlyMap<Value, Value>): Graph {
  const read = substituteAll(graph, names)
  const swap = (value: Value | undefined) => value && (names.get(value) ?? value)
  return { ...read, nodes: read.nodes.map((node): Node => ({ ...node, outputs: node.outputs.map(swap) })) }
}
