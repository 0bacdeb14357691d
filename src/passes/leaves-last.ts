/**
 * The order in which the runtime computes a step. It walks from the leaves, the nodes that nobody reads, back to what they need, and begins with the leaf
 * that stands last. In the order of a gradient that is the first layer's weight: everything that leads to it runs first, and the products of all other
 * weights wait until the end, when what they read has long left the cache but still takes its memory. So leaves stand at the end, the one that
 * is ready first behind all others.
 */
import { type Graph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'

export function leavesLast(graph: Graph): Graph {
  const read = new Set<Value>(graph.nodes.flatMap((node) => [...valuesUsedBy(node)]))
  const isLeaf = ({ outputs }: Node): boolean => !outputs.some((value) => value && read.has(value))
  const leaves = graph.nodes.filter(isLeaf)
  return { ...graph, nodes: [...graph.nodes.filter((node) => !isLeaf(node)), ...leaves.reverse()] }
}
