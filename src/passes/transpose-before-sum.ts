/**
 * A transposition of the last two axes behind a sum over others moves in front of it, where a product takes it in: the gradient of a matrix that was turned
 * and multiplied with many is (sum of A' B)', here the sum of B' A.
 */
import { numbersOf } from '../core/tensor.ts'
import { type Graph, type Node, reachable, type Value } from '../graph/graph.ts'
import { isOp, producersOf, swapsLast } from './node-queries.ts'
import { partsOf } from './rewrite.ts'

export function transposeBeforeSum(graph: Graph): Graph {
  const producers = producersOf(graph)
  const uses = new Map<Value, number>()
  const use = (value: Value | undefined) => value && uses.set(value, (uses.get(value) ?? 0) + 1)
  for (const node of graph.nodes) node.inputs.forEach(use)
  graph.outputs.forEach(use)
  let changed = false
  const nodes = graph.nodes.flatMap((node) => {
    const sum = isOp(node, 'Transpose') && swapsLast(node) ? producers.get(node.inputs[0]!) : undefined
    const product = sum && producers.get(sum.inputs[0]!)
    const isAlone = [sum, product].every((before) => before && uses.get(before.outputs[0]!) === 1)
    if (!sum || !isAlone || product?.op !== 'MatMul' || !sumsOtherAxes(sum)) return [node]
    changed = true
    return turnedFirst(node, sum)
  })
  return changed ? reachable({ ...graph, nodes }) : graph
}

/** True for a ReduceSum over constant axes in front of the last two, which it keeps in their places. */
function sumsOtherAxes({ op, domain, inputs: [x, axes], attributes }: Node): boolean {
  const rank = x?.type?.shape?.length
  if (op !== 'ReduceSum' || domain !== '' || rank === undefined || !axes?.constant) return false
  if (attributes.keepdims?.value === 0) return false
  return numbersOf(axes.constant).every((axis) => axis < rank - 2 && (axis >= 0 || axis < -2))
}

function turnedFirst(node: Node, sum: Node): Node[] {
  const [x, axes] = sum.inputs as [Value, Value]
  const { value } = partsOf(node.outputs[0]!.name)
  const shape = x.type!.shape!
  const turned = value('turned', { ...x.type!, shape: [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] })
  return [
    { ...node, inputs: [x], outputs: [turned] },
    { ...sum, inputs: [turned, axes], outputs: node.outputs },
  ]
}
