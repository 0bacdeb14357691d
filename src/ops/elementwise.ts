/** Element-wise arithmetic and mathematical functions. Gradients of broadcast inputs are summed back by `sumTo`. */
import { isFloat } from '../core/dtype.ts'
import { sizeOf } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { GradientContext, Op, Sample, SampleInput } from './op.ts'
import { binary, unary } from './samples.ts'
import { broadcast, sameAsInput } from './shape-rules.ts'

/** dx = dy * derivative(x, y) */
function unaryOp(name: string, since: number, grad: Op['grad'], input: Omit<SampleInput, 'shape'> = {}): Op {
  return { name, since, inputs: [1, 1], infer: sameAsInput, grad, smooth: true, samples: unary(input) }
}

/** A piecewise constant function: its gradient is zero wherever it exists, so nothing is passed on. */
function step(name: string, since: number): Op {
  const { smooth: _, ...op } = unaryOp(name, since, () => [], {
    away: { from: [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], by: 0.05 },
  })
  return op
}

const square = (g: Emitter, x: Value): Value => g.mul(x, x)
const positive = { from: 0.3, to: 3 }
const inside = { from: -0.8, to: 0.8 }

const functions: readonly Op[] = [
  unaryOp('Abs', 13, ({ g, x, dy }) => [g.mul(dy, g.sign(x))], { away: { from: [0], by: 0.1 } }),
  unaryOp('Neg', 13, ({ g, dy }) => [g.neg(dy)]),
  unaryOp('Exp', 13, ({ g, y, dy }) => [g.mul(dy, y)]),
  unaryOp('Log', 13, ({ g, x, dy }) => [g.div(dy, x)], positive),
  unaryOp('Sqrt', 13, ({ g, y, dy }) => [g.div(g.mul(dy, 0.5), y)], positive),
  unaryOp('Reciprocal', 13, ({ g, y, dy }) => [g.neg(g.mul(dy, square(g, y)))], { away: { from: [0], by: 0.4 } }),
  unaryOp('Sin', 7, ({ g, x, dy }) => [g.mul(dy, g.op('Cos', [x]))]),
  unaryOp('Cos', 7, ({ g, x, dy }) => [g.neg(g.mul(dy, g.op('Sin', [x])))]),
  unaryOp('Tan', 7, ({ g, y, dy }) => [g.mul(dy, g.add(square(g, y), 1))], { from: -1, to: 1 }),
  unaryOp('Asin', 7, ({ g, x, dy }) => [g.div(dy, g.sqrt(g.sub(1, square(g, x))))], inside),
  unaryOp('Acos', 7, ({ g, x, dy }) => [g.neg(g.div(dy, g.sqrt(g.sub(1, square(g, x)))))], inside),
  unaryOp('Atan', 7, ({ g, x, dy }) => [g.div(dy, g.add(square(g, x), 1))]),
  unaryOp('Sinh', 9, ({ g, x, dy }) => [g.mul(dy, g.op('Cosh', [x]))]),
  unaryOp('Cosh', 9, ({ g, x, dy }) => [g.mul(dy, g.op('Sinh', [x]))]),
  unaryOp('Asinh', 9, ({ g, x, dy }) => [g.div(dy, g.sqrt(g.add(square(g, x), 1)))]),
  unaryOp('Acosh', 9, ({ g, x, dy }) => [g.div(dy, g.sqrt(g.sub(square(g, x), 1)))], { from: 1.5, to: 4 }),
  unaryOp('Atanh', 9, ({ g, x, dy }) => [g.div(dy, g.sub(1, square(g, x)))], inside),
  // d erf = 2 / sqrt(pi) exp(-x^2)
  unaryOp('Erf', 13, ({ g, x, dy }) => [g.mul(g.mul(dy, 2 / Math.sqrt(Math.PI)), g.exp(g.neg(square(g, x))))]),
  step('Floor', 13),
  step('Ceil', 13),
  step('Round', 11),
  step('Sign', 13),
]

const identity: Op = {
  name: 'Identity',
  since: 19,
  inputs: [1, 1],
  infer: sameAsInput,
  containers: (c) => [c.container(0)],
  grad: ({ dy }) => [dy],
  smooth: true,
  samples: unary(),
}

function binaryOp(name: string, since: number, grad: Op['grad'], samples: readonly Sample[] = binary()): Op {
  return { name, since, inputs: [2, 2], infer: broadcast, grad, smooth: true, samples }
}

const add = binaryOp('Add', 14, ({ g, dy, input }) => [g.sumTo(dy, shapeOf(input(0))), g.sumTo(dy, shapeOf(input(1)))])

const sub = binaryOp('Sub', 14, ({ g, dy, input }) => [
  g.sumTo(dy, shapeOf(input(0))),
  g.neg(g.sumTo(dy, shapeOf(input(1)))),
])

const mul = binaryOp('Mul', 14, ({ g, dy, input }) => {
  const [a, b] = [input(0), input(1)]
  return [g.sumTo(g.mul(dy, b), shapeOf(a)), g.sumTo(g.mul(dy, a), shapeOf(b))]
})

// d(a / b) = da / b - y / b db
const div = binaryOp(
  'Div',
  14,
  ({ g, y, dy, input }) => {
    const [a, b] = [input(0), input(1)]
    const over = g.div(dy, b)
    return [g.sumTo(over, shapeOf(a)), g.neg(g.sumTo(g.mul(over, y), shapeOf(b)))]
  },
  binary({}, { away: { from: [0], by: 0.5 } }),
)

/**
 * d(a^b) = b a^(b-1) da + y log(a) db. Where b is 0 the first term is 0, also at a = 0; where a is not positive a^b is no
 * function of a real b, and the second term is 0.
 */
const pow: Op = {
  name: 'Pow',
  since: 15,
  inputs: [2, 2],
  infer: (c) => broadcast({ ...c, input: (i) => ({ ...c.input(i), dtype: c.input(0).dtype }) }),
  grad: ({ g, y, dy, input }) => {
    const [a, b] = [input(0), input(1)]
    const known = b.constant && sizeOf(b.constant.shape) === 1 ? numbersOf(b.constant)[0]! : undefined
    if (known === 1) return [g.sumTo(dy, shapeOf(a))]
    if (known === 2) return [g.sumTo(g.mul(dy, g.mul(a, 2)), shapeOf(a))]
    if (known !== undefined && known !== 0) {
      return [g.sumTo(g.mul(dy, g.mul(g.pow(a, g.scalar(known - 1, dtypeOf(a))), known)), shapeOf(a))]
    }
    const exponent = g.cast(b, dtypeOf(a))
    const slope = g.where(g.equal(exponent, 0), 0, g.mul(exponent, g.pow(a, g.sub(exponent, 1))))
    const base = g.mul(dy, slope)
    if (!isFloat(dtypeOf(b))) return [g.sumTo(base, shapeOf(a))]
    const log = g.log(g.where(g.greater(a, 0), a, 1))
    return [g.sumTo(base, shapeOf(a)), g.sumTo(g.cast(g.mul(dy, g.mul(y, log)), dtypeOf(b)), shapeOf(b))]
  },
  smooth: true,
  samples: [
    ...binary(positive, { away: { from: [0], by: 0.2 } }),
    ...[0, 1, 2, 3, -1, 0.5].map((power) => ({
      title: `constant exponent ${power}`,
      inputs: [
        { shape: [2, 3], ...positive },
        { shape: [], values: [power], constant: true as const },
      ],
    })),
    {
      title: 'negative base, integer exponent',
      inputs: [
        { shape: [3], from: -2, to: -0.5 },
        { shape: [], dtype: 'int64', values: [3] },
      ],
    },
    {
      title: 'zero to the zero',
      inputs: [
        { shape: [2], values: [0, 0] },
        { shape: [2], values: [0, 2] },
      ],
      gradients: [[0, 0]],
    },
  ],
}

/** The remainder a - b q with q = floor(a / b), or q rounded to zero with fmod: the only form for floating point. */
const mod: Op = {
  name: 'Mod',
  since: 13,
  inputs: [2, 2],
  attributes: { fmod: { kind: 'int', default: 0 } },
  infer: (c) => {
    if (isFloat(c.input(0).dtype) && c.attributes.int('fmod') === 0) c.fail('floating-point inputs need fmod = 1')
    return broadcast(c)
  },
  grad: ({ g, y, dy, input }) => {
    const [a, b] = [input(0), input(1)]
    const q = g.op('Round', [g.div(g.sub(a, y), b)])
    return [g.sumTo(dy, shapeOf(a)), g.neg(g.sumTo(g.mul(dy, q), shapeOf(b)))]
  },
  samples: [
    {
      inputs: [
        { shape: [4], values: [5.3, -5.3, 2.1, 0.4] },
        { shape: [4], values: [2, 2, -1.5, 0.9] },
      ],
      attributes: { fmod: 1 },
    },
    {
      inputs: [
        { shape: [2, 2], values: [5.3, -5.3, 2.1, 0.4] },
        { shape: [2], values: [1.7, 0.8] },
      ],
      attributes: { fmod: 1 },
    },
    {
      title: 'integers',
      inputs: [
        { shape: [3], dtype: 'int64', values: [7, -7, 5] },
        { shape: [], dtype: 'int64', values: [3] },
      ],
    },
  ],
}

const variadic: readonly Sample[] = [
  { inputs: [{ shape: [2, 3] }] },
  ...binary(),
  { inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [2, 1] }] },
  { inputs: [{ shape: [] }, { shape: [2] }, { shape: [] }, { shape: [1, 2] }] },
]

const many = Number.MAX_SAFE_INTEGER

/** Every input of a variadic operator with its index. */
function each(c: GradientContext, rule: (x: Value, index: number) => Value): Value[] {
  return c.node.inputs.map((_, i) => rule(c.input(i), i))
}

const sum: Op = {
  name: 'Sum',
  since: 13,
  inputs: [1, many],
  infer: broadcast,
  grad: (c) => each(c, (x) => c.g.sumTo(c.dy, shapeOf(x))),
  smooth: true,
  samples: variadic,
}

const mean: Op = {
  name: 'Mean',
  since: 13,
  inputs: [1, many],
  infer: broadcast,
  grad: (c) => {
    const share = c.g.mul(c.dy, 1 / c.node.inputs.length)
    return each(c, (x) => c.g.sumTo(share, shapeOf(x)))
  },
  smooth: true,
  samples: variadic,
}

/** The gradient goes to the first input that equals the result: at a tie it is passed on once. */
function extreme(name: string, since: number): Op {
  return {
    name,
    since,
    inputs: [1, many],
    infer: broadcast,
    grad: (c) => {
      const { g, y } = c
      let rest = c.dy
      return each(c, (x, i) => {
        if (i === c.node.inputs.length - 1) return g.sumTo(rest, shapeOf(x))
        const hit = g.equal(x, y)
        const part = g.sumTo(g.where(hit, rest, 0), shapeOf(x))
        rest = g.where(hit, 0, rest)
        return part
      })
    },
    samples: [
      ...variadic,
      {
        title: 'ties go to the first',
        inputs: [
          { shape: [1], values: [2] },
          { shape: [1], values: [2] },
          { shape: [1], values: [2] },
        ],
        gradients: [undefined, [0], [0]],
      },
    ],
  }
}

export const elementwise: readonly Op[] = [
  ...functions,
  identity,
  add,
  sub,
  mul,
  div,
  pow,
  mod,
  sum,
  mean,
  extreme('Max', 13),
  extreme('Min', 13),
]
