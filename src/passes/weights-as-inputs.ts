/**
 * Large frozen weights as inputs of a training step. A runtime copies the constants of a file when it opens it, turns some of them into packed copies, and
 * does both again for every session; inputs it reads where they are. So a frozen model of 400 MB takes 400 MB, however many sessions there are.
 *
 * Only weights of products and lookups: convolutions and recurrent operators run faster on constants, which the runtime lays out for its kernels.
 */
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { constantsOf, type Graph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'

export interface OpenedWeights {
  readonly graph: Graph
  /** what the new inputs are to be fed, by name: the constants' own arrays */
  readonly weights: ReadonlyMap<string, Tensor>
}

/** Operators that read a weight as fast from an input. */
const reading: ReadonlySet<string> = new Set([
  'MatMul',
  'Gemm',
  'com.microsoft.FusedMatMul',
  'Gather',
  'Transpose',
  'Add',
  'Mul',
])

const nameOf = ({ op, domain }: Node): string => (domain === '' ? op : `${domain}.${op}`)

/**
 * @param least elements from which a float32 constant becomes an input
 * @param also operators whose weights become inputs too, such as those of a model that runs once
 */
export function weightsAsInputs(graph: Graph, least = 65_536, also: readonly string[] = []): OpenedWeights {
  const isLarge = (value: Value): boolean =>
    value.constant?.dtype === 'float32' && sizeOf(value.constant.shape) >= least
  const kept = new Set<Value>(graph.outputs)
  for (const node of graph.nodes) {
    const isOpen = reading.has(nameOf(node)) || also.includes(nameOf(node))
    for (const value of valuesUsedBy(node)) if (!isOpen || !node.inputs.includes(value)) kept.add(value)
  }
  const replaced = new Map<Value, Value>()
  for (const value of constantsOf(graph)) {
    if (isLarge(value) && !kept.has(value)) replaced.set(value, { ...value, constant: undefined })
  }
  if (replaced.size === 0) return { graph, weights: new Map() }
  return {
    graph: {
      ...graph,
      inputs: [...graph.inputs, ...replaced.values()],
      nodes: graph.nodes.map((node) => substitute(node, replaced)),
    },
    weights: new Map([...replaced].map(([{ constant }, { name }]) => [name, constant!])),
  }
}
