/**
 * Constant folding: what depends on constants alone is computed once, by whoever runs graphs. Sizes of known shapes count as constants, so the
 * chains of Shape, Gather and Concat that exporters write in front of every Reshape disappear once sizes are numbers.
 */
import { byteLength, storageLength } from '../core/dtype.ts'
import { isStatic, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { type Graph, type Node, reachable, type Value, valuesUsedBy } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import type { OpTable } from '../ops/op.ts'
import { inferGraph } from './infer-graph.ts'
import { drawing } from './share.ts'

/** Runs a graph without inputs and returns its outputs in their order; runtime/evaluate-graph.ts makes one of any backend. */
export type Evaluate = (graph: Graph) => Promise<readonly Tensor[]>

export interface FoldOptions {
  readonly table: OpTable
  readonly evaluate: Evaluate
  /** a result with more elements is kept as a node, unless it takes no more bytes than what it is computed from; default 65536 */
  readonly largest?: number
}

/** Operators whose results are kept computed: a dequantised weight takes four times the memory. */
const kept = new Set(['DequantizeLinear', ...drawing])

/**
 * Folds until nothing changes. Inputs, parameters, outputs and their names stay; nodes that the runtime refuses to evaluate stay too. Types are
 * inferred anew with what became known.
 */
export async function foldConstants(graph: Graph, options: FoldOptions): Promise<Graph> {
  const refused = new Set<string>()
  let current = inferGraph(graph, options.table)
  // Each round makes at least one constant of the results of nodes, or is the last.
  for (;;) {
    const found = foldable(current, options.largest ?? 65_536, refused)
    const constants = await evaluateAll(current, found, options, refused)
    if (constants.size === 0) return reachable(current)
    const nodes = current.nodes.filter((node) => !node.outputs.some((value) => value && constants.has(value)))
    const folded = { ...current, nodes: nodes.map((node) => substitute(node, constants)) }
    current = inferGraph(folded, options.table)
  }
}

/** Nodes that constants alone decide, in order. */
function foldable(graph: Graph, largest: number, refused: ReadonlySet<string>): Node[] {
  const outputs = new Set(graph.outputs)
  const known = new Set<Value>()
  return graph.nodes.filter((node) => {
    const used = valuesUsedBy(node)
    const isKnown =
      !kept.has(node.op) &&
      !refused.has(node.name) &&
      used.every((value) => value.constant || known.has(value)) &&
      !node.outputs.some((value) => value && (outputs.has(value) || value.container)) &&
      (sizesOf(node.outputs, storageLength) <= largest ||
        sizesOf(node.outputs, byteLength) <= sizesOf(used, byteLength))
    if (isKnown) for (const value of node.outputs) if (value) known.add(value)
    return isKnown
  })
}

/** Elements, or bytes, of the values whose sizes are known: whole numbers that are cast to floating-point ones take four times the memory. */
function sizesOf(values: readonly (Value | undefined)[], sizeOfType: typeof byteLength): number {
  return values.reduce((sum, value) => {
    const type = value?.type
    return type?.shape && isStatic(type.shape) ? sum + sizeOfType(type.dtype, sizeOf(type.shape)) : sum
  }, 0)
}

/** Constants in the place of the nodes' results: all at once, or one by one when the runtime refuses the whole. */
async function evaluateAll(
  graph: Graph,
  nodes: readonly Node[],
  options: FoldOptions,
  refused: Set<string>,
): Promise<Map<Value, Value>> {
  if (nodes.length === 0) return new Map()
  const all = await evaluated(graph, nodes, options)
  if (all) return all
  const constants = new Map<Value, Value>()
  for (const node of nodes) {
    const current = substitute(node, constants)
    const isReady = valuesUsedBy(current).every((value) => value.constant)
    const one = isReady ? await evaluated(graph, [current], options) : undefined
    if (!one) refused.add(node.name)
    for (const [value, constant] of one ?? []) constants.set(value, constant)
  }
  return constants
}

async function evaluated(
  graph: Graph,
  nodes: readonly Node[],
  { evaluate }: FoldOptions,
): Promise<Map<Value, Value> | undefined> {
  const values = nodes.flatMap((node) => node.outputs).filter((value) => value !== undefined)
  let tensors: readonly Tensor[]
  try {
    tensors = await evaluate({ name: `${graph.name}/constants`, inputs: [], parameters: [], nodes, outputs: values })
  } catch {
    return undefined
  }
  return new Map(
    values.map((value, i) => {
      const constant = tensors[i]!
      return [value, { ...value, type: { dtype: constant.dtype, shape: constant.shape }, constant }]
    }),
  )
}
