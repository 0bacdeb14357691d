/** Pooling over windows and over the whole space. Gradients: pool-gradient.ts. */
import { requireStatic, sizeOf } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { InferContext, Op, RankedType, Sample, SampleInput } from './op.ts'
import { maxPoolGradient, spreadOverWindows } from './pool-gradient.ts'
import { outputSizes, windowAttributes, windowsOf } from './window.ts'

const poolAttributes = {
  ...windowAttributes,
  kernel_shape: { kind: 'ints' },
  ceil_mode: { kind: 'int', default: 0 },
} as const

function poolType(c: InferContext): RankedType {
  const { dtype, shape } = c.input(0)
  const kernel = c.attributes.ints('kernel_shape')
  if (shape.length < 3) c.fail('the input must be [batch, channels, size, ...]')
  if (kernel.length !== shape.length - 2)
    c.fail(`kernel_shape must have ${shape.length - 2} numbers, received [${kernel.join(', ')}]`)
  const sizes = outputSizes(c.attributes, kernel, shape.slice(2), c.attributes.int('ceil_mode') === 1)
  return { dtype, shape: [...shape.slice(0, 2), ...sizes] }
}

/** Distinct elements, far enough apart for finite differences: i * 7 mod the number of elements, scaled. */
function distinct(shape: readonly number[]): SampleInput {
  const size = sizeOf(shape)
  const step = [7, 11, 13, 17].find((s) => size % s !== 0)!
  return { shape, values: Array.from({ length: size }, (_, i) => (((i * step) % size) - size / 2) / 8) }
}

/** Ways to lay windows that every pooling operator is tested with. */
function windowSamples(input: (shape: readonly number[]) => SampleInput, extra: Sample['attributes'] = {}): Sample[] {
  const sample = (title: string, shape: readonly number[], attributes: Sample['attributes']): Sample => ({
    title,
    inputs: [input(shape)],
    attributes: { ...attributes, ...extra },
  })
  return [
    sample('tiles', [2, 2, 4, 6], { kernel_shape: [2, 3], strides: [2, 3] }),
    sample('tiles leave a rest', [1, 2, 5, 7], { kernel_shape: [2, 2], strides: [2, 2] }),
    sample('overlap', [1, 2, 5, 5], { kernel_shape: [3, 3], strides: [2, 2] }),
    sample('stride 1', [1, 1, 4, 3], { kernel_shape: [2, 2] }),
    sample('gaps', [1, 1, 7, 7], { kernel_shape: [2, 2], strides: [3, 3] }),
    sample('padding', [1, 2, 4, 4], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 0] }),
    sample('ceil mode', [1, 1, 5, 6], { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }),
    sample('ceil mode, padding', [1, 1, 6, 6], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      ceil_mode: 1,
    }),
    sample('dilation', [1, 1, 6, 6], { kernel_shape: [2, 3], dilations: [2, 2] }),
    sample('same upper', [1, 1, 5, 4], { kernel_shape: [2, 3], strides: [2, 1], auto_pad: 'SAME_UPPER' }),
    sample('same lower', [1, 1, 5, 4], { kernel_shape: [2, 3], strides: [2, 1], auto_pad: 'SAME_LOWER' }),
    sample('1-D', [2, 2, 7], { kernel_shape: [3], strides: [2] }),
    sample('1-D tiles', [2, 2, 6], { kernel_shape: [2], strides: [2] }),
    sample('3-D', [1, 2, 3, 4, 4], { kernel_shape: [2, 2, 2], strides: [1, 2, 2] }),
    sample('3-D tiles', [1, 2, 4, 2, 4], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
  ]
}

/** Greatest element of each window, and where it stands in the flattened input. Ties: see pool-gradient.ts. */
const maxPool: Op = {
  name: 'MaxPool',
  since: 12,
  inputs: [1, 1],
  attributes: { ...poolAttributes, storage_order: { kind: 'int', default: 0 } },
  infer(c) {
    const y = poolType(c)
    return [y, { dtype: 'int64', shape: y.shape }]
  },
  grad({ g, node, x, y, dy, attributes }) {
    const windows = windowsOf(attributes, attributes.ints('kernel_shape'), shapeOf(x).slice(2))
    return [maxPoolGradient(g, node, x, y, dy, windows)]
  },
  samples: [
    ...windowSamples(distinct),
    {
      title: 'indices',
      inputs: [distinct([1, 2, 4, 4])],
      attributes: { kernel_shape: [3, 3], strides: [1, 1] },
      outputs: 2,
    },
    {
      title: 'tiles share ties',
      inputs: [{ shape: [1, 1, 2, 4], values: [1, 1, 0, 2, 1, 1, 2, 2] }],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
      gradients: [[0.25, 0.25, 0, 1 / 3, 0.25, 0.25, 1 / 3, 1 / 3]],
    },
    {
      title: 'overlapping windows choose the first of a tie',
      inputs: [{ shape: [1, 1, 3, 3], values: [1, 1, 1, 1, 1, 1, 1, 1, 1] }],
      attributes: { kernel_shape: [2, 2] },
      gradients: [[1, 1, 0, 1, 1, 0, 0, 0, 0]],
    },
  ],
}

const averageAttributes = {
  ...poolAttributes,
  dilations: { kind: 'ints', optional: true },
  count_include_pad: { kind: 'int', default: 0 },
} as const

/** Mean of each window; padding counts as zeros with count_include_pad, otherwise it is left out. */
const averagePool: Op = {
  name: 'AveragePool',
  since: 19,
  inputs: [1, 1],
  attributes: averageAttributes,
  infer: (c) => [poolType(c)],
  grad({ g, x, dy, attributes }) {
    const windows = windowsOf(attributes, attributes.ints('kernel_shape'), shapeOf(x).slice(2))
    return [
      spreadOverWindows(
        g,
        dy,
        shapeOf(x),
        windows,
        attributes.int('count_include_pad') === 1 ? 'mean-with-padding' : 'mean',
      ),
    ]
  },
  smooth: true,
  samples: [
    ...windowSamples((shape) => ({ shape })),
    ...windowSamples((shape) => ({ shape }), { count_include_pad: 1 }),
  ],
}

/** y = (sum |x|^p)^(1/p); dx = sign(x) |x|^(p - 1) times the sum over the windows of dy y^(1 - p) */
const lpPool: Op = {
  name: 'LpPool',
  since: 18,
  inputs: [1, 1],
  attributes: { ...poolAttributes, p: { kind: 'int', default: 2 } },
  infer: (c) => [poolType(c)],
  grad({ g, x, y, dy, attributes }) {
    const windows = windowsOf(attributes, attributes.ints('kernel_shape'), shapeOf(x).slice(2))
    const p = attributes.int('p')
    const weighted = p === 1 ? dy : g.mul(dy, g.pow(y, 1 - p))
    return [g.mul(powerSlope(g, x, p), spreadOverWindows(g, weighted, shapeOf(x), windows, 'sum'))]
  },
  samples: windowSamples((shape) => ({ shape, away: { from: [0], by: 0.1 } })),
}

/** Slope of |x|^p / p: sign(x) |x|^(p - 1) */
function powerSlope(g: Emitter, x: Value, p: number): Value {
  if (p === 2) return x
  return p === 1 ? g.sign(x) : g.mul(g.sign(x), g.pow(g.abs(x), p - 1))
}

/** [batch, channels, 1, 1, ...] */
function globalType(c: InferContext): RankedType[] {
  const { dtype, shape } = c.input(0)
  if (shape.length < 3) c.fail('the input must be [batch, channels, size, ...]')
  return [{ dtype, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) }]
}

const globalShapes = [
  [2, 3, 4],
  [2, 2, 3, 2],
  [1, 2, 2, 2, 3],
] as const

const globalAveragePool: Op = {
  name: 'GlobalAveragePool',
  since: 1,
  inputs: [1, 1],
  infer: globalType,
  grad({ g, x, dy }) {
    const shape = requireStatic(shapeOf(x), 'the gradient of GlobalAveragePool')
    return [g.expand(g.mul(dy, 1 / sizeOf(shape.slice(2))), shape)]
  },
  smooth: true,
  samples: globalShapes.map((shape) => ({ inputs: [{ shape }] })),
}

/** Greatest element of each channel. Ties: the first one wins, as in MaxPool. */
const globalMaxPool: Op = {
  name: 'GlobalMaxPool',
  since: 1,
  inputs: [1, 1],
  infer: globalType,
  grad({ g, x, dy }) {
    const shape = requireStatic(shapeOf(x), 'the gradient of GlobalMaxPool')
    const [n, channels] = shape as [number, number]
    const space = sizeOf(shape.slice(2))
    const winner = g.op('ArgMax', [g.reshape(x, [n, channels, space])], { axis: 2, keepdims: 1 })
    const positions = g.integers(Array.from({ length: space }, (_, i) => i))
    return [g.reshape(g.where(g.equal(winner, positions), g.reshape(dy, [n, channels, 1]), 0), shape)]
  },
  samples: [
    ...globalShapes.map((shape) => ({ inputs: [distinct(shape)] })),
    { title: 'tie', inputs: [{ shape: [1, 1, 4], values: [0, 2, 2, 1] }], gradients: [[0, 1, 0, 0]] },
  ],
}

/** y = (sum |x|^p)^(1/p) over each channel */
const globalLpPool: Op = {
  name: 'GlobalLpPool',
  since: 2,
  inputs: [1, 1],
  attributes: { p: { kind: 'int', default: 2 } },
  infer: globalType,
  grad({ g, x, y, dy, attributes }) {
    const p = attributes.int('p')
    return [g.mul(powerSlope(g, x, p), p === 1 ? dy : g.mul(dy, g.pow(y, 1 - p)))]
  },
  samples: [1, 2, 3].map((p) => ({
    inputs: [{ shape: [2, 2, 3, 2], away: { from: [0], by: 0.1 } }],
    attributes: { p },
  })),
}

export const pooling: readonly Op[] = [maxPool, averagePool, lpPool, globalAveragePool, globalMaxPool, globalLpPool]
