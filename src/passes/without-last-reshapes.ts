/**
 * Outputs that are reshaped last. The runtime would copy them, since an output has memory of its own; without the Reshape the value before it is written there at
 * once, for whoever gives it that memory under its shape.
 */
import { type Graph, reachable, type Value } from '../graph/graph.ts'
import { isOp, producersOf } from './node-queries.ts'

/** Names and shapes of the outputs from the index `from` on may change; their elements and their order do not. */
export function withoutLastReshapes(graph: Graph, from: number): Graph {
  const producers = producersOf(graph)
  const returned = new Set<Value>(graph.outputs)
  const outputs = graph.outputs.map((output, i) => {
    const node = producers.get(output)
    const before = isOp(node, 'Reshape') ? node.inputs[0]! : undefined
    // Inputs, constants and other outputs have memory already.
    if (i < from || !before || !producers.has(before) || returned.has(before)) return output
    returned.add(before)
    return before
  })
  return reachable({ ...graph, outputs })
}
