/**
 * Standard operators in the place of fused ones, before a gradient is taken: the forward pass is then computed once, and its intermediate results
 * serve the gradient. Exporting does the reverse of nothing: a lowered graph runs wherever ONNX runs.
 */
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { Emitter } from '../ops/emitter.ts'
import { lowerNode } from '../ops/lower.ts'
import type { OpTable } from '../ops/op.ts'

/**
 * The graph without fused operators that have a lowering. Names of inputs, parameters and outputs stay. Shapes must be known (specialize).
 *
 * @param choose which nodes; default: all that have a lowering
 */
export function lower(graph: Graph, table: OpTable, choose: (node: Node) => boolean = () => true): Graph {
  const builder = GraphBuilder.resume(graph)
  builder.nodes.length = 0
  const g = new Emitter(table, builder)
  const replaced = new Map<Value, Value>()
  const outputs = new Set(graph.outputs)
  for (const original of graph.nodes) {
    const node = substitute(original, replaced)
    const op = table.get(node.domain, node.op)
    if (!op?.lower || !choose(original)) {
      builder.nodes.push(node)
      continue
    }
    const results = builder.within(node.name, () => lowerNode(g, { ...op, lower: op.lower! }, node))
    node.outputs.forEach((value, i) => {
      const result = results[i]
      if (!value || !result) return
      if (!outputs.has(value)) replaced.set(value, result)
      else {
        const name = `${node.name}:output${i}`
        builder.nodes.push({ op: 'Identity', domain: '', name, inputs: [result], outputs: [value], attributes: {} })
      }
    })
  }
  return builder.finish(graph.outputs)
}
