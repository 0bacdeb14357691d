/**
 * Dropout that an exporter wrote as it was while training. A model that answers by chance is what nobody wants: such nodes act as all others do, and drop
 * while training alone, where whoever trains the graph writes masks of its own.
 */
import type { Graph, Node } from '../graph/graph.ts'
import { isDropout } from '../ops/weight-inputs.ts'

/** Whether a node drops elements in every run, since the constant that says so is true. */
export function isDropping(node: Node): boolean {
  const isTraining = node.inputs[2]?.constant
  return isDropout(node) && isTraining !== undefined && Boolean((isTraining.data as ArrayLike<number>)[0])
}

/** The graph in which no Dropout drops; the graph itself when none did. */
export function dropoutOff(graph: Graph): Graph {
  if (!graph.nodes.some(isDropping)) return graph
  return {
    ...graph,
    nodes: graph.nodes.map((node) => (isDropping(node) ? { ...node, inputs: node.inputs.slice(0, 2) } : node)),
  }
}
