/**
 * Numbers in the place of symbolic dimensions. Training does this before a gradient is taken: gradients stay simple and the runtime plans its
 * memory.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import { type Dim, unknownDim } from '../core/shape.ts'
import type { ContainerType, Graph, Node, TensorType, Value } from '../graph/graph.ts'
import type { OpTable } from '../ops/op.ts'
import { inferGraph } from './infer-graph.ts'

/**
 * The graph with named dimensions as numbers; types are inferred anew and sizes that were computed from shapes become constants. Names of values
 * stay.
 *
 * Errors of the kind 'input': a name that no input or parameter has, a size that is not a whole number of at least 0, and whatever
 * no longer fits.
 *
 * @example specialize(graph, { batch: 8, sequence: 128 }, table)
 */
export function specialize(graph: Graph, sizes: Readonly<Record<string, number>>, table: OpTable): Graph {
  const named = dimensionNames(graph)
  for (const [name, size] of Object.entries(sizes)) {
    if (!named.has(name)) {
      const known = named.size === 0 ? 'Every size is a number already.' : suggestion(name, named)
      throw new QuernError('input', `graph '${graph.name}' has no dimension '${name}'. ${known}`)
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new QuernError('input', `the size of dimension '${name}' must be a whole number >= 0, received ${size}`)
    }
  }
  const known = new Map<Value, Value>()
  const body = substituteSizes(graph, new Map(Object.entries(sizes)), known)
  return inferGraph(body, table, known)
}

/** Names of the dimensions of inputs and parameters. */
export function dimensionNames(graph: Graph): Set<string> {
  const shapes = [...graph.inputs, ...graph.parameters].map((value) => value.type?.shape ?? [])
  return new Set(shapes.flat().filter((dim): dim is string => typeof dim === 'string' && dim !== unknownDim))
}

/** The graph, whose sub-graphs state the sizes; what changes of its own values goes into `known`. */
function substituteSizes(graph: Graph, sizes: ReadonlyMap<string, number>, known: Map<Value, Value>): Graph {
  const state = (value: Value | undefined) => {
    if (!value || known.has(value)) return
    const { type, container } = value
    const changed: Value = {
      ...value,
      type: type && withSizes(type, sizes),
      ...(container ? { container: containerWithSizes(container, sizes) } : {}),
    }
    known.set(value, changed)
  }
  for (const value of [...graph.inputs, ...graph.parameters]) state(value)
  const nodes = graph.nodes.map((node): Node => {
    for (const value of node.outputs) state(value)
    if (!Object.values(node.attributes).some(({ kind }) => kind === 'graph')) return node
    const attributes = Object.entries(node.attributes).map(([name, attribute]) => {
      if (attribute.kind !== 'graph') return [name, attribute] as const
      return [name, { kind: 'graph' as const, value: innerGraph(attribute.value, sizes, known) }] as const
    })
    return { ...node, attributes: Object.fromEntries(attributes) }
  })
  return { ...graph, nodes }
}

/** A sub-graph: its own values are replaced at once, those of graphs around it when the whole is inferred. */
function innerGraph(graph: Graph, sizes: ReadonlyMap<string, number>, outer: ReadonlyMap<Value, Value>): Graph {
  const known = new Map(outer)
  const body = substituteSizes(graph, sizes, known)
  const put = (value: Value): Value => (outer.has(value) ? value : (known.get(value) ?? value))
  const each = (values: readonly (Value | undefined)[]) => values.map((value) => value && put(value))
  return {
    ...body,
    inputs: body.inputs.map(put),
    parameters: body.parameters.map(put),
    nodes: body.nodes.map((node) => ({ ...node, inputs: each(node.inputs), outputs: each(node.outputs) })),
    outputs: body.outputs.map(put),
  }
}

function withSizes<T extends TensorType>(type: T, sizes: ReadonlyMap<string, number>): T {
  const put = (dim: Dim): Dim => (typeof dim === 'string' ? (sizes.get(dim) ?? dim) : dim)
  return type.shape ? { ...type, shape: type.shape.map(put) } : type
}

function containerWithSizes(type: ContainerType, sizes: ReadonlyMap<string, number>): ContainerType {
  const put = (inner: TensorType | ContainerType | undefined) =>
    inner && ('kind' in inner ? containerWithSizes(inner, sizes) : withSizes(inner, sizes))
  if (type.kind === 'sequence' || type.kind === 'optional') return { ...type, element: put(type.element) }
  if (type.kind === 'map') return { ...type, value: put(type.value) }
  return type.kind === 'sparse' ? withSizes(type, sizes) : type
}
