/**
 * A weight's gradient X' dY as a transposition of X and a plain product. Where X does not fit into the cache, the runtime's Gemm with a transposed left
 * operand takes a third longer: it turns the operand again for every panel of the right one. The transposition is written
 * over three axes, since the runtime would fuse one of a matrix into the product again.
 *
 * [1024, 384]' [1024, 1536]: 26.6 ms as one Gemm, 18.6 apart (one thread); [768, 128]' [768, 512]: no difference.
 */
import { isStatic, type StaticShape, sizeOf } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { type Graph, type Node, reachable, type Value } from '../graph/graph.ts'

/** Elements of X from which it pays: a megabyte of float32. */
const fromElements = 2 ** 18

export function transposeApart(graph: Graph): Graph {
  const turned = new Map<Value, { nodes: Node[]; result: Value }>()
  const nodes = graph.nodes.flatMap((node) => {
    const x = node.inputs[0]
    const shape = x && turnedMatrix(node, x)
    if (!x || !shape) return [node]
    const isNew = !turned.has(x)
    const { nodes: before, result } = turned.get(x) ?? turn(x, shape)
    turned.set(x, { nodes: before, result })
    const { transA: _, ...attributes } = node.attributes
    const product = { ...node, inputs: [result, ...node.inputs.slice(1)], attributes }
    return isNew ? [...before, product] : [product]
  })
  return turned.size > 0 ? reachable({ ...graph, nodes }) : graph
}

/** Shape of a large left operand that a Gemm reads transposed; undefined for other nodes. */
function turnedMatrix({ op, domain, attributes }: Node, x: Value): StaticShape | undefined {
  if (op !== 'Gemm' || domain !== '' || attributes.transA?.value !== 1) return undefined
  const shape = x.type?.shape
  return shape && isStatic(shape) && sizeOf(shape) >= fromElements ? shape : undefined
}

/** [rows, columns] -> [columns, rows] by way of [1, rows, columns]. */
function turn(x: Value, [rows, columns]: StaticShape): { nodes: Node[]; result: Value } {
  const { dtype } = x.type!
  const value = (part: string, shape: StaticShape): Value => ({
    name: `${x.name}:${part}`,
    type: { dtype, shape },
    constant: undefined,
  })
  const constant = (part: string, sizes: StaticShape): Value => {
    const tensor = int64([sizes.length], sizes)
    return { name: `${x.name}:${part}`, type: { dtype: 'int64', shape: tensor.shape }, constant: tensor }
  }
  const node = (
    op: string,
    part: string,
    inputs: Value[],
    output: Value,
    attributes: Node['attributes'] = {},
  ): Node => ({
    ...{ op, domain: '', name: `${x.name}:${part}`, inputs, outputs: [output], attributes },
  })
  const stacked = value('stacked', [1, rows!, columns!])
  const transposed = value('transposed', [1, columns!, rows!])
  const result = value('turned', [columns!, rows!])
  return {
    nodes: [
      node('Reshape', 'stack', [x, constant('stackedShape', [1, rows!, columns!])], stacked),
      node('Transpose', 'transpose', [stacked], transposed, { perm: { kind: 'ints', value: [0, 2, 1] } }),
      node('Reshape', 'unstack', [transposed, constant('turnedShape', [columns!, rows!])], result),
    ],
    result,
  }
}
