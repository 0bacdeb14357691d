/** Element-wise functions of one and of two tensors. */
import { broadcastShapes } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type InferContext, type Op, typed } from './op.ts'
import { binary, unary } from './samples.ts'

const sameAsInput = (c: InferContext) => [c.input(0)]

const broadcast = (c: InferContext) => {
  const [a, b] = [c.input(0), c.input(1)]
  if (a.dtype !== b.dtype) c.fail(`both inputs must have the same element type, received ${a.dtype} and ${b.dtype}`)
  return typed(a.dtype, broadcastShapes(a.shape, b.shape))
}

const tanh: Op = {
  name: 'Tanh',
  since: 13,
  inputs: [1, 1],
  infer: sameAsInput,
  grad: ({ g, y, dy }) => [g.mul(dy, g.sub(1, g.mul(y, y)))],
  smooth: true,
  samples: unary(),
}

const mul: Op = {
  name: 'Mul',
  since: 14,
  inputs: [2, 2],
  infer: broadcast,
  grad: ({ g, dy, input }) => {
    const [a, b] = [input(0), input(1)]
    return [g.sumTo(g.mul(dy, b), shapeOf(a)), g.sumTo(g.mul(dy, a), shapeOf(b))]
  },
  smooth: true,
  samples: binary(),
}

export const elementwise: readonly Op[] = [tanh, mul]
