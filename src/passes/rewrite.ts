/**
 * One walk over a graph that several passes share: each node is seen in order, with its inputs already replaced, and may be kept,
 * changed or dropped in favour of an older value. Knows no operator.
 */
import { type Graph, type Node, reachable, type TensorType, type Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'

export interface Rewriting {
  /** the node (as rewritten) that computes a value; undefined for inputs, parameters and constants */
  producer(value: Value | undefined): Node | undefined
  /** from now on every reader of `old` reads `replacement`; refused (false) for outputs of the graph, whose names count */
  replace(old: Value, replacement: Value): boolean
  /** how many nodes and outputs of the original graph read a value */
  uses(value: Value): number
}

/** `visit` returns the node to keep, or undefined to drop it. What nobody needs any more is removed at the end. */
export function rewrite(graph: Graph, visit: (node: Node, rewriting: Rewriting) => Node | undefined): Graph {
  const replaced = new Map<Value, Value>()
  const producers = new Map<Value, Node>()
  const fixed = new Set<Value>(graph.outputs)
  const counts = countUses(graph)
  const rewriting: Rewriting = {
    producer: (value) => value && producers.get(value),
    replace: (old, replacement) => {
      if (fixed.has(old)) return false
      replaced.set(old, replacement)
      return true
    },
    uses: (value) => counts.get(value) ?? 0,
  }
  const nodes: Node[] = []
  for (const original of graph.nodes) {
    const node = visit(substitute(original, replaced), rewriting)
    if (!node) continue
    nodes.push(node)
    for (const value of node.outputs) if (value) producers.set(value, node)
  }
  return reachable({ ...graph, nodes })
}

/** What a pass writes in the place of one node or value: new values and standard operators, each named after it. */
export interface Parts {
  value(part: string, type: TensorType): Value
  node(op: string, part: string, inputs: readonly Value[], output: Value, attributes?: Node['attributes']): Node
}

export function partsOf(name: string): Parts {
  return {
    value: (part, type) => ({ name: `${name}:${part}`, type, constant: undefined }),
    node: (op, part, inputs, output, attributes = {}) => ({
      ...{ op, domain: '', name: `${name}:${part}`, inputs, outputs: [output], attributes },
    }),
  }
}

function countUses(graph: Graph): Map<Value, number> {
  const counts = new Map<Value, number>()
  const count = (value: Value | undefined): void => {
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  const visit = (inner: Graph): void => {
    for (const node of inner.nodes) {
      node.inputs.forEach(count)
      for (const attribute of Object.values(node.attributes)) if (attribute.kind === 'graph') visit(attribute.value)
    }
    inner.outputs.forEach(count)
  }
  visit(graph)
  return counts
}
