/**
 * Large zeros that a scatter writes into, made when it runs. The runtime computes once what follows from constants, and keeps it for as long as the session
 * lives; zeros that wait for what is added to them are no constant, and free again after it.
 */
import { isStatic } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, type Graph, shapeOf, type Value } from '../graph/graph.ts'
import { after } from '../ops/after.ts'
import type { OpTable } from '../ops/op.ts'
import { producersOf } from './node-queries.ts'
import { replaceNodes } from './replace-nodes.ts'
import { startsFromLargeZeros } from './zeros.ts'

export function zerosAtRunTime(graph: Graph, table: OpTable): Graph {
  const producers = producersOf(graph)
  return replaceNodes(graph, table, {
    suffix: 'zeros',
    match: (node) => {
      const shape = node.inputs[2]?.type?.shape
      return shape && isStatic(shape) && startsFromLargeZeros(node, producers) ? node : undefined
    },
    emit: (g, { op, attributes, inputs, outputs }) => {
      const [zeros, index, updates] = inputs as readonly [Value, Value, Value]
      const zero = after(g, g.constant(tensorFromNumbers(dtypeOf(zeros), [1], [0]), 'zero'), [updates])
      const made = g.op('Expand', [zero, g.integers(shapeOf(zeros) as readonly number[])])
      g.builder.node({ op, attributes, inputs: [made, index, updates], outputs: outputs.map((value) => value?.type) })
    },
  })
}
