/** Elements in another order or at other positions: sequences turned round, distinct elements, caches. Source: ONNX operators, opset 24. */
import { normalizeAxis, requireStatic, unknownDim } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { lowered } from './lower.ts'
import { type Op, type SampleInput, typed } from './op.ts'
import { agree, range } from './shape-rules.ts'

const ints = (...values: number[]): SampleInput => ({ shape: [values.length], dtype: 'int64', values })

/** The first `sequence_lens[b]` elements along the time axis in reverse order; doing it again undoes it. */
const reverseSequence: Op = {
  name: 'ReverseSequence',
  since: 10,
  inputs: [2, 2],
  attributes: { batch_axis: { kind: 'int', default: 1 }, time_axis: { kind: 'int', default: 0 } },
  infer: (c) => {
    if (c.input(0).shape.length < 2) c.fail('the input must have a time axis and a batch axis')
    return [c.input(0)]
  },
  grad: ({ g, dy, input, attributes: a }) => [
    g.op('ReverseSequence', [dy, input(1)], { batch_axis: a.int('batch_axis'), time_axis: a.int('time_axis') }),
  ],
  smooth: true,
  samples: [
    { inputs: [{ shape: [4, 3] }, ints(4, 2, 1)] },
    { inputs: [{ shape: [2, 4, 2] }, ints(3, 4)], attributes: { batch_axis: 0, time_axis: 1 } },
  ],
}

/** Distinct elements (or slices along an axis), where each stands first, where each element went, and how often it was met. */
const unique: Op = {
  name: 'Unique',
  since: 11,
  inputs: [1, 1],
  attributes: { axis: { kind: 'int', optional: true }, sorted: { kind: 'int', default: 1 } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axis = c.attributes.has('axis') ? normalizeAxis(c.attributes.int('axis'), shape.length) : undefined
    const out = axis === undefined ? [unknownDim] : shape.map((dim, i) => (i === axis ? unknownDim : dim))
    const counted = typed('int64', [unknownDim])[0]!
    return [{ dtype, shape: out }, counted, counted, counted]
  },
  grad: { none: 'which elements are equal, and so how many there are, jumps with the input' },
  samples: [
    { inputs: [{ shape: [5], values: [2, 1, 1, 3, 2] }], outputs: 4 },
    { inputs: [{ shape: [2, 2], values: [1, 2, 1, 2] }], attributes: { axis: 0, sorted: 0 } },
  ],
}

/** A cache with `update` written along an axis from write_indices[batch] on; circular: past the end it goes on at the start. */
const tensorScatter: Op = lowered(
  {
    name: 'TensorScatter',
    since: 24,
    inputs: [2, 3],
    attributes: { axis: { kind: 'int', default: -2 }, mode: { kind: 'string', default: 'linear' } },
    infer: (c) => {
      const [cache, update] = [c.input(0), c.input(1)]
      if (cache.dtype !== update.dtype) c.fail(`the update must be ${cache.dtype}, received ${update.dtype}`)
      const axis = normalizeAxis(c.attributes.int('axis'), cache.shape.length)
      if (axis === 0) c.fail('axis 0 is the batch')
      cache.shape.forEach((dim, i) => {
        if (i !== axis) agree(dim, update.shape[i] ?? 1, `axis ${i} of the cache and the update`, c.fail)
      })
      return [cache]
    },
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 4, 3] }, { shape: [2, 2, 3] }, ints(1, 2)] },
      { inputs: [{ shape: [2, 4, 3] }, { shape: [2, 2, 3] }] },
      { inputs: [{ shape: [2, 1, 4, 2] }, { shape: [2, 1, 3, 2] }, ints(3, 1)], attributes: { mode: 'circular' } },
    ],
  },
  ({ g, input, optional, attributes }) => {
    const [cache, update] = [input(0), input(1)]
    const shape = requireStatic(shapeOf(update), 'the gradient of TensorScatter')
    const axis = normalizeAxis(attributes.int('axis'), shape.length)
    const along = shape.map((size, i) => (i === axis ? size : 1))
    const steps = g.constant(int64(along, range(shape[axis]!)), 'steps')
    const starts = optional(2)
    const first = starts && g.reshape(starts, [shape[0]!, ...shape.slice(1).map(() => 1)])
    const at = first ? g.add(g.cast(first, 'int64'), steps) : steps
    const size = requireStatic(shapeOf(cache), 'the gradient of TensorScatter')[axis]!
    const wrapped = attributes.string('mode') === 'circular' ? g.op('Mod', [at, g.scalar(size, 'int64')]) : at
    return [g.op('ScatterElements', [cache, g.expand(wrapped, shape), update], { axis })]
  },
)

export const positions: readonly Op[] = [reverseSequence, unique, tensorScatter]
