/**
 * Matrix products. Gradients of plain matrices use Gemm, whose transA and transB cost nothing; batches use MatMul behind
 * Transpose, the standard form that a pass may fuse.
 */
import { QuernError } from '../core/errors.ts'
import { broadcastShapes, type Dim, requireStatic, type Shape } from '../core/shape.ts'
import { int64, tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type InferContext, type Op, typed } from './op.ts'
import { agree, productOf, range } from './shape-rules.ts'

/** Rules of numpy.matmul: a 1-D operand is a row on the left, a column on the right, and its axis vanishes from the result. */
function inferMatMul(c: InferContext): readonly TensorType[] {
  const [a, b] = [c.input(0), c.input(1)]
  if (a.dtype !== b.dtype) c.fail(`both inputs must have the same element type, received ${a.dtype} and ${b.dtype}`)
  if (a.shape.length === 0 || b.shape.length === 0) c.fail('a scalar cannot be multiplied as a matrix')
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape
  agree(left.at(-1)!, right.at(-2)!, 'the inner dimensions', c.fail)
  const out: Dim[] = broadcastShapes(left.slice(0, -2), right.slice(0, -2))
  if (a.shape.length > 1) out.push(left.at(-2)!)
  if (b.shape.length > 1) out.push(right.at(-1)!)
  return typed(a.dtype, out)
}

/** `[..., n]` as a matrix `[product of the rest, n]`. */
function asMatrix(g: Emitter, x: Value): Value {
  const shape = shapeOf(x)
  return shape.length === 2 ? x : g.reshape(x, [productOf(shape.slice(0, -1)), shape.at(-1)!])
}

/** y = a b: da = dy b', db = a' dy, summed over what was broadcast. */
function matMulGradient(g: Emitter, a: Value, b: Value, dy: Value): [Value, Value] {
  const [shapeA, shapeB] = [shapeOf(a), shapeOf(b)]
  if (shapeA.length === 1 || shapeB.length === 1) {
    const left = shapeA.length === 1 ? g.unsqueeze(a, [0]) : a
    const right = shapeB.length === 1 ? g.unsqueeze(b, [1]) : b
    // A row before the last axis, then a column behind it.
    const rank = shapeOf(dy).length
    const row = shapeA.length === 1 ? g.unsqueeze(dy, [shapeB.length === 1 ? rank : rank - 1]) : dy
    const open = shapeB.length === 1 ? g.unsqueeze(row, [shapeOf(row).length]) : row
    const [da, db] = matMulGradient(g, left, right, open)
    return [g.reshape(da, shapeA), g.reshape(db, shapeB)]
  }
  if (shapeB.length === 2) {
    // One matrix on the right: all rows of the left side are one batch.
    const [rows, slopes] = [asMatrix(g, a), asMatrix(g, dy)]
    return [
      g.reshape(g.gemm(slopes, b, undefined, { transB: true }), shapeA),
      g.gemm(rows, slopes, undefined, { transA: true }),
    ]
  }
  const da = g.sumTo(g.matMul(dy, g.swapLast(b)), shapeA)
  return [da, g.sumTo(g.matMul(g.swapLast(a), dy), shapeB)]
}

const matMul: Op = {
  name: 'MatMul',
  costly: true,
  since: 13,
  inputs: [2, 2],
  infer: inferMatMul,
  grad: ({ g, dy, input }) => matMulGradient(g, input(0), input(1), dy),
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }] },
    { inputs: [{ shape: [3] }, { shape: [3] }] },
    { inputs: [{ shape: [3] }, { shape: [3, 2] }] },
    { inputs: [{ shape: [2, 3] }, { shape: [3] }] },
    { inputs: [{ shape: [3] }, { shape: [2, 3, 2] }] },
    { inputs: [{ shape: [2, 2, 3] }, { shape: [3] }] },
    { inputs: [{ shape: [2, 2, 3] }, { shape: [3, 2] }] },
    { inputs: [{ shape: [2, 3] }, { shape: [2, 3, 2] }] },
    { inputs: [{ shape: [2, 2, 3] }, { shape: [2, 3, 2] }] },
    { inputs: [{ shape: [2, 1, 2, 3] }, { shape: [4, 3, 1] }] },
    { inputs: [{ shape: [0, 3] }, { shape: [3, 2] }] },
    { inputs: [{ shape: [2, 0] }, { shape: [0, 3] }] },
  ],
}

/** Sizes of A' in alpha A' B' + beta C. */
function turned(shape: Shape, transpose: boolean): [Dim, Dim] {
  return transpose ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]
}

const gemm: Op = {
  name: 'Gemm',
  costly: true,
  since: 13,
  inputs: [2, 3],
  attributes: {
    alpha: { kind: 'float', default: 1 },
    beta: { kind: 'float', default: 1 },
    transA: { kind: 'int', default: 0 },
    transB: { kind: 'int', default: 0 },
  },
  infer: (c) => {
    const [a, b, bias] = [c.input(0), c.input(1), c.optional(2)]
    if (a.shape.length !== 2 || b.shape.length !== 2) c.fail('the first two inputs must be matrices')
    const [rows, inner] = turned(a.shape, c.attributes.int('transA') !== 0)
    const [inner2, columns] = turned(b.shape, c.attributes.int('transB') !== 0)
    agree(inner, inner2, 'the inner dimensions', c.fail)
    if (bias && bias.shape.length > 2) c.fail('C must broadcast to a matrix')
    if (bias) broadcastShapes([rows, columns], bias.shape)
    return typed(a.dtype, [rows, columns])
  },
  grad: ({ g, dy, input, optional, attributes }) => {
    const [a, b, bias] = [input(0), input(1), optional(2)]
    const [transA, transB] = [attributes.int('transA') !== 0, attributes.int('transB') !== 0]
    const [alpha, beta] = [attributes.float('alpha'), attributes.float('beta')]
    const scale = alpha === 1 ? {} : { alpha }
    // dA = alpha dy B'^T, dB = alpha A'^T dy; the transposed operand gets the transposed product.
    const da = transA
      ? g.gemm(b, dy, undefined, { transA: transB, transB: true, ...scale })
      : g.gemm(dy, b, undefined, { transB: !transB, ...scale })
    const db = transB
      ? g.gemm(dy, a, undefined, { transA: true, transB: transA, ...scale })
      : g.gemm(a, dy, undefined, { transA: !transA, ...scale })
    const sum = bias && g.sumTo(dy, shapeOf(bias))
    return [da, db, sum && (beta === 1 ? sum : g.mul(sum, beta))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }] },
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }, { shape: [4] }], attributes: { alpha: 0.5, beta: 2 } },
    { inputs: [{ shape: [3, 2] }, { shape: [3, 4] }, { shape: [2, 1] }], attributes: { transA: 1 } },
    { inputs: [{ shape: [2, 3] }, { shape: [4, 3] }, { shape: [] }], attributes: { transB: 1, beta: 0.5 } },
    {
      inputs: [{ shape: [3, 2] }, { shape: [4, 3] }, { shape: [2, 4] }],
      attributes: { transA: 1, transB: 1, alpha: -1.5 },
    },
    { inputs: [{ shape: [0, 3] }, { shape: [3, 2] }, { shape: [2] }] },
  ],
}

/** The minors of larger matrices would be too many to compute. */
const largestDeterminant = 16

/**
 * d det(A) / dA: the cofactors (-1)^(i + j) det(A without row i and column j). No standard operator inverts a matrix; this holds for singular ones
 * too. n^2 determinants of n - 1, so for small matrices only.
 */
function cofactors(g: Emitter, x: Value, name: string): Value {
  const shape = requireStatic(shapeOf(x), 'the gradient of Det')
  const n = shape.at(-1)!
  if (n > largestDeterminant) {
    throw new QuernError(
      'unsupported',
      `no gradient through Det at '${name}': the matrix has ${n} rows, at most ${largestDeterminant} are covered, since n^2 minors are computed`,
    )
  }
  if (n === 1) return g.onesLike(x)
  const rank = shape.length
  const others = range(n).flatMap((i) => range(n).filter((j) => j !== i))
  const left = g.constant(int64([n, n - 1], others), 'others')
  // [..., i, rows, n] -> [..., i, rows, j, columns] -> [..., i, j, rows, columns]
  const rows = g.op('Gather', [x, left], { axis: rank - 2 })
  const both = g.op('Gather', [rows, left], { axis: rank })
  const lead = range(rank - 2)
  const minors = g.op('Det', [g.transpose(both, [...lead, rank - 2, rank, rank - 1, rank + 1])])
  const signs = range(n * n).map((k) => ((Math.floor(k / n) + (k % n)) % 2 === 0 ? 1 : -1))
  return g.mul(minors, g.constant(tensorFromNumbers(dtypeOf(x), [n, n], signs), 'signs'))
}

const det: Op = {
  name: 'Det',
  since: 11,
  inputs: [1, 1],
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    if (shape.length < 2) c.fail('the input must be a matrix or a batch of matrices')
    agree(shape.at(-1)!, shape.at(-2)!, 'rows and columns', c.fail)
    return typed(dtype, shape.slice(0, -2))
  },
  grad: ({ g, node, x, dy }) => [g.mul(g.reshape(dy, [...shapeOf(dy), 1, 1]), cofactors(g, x, node.name))],
  smooth: true,
  samples: [
    { inputs: [{ shape: [3, 3] }] },
    { inputs: [{ shape: [2, 2, 2] }] },
    { inputs: [{ shape: [2, 1, 1] }] },
    { title: 'singular', inputs: [{ shape: [2, 2], values: [1, 2, 2, 4] }] },
  ],
}

export const linearAlgebra: readonly Op[] = [matMul, gemm, det]
