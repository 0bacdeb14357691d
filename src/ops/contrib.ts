/**
 * Operators of the runtime's own domain, com.microsoft, and the standard ones of the same kind. Passes put them in, imported models hold them;
 * gradient rules emit the standard ones.
 */
import { broadcastShapes } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { attention } from './attention.ts'
import { contribActivation } from './contrib-activation.ts'
import { contribAttention } from './contrib-attention.ts'
import { contribFused } from './contrib-fused.ts'
import { contribGroupedAttention } from './contrib-grouped-attention.ts'
import { contribNormalization } from './contrib-normalization.ts'
import { contribQuantized } from './contrib-quantized.ts'
import { contribRotary } from './contrib-rotary.ts'
import { type AttributeReader, type Op, typed } from './op.ts'
import { agree, range } from './shape-rules.ts'

/** How an operand is turned before the product: transBatch brings axis 0 behind the batch axes, trans swaps the last two. */
function permutation(rank: number, side: 'A' | 'B', attributes: AttributeReader): number[] {
  const axes = range(rank)
  if (attributes.int(`transBatch${side}`) !== 0) axes.splice(rank - 2, 0, axes.shift()!)
  if (attributes.int(`trans${side}`) !== 0) axes.push(axes.splice(rank - 2, 1)[0]!)
  return axes
}

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis))
}

const flag = { kind: 'int', default: 0 } as const

/** alpha A' B' for batches of matrices, where ' is an optional transposition that costs no pass over memory. */
const fusedMatMul: Op = {
  name: 'FusedMatMul',
  costly: true,
  domain: 'com.microsoft',
  since: 1,
  inputs: [2, 2],
  attributes: {
    alpha: { kind: 'float', default: 1 },
    transA: flag,
    transB: flag,
    transBatchA: flag,
    transBatchB: flag,
  },
  infer: (c) => {
    const [a, b] = [c.input(0), c.input(1)]
    if (a.dtype !== b.dtype) c.fail(`both inputs must have the same element type, received ${a.dtype} and ${b.dtype}`)
    if (a.shape.length < 2 || b.shape.length < 2) c.fail('both inputs must be matrices or batches of matrices')
    const left = permutation(a.shape.length, 'A', c.attributes).map((axis) => a.shape[axis]!)
    const right = permutation(b.shape.length, 'B', c.attributes).map((axis) => b.shape[axis]!)
    agree(left.at(-1)!, right.at(-2)!, 'the inner dimensions', c.fail)
    const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2))
    return typed(a.dtype, [...batch, left.at(-2)!, right.at(-1)!])
  },
  grad: ({ g, dy, input, attributes }) => {
    const turnA = permutation(shapeOf(input(0)).length, 'A', attributes)
    const turnB = permutation(shapeOf(input(1)).length, 'B', attributes)
    const [a, b] = [g.transpose(input(0), turnA), g.transpose(input(1), turnB)]
    const alpha = attributes.float('alpha')
    const scaled = alpha === 1 ? dy : g.mul(dy, alpha)
    const da = g.sumTo(g.matMul(scaled, g.swapLast(b)), shapeOf(a))
    const db = g.sumTo(g.matMul(g.swapLast(a), scaled), shapeOf(b))
    return [g.transpose(da, inverse(turnA)), g.transpose(db, inverse(turnB))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }], attributes: { alpha: 0.5 } },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [2, 3, 4] }], attributes: { transA: 1 } },
    { inputs: [{ shape: [2, 2, 3] }, { shape: [4, 3] }], attributes: { transB: 1, alpha: -2 } },
    { inputs: [{ shape: [2, 1, 3, 2] }, { shape: [2, 4, 3] }], attributes: { transA: 1, transB: 1 } },
    { inputs: [{ shape: [3, 2, 2] }, { shape: [2, 2, 3] }], attributes: { transBatchA: 1 } },
  ],
}

export const contrib: readonly Op[] = [
  fusedMatMul,
  ...contribActivation,
  ...contribNormalization,
  ...contribRotary,
  ...attention,
  ...contribAttention,
  ...contribGroupedAttention,
  ...contribFused,
  ...contribQuantized,
]
