/** Operators without a gradient between weights and the end of a graph: what keeps weights from being trained. */
import { isFloat } from '../../core/dtype.ts'
import { type Graph, type Node, type Value, valuesUsedBy } from '../../graph/graph.ts'
import type { OpTable } from '../../ops/op.ts'
import { isQuantizedOperator } from '../../ops/weight-inputs.ts'

export interface Blocked {
  /** by value, the nearest operator behind it that has no gradient, or that nothing real leaves */
  readonly by: ReadonlyMap<Value, Node>
  /** operators without a gradient on a way from an input or a weight to an output, in order */
  readonly nodes: readonly Node[]
}

const isReal = (value: Value): boolean =>
  !value.type || isFloat(value.type.dtype) || value.type.dtype === 'int8' || value.type.dtype === 'uint8'

/** Why a node has no gradient; undefined when it has one. */
export function whyBlocking(node: Node, table: OpTable): string | undefined {
  const op = table.get(node.domain, node.op)
  if (!op) return 'Quern does not know this operator'
  return typeof op.grad === 'function' ? undefined : op.grad.none
}

/**
 * Walks from the outputs back: what feeds an operator without a gradient is closed, and what feeds that; so is what comes to an end in indices
 * or comparisons, such as those of ArgMax.
 */
export function blockedValues(graph: Graph, table: OpTable): Blocked {
  const by = new Map<Value, Node>()
  const ends = new Map<Value, Node>()
  const open = new Set<Value>(graph.outputs.filter(isReal))
  const nodes: Node[] = []
  const varying = varyingValues(graph)
  for (const node of graph.nodes.toReversed()) {
    const used = valuesUsedBy(node).filter((value) => (value.constant || varying.has(value)) && isReal(value))
    const outputs = node.outputs.filter((value): value is Value => value !== undefined)
    const isOpen = outputs.some((value) => open.has(value)) || (isQuantizedOperator(node) && used.length > 0)
    const blocks = isOpen && used.length > 0 && whyBlocking(node, table) !== undefined
    if (blocks) nodes.push(node)
    const blocker = blocks ? node : outputs.map((value) => by.get(value)).find(Boolean)
    const end = isOpen ? undefined : (outputs.map((value) => ends.get(value)).find(Boolean) ?? node)
    for (const value of used) {
      if (blocker) by.set(value, blocker)
      if (end) ends.set(value, end)
      else open.add(value)
    }
  }
  for (const [value, node] of ends) if (!open.has(value) && !by.has(value)) by.set(value, node)
  return { by, nodes: nodes.reverse() }
}

/** Values that depend on inputs or on constants of real numbers: sizes and axes do not vary. */
function varyingValues(graph: Graph): ReadonlySet<Value> {
  const found = new Set<Value>(graph.inputs)
  for (const node of graph.nodes) {
    const varies = valuesUsedBy(node).some(
      (value) => found.has(value) || (value.constant && isFloat(value.constant.dtype)),
    )
    if (varies) for (const value of node.outputs) if (value) found.add(value)
  }
  return found
}
