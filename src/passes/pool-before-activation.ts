/**
 * max-pool(f(x)) = f(max-pool(x)) for f that never falls: f and its gradient then work on the few elements that the pool leaves. Ties that f made
 * (relu maps all negative elements to 0) go too. For a forward graph, before its gradient is taken.
 */
import { type Graph, type Node, reachable, type Value, valuesUsedBy } from '../graph/graph.ts'

const rising = new Set([
  'Relu',
  'LeakyRelu',
  'Elu',
  'Selu',
  'Celu',
  'Sigmoid',
  'HardSigmoid',
  'Softplus',
  'Softsign',
  'Tanh',
  'Erf',
])

export function poolBeforeActivation(graph: Graph): Graph {
  const nodes = [...graph.nodes]
  let changed = false
  for (let i = 0; i < nodes.length; i++) {
    const activation = nodes[i]!
    const pool = isRising(activation) ? soleReader(nodes, graph.outputs, activation.outputs[0]!) : undefined
    if (pool?.op !== 'MaxPool' || pool.domain !== '' || pool.outputs.length !== 1) continue
    const pooled: Value = { name: `${pool.name}:before`, type: pool.outputs[0]!.type, constant: undefined }
    nodes[i] = { ...pool, inputs: activation.inputs, outputs: [pooled] }
    nodes[nodes.indexOf(pool)] = {
      ...activation,
      inputs: [pooled, ...activation.inputs.slice(1)],
      outputs: pool.outputs,
    }
    changed = true
  }
  return changed ? reachable({ ...graph, nodes }) : graph
}

/** Negative slopes would turn the order of the elements round. */
function isRising(node: Node): boolean {
  const { alpha } = node.attributes
  return (
    node.domain === '' &&
    rising.has(node.op) &&
    node.inputs.length === 1 &&
    !(alpha?.kind === 'float' && alpha.value < 0)
  )
}

function soleReader(nodes: readonly Node[], outputs: readonly Value[], value: Value): Node | undefined {
  if (outputs.includes(value)) return undefined
  const readers = nodes.filter((node) => valuesUsedBy(node).includes(value))
  return readers.length === 1 ? readers[0] : undefined
}
