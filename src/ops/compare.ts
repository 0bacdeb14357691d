/** Comparisons, logic, bits, choice and conversion of element types. */
import { dtypeFromCode, dtypes, isFloat } from '../core/dtype.ts'
import { broadcastShapes } from '../core/shape.ts'
import { dtypeOf, shapeOf } from '../graph/graph.ts'
import { type InferContext, type Op, type Sample, type SampleInput, typed } from './op.ts'
import { binary, unary } from './samples.ts'
import { broadcast, broadcastToBool, sameAsInput } from './shape-rules.ts'

const booleanResult = { none: 'its result is true or false, which does not change smoothly with the inputs' }
const integerResult = { none: 'its result is an integer, which does not change smoothly with the inputs' }
const bits: Omit<SampleInput, 'shape'> = { dtype: 'int32', from: 0, to: 16 }
const bools: Omit<SampleInput, 'shape'> = { dtype: 'bool', from: 0, to: 2 }

const comparison = (name: string, since: number): Op => ({
  name,
  since,
  inputs: [2, 2],
  infer: broadcastToBool,
  grad: booleanResult,
  samples: [
    ...binary(),
    {
      title: 'integers',
      inputs: [
        { shape: [3], dtype: 'int64' },
        { shape: [], dtype: 'int64' },
      ],
    },
  ],
})

const logic = (name: string): Op => ({
  name,
  since: 7,
  inputs: [2, 2],
  infer: (c) => {
    if (c.input(0).dtype !== 'bool') c.fail(`the inputs must be bool, received ${c.input(0).dtype}`)
    return broadcastToBool(c)
  },
  grad: booleanResult,
  samples: binary(bools, bools),
})

const bitwise = (name: string): Op => ({
  name,
  since: 18,
  inputs: [2, 2],
  infer: (c) => (isFloat(c.input(0).dtype) ? c.fail('the inputs must be integers') : broadcast(c)),
  grad: integerResult,
  samples: binary(bits, bits),
})

const not: Op = {
  name: 'Not',
  since: 1,
  inputs: [1, 1],
  infer: (c) =>
    c.input(0).dtype === 'bool' ? sameAsInput(c) : c.fail(`the input must be bool, received ${c.input(0).dtype}`),
  grad: booleanResult,
  samples: unary(bools),
}

const bitwiseNot: Op = {
  name: 'BitwiseNot',
  since: 18,
  inputs: [1, 1],
  infer: sameAsInput,
  grad: integerResult,
  samples: unary(bits),
}

const bitShift: Op = {
  name: 'BitShift',
  since: 11,
  inputs: [2, 2],
  attributes: { direction: { kind: 'string' } },
  infer: (c) => {
    const direction = c.attributes.string('direction')
    if (direction !== 'LEFT' && direction !== 'RIGHT')
      c.fail(`direction must be LEFT or RIGHT, received '${direction}'`)
    return broadcast(c)
  },
  grad: integerResult,
  samples: ['LEFT', 'RIGHT'].map((direction) => ({
    inputs: [
      { shape: [2, 3], dtype: 'uint32', from: 0, to: 99 },
      { shape: [3], dtype: 'uint32', from: 0, to: 4 },
    ],
    attributes: { direction },
  })),
}

const notANumber: Op = {
  name: 'IsNaN',
  since: 20,
  inputs: [1, 1],
  infer: (c) => typed('bool', c.input(0).shape),
  grad: booleanResult,
  samples: [...unary(), { inputs: [{ shape: [2], values: [NaN, 1] }] }],
}

const infinite: Op = {
  name: 'IsInf',
  since: 20,
  inputs: [1, 1],
  attributes: { detect_negative: { kind: 'int', default: 1 }, detect_positive: { kind: 'int', default: 1 } },
  infer: (c) => typed('bool', c.input(0).shape),
  grad: booleanResult,
  samples: [...unary(), { inputs: [{ shape: [2], values: [Infinity, 1] }], attributes: { detect_negative: 0 } }],
}

const where: Op = {
  name: 'Where',
  since: 16,
  inputs: [3, 3],
  infer: (c) => {
    const [condition, a, b] = [c.input(0), c.input(1), c.input(2)]
    if (condition.dtype !== 'bool') c.fail(`the condition must be bool, received ${condition.dtype}`)
    if (a.dtype !== b.dtype) c.fail(`both choices must have the same element type, received ${a.dtype} and ${b.dtype}`)
    return typed(a.dtype, broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape)))
  },
  grad: ({ g, dy, x: condition, input }) => [
    undefined,
    g.sumTo(g.where(condition, dy, 0), shapeOf(input(1))),
    g.sumTo(g.where(condition, 0, dy), shapeOf(input(2))),
  ],
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3], ...bools }, { shape: [2, 3] }, { shape: [2, 3] }] },
    { inputs: [{ shape: [3], ...bools }, { shape: [2, 1] }, { shape: [] }] },
    { inputs: [{ shape: [2, 2, 1], ...bools }, { shape: [2, 3] }, { shape: [1, 3] }] },
    { inputs: [{ shape: [], ...bools }, { shape: [] }, { shape: [] }] },
    { inputs: [{ shape: [2, 0], ...bools }, { shape: [2, 1] }, { shape: [] }] },
  ],
}

/** A conversion between floating-point types passes the gradient back in the type of the input; others end it. */
const castGradient: Op['grad'] = ({ g, x, dy }) => [isFloat(dtypeOf(x)) ? g.cast(dy, dtypeOf(x)) : undefined]

const castSamples = (...rest: Sample[]): Sample[] => rest

/** How float8e8m0 is rounded; other types ignore it. */
const round_mode = { kind: 'string', default: 'up', since: 24 } as const

const cast: Op = {
  name: 'Cast',
  since: 19,
  inputs: [1, 1],
  attributes: { to: { kind: 'int' }, saturate: { kind: 'int', default: 1 }, round_mode },
  infer: (c: InferContext) => {
    const code = c.attributes.int('to')
    const dtype = dtypeFromCode(code)
    return dtype ? typed(dtype, c.input(0).shape) : c.fail(`'to' must be the code of an element type, received ${code}`)
  },
  grad: castGradient,
  samples: castSamples(
    ...unary().map((sample) => ({ ...sample, attributes: { to: dtypes.float64.code } })),
    {
      title: 'to integers',
      inputs: [{ shape: [2, 3], away: { from: [-2, -1, 0, 1, 2], by: 0.05 } }],
      attributes: { to: dtypes.int64.code },
    },
    { title: 'from bool', inputs: [{ shape: [3], ...bools }], attributes: { to: dtypes.float32.code } },
  ),
}

const castLike: Op = {
  name: 'CastLike',
  since: 19,
  inputs: [2, 2],
  attributes: { saturate: { kind: 'int', default: 1 }, round_mode },
  infer: (c) => typed(c.input(1).dtype, c.input(0).shape),
  grad: castGradient,
  samples: castSamples(
    { inputs: [{ shape: [2, 3] }, { shape: [1] }] },
    { inputs: [{ shape: [] }, { shape: [2], dtype: 'int64' }] },
    { inputs: [{ shape: [2, 0] }, { shape: [1] }] },
  ),
}

/** The same bits as another type of the same size. */
const bitCast: Op = {
  name: 'BitCast',
  since: 26,
  inputs: [1, 1],
  attributes: { to: { kind: 'int' } },
  infer: (c) => {
    const dtype = dtypeFromCode(c.attributes.int('to'))
    if (!dtype) return c.fail(`'to' must be the code of an element type, received ${c.attributes.int('to')}`)
    const [from, to] = [dtypes[c.input(0).dtype].bits, dtypes[dtype].bits]
    if (from !== to) c.fail(`elements of ${from} bits cannot be read as ${dtype}, which has ${to}`)
    return typed(dtype, c.input(0).shape)
  },
  grad: { none: 'it reads bits as another type, which does not change smoothly' },
  samples: [{ inputs: [{ shape: [2, 3], dtype: 'float32' }], attributes: { to: dtypes.int32.code } }],
}

export const compare: readonly Op[] = [
  comparison('Equal', 19),
  comparison('Less', 13),
  comparison('Greater', 13),
  comparison('LessOrEqual', 16),
  comparison('GreaterOrEqual', 16),
  logic('And'),
  logic('Or'),
  logic('Xor'),
  bitwise('BitwiseAnd'),
  bitwise('BitwiseOr'),
  bitwise('BitwiseXor'),
  not,
  bitwiseNot,
  bitShift,
  notANumber,
  infinite,
  where,
  cast,
  castLike,
  bitCast,
]
