/** What several passes ask of nodes. */
import type { Graph, Node, Value } from '../graph/graph.ts'

/** The node that computes each value. */
export function producersOf(graph: Graph): ReadonlyMap<Value, Node> {
  return new Map(
    graph.nodes.flatMap((node) => node.outputs.flatMap((value) => (value ? [[value, node] as const] : []))),
  )
}

/** Whether a node is this operator of ONNX' own. */
export function isOp(node: Node | undefined, op: string): node is Node {
  return node?.op === op && node.domain === ''
}

/** True for a Transpose that swaps the last two axes and leaves the others. */
export function swapsLast({ inputs, attributes: { perm } }: Node): boolean {
  const rank = inputs[0]?.type?.shape?.length ?? 0
  const axes = Array.from({ length: rank }, (_, i) => i)
  const given = perm?.kind === 'ints' ? perm.value : [...axes].reverse()
  return rank >= 2 && given.join() === [...axes.slice(0, -2), rank - 1, rank - 2].join()
}

const viewOperators: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity'])

/** True for a node whose result is its first input's elements in their order, which a runtime need not copy. */
export function isViewOperator({ op, domain }: Node): boolean {
  return domain === '' && viewOperators.has(op)
}
