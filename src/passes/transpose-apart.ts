/**
 * A weight's gradient X' dY as transpositions and a plain product. Where an operand does not fit into the cache, the runtime's Gemm with a transposed
 * left operand takes a third longer: it turns the operand again for every panel of the right one. X is turned, or where these are smaller together, dY and
 * the result: X' dY = (dY' X)'. The transpositions are written over three axes, since the runtime would fuse those of matrices into the product again.
 *
 * One thread, ms: [1024, 384]' [1024, 1536]: 21.3 as one Gemm, 17.8 apart. [1024, 1536]' [1024, 384]: 24.1, with X turned 20.1, with dY 19.2.
 * [768, 128]' [768, 512]: no difference.
 */
import { isStatic, type StaticShape, sizeOf } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { type Graph, type Node, reachable, type Value } from '../graph/graph.ts'
import { partsOf } from './rewrite.ts'

/** Elements of the larger operand from which it pays: a megabyte of float32. */
const fromElements = 2 ** 18

/** Columns of the narrower operand from which it pays: [36, 262144]' [36, 9] takes 6.5 ms, turned 8.1 (two threads). */
const leastColumns = 16

export function transposeApart(graph: Graph): Graph {
  const turned = new Map<Value, Turned>()
  const once = (x: Value, shape: StaticShape): Turned => {
    const known = turned.get(x)
    if (known) return { nodes: [], result: known.result }
    const made = turn(x, shape)
    turned.set(x, made)
    return made
  }
  const nodes = graph.nodes.flatMap((node) => {
    const shapes = turnedProduct(node)
    if (!shapes) return [node]
    const [x, y] = node.inputs as [Value, Value]
    const { transA: _, ...attributes } = node.attributes
    if (sizeOf(shapes.x) <= sizeOf(shapes.y) + sizeOf(shapes.product)) {
      const { nodes: before, result } = once(x, shapes.x)
      return [...before, { ...node, inputs: [result, y], attributes }]
    }
    const { nodes: before, result } = once(y, shapes.y)
    const [output] = node.outputs as [Value]
    const swapped = {
      ...output,
      name: `${output.name}:swapped`,
      type: { ...output.type!, shape: [...shapes.product].reverse() },
    }
    const product = { ...node, inputs: [result, x], outputs: [swapped], attributes }
    return [...before, product, ...turn(swapped, swapped.type.shape, output).nodes]
  })
  return turned.size > 0 ? reachable({ ...graph, nodes }) : graph
}

/** Shapes of a Gemm X' Y without a third operand, one of whose operands is large; undefined for other nodes. */
function turnedProduct({ op, domain, attributes, inputs, outputs }: Node) {
  if (op !== 'Gemm' || domain !== '' || inputs[2] || attributes.transA?.value !== 1 || attributes.transB?.value === 1)
    return undefined
  const [x, y, product] = [inputs[0], inputs[1], outputs[0]].map((value) => value?.type?.shape)
  if (!x || !y || !product || !isStatic(x) || !isStatic(y) || !isStatic(product)) return undefined
  const isWorthIt = Math.max(sizeOf(x), sizeOf(y)) >= fromElements && Math.min(x[1]!, y[1]!) >= leastColumns
  return isWorthIt ? { x, y, product } : undefined
}

interface Turned {
  readonly nodes: readonly Node[]
  readonly result: Value
}

/** [rows, columns] -> [columns, rows] by way of [1, rows, columns]. */
function turn(x: Value, [rows, columns]: StaticShape, into?: Value): Turned {
  const { dtype } = x.type!
  const { value, node } = partsOf(x.name)
  const constant = (part: string, sizes: StaticShape): Value => {
    const tensor = int64([sizes.length], sizes)
    return { ...value(part, { dtype: 'int64', shape: tensor.shape }), constant: tensor }
  }
  const stacked = value('stacked', { dtype, shape: [1, rows!, columns!] })
  const transposed = value('transposed', { dtype, shape: [1, columns!, rows!] })
  const result = into ?? value('turned', { dtype, shape: [columns!, rows!] })
  return {
    nodes: [
      node('Reshape', 'stack', [x, constant('stackedShape', [1, rows!, columns!])], stacked),
      node('Transpose', 'transpose', [stacked], transposed, { perm: { kind: 'ints', value: [0, 2, 1] } }),
      node('Reshape', 'unstack', [transposed, constant('turnedShape', [columns!, rows!])], result),
    ],
    result,
  }
}
