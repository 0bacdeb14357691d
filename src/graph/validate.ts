/** Checks the invariants of a graph: order, one producer a value, unique names. Throws at the first breach. */
import { QuernError } from '../core/errors.ts'
import type { Graph, Value } from './graph.ts'

export function validate(graph: Graph, outer: ReadonlySet<Value> = new Set()): void {
  const known = new Set<Value>([...outer, ...graph.inputs, ...graph.parameters])
  const names = new Map<string, Value>()
  const claim = (value: Value): void => {
    const other = names.get(value.name)
    if (other && other !== value) fail(graph, `two values are named '${value.name}'`)
    names.set(value.name, value)
  }
  for (const value of [...graph.inputs, ...graph.parameters]) claim(value)
  for (const node of graph.nodes) {
    for (const value of node.inputs) {
      if (!value) continue
      if (value.constant) claim(value)
      else if (!known.has(value))
        fail(graph, `node '${node.name}' (${node.op}) reads '${value.name}' before it is computed`)
    }
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.kind === 'graph') validate(attribute.value, known)
    }
    for (const value of node.outputs) {
      if (!value) continue
      if (known.has(value)) fail(graph, `node '${node.name}' (${node.op}) computes '${value.name}' a second time`)
      claim(value)
      known.add(value)
    }
  }
  for (const value of graph.outputs) {
    if (!value.constant && !known.has(value)) fail(graph, `output '${value.name}' is never computed`)
  }
}

function fail(graph: Graph, what: string): never {
  throw new QuernError('input', `graph '${graph.name}' is not valid: ${what}`)
}
