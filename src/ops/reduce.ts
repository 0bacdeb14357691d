/**
 * Reductions over axes, the positions of extremes, and running sums. Axes are a constant input; without axes (or with an empty
 * list) all are reduced, unless noop_with_empty_axes says that none is.
 */
import { type Dim, normalizeAxis, requireStatic, type Shape, sizeOf } from '../core/shape.ts'
import { numbersOf, tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import {
  type AttributeSpec,
  type GradientContext,
  type InferContext,
  type Op,
  type Sample,
  type SampleInput,
  typed,
} from './op.ts'
import { constantNumbers, normalizeAxes, range, unknownShape } from './shape-rules.ts'

const attributes: Readonly<Record<string, AttributeSpec>> = {
  keepdims: { kind: 'int', default: 1 },
  noop_with_empty_axes: { kind: 'int', default: 0 },
}

const axesInput = (...values: number[]): SampleInput => ({
  shape: [values.length],
  dtype: 'int64',
  values,
  constant: true,
})

function infer(c: InferContext): readonly TensorType[] {
  const { dtype, shape } = c.input(0)
  const keep = c.attributes.int('keepdims') === 1
  const axesType = c.optional(1)
  const given = axesType ? constantNumbers(c, 1) : []
  if (!given) {
    // The axes are computed: only their number can be known.
    const count = axesType?.shape[0]
    if (keep) return typed(dtype, unknownShape(shape.length))
    return [{ dtype, shape: typeof count === 'number' && count > 0 ? unknownShape(shape.length - count) : undefined }]
  }
  if (given.length === 0 && c.attributes.int('noop_with_empty_axes') === 1) return typed(dtype, shape)
  const axes = given.length === 0 ? range(shape.length) : normalizeAxes(given, shape.length, c.fail)
  return typed(dtype, reducedShape(shape, axes, keep))
}

function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): Dim[] {
  return keep ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i))
}

interface Reduction {
  readonly g: Emitter
  readonly x: Value
  /** reduced axes; empty when nothing is reduced */
  readonly axes: readonly number[]
  /** the result and its gradient with every reduced axis as 1, so that they broadcast against x */
  readonly y: Value
  readonly dy: Value
}

/** What every gradient below needs: the axes, and the result in a shape that broadcasts. */
function reduction(c: GradientContext): Reduction {
  const { g, x } = c
  const shape = shapeOf(x)
  const input = c.optional(1)
  const given = input?.constant ? numbersOf(input.constant) : []
  const none = given.length === 0 && c.attributes.int('noop_with_empty_axes') === 1
  const axes = none
    ? []
    : given.length === 0
      ? range(shape.length)
      : given.map((axis) => normalizeAxis(axis, shape.length))
  const open = reducedShape(shape, axes, true)
  return { g, x, axes, y: g.reshape(c.y, open), dy: g.reshape(c.dy, open) }
}

/** Number of elements that are reduced to one. */
function reducedCount({ x, axes }: Reduction): number {
  return sizeOf(
    requireStatic(
      axes.map((axis) => shapeOf(x)[axis]!),
      'the gradient of ReduceMean',
    ),
  )
}

function reduceSamples(input: Omit<SampleInput, 'shape'> = {}): Sample[] {
  return [
    { inputs: [{ shape: [2, 3], ...input }] },
    { inputs: [{ shape: [2, 3, 2], ...input }, axesInput(1)] },
    { inputs: [{ shape: [2, 3, 2], ...input }, axesInput(-1, 0)], attributes: { keepdims: 0 } },
    { inputs: [{ shape: [4], ...input }, axesInput(-1)], attributes: { keepdims: 0 } },
    { title: 'empty axes', inputs: [{ shape: [2, 3], ...input }, axesInput()] },
    { title: 'scalar', inputs: [{ shape: [], ...input }] },
    { title: 'zero size', inputs: [{ shape: [2, 0, 3], ...input }, axesInput(0)] },
  ]
}

const noop = (input: Omit<SampleInput, 'shape'> = {}): Sample => ({
  title: 'no axes, no reduction',
  inputs: [{ shape: [2, 3], ...input }, axesInput()],
  attributes: { noop_with_empty_axes: 1 },
})

const overNothing: Sample = { title: 'over zero elements', inputs: [{ shape: [2, 0] }, axesInput(1)] }

interface Form {
  readonly since: number
  readonly grad: (r: Reduction) => Value
  readonly smooth?: false
  readonly samples: readonly Sample[]
}

function reductionOp(name: string, { since, grad, smooth, samples }: Form): Op {
  return {
    name,
    since,
    inputs: [1, 2],
    attributes,
    infer,
    grad: (c) => [grad(reduction(c))],
    ...(smooth === false ? {} : { smooth: true as const }),
    samples,
  }
}

const positive = { from: 0.3, to: 2 }
const nonZero = { away: { from: [0], by: 0.2 } }

/**
 * The gradient of a maximum or minimum goes to the elements that attain it, in equal parts, so that it passes once in total: the rule of PyTorch's
 * amax and of JAX. Forward and backward, one thread, beside ArgMax and ScatterElements to the first such element: [32, 196, 128] over the
 * middle axis 1.4 ms for 3.0, [64, 512, 128] over the last 10.9 for 11.2 (15.1 with Where for Cast and Mul, 20.9 with ArgMax compared with positions).
 */
function extremeGradient({ g, x, y, axes, dy }: Reduction): Value {
  if (axes.length === 0) return dy
  const hits = g.cast(g.equal(x, y), dtypeOf(x))
  return g.mul(hits, g.div(dy, g.sum(hits, axes, true)))
}

/** Values drawn from [from, to] hardly ever tie; the tie is a sample of its own. */
function extreme(name: string): Op {
  const apart = [0.3, -1.2, 1.9, 0.8, -0.4, 1.1, -1.7, 0.1, 1.5, -0.8, 0.5, -0.1]
  const wide = { shape: [2, 3, 2], values: apart }
  return reductionOp(name, {
    since: 20,
    grad: extremeGradient,
    smooth: false,
    samples: [
      { inputs: [{ shape: [3, 4], values: apart }] },
      { inputs: [wide, axesInput(1)] },
      { inputs: [wide, axesInput(-1, 0)], attributes: { keepdims: 0 } },
      { inputs: [{ shape: [4], values: apart.slice(0, 4) }, axesInput(-1)], attributes: { keepdims: 0 } },
      { inputs: [{ shape: [2, 2], values: apart.slice(0, 4) }, axesInput()] },
      { title: 'scalar', inputs: [{ shape: [] }] },
      { title: 'zero size', inputs: [{ shape: [2, 0] }, axesInput(0)] },
      noop(),
      {
        title: 'tie',
        inputs: [{ shape: [3], values: [2, 2, 2] }],
        attributes: { keepdims: 0 },
        gradients: [[1 / 3, 1 / 3, 1 / 3]],
      },
    ],
  })
}

/** d prod / dx_i = product of the others, also where elements are 0: with one zero only its own slope is not 0. */
function prodGradient({ g, x, axes, dy }: Reduction): Value {
  if (axes.length === 0) return dy
  const zero = g.equal(x, 0)
  const isZero = g.cast(zero, dtypeOf(x))
  const filled = g.where(zero, 1, x)
  const product = g.op('ReduceProd', [filled, g.integers(axes)])
  const otherZeros = g.sub(g.sum(isZero, axes, true), isZero)
  return g.mul(dy, g.where(g.equal(otherZeros, 0), g.div(product, filled), 0))
}

const reductions: readonly Op[] = [
  reductionOp('ReduceSum', {
    since: 13,
    grad: ({ g, x, dy }) => g.expand(dy, shapeOf(x)),
    samples: [...reduceSamples(), noop(), overNothing],
  }),
  reductionOp('ReduceMean', {
    since: 18,
    grad: (r) => r.g.expand(r.g.div(r.dy, reducedCount(r)), shapeOf(r.x)),
    samples: [...reduceSamples(), noop()],
  }),
  reductionOp('ReduceSumSquare', {
    since: 18,
    grad: ({ g, x, dy }) => g.mul(g.mul(x, 2), dy),
    samples: [...reduceSamples(), noop(), overNothing],
  }),
  reductionOp('ReduceL1', {
    since: 18,
    grad: ({ g, x, dy }) => g.mul(g.sign(x), dy),
    samples: [...reduceSamples(nonZero), noop(nonZero), overNothing],
  }),
  // d |x| = x / |x|, and 0 at the origin
  reductionOp('ReduceL2', {
    since: 18,
    grad: ({ g, x, y, dy }) => g.mul(x, g.div(dy, g.where(g.equal(y, 0), 1, y))),
    samples: [
      ...reduceSamples(nonZero),
      noop(nonZero),
      overNothing,
      { title: 'at the origin', inputs: [{ shape: [2], values: [0, 0] }], gradients: [[0, 0]] },
    ],
  }),
  // d log s = ds / s, with 1 / s = exp(-y)
  reductionOp('ReduceLogSum', {
    since: 18,
    grad: ({ g, x, y, dy }) => g.expand(g.mul(dy, g.exp(g.neg(y))), shapeOf(x)),
    samples: [...reduceSamples(positive), noop(positive)],
  }),
  reductionOp('ReduceLogSumExp', {
    since: 18,
    grad: ({ g, x, y, dy }) => g.mul(dy, g.exp(g.sub(x, y))),
    samples: [...reduceSamples(), noop()],
  }),
  reductionOp('ReduceProd', {
    since: 18,
    grad: prodGradient,
    samples: [...reduceSamples(nonZero), noop(), overNothing],
  }),
  extreme('ReduceMax'),
  extreme('ReduceMin'),
]

function position(name: string): Op {
  return {
    name,
    since: 13,
    inputs: [1, 1],
    attributes: {
      axis: { kind: 'int', default: 0 },
      keepdims: { kind: 'int', default: 1 },
      select_last_index: { kind: 'int', default: 0 },
    },
    infer: (c) => {
      const { shape } = c.input(0)
      const axis = normalizeAxis(c.attributes.int('axis'), shape.length)
      return typed('int64', reducedShape(shape, [axis], c.attributes.int('keepdims') === 1))
    },
    grad: { none: 'its result is an index, which does not change smoothly with the input' },
    samples: [
      { inputs: [{ shape: [2, 3] }] },
      { inputs: [{ shape: [2, 3, 2] }], attributes: { axis: -1, keepdims: 0 } },
      { inputs: [{ shape: [4], values: [1, 3, 3, 2] }], attributes: { select_last_index: 1 } },
      { title: 'zero size', inputs: [{ shape: [2, 0] }], attributes: { axis: 0 } },
    ],
  }
}

const axisScalar = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value], constant: true })

/** The running sum's gradient runs the other way. */
const cumSum: Op = {
  name: 'CumSum',
  since: 14,
  inputs: [2, 2],
  attributes: { exclusive: { kind: 'int', default: 0 }, reverse: { kind: 'int', default: 0 } },
  infer: (c) => {
    const axis = constantNumbers(c, 1)?.[0]
    if (axis !== undefined) normalizeAxis(axis, c.input(0).shape.length)
    return [c.input(0)]
  },
  grad: ({ g, dy, input, attributes: a }) => [
    g.op('CumSum', [dy, input(1)], { exclusive: a.int('exclusive'), reverse: 1 - a.int('reverse') }),
  ],
  smooth: true,
  samples: [
    { inputs: [{ shape: [4] }, axisScalar(0)] },
    { inputs: [{ shape: [2, 3] }, axisScalar(-1)], attributes: { exclusive: 1 } },
    { inputs: [{ shape: [2, 3] }, axisScalar(0)], attributes: { reverse: 1 } },
    { inputs: [{ shape: [2, 3, 2] }, axisScalar(1)], attributes: { exclusive: 1, reverse: 1 } },
    { inputs: [{ shape: [2, 0] }, axisScalar(0)] },
  ],
}

/** Running product. Its gradient goes through the products themselves, [.., n, n], so that zeros do no harm. */
const cumProd: Op = lowered(
  {
    name: 'CumProd',
    since: 26,
    inputs: [2, 2],
    attributes: { exclusive: { kind: 'int', default: 0 }, reverse: { kind: 'int', default: 0 } },
    infer: cumSum.infer,
    smooth: true,
    samples: [
      { inputs: [{ shape: [4] }, axisScalar(0)] },
      { title: 'a zero', inputs: [{ shape: [3], values: [2, 0, 3] }, axisScalar(0)], gradients: [[1, 8, 0]] },
      { inputs: [{ shape: [2, 3] }, axisScalar(-1)], attributes: { exclusive: 1, reverse: 1 } },
    ],
  },
  ({ g, input, attributes, fail }) => {
    const shape = requireStatic(shapeOf(input(0)), 'the gradient of CumProd')
    const given = input(1).constant
    if (!given) return fail('its axis is not a constant')
    const axis = normalizeAxis(numbersOf(given)[0]!, shape.length)
    const n = shape[axis]!
    const [exclusive, reverse] = [attributes.int('exclusive') === 1, attributes.int('reverse') === 1]
    const counts = (to: number, from: number): boolean =>
      exclusive && to === from ? false : reverse ? from >= to : from <= to
    const elements = range(n * n).map((k) => (counts(Math.floor(k / n), k % n) ? 1 : 0))
    const mask = tensorFromNumbers('bool', [n, n, ...shape.slice(axis + 1).map(() => 1)], elements)
    const factors = g.where(g.constant(mask, 'factors'), g.unsqueeze(input(0), [axis]), 1)
    return [g.op('ReduceProd', [factors, g.integers([axis + 1])], { keepdims: 0 })]
  },
)

export const reduce: readonly Op[] = [...reductions, position('ArgMax'), position('ArgMin'), cumSum, cumProd]
