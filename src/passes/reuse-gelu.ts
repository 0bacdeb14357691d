/**
 * The gradient of Gelu(x) = x P(x) computes the normal distribution P(x) = (1 + erf(x / sqrt(2))) / 2, which costs more than all else in it. Where a step
 * has both, P moves in front of the Gelu, which becomes one product with it.
 *
 * The step of a GPT with 4 layers of [768, 512]: Gelu and Mul together took 0.14 instead of 0.175 times what Gemm takes (one thread, a busy machine).
 */
import { numbersOf } from '../core/tensor.ts'
import { type Graph, type Node, reachable, type Value } from '../graph/graph.ts'

export function reuseGelu(graph: Graph): Graph {
  const readers = new Map<Value, Node[]>()
  for (const node of graph.nodes) {
    for (const value of new Set(node.inputs)) if (value) readers.set(value, [...(readers.get(value) ?? []), node])
  }
  const moved = new Set<Node>()
  const nodes = graph.nodes.flatMap((node) => {
    if (moved.has(node)) return []
    const chain = isExactGelu(node) ? distribution(node.inputs[0]!, readers) : undefined
    if (!chain) return [node]
    const before = chain.filter((link) => !moved.has(link) && isLater(graph, link, node))
    for (const link of before) moved.add(link)
    return [
      ...before.map((link) => (link === chain.at(-1) ? inOnePass(link, chain[1]!) : link)),
      { ...node, op: 'Mul', inputs: [node.inputs[0], chain.at(-1)!.outputs[0]], attributes: {} },
    ]
  })
  return moved.size > 0 ? reachable({ ...graph, nodes }) : graph
}

function isLater(graph: Graph, link: Node, node: Node): boolean {
  return graph.nodes.indexOf(link) > graph.nodes.indexOf(node)
}

function isExactGelu(node: Node): boolean {
  return node.op === 'Gelu' && node.domain === '' && (node.attributes.approximate?.value ?? 'none') === 'none'
}

/** (e + 1) / 2 of e = erf(...): HardSigmoid's bounds, 0 and 1, change nothing. */
function inOnePass(half: Node, erf: Node): Node {
  const attributes = { alpha: { kind: 'float', value: 0.5 }, beta: { kind: 'float', value: 0.5 } } as const
  return { ...half, op: 'HardSigmoid', inputs: [erf.outputs[0]], attributes }
}

/** The nodes that compute (erf(x sqrt(1/2)) + 1) / 2 as Gelu's gradient writes it, the last one last. */
function distribution(x: Value, readers: ReadonlyMap<Value, readonly Node[]>): Node[] | undefined {
  const steps = [
    ['Mul', Math.SQRT1_2],
    ['Erf', undefined],
    ['Add', 1],
    ['Mul', 0.5],
  ] as const
  const chain: Node[] = []
  let value = x
  for (const [op, factor] of steps) {
    const next = readers.get(value)?.find((node) => node.op === op && node.domain === '' && hasScalar(node, factor))
    const output = next?.outputs[0]
    if (!next || !output) return undefined
    chain.push(next)
    value = output
  }
  return chain
}

/** True when the second input is the scalar, as near as float32 can be. */
function hasScalar(node: Node, expected: number | undefined): boolean {
  if (expected === undefined) return true
  const scalar = node.inputs[1]?.constant
  return scalar?.shape.length === 0 && Math.abs(numbersOf(scalar)[0]! - expected) < 1e-7
}
