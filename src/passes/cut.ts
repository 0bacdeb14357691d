/** A part of a graph: from given values to given values, by name. */
import { QuernError, suggestion } from '../core/errors.ts'
import { type Graph, reachable, type Value, valuesUsedBy } from '../graph/graph.ts'

/**
 * The graph that ends at `outputs` and, where `inputs` are named, begins at them. A name is that of a value, or of a node, which means its first
 * output. Inputs that are no longer needed are left out.
 *
 * Errors of the kind 'config': a name that nothing has (with the nearest), an output that does not depend on the inputs that are left.
 *
 * @example cut(graph, { outputs: ['flatten_output'] })
 */
export function cut(
  graph: Graph,
  { outputs, inputs }: { readonly outputs?: readonly string[]; readonly inputs?: readonly string[] },
): Graph {
  const named = valuesByName(graph)
  const find = (name: string): Value => {
    const value = named.get(name)
    if (value) return value
    throw new QuernError(
      'config',
      `the model '${graph.name}' has no value or node '${name}'. ${suggestion(name, named.keys())}`,
    )
  }
  const begins = new Set(inputs?.map(find) ?? [])
  const nodes = graph.nodes.filter((node) => !node.outputs.some((value) => value && begins.has(value)))
  const ends = outputs?.map(find) ?? graph.outputs
  const part = reachable({ ...graph, nodes, outputs: ends })
  const used = new Set<Value>([...part.nodes.flatMap(valuesUsedBy), ...ends])
  const kept = inputs ? [...begins] : graph.inputs
  const lost = inputs && graph.inputs.find((value) => used.has(value) && !begins.has(value))
  if (lost) {
    const from = inputs.map((name) => `'${name}'`).join(', ')
    throw new QuernError('config', `what lies behind ${from} also needs the input '${lost.name}'`, {
      hint: `Begin at '${lost.name}' too, or at a value that everything goes through.`,
    })
  }
  return {
    ...part,
    inputs: kept.filter((value) => used.has(value)),
    parameters: graph.parameters.filter((value) => used.has(value)),
  }
}

/** Values that nodes compute and inputs by name; nodes by their names, where no value has it, as their first output. */
function valuesByName(graph: Graph): ReadonlyMap<string, Value> {
  const named = new Map<string, Value>(graph.inputs.map((value) => [value.name, value]))
  for (const { outputs } of graph.nodes) for (const value of outputs) if (value) named.set(value.name, value)
  for (const { name, outputs } of graph.nodes) if (outputs[0] && !named.has(name)) named.set(name, outputs[0])
  return named
}

/**
 * Values that everything goes through on its way from the inputs to the outputs, in order: where a model can be cut in two. Constants and what is
 * computed from them alone do not count.
 */
export function cutPoints(graph: Graph): readonly Value[] {
  const data = new Set<Value>(graph.inputs)
  const nodes = graph.nodes.filter((node) => {
    const depends = valuesUsedBy(node).some((value) => data.has(value))
    if (depends) for (const value of node.outputs) if (value) data.add(value)
    return depends
  })
  const last = new Map<Value, number>()
  for (const [i, node] of nodes.entries())
    for (const value of valuesUsedBy(node)) if (data.has(value)) last.set(value, i)
  for (const value of graph.outputs) last.set(value, nodes.length)
  const open = new Set<Value>(graph.inputs.filter((value) => last.has(value)))
  const points: Value[] = []
  for (const [i, node] of nodes.entries()) {
    for (const value of valuesUsedBy(node)) if (last.get(value) === i) open.delete(value)
    for (const value of node.outputs) if (value && last.has(value)) open.add(value)
    if (open.size === 1) points.push(...open)
  }
  return [...new Set(points)]
}
