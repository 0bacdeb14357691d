/**
 * Normalisation. With xhat = (x - mean) / deviation over n elements, the gradient of y = xhat is
 * dx = (dy - mean(dy) - xhat mean(dy xhat)) / deviation (Ioffe and Szegedy 2015, section 3; Ba et al. 2016).
 *
 * ONNX Runtime's CPU build has every kernel here, BatchNormalization in training mode included. GroupNormalization: group-normalization.ts.
 */
import { type Dim, formatShape, normalizeAxis, requireStatic, sameDim, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { layerGradients, statisticsGradient } from './layer-gradient.ts'
import type { GradientContext, InferContext, Op, RankedType, Sample, SampleInput } from './op.ts'

// Shared by the rules

/** Every axis but the channels'. */
function axesButChannels(x: Value): number[] {
  return shapeOf(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]))
}

function spatialAxes(x: Value): number[] {
  return shapeOf(x).flatMap((_, axis) => (axis < 2 ? [] : [axis]))
}

/** [channels] as [1, channels, 1, ...], so that it broadcasts against x. */
function perChannel(g: Emitter, values: Value, x: Value): Value {
  const rank = shapeOf(x).length
  return g.reshape(
    values,
    shapeOf(x)
      .map((_, axis) => (axis === 1 ? shapeOf(values)[0]! : 1))
      .slice(0, rank),
  )
}

function countOf(x: Value, axes: readonly number[]): number {
  return sizeOf(
    requireStatic(
      axes.map((axis) => shapeOf(x)[axis]!),
      'the gradient of a normalisation',
    ),
  )
}

/** (dy - mean(dy) - xhat mean(dy xhat)) over the axes */
function centredGradient(g: Emitter, dy: Value, xhat: Value, axes: readonly number[]): Value {
  const along = g.mul(xhat, g.mean(g.mul(dy, xhat), axes, true))
  return g.sub(g.sub(dy, g.mean(dy, axes, true)), along)
}

/** 1 / sqrt(variance + epsilon) */
function inverseDeviation(g: Emitter, variance: Value, epsilon: number): Value {
  return g.reciprocal(g.sqrt(g.add(variance, epsilon)))
}

/** The inputs from `from` to `to` have one number a channel of x. */
export function requireChannels(c: InferContext, x: RankedType, from: number, to: number): void {
  if (x.shape.length < 2) c.fail('the input must be [batch, channels, ...]')
  const channels = x.shape[1] as Dim
  for (let i = from; i <= to; i++) {
    const { shape } = c.input(i)
    const known = typeof shape[0] === 'number' && typeof channels === 'number'
    if (shape.length !== 1 || (known && !sameDim(shape[0]!, channels))) {
      c.fail(`input ${i} must have shape [${channels}], received ${formatShape(shape)}`)
    }
  }
}

// Batch

const positive: Omit<SampleInput, 'shape'> = { from: 0.5, to: 2 }

function batchSample(shape: readonly number[], extra: Partial<Sample> = {}): Sample {
  const channels = [shape[1]!]
  const inputs = [
    { shape },
    { shape: channels },
    { shape: channels },
    { shape: channels },
    { shape: channels, ...positive },
  ]
  return { inputs, ...extra }
}

/**
 * y = scale (x - mean) / sqrt(var + epsilon) + bias with the given mean and variance, or in training mode with those of the batch; then outputs 1
 * and 2 are running statistics: input * momentum + batch * (1 - momentum), the population variance. With momentum 0 they are the batch's own.
 */
const batchNormalization: Op = {
  name: 'BatchNormalization',
  since: 15,
  inputs: [5, 5],
  attributes: {
    epsilon: { kind: 'float', default: 1e-5 },
    momentum: { kind: 'float', default: 0.9 },
    training_mode: { kind: 'int', default: 0 },
  },
  infer(c) {
    const x = c.input(0)
    requireChannels(c, x, 1, 4)
    const training = c.attributes.int('training_mode') === 1
    if (!training && c.outputCount > 1) c.fail('running statistics are outputs of the training mode alone')
    return training ? [x, c.input(3), c.input(4)] : [x]
  },
  grad: (context) =>
    context.attributes.int('training_mode') === 1 ? batchTrainingGradient(context) : batchInferenceGradient(context),
  smooth: true,
  samples: [
    batchSample([2, 3, 2, 2]),
    batchSample([3, 2], { title: 'no space' }),
    batchSample([2, 2, 3], { attributes: { epsilon: 0.1 } }),
    batchSample([1, 2, 2, 1, 2]),
    batchSample([3, 2, 2, 2], { title: 'training', attributes: { training_mode: 1 }, outputs: 3 }),
    batchSample([4, 2], {
      title: 'training, no space',
      attributes: { training_mode: 1, epsilon: 0.1, momentum: 0.5 },
      outputs: 3,
    }),
    batchSample([3, 2, 2, 2], {
      title: 'training, batch statistics',
      attributes: { training_mode: 1, momentum: 0 },
      outputs: 3,
    }),
    batchSample([3, 2, 3], {
      title: 'training, y alone',
      attributes: { training_mode: 1, momentum: 0 },
      outputs: 3,
      differentiate: [0],
    }),
  ],
}

function batchInferenceGradient({ g, x, dy, input, attributes }: GradientContext): (Value | undefined)[] {
  const axes = axesButChannels(x)
  const inverse = inverseDeviation(g, input(4), attributes.float('epsilon'))
  const slope = g.mul(input(1), inverse)
  const total = g.sum(dy, axes)
  const alongCentred = g.sum(g.mul(dy, g.sub(x, perChannel(g, input(3), x))), axes)
  const alongXhat = g.mul(alongCentred, inverse)
  // d y / d var = -1/2 scale xhat / (var + epsilon)
  const dVariance = g.mul(g.mul(g.mul(alongXhat, slope), inverse), -0.5)
  return [g.mul(dy, perChannel(g, slope, x)), alongXhat, total, g.neg(g.mul(total, slope)), dVariance]
}

function batchTrainingGradient({
  g,
  node,
  x,
  dy,
  input,
  gradient,
  attributes,
}: GradientContext): (Value | undefined)[] {
  const axes = axesButChannels(x)
  const count = countOf(x, axes)
  const momentum = attributes.float('momentum')
  const { mean, variance } = batchStatistics(g, node, x, momentum)
  const inverse = inverseDeviation(g, variance, attributes.float('epsilon'))
  const centred = g.sub(x, perChannel(g, mean, x))
  const total = g.sum(dy, axes)
  const alongXhat = g.mul(g.sum(g.mul(dy, centred), axes), inverse)
  const slope = g.mul(input(1), inverse)
  // dx = slope (dy - sum(dy) / n - centred inverse sum(dy xhat) / n), gathered as slope dy + a centred + b per channel
  let a = g.mul(g.mul(g.mul(slope, inverse), alongXhat), -1 / count)
  let b = g.mul(g.mul(slope, total), -1 / count)
  const [dMean, dVariance] = [gradient(1), gradient(2)]
  if (dMean) b = g.add(b, g.mul(dMean, (1 - momentum) / count))
  if (dVariance) a = g.add(a, g.mul(dVariance, (2 * (1 - momentum)) / count))
  const dx = g.add(affine(g, dy, slope, b), g.mul(centred, perChannel(g, a, x)))
  return [dx, alongXhat, total, dMean && g.mul(dMean, momentum), dVariance && g.mul(dVariance, momentum)]
}

/** factor v + shift for each channel: the inference of a batch normalisation, one pass where Mul and Add are two (2.2 and 3.2 ms for 2 M elements). */
function affine(g: Emitter, v: Value, factor: Value, shift: Value): Value {
  const channels = requireStatic(shapeOf(factor), 'the gradient of a batch normalisation')
  const constant = (value: number) =>
    g.constant(tensorFromNumbers(dtypeOf(factor), channels, new Array<number>(sizeOf(channels)).fill(value)))
  const [mean, variance] = [constant(0), constant(1)]
  return g.op('BatchNormalization', [v, factor, shift, mean, variance], { epsilon: 0 })
}

/** Mean and population variance of the batch: outputs of the node when its momentum is 0, otherwise computed anew. */
function batchStatistics(g: Emitter, node: Node, x: Value, momentum: number): { mean: Value; variance: Value } {
  const [, mean, variance] = node.outputs
  if (momentum === 0 && mean && variance) return { mean, variance }
  const axes = axesButChannels(x)
  const kept = g.mean(x, axes, true)
  const centred = g.sub(x, kept)
  return { mean: g.reshape(kept, [shapeOf(x)[1]!]), variance: g.mean(g.mul(centred, centred), axes) }
}

// Layer

function layerSample(shape: readonly number[], axis: number, extra: Partial<Sample> = {}): Sample {
  const scale = shape.slice(axis < 0 ? shape.length + axis : axis)
  return { inputs: [{ shape }, { shape: scale }, { shape: scale }], attributes: { axis }, ...extra }
}

/** y = scale (x - mean) / sqrt(var + epsilon) + bias over the axes from `axis` on; outputs 1 and 2 are the mean and 1 / sqrt(var + epsilon). */
const layerNormalization: Op = {
  name: 'LayerNormalization',
  since: 17,
  inputs: [2, 3],
  attributes: {
    axis: { kind: 'int', default: -1 },
    epsilon: { kind: 'float', default: 1e-5 },
    stash_type: { kind: 'int', default: 1 },
  },
  infer(c) {
    const x = c.input(0)
    const axis = normalizeAxis(c.attributes.int('axis'), x.shape.length)
    const shape = x.shape.map((dim, i) => (i < axis ? dim : 1))
    if (c.attributes.int('stash_type') !== 1)
      c.fail('stash_type must be 1 (float32), the only one that the runtime has')
    const statistics: RankedType = { dtype: 'float32', shape }
    return [x, statistics, statistics]
  },
  grad({ g, node, x, dy, input, optional, gradient, attributes }) {
    const first = normalizeAxis(attributes.int('axis'), shapeOf(x).length)
    const axes = shapeOf(x).flatMap((_, axis) => (axis < first ? [] : [axis]))
    const { mean, inverse } = layerStatistics(g, node, x, axes, attributes.float('epsilon'))
    const count = countOf(x, axes)
    const values = { dy, centred: g.sub(x, mean), scale: input(1), inverse, axes, count }
    const { dx, dScale } = layerGradients(g, values)
    const terms = statisticsGradient(g, values, gradient(1), gradient(2))
    const bias = optional(2)
    return [terms.reduce((sum, term) => g.add(sum, term), dx), dScale, bias && g.sumTo(dy, shapeOf(bias))]
  },
  smooth: true,
  samples: [
    layerSample([2, 4], -1),
    layerSample([2, 2, 3], 1),
    layerSample([2, 3], 0, { title: 'all axes' }),
    layerSample([2, 2, 3], -2, { attributes: { axis: -2, epsilon: 0.1 } }),
    { title: 'no bias', inputs: [{ shape: [3, 4] }, { shape: [4] }] },
    layerSample([2, 4], -1, {
      title: 'statistics',
      inputs: [
        { shape: [2, 4], dtype: 'float32' },
        { shape: [4], dtype: 'float32' },
      ],
      outputs: 3,
    }),
  ],
}

/**
 * Mean and inverse deviation of a node: its outputs 1 and 2, which pass join-outputs.ts joins with the node of the forward graph. The runtime rounds
 * them to float32, so that wider types compute their own.
 */
function layerStatistics(g: Emitter, node: Node, x: Value, axes: readonly number[], epsilon: number) {
  if (dtypeOf(x) !== 'float32') {
    const mean = g.mean(x, axes, true)
    const centred = g.sub(x, mean)
    return { mean, inverse: inverseDeviation(g, g.mean(g.mul(centred, centred), axes, true), epsilon) }
  }
  const [y, mean, inverse] = node.outputs
  if (mean && inverse) return { mean, inverse }
  const again = g.repeat({ ...node, outputs: [y, y, y] }, node.inputs)
  return { mean: again[1]!, inverse: again[2]! }
}

// The others

/** y = scale (x - mean) / sqrt(var + epsilon) + bias over the space of each channel of each element of the batch. */
const instanceNormalization: Op = {
  name: 'InstanceNormalization',
  since: 6,
  inputs: [3, 3],
  attributes: { epsilon: { kind: 'float', default: 1e-5 } },
  infer(c) {
    const x = c.input(0)
    if (x.shape.length < 3) c.fail('the input must be [batch, channels, size, ...]')
    requireChannels(c, x, 1, 2)
    return [x]
  },
  grad({ g, x, dy, input, attributes }) {
    const axes = spatialAxes(x)
    const centred = g.sub(x, g.mean(x, axes, true))
    const inverse = inverseDeviation(g, g.mean(g.mul(centred, centred), axes, true), attributes.float('epsilon'))
    const xhat = g.mul(centred, inverse)
    const dx = g.mul(centredGradient(g, g.mul(dy, perChannel(g, input(1), x)), xhat, axes), inverse)
    return [dx, g.sum(g.mul(dy, xhat), axesButChannels(x)), g.sum(dy, axesButChannels(x))]
  },
  smooth: true,
  samples: [
    [2, 2, 4],
    [2, 3, 2, 3],
  ].map((shape) => ({ inputs: [{ shape }, { shape: [shape[1]!] }, { shape: [shape[1]!] }] })),
}

/** y = x / |x|_p along one axis, p 1 or 2. The gradient at a norm of zero is zero. */
const lpNormalization: Op = {
  name: 'LpNormalization',
  since: 1,
  inputs: [1, 1],
  attributes: { axis: { kind: 'int', default: -1 }, p: { kind: 'int', default: 2 } },
  infer(c) {
    const x = c.input(0)
    normalizeAxis(c.attributes.int('axis'), x.shape.length)
    const p = c.attributes.int('p')
    if (p !== 1 && p !== 2) c.fail(`p must be 1 or 2, received ${p}`)
    return [x]
  },
  // p 2: dx = (dy - y sum(dy y)) / |x|; p 1: dx = (dy - sign(x) sum(dy y)) / |x|
  grad({ g, x, y, dy, attributes }) {
    const axes = [attributes.int('axis')]
    const first = attributes.int('p') === 1
    const norm = first ? g.sum(g.abs(x), axes, true) : g.sqrt(g.sum(g.mul(x, x), axes, true))
    const inverse = g.where(g.equal(norm, 0), 0, g.reciprocal(norm))
    return [g.mul(g.sub(dy, g.mul(first ? g.sign(x) : y, g.sum(g.mul(dy, y), axes, true))), inverse)]
  },
  samples: [
    { inputs: [{ shape: [2, 3] }] },
    { inputs: [{ shape: [2, 3, 2] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 4], away: { from: [0], by: 0.1 } }], attributes: { p: 1 } },
  ],
}

const defaultMvnAxes = [0, 2, 3] as const

/** y = (x - mean) / deviation over the axes */
const meanVarianceNormalization: Op = {
  name: 'MeanVarianceNormalization',
  since: 13,
  inputs: [1, 1],
  attributes: { axes: { kind: 'ints', default: defaultMvnAxes } },
  infer(c) {
    const x = c.input(0)
    for (const axis of c.attributes.ints('axes')) normalizeAxis(axis, x.shape.length)
    return [x]
  },
  grad({ g, x, y, dy, attributes }) {
    const axes = attributes.ints('axes').map((axis) => normalizeAxis(axis, shapeOf(x).length))
    const centred = g.sub(x, g.mean(x, axes, true))
    const inverse = inverseDeviation(g, g.mean(g.mul(centred, centred), axes, true), 0)
    return [g.mul(centredGradient(g, dy, y, axes), inverse)]
  },
  smooth: true,
  samples: [{ inputs: [{ shape: [2, 2, 2, 3] }] }, { inputs: [{ shape: [2, 2, 3] }], attributes: { axes: [1, -1] } }],
}

/** Sum over `size` neighbouring channels as a product with one 0/1 matrix; `back` gives its transpose. */
function sumNeighbours(g: Emitter, x: Value, size: number, back: boolean): Value {
  const [n, channels, ...space] = requireStatic(shapeOf(x), 'the gradient of LRN') as [number, number, ...number[]]
  const before = Math.floor((size - 1) / 2)
  const band = Array.from({ length: channels * channels }, (_, i) => {
    const [row, column] = [Math.floor(i / channels), i % channels]
    const offset = back ? row - column : column - row
    return offset >= -before && offset <= size - 1 - before ? 1 : 0
  })
  const matrix = g.constant(tensorFromNumbers(dtypeOf(x), [channels, channels], band))
  return g.reshape(g.matMul(matrix, g.reshape(x, [n, channels, sizeOf(space)])), [n, channels, ...space])
}

/** y = x s^-beta with s = bias + alpha / size * sum of x^2 over neighbouring channels (Krizhevsky et al. 2012, section 3.3) */
const localResponse: Op = {
  name: 'LRN',
  since: 13,
  inputs: [1, 1],
  attributes: {
    alpha: { kind: 'float', default: 0.0001 },
    beta: { kind: 'float', default: 0.75 },
    bias: { kind: 'float', default: 1 },
    size: { kind: 'int' },
  },
  infer: (c) => [c.input(0)],
  // dx = dy s^-beta - 2 alpha beta / size * x * (sum over the windows that hold x of dy y / s)
  grad({ g, x, y, dy, attributes }) {
    const [alpha, beta, size] = [attributes.float('alpha'), attributes.float('beta'), attributes.int('size')]
    const s = g.add(g.mul(sumNeighbours(g, g.mul(x, x), size, false), alpha / size), attributes.float('bias'))
    const shared = sumNeighbours(g, g.div(g.mul(dy, y), s), size, true)
    return [g.sub(g.mul(dy, g.pow(s, -beta)), g.mul(g.mul(x, shared), (2 * alpha * beta) / size))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [1, 5, 2, 2] }], attributes: { size: 3, alpha: 0.5 } },
    { inputs: [{ shape: [2, 4, 1, 3] }], attributes: { size: 5, alpha: 0.5, beta: 0.5, bias: 2 } },
  ],
}

export const normalization: readonly Op[] = [
  batchNormalization,
  layerNormalization,
  instanceNormalization,
  lpNormalization,
  meanVarianceNormalization,
  localResponse,
]
