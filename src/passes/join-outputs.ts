/**
 * A gradient may repeat a node of the forward graph to get outputs that nobody asked for there: the indices of a max-pool, the statistics of a layer
 * normalisation. The first node takes over the outputs that it lacks, and the repeated one goes.
 */
import type { Graph, Node, Value } from '../graph/graph.ts'
import { rewrite } from './rewrite.ts'

/** Operators whose gradient rules do so. */
const repeated = new Set(['MaxPool', 'LayerNormalization'])

export function joinOutputs(graph: Graph): Graph {
  const returned = new Set<Value>(graph.outputs)
  const groups: Node[][] = []
  for (const node of graph.nodes) {
    if (node.domain !== '' || !repeated.has(node.op)) continue
    const group = groups.find(([first]) => alike(first!, node))
    // A value that the graph returns keeps its own node: its name counts.
    if (group && !node.outputs.some((value) => value && returned.has(value))) group.push(node)
    else if (!group) groups.push([node])
  }
  const firstOf = new Map(groups.flatMap((group) => group.map((node) => [node.name, group] as const)))
  return rewrite(graph, (node, { replace }) => {
    const group = firstOf.get(node.name)
    if (!group || group.length === 1) return node
    const outputs = joined(group)
    if (node.name === group[0]!.name) return { ...node, outputs }
    for (const [i, value] of node.outputs.entries()) if (value && value !== outputs[i]) replace(value, outputs[i]!)
    return undefined
  })
}

/** For each place the first output that any of the nodes has. */
function joined(group: readonly Node[]): (Value | undefined)[] {
  const count = Math.max(...group.map((node) => node.outputs.length))
  return Array.from({ length: count }, (_, i) => group.find((node) => node.outputs[i])?.outputs[i])
}

function alike(a: Node, b: Node): boolean {
  const sameInputs = a.inputs.length === b.inputs.length && a.inputs.every((value, i) => value === b.inputs[i])
  return a.op === b.op && sameInputs && JSON.stringify(a.attributes) === JSON.stringify(b.attributes)
}
