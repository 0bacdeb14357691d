/**
 * Infers the types of a graph anew, after sizes became known. Values whose types changed are new objects of the same names; those that no rule
 * knows keep what was stated. Sizes that are read from a shape become constants when they are known.
 */
import type { Graph, Node, TensorType, Value } from '../graph/graph.ts'
import { mergeTypes } from '../graph/merge-types.ts'
import { substitute } from '../graph/substitute.ts'
import { inferOpenTypes } from '../ops/infer-open.ts'
import type { OpTable } from '../ops/op.ts'
import { ShapeElements } from './shape-elements.ts'

/** @param known what stands in the place of inputs, parameters or other values of the graph */
export function inferGraph(graph: Graph, table: OpTable, known: ReadonlyMap<Value, Value> = new Map()): Graph {
  const replaced = new Map(known)
  const elements = new ShapeElements()
  const nodes: Node[] = []
  const outputs = new Set(graph.outputs)
  for (const original of graph.nodes) {
    const node = substitute(original, replaced)
    const types = typesOf(node, table)
    const results = node.outputs.map((value, i) => {
      if (!value) return undefined
      const stated = known.get(value) ?? value
      const type = mergeTypes(elements.shapeOfResult(node, types[i]) ?? types[i], stated.type)
      const result = sameType(type, value.type) ? value : { ...stated, type }
      if (result === value) replaced.delete(value)
      else replaced.set(value, result)
      return result
    })
    const current = { ...node, outputs: results }
    const constant = elements.visit(current)
    const [value] = node.outputs
    if (constant && value && !outputs.has(value)) {
      replaced.set(value, { ...results[0]!, type: constant, constant })
      continue
    }
    nodes.push(results.every((value, i) => value === node.outputs[i]) ? node : current)
  }
  const put = (value: Value) => replaced.get(value) ?? value
  return {
    ...graph,
    inputs: graph.inputs.map(put),
    parameters: graph.parameters.map(put),
    nodes,
    outputs: graph.outputs.map(put),
  }
}

function typesOf(node: Node, table: OpTable): readonly (TensorType | undefined)[] {
  const op = table.get(node.domain, node.op)
  if (!op) return []
  let count = node.inputs.length
  while (count > 0 && node.inputs[count - 1] === undefined) count--
  return inferOpenTypes(op, node.inputs.slice(0, count), node.attributes, node.outputs.length, node.name, table)
}

function sameType(a: TensorType | undefined, b: TensorType | undefined): boolean {
  if (!a || !b) return a === b
  return (
    a.dtype === b.dtype && a.shape?.join() === b.shape?.join() && (a.shape === undefined) === (b.shape === undefined)
  )
}
