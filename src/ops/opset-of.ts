/** The opset that a graph needs. Most need no more than that of op.ts, which the most runtimes know. */
import { dtypes } from '../core/dtype.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { type OpTable, opset } from './op.ts'

/** Least opset for a 4-bit type: 21, and 23 for float4e2m1. */
function sinceOfType(value: Value | undefined): number {
  const dtype = value?.type?.dtype
  if (!dtype || dtypes[dtype].bits !== 4) return opset
  return dtype === 'float4e2m1' ? 23 : 21
}

/**
 * The least opset, from that of op.ts on, in which every standard operator of the graph, its attributes and its types are known.
 * Operators without a record count as old.
 */
export function opsetOf(graph: Graph, table: OpTable): number {
  return Math.max(opset, ...graph.nodes.map((node) => opsetOfNode(node, table)))
}

function opsetOfNode(node: Node, table: OpTable): number {
  let needed = Math.max(opset, ...[...node.inputs, ...node.outputs].map(sinceOfType))
  const op = node.domain === '' ? table.get('', node.op) : undefined
  if (op) needed = Math.max(needed, op.since)
  for (const [name, attribute] of Object.entries(node.attributes)) {
    needed = Math.max(needed, op?.attributes?.[name]?.since ?? 0)
    if (attribute.kind === 'graph') needed = Math.max(needed, opsetOf(attribute.value, table))
  }
  return needed
}
