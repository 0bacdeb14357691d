/** Normalisations of transformers: those of the runtime's own domain that add a residual first, and RMS normalisation in both its forms. */
import { type Dim, normalizeAxis } from '../core/shape.ts'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import type { InferContext, Op, RankedType } from './op.ts'
import { agree, range } from './shape-rules.ts'

const domain = 'com.microsoft'

/** Root mean square normalisation (Zhang and Sennrich 2019): x / sqrt(mean(x^2) + epsilon) scale over the axes from `axis` on. */
function rms(g: Emitter, x: Value, scale: Value, axis: number, epsilon: number): Value[] {
  const axes = range(shapeOf(x).length).slice(normalizeAxis(axis, shapeOf(x).length))
  const inverse = g.reciprocal(g.sqrt(g.add(g.mean(g.mul(x, x), axes, true), epsilon)))
  return [g.mul(g.mul(x, inverse), scale), inverse]
}

const rmsAttributes = {
  axis: { kind: 'int', default: -1 },
  epsilon: { kind: 'float', default: 1e-5 },
  stash_type: { kind: 'int', default: 1 },
} as const

function inferRms(c: InferContext): readonly TensorType[] {
  const x = c.input(0)
  const axis = normalizeAxis(c.attributes.int('axis'), x.shape.length)
  return [x, { dtype: 'float32', shape: x.shape.map((dim, i) => (i < axis ? dim : 1)) }]
}

const rmsSamples = [
  { inputs: [{ shape: [2, 4] }, { shape: [4] }] },
  { inputs: [{ shape: [2, 2, 3] }, { shape: [3] }], attributes: { epsilon: 0.1 } },
]

/** In the standard domain although no ONNX opset has it: what the runtime's optimiser and older exporters write. */
const simplifiedLayerNormalization = lowered(
  {
    name: 'SimplifiedLayerNormalization',
    since: 1,
    inputs: [2, 2],
    attributes: rmsAttributes,
    infer: inferRms,
    smooth: true,
    samples: rmsSamples,
  },
  ({ g, input, attributes }) => rms(g, input(0), input(1), attributes.int('axis'), attributes.float('epsilon')),
)

const rmsNormalization = lowered(
  {
    name: 'RMSNormalization',
    since: 23,
    inputs: [2, 2],
    attributes: rmsAttributes,
    infer: (c) => inferRms(c).slice(0, 1),
    smooth: true,
    samples: [...rmsSamples, { inputs: [{ shape: [2, 2, 3] }, { shape: [2, 3] }], attributes: { axis: 1 } }],
  },
  ({ g, input, attributes }) =>
    rms(g, input(0), input(1), attributes.int('axis'), attributes.float('epsilon')).slice(0, 1),
)

// With a residual

/** Outputs: y, mean and inverse deviation (which the runtime's CPU kernels leave empty), the sum that was normalised. */
function inferSkip(c: InferContext): readonly TensorType[] {
  const [x, skip] = [c.input(0), c.input(1)]
  if (x.shape.length < 2) c.fail('the input must be [..., positions, features]')
  const features = agree(x.shape.at(-1)!, skip.shape.at(-1) ?? 1, 'features of input and skip', c.fail)
  agree(features, c.input(2).shape[0] ?? 1, 'features and scale', c.fail)
  const statistics: RankedType = { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] }
  return [x, statistics, statistics, x]
}

/** input + skip (+ bias) */
function total(g: Emitter, x: Value, skip: Value, bias: Value | undefined): Value {
  const sum = g.add(x, skip)
  return bias ? g.add(sum, bias) : sum
}

const features = { shape: [4] }

const skipLayerNormalization = lowered(
  {
    name: 'SkipLayerNormalization',
    domain,
    since: 1,
    inputs: [3, 5],
    attributes: { epsilon: { kind: 'float', default: 1e-12 } },
    infer: inferSkip,
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 4] }, features, features, features] },
      { title: 'no beta', inputs: [{ shape: [1, 3, 4] }, { shape: [1, 3, 4] }, features] },
      {
        title: 'with the sum, skip broadcast',
        inputs: [{ shape: [2, 3, 4] }, { shape: [1, 3, 4] }, features, features],
        attributes: { epsilon: 0.01 },
        outputs: 4,
        differentiate: [0, 3],
      },
    ],
  },
  ({ g, input, optional, attributes }) => {
    const sum = total(g, input(0), input(1), optional(4))
    const inputs = [sum, input(2), optional(3)]
    const y = g.op('LayerNormalization', inputs, { axis: -1, epsilon: attributes.float('epsilon') })
    return [y, undefined, undefined, sum]
  },
)

const skipSimplifiedLayerNormalization = lowered(
  {
    name: 'SkipSimplifiedLayerNormalization',
    domain,
    since: 1,
    inputs: [3, 4],
    attributes: { epsilon: { kind: 'float', default: 1e-12 } },
    infer: inferSkip,
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 4] }, features] },
      {
        title: 'bias, with the sum',
        inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 4] }, features, features],
        attributes: { epsilon: 0.01 },
        outputs: 4,
        differentiate: [0, 3],
      },
    ],
  },
  ({ g, input, optional, attributes }) => {
    const sum = total(g, input(0), input(1), optional(3))
    const [y] = rms(g, sum, input(2), -1, attributes.float('epsilon'))
    return [y, undefined, undefined, sum]
  },
)

// Embeddings

function inferEmbedding(c: InferContext): readonly TensorType[] {
  const [ids, words] = [c.input(0), c.input(2)]
  if (ids.shape.length !== 2 || words.shape.length !== 2)
    c.fail('the ids must be [batch, positions], the words [words, features]')
  const [batch, positions] = ids.shape as [Dim, Dim]
  const sum: RankedType = { dtype: words.dtype, shape: [batch, positions, words.shape[1]!] }
  return [sum, { dtype: 'int32', shape: [batch] }, sum]
}

const ids = { shape: [2, 3], dtype: 'int32', values: [1, 0, 2, 4, 4, 3] } as const
const segments = { shape: [2, 3], dtype: 'int32', values: [0, 0, 1, 1, 0, 1] } as const

/** BERT's embeddings: rows of words, positions and segments, added and normalised; output 1 counts the words that the mask lets through. */
const embedLayerNormalization = lowered(
  {
    name: 'EmbedLayerNormalization',
    domain,
    since: 1,
    inputs: [7, 9],
    attributes: {
      epsilon: { kind: 'float', default: 1e-12 },
      mask_index_type: { kind: 'int', default: 0 },
    },
    infer: inferEmbedding,
    smooth: true,
    samples: [
      {
        inputs: [ids, segments, { shape: [5, 4] }, { shape: [3, 4] }, { shape: [2, 4] }, features, features],
        outputs: 2,
      },
      {
        title: 'no segments, mask, positions',
        inputs: [
          ids,
          undefined,
          { shape: [5, 4] },
          { shape: [6, 4] },
          undefined,
          features,
          features,
          { shape: [2, 3], dtype: 'int32', values: [1, 1, 0, 1, 1, 1] },
          { shape: [2, 3], dtype: 'int32', values: [2, 3, 4, 0, 1, 5] },
        ],
        attributes: { epsilon: 0.01 },
        outputs: 3,
      },
    ],
  },
  ({ g, input, optional, attributes }) => {
    const [words, table] = [g.op('Gather', [input(2), input(0)]), input(3)]
    const [batch, positions, size] = shapeOf(words) as [Dim, number, Dim]
    const chosen = optional(8)
    const placed = chosen ? g.op('Gather', [table, chosen]) : g.slice(table, [0], [positions], [0])
    const kind = optional(4)
    const sum = g.add(words, chosen ? placed : g.reshape(placed, [1, positions, size]))
    const all = kind ? g.add(sum, g.op('Gather', [kind, input(1)])) : sum
    const y = g.op('LayerNormalization', [all, input(5), input(6)], { epsilon: attributes.float('epsilon') })
    const mask = optional(7)
    const count = mask ? g.sum(mask, [1]) : g.full([batch], 0, 'int32')
    return [y, dtypeOf(count) === 'int32' ? count : g.cast(count, 'int32'), all]
  },
)

export const contribNormalization: readonly Op[] = [
  simplifiedLayerNormalization,
  rmsNormalization,
  skipLayerNormalization,
  skipSimplifiedLayerNormalization,
  embedLayerNormalization,
]
