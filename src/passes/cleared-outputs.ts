/**
 * Outputs that begin as large zeros and are added to, such as the gradient of an embedding: the zeros become an input. Whoever runs the graph gives it the memory of
 * the output itself, cleared: the runtime, which copies the one to the other where they differ, has nothing to copy then, and the zeros take no memory.
 *
 * [9728, 768]: 30 MB that stayed for as long as the session lived.
 */
import { type Graph, reachable, type Value } from '../graph/graph.ts'
import { producersOf } from './node-queries.ts'
import { startsFromLargeZeros } from './zeros.ts'

export interface ClearedOutputs {
  readonly graph: Graph
  /** the new inputs, by the output that begins as theirs */
  readonly zeros: ReadonlyMap<Value, Value>
}

export function clearedOutputs(graph: Graph, outputs: ReadonlySet<Value>): ClearedOutputs {
  const producers = producersOf(graph)
  const zeros = new Map<Value, Value>()
  const nodes = graph.nodes.map((node) => {
    const [output] = node.outputs
    if (!output || !outputs.has(output) || !startsFromLargeZeros(node, producers)) return node
    const { type } = node.inputs[0]!
    const input = { name: `${output.name}:zeros`, type, constant: undefined }
    zeros.set(output, input)
    return { ...node, inputs: [input, ...node.inputs.slice(1)] }
  })
  if (zeros.size === 0) return { graph, zeros }
  return { graph: reachable({ ...graph, nodes, inputs: [...graph.inputs, ...zeros.values()] }), zeros }
}
