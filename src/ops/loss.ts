/**
 * Cross-entropy losses from class numbers, and Dropout. Source: ONNX operators SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss, Dropout
 * (opset 13). The runtime has no kernel of its own for the losses but runs their definition in standard operators.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape, requireStatic, type Shape, sameShape, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { AttributeReader, GradientContext, InferContext, Op, Sample, SampleInput } from './op.ts'

const lossAttributes = {
  ignore_index: { kind: 'int', optional: true },
  reduction: { kind: 'string', default: 'mean' },
} as const

/** Shape of the loss, with the inputs checked: scores [n, classes, ...], labels [n, ...], weights [classes]. */
function lossShape(c: InferContext): Shape {
  const [scores, labels] = [c.input(0), c.input(1)]
  const [n, , ...space] = scores.shape
  if (scores.shape.length < 2) c.fail('the scores must be [batch, classes, ...]')
  const expected = [n!, ...space]
  if (labels.shape.length !== expected.length) c.fail(`the labels must have shape ${formatShape(expected)}`)
  if (labels.dtype !== 'int32' && labels.dtype !== 'int64')
    c.fail(`labels are class numbers, int32 or int64, received ${labels.dtype}`)
  const weights = c.optional(2)
  if (weights && weights.shape.length !== 1) c.fail('the weights must be [classes]')
  const reduction = c.attributes.string('reduction')
  if (!['none', 'sum', 'mean'].includes(reduction))
    c.fail(`reduction must be none, sum or mean, received '${reduction}'`)
  return reduction === 'none' ? labels.shape : []
}

interface LossGradient {
  /** with respect to the log probabilities, [n, classes, ...] */
  readonly logProbabilities: Value
  readonly weights: Value | undefined
}

/**
 * l_i = -w[label_i] logp[i, label_i], summed, or divided by the sum of the w[label_i] ('mean'). An ignored label has the weight 0.
 * With t = onehot(label) and d_i what arrives at l_i: d logp = -w t d; d w = -sum of t logp d, minus the loss times sum of t for the mean.
 */
function lossGradient(g: Emitter, { input, optional, y, dy, attributes }: GradientContext, logp: Value): LossGradient {
  const labels = input(1)
  const dtype = dtypeOf(logp)
  const shape = requireStatic(shapeOf(logp), 'the gradient of a loss')
  const weights = optional(2)
  const target = oneHot(g, labels, shape, dtype, ignored(attributes))
  const weighted = weights
    ? g.mul(
        target,
        g.reshape(
          weights,
          shape.map((dim, axis) => (axis === 1 ? dim : 1)),
        ),
      )
    : target
  const reduction = attributes.string('reduction')
  const exact = !weights && ignored(attributes) === undefined
  const total = () => (exact ? g.scalar(sizeOf(shape) / shape[1]!, dtype) : g.sum(weighted))
  const arriving = reduction === 'none' ? g.unsqueeze(dy, [1]) : reduction === 'sum' ? dy : g.div(dy, total())
  const others = shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]))
  const loss = () => {
    const terms = g.mul(g.mul(target, logp), arriving)
    return g.neg(g.sum(reduction === 'mean' ? g.add(terms, g.mul(target, g.mul(arriving, y))) : terms, others))
  }
  return { logProbabilities: g.neg(g.mul(weighted, arriving)), weights: weights && loss() }
}

function ignored(attributes: AttributeReader): number | undefined {
  return attributes.has('ignore_index') ? attributes.int('ignore_index') : undefined
}

/** 1 where the class is the label, [n, classes, ...]; a row of zeros for an ignored label. */
function oneHot(
  g: Emitter,
  labels: Value,
  shape: readonly number[],
  dtype: Parameters<Emitter['cast']>[1],
  ignore: number | undefined,
): Value {
  const classes = Array.from({ length: shape[1]! }, (_, i) => i)
  // A class number that no label equals stands for the ignored class.
  const numbers = classes.map((i) => (i === ignore ? Number.MIN_SAFE_INTEGER : i))
  const column = tensorFromNumbers(
    'int64',
    shape.map((dim, axis) => (axis === 1 ? dim : 1)),
    numbers,
  )
  return g.cast(g.equal(g.cast(g.unsqueeze(labels, [1]), 'int64'), g.constant(column)), dtype)
}

function lossSamples(scores: Omit<SampleInput, 'shape'>): Sample[] {
  const sample = (
    title: string,
    shape: readonly number[],
    labels: readonly number[],
    attributes: Sample['attributes'] = {},
    weights = false,
  ): Sample => ({
    title,
    inputs: [
      { shape, ...scores },
      { shape: shape.filter((_, axis) => axis !== 1), dtype: 'int64', values: labels },
      ...(weights ? [{ shape: [shape[1]!], from: 0.5, to: 2 }] : []),
    ],
    attributes,
  })
  return [
    sample('mean', [3, 4], [0, 3, 1]),
    sample('sum', [3, 4], [0, 3, 1], { reduction: 'sum' }),
    sample('none', [3, 4], [0, 3, 1], { reduction: 'none' }),
    sample('weights', [3, 4], [0, 3, 3], {}, true),
    sample('weights, none', [2, 3], [2, 0], { reduction: 'none' }, true),
    sample('weights, sum', [2, 3], [2, 0], { reduction: 'sum' }, true),
    sample('ignored', [3, 4], [0, 3, 1], { ignore_index: 3 }),
    sample('ignored outside the classes', [3, 4], [-1, 3, 1], { ignore_index: -1 }, true),
    sample('space', [2, 3, 2, 2], [0, 1, 2, 1, 0, 0, 2, 1]),
    sample('space, ignored', [2, 3, 2], [0, 1, 2, 1], { ignore_index: 1, reduction: 'none' }),
  ]
}

const negativeLogLikelihood: Op = {
  name: 'NegativeLogLikelihoodLoss',
  since: 13,
  inputs: [2, 3],
  attributes: lossAttributes,
  infer: (c) => [{ dtype: c.input(0).dtype, shape: lossShape(c) }],
  grad(context) {
    const { logProbabilities, weights } = lossGradient(context.g, context, context.x)
    return [logProbabilities, undefined, weights]
  },
  smooth: true,
  samples: lossSamples({ from: -3, to: -0.1 }),
}

/** The same from scores: logp = LogSoftmax(scores), which is output 1. d scores = d logp - exp(logp) sum(d logp) */
const softmaxCrossEntropy: Op = {
  name: 'SoftmaxCrossEntropyLoss',
  since: 13,
  inputs: [2, 3],
  attributes: lossAttributes,
  infer: (c) => [{ dtype: c.input(0).dtype, shape: lossShape(c) }, c.input(0)],
  grad(context) {
    const { g, node, x, gradient } = context
    const logp = node.outputs[1] ?? g.logSoftmax(x, 1)
    const fromLoss = gradient(0) ? lossGradient(g, context, logp) : undefined
    const parts = [fromLoss?.logProbabilities, gradient(1)].filter((part) => part !== undefined)
    const dLogp = parts.reduce((a, b) => g.add(a, b))
    return [g.sub(dLogp, g.mul(g.exp(logp), g.sum(dLogp, [1], true))), undefined, fromLoss?.weights]
  },
  smooth: true,
  samples: [
    ...lossSamples({}),
    {
      title: 'log probabilities too',
      inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int64', values: [2, 0] }],
      outputs: 2,
    },
  ],
}

/** The identity outside training, which is the form that Quern writes: a layer's mask comes as an input, see the error below. */
const dropout: Op = {
  name: 'Dropout',
  since: 13,
  inputs: [1, 3],
  attributes: { seed: { kind: 'int', optional: true } },
  infer(c) {
    const x = c.input(0)
    return [x, { dtype: 'bool', shape: x.shape }]
  },
  grad({ dy, node, optional }) {
    const training = optional(2)
    if (training && !(training.constant && sameShape(training.constant.shape, []) && !training.constant.data[0])) {
      throw new QuernError('unsupported', `no gradient through Dropout in training mode at '${node.name}'`, {
        hint: "The runtime's draws cannot be repeated. Multiply by a mask that is an input of the graph, as the dropout layer does.",
      })
    }
    return [dy]
  },
  samples: [
    { inputs: [{ shape: [2, 3] }] },
    { title: 'mask', inputs: [{ shape: [3] }], outputs: 2 },
    { title: 'ratio', inputs: [{ shape: [2, 2] }, { shape: [], values: [0.3], constant: true, dtype: 'float32' }] },
  ],
}

export const losses: readonly Op[] = [softmaxCrossEntropy, negativeLogLikelihood, dropout]
