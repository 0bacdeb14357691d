/** Graphs as attributes: writing one, and writing the nodes of one into another graph. */
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, type TensorType, type Value, valuesUsedBy } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { Emitter } from './emitter.ts'

/** A graph with inputs of the given types, which `body` fills. It may read values of the graph of `g`: it captures them. */
export function subGraph(
  g: Emitter,
  name: string,
  types: readonly TensorType[],
  body: (inner: Emitter, inputs: readonly Value[]) => readonly Value[],
): Graph {
  const inner = new Emitter(g.table, new GraphBuilder(name, g.builder))
  const inputs = types.map((type, i) => inner.builder.input(`${name}:in${i}`, type))
  const seen = new Set<Value>()
  const outputs = body(inner, inputs).map((value) => {
    // Each output needs a name of its own.
    const own = value.constant || seen.has(value) ? inner.op('Identity', [value]) : value
    seen.add(own)
    return own
  })
  return inner.builder.finish(outputs)
}

/** Writes the nodes of a graph into `g` with its inputs replaced; returns its outputs. What it captures stays. */
export function replay(g: Emitter, graph: Graph, inputs: readonly Value[]): Value[] {
  const values = new Map<Value, Value>(graph.inputs.map((value, i) => [value, inputs[i]!]))
  for (const original of graph.nodes) {
    const node: Node = substitute(original, values)
    const outputs = g.repeat(node, node.inputs)
    for (const [i, value] of original.outputs.entries()) if (value) values.set(value, outputs[i]!)
  }
  return graph.outputs.map((value) => values.get(value) ?? value)
}

/** The values of a graph that depend on `sources`, those included. */
export function dependents(graph: Graph, sources: Iterable<Value>): ReadonlySet<Value> {
  const found = new Set(sources)
  for (const node of graph.nodes) {
    if (!valuesUsedBy(node).some((value) => found.has(value))) continue
    for (const value of node.outputs) if (value) found.add(value)
  }
  return found
}
