/**
 * The mask of what is positive, Cast(x > 0), as HardSigmoid(x) = max(0, min(1, alpha x)) with an alpha that takes every number above the denormal ones
 * to 1: one pass in place of two, and the runtime converts from bool on one thread. For graphs that run in ONNX Runtime and are not exported.
 */
import { dtypes } from '../core/dtype.ts'
import { numbersOf } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { rewrite } from './rewrite.ts'

/** Times 2^-126, the least float32 that is not denormal, 2. */
const alpha = 2 ** 127

export function maskAtOnce(graph: Graph): Graph {
  return rewrite(graph, (node, { producer }) => {
    if (node.op !== 'Cast' || node.domain !== '' || node.attributes.to?.value !== dtypes.float32.code) return node
    const x = comparedWithZero(producer(node.inputs[0]))
    if (!x) return node
    return {
      ...{ ...node, op: 'HardSigmoid', inputs: [x] },
      attributes: { alpha: { kind: 'float', value: alpha }, beta: { kind: 'float', value: 0 } },
    }
  })
}

/** x of a node that says where x > 0, of float32; undefined for other nodes. */
function comparedWithZero(node: Node | undefined): Value | undefined {
  if (node?.op !== 'Greater' || node.domain !== '') return undefined
  const [x, zero] = node.inputs
  const isZero = zero?.constant?.shape.length === 0 && numbersOf(zero.constant)[0] === 0
  return isZero && x?.type?.dtype === 'float32' ? x : undefined
}
