/** Nodes and graphs that read other values in the place of given ones, in sub-graphs too. Knows no operator. */
import type { Attribute, Attributes, Graph, Node, Value } from './graph.ts'

/** The node with replaced inputs and captured values; the node itself when nothing changes. */
export function substitute(node: Node, replaced: ReadonlyMap<Value, Value>): Node {
  if (replaced.size === 0) return node
  const inputs = node.inputs.map((value) => value && (replaced.get(value) ?? value))
  const attributes = substituteCaptured(node.attributes, replaced)
  if (attributes === node.attributes && inputs.every((value, i) => value === node.inputs[i])) return node
  return { ...node, inputs, attributes }
}

/** The attributes, whose sub-graphs read the replacements. */
function substituteCaptured(attributes: Attributes, replaced: ReadonlyMap<Value, Value>): Attributes {
  if (!Object.values(attributes).some((attribute) => attribute.kind === 'graph')) return attributes
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]): [string, Attribute] => {
      if (attribute.kind !== 'graph') return [name, attribute]
      const { nodes, outputs } = attribute.value
      const value: Graph = {
        ...attribute.value,
        nodes: nodes.map((inner) => substitute(inner, replaced)),
        outputs: outputs.map((output) => replaced.get(output) ?? output),
      }
      return [name, { kind: 'graph', value }]
    }),
  )
}

/** The graph in which every node and output reads the replacements. */
export function substituteAll(graph: Graph, replaced: ReadonlyMap<Value, Value>): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) => substitute(node, replaced)),
    outputs: graph.outputs.map((value) => replaced.get(value) ?? value),
  }
}
