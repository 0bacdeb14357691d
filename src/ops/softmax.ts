/** Softmax and its relatives along one axis. Source: ONNX operators Softmax, LogSoftmax, Hardmax (opset 13). */
import { normalizeAxis } from '../core/shape.ts'
import type { InferContext, Op, Sample } from './op.ts'

function alongAxis(c: InferContext) {
  const x = c.input(0)
  normalizeAxis(c.attributes.int('axis'), x.shape.length)
  return [x]
}

const axis = { axis: { kind: 'int', default: -1 } } as const

const samples: readonly Sample[] = [
  { inputs: [{ shape: [3] }] },
  { inputs: [{ shape: [2, 4] }] },
  { title: 'first axis', inputs: [{ shape: [3, 2] }], attributes: { axis: 0 } },
  { title: 'middle axis', inputs: [{ shape: [2, 3, 2] }], attributes: { axis: 1 } },
  { title: 'negative axis', inputs: [{ shape: [2, 3, 2] }], attributes: { axis: -2 } },
  { title: 'one class', inputs: [{ shape: [3, 1] }] },
  { title: 'large values', inputs: [{ shape: [2, 3], from: 99, to: 101 }] },
]

/** dx = y (dy - sum(y dy)) */
const softmax: Op = {
  name: 'Softmax',
  since: 13,
  inputs: [1, 1],
  attributes: axis,
  infer: alongAxis,
  grad({ g, y, dy, attributes }) {
    const weighted = g.mul(y, dy)
    return [g.sub(weighted, g.mul(y, g.sum(weighted, [attributes.int('axis')], true)))]
  },
  smooth: true,
  samples,
}

/** dx = dy - exp(y) sum(dy) */
const logSoftmax: Op = {
  name: 'LogSoftmax',
  since: 13,
  inputs: [1, 1],
  attributes: axis,
  infer: alongAxis,
  grad: ({ g, y, dy, attributes }) => [g.sub(dy, g.mul(g.exp(y), g.sum(dy, [attributes.int('axis')], true)))],
  smooth: true,
  samples,
}

/** 1 at the first maximum, 0 elsewhere: constant wherever it is differentiable. */
const hardmax: Op = {
  name: 'Hardmax',
  since: 13,
  inputs: [1, 1],
  attributes: axis,
  infer: alongAxis,
  grad: ({ g, x }) => [g.zerosLike(x)],
  samples: [
    { inputs: [{ shape: [2, 4], values: [1, 3, 2, 0, -1, -3, 0.5, 0] }] },
    { title: 'middle axis', inputs: [{ shape: [1, 3, 2], values: [1, 3, 2, 0, -1, -3] }], attributes: { axis: 1 } },
  ],
}

export const softmaxFamily: readonly Op[] = [softmax, logSoftmax, hardmax]
