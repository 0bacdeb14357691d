/** Writing elements to positions. The gradient reads them there (indexing.ts). */
import { normalizeAxis } from '../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { indices, sumAt } from './indexing.ts'
import type { GradientContext, Op } from './op.ts'
import { agree } from './shape-rules.ts'

const reductions = ['none', 'add', 'mul', 'max', 'min']

/** How a scatter's positions are used: read back, written to, added to where several may be equal. */
interface Positions {
  read(from: Value): Value
  write(into: Value, updates: Value): Value
  add(into: Value, updates: Value): Value
}

/**
 * Gradients of a scatter. none: what was overwritten gets nothing. add: both get all of dy. mul: each factor gets dy y / factor, which asks
 * that no factor is 0. max, min: what equals the result shares dy equally, as in ReduceMax.
 */
function scatterGradient(c: GradientContext, { read, write, add }: Positions): readonly (Value | undefined)[] {
  const { g, x, y, dy } = c
  const updates = c.input(2)
  const reduction = c.attributes.string('reduction')
  if (reduction === 'none') return [write(dy, g.zerosLike(updates)), undefined, read(dy)]
  if (reduction === 'add') return [dy, undefined, read(dy)]
  if (reduction === 'mul') {
    const share = g.mul(dy, y)
    return [g.div(share, x), undefined, g.div(read(share), updates)]
  }
  const [kept, taken] = [g.equal(x, y), g.equal(updates, read(y))].map((hit) => g.cast(hit, dtypeOf(dy))) as [
    Value,
    Value,
  ]
  const share = g.div(dy, add(kept, taken))
  return [g.mul(kept, share), undefined, g.mul(taken, read(share))]
}

const reduction = { kind: 'string', default: 'none' } as const
const noZero = { away: { from: [0], by: 0.5 } }

const scatterElements: Op = {
  name: 'ScatterElements',
  since: 18,
  inputs: [3, 3],
  attributes: { axis: { kind: 'int', default: 0 }, reduction },
  infer: (c) => {
    const [data, index, updates] = [c.input(0), c.input(1), c.input(2)]
    normalizeAxis(c.attributes.int('axis'), data.shape.length)
    if (data.shape.length !== index.shape.length) c.fail('data and indices must have the same number of axes')
    if (updates.dtype !== data.dtype) c.fail(`updates must be ${data.dtype}, received ${updates.dtype}`)
    index.shape.forEach((dim, i) => {
      agree(dim, updates.shape[i] ?? 1, `axis ${i} of indices and updates`, c.fail)
    })
    if (!reductions.includes(c.attributes.string('reduction')))
      c.fail(`reduction must be one of ${reductions.join(', ')}`)
    return [data]
  },
  grad: (c) => {
    const axis = c.attributes.int('axis')
    const scatter = (into: Value, updates: Value, reduction: string) =>
      c.g.op('ScatterElements', [into, c.input(1), updates], { axis, reduction })
    return scatterGradient(c, {
      read: (from) => c.g.op('GatherElements', [from, c.input(1)], { axis }),
      write: (into, updates) => scatter(into, updates, 'none'),
      add: (into, updates) => scatter(into, updates, 'add'),
    })
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [3, 2] }, indices([2, 2], 0, 2, 1, 0), { shape: [2, 2] }] },
    { inputs: [{ shape: [2, 4] }, indices([2, 2], 0, -1, 1, 2), { shape: [2, 2] }], attributes: { axis: -1 } },
    { inputs: [{ shape: [4] }, indices([3], 1, 1, 3), { shape: [3] }], attributes: { reduction: 'add' } },
    {
      inputs: [{ shape: [4], ...noZero }, indices([3], 1, 1, 3), { shape: [3], ...noZero }],
      attributes: { reduction: 'mul' },
    },
    ...['max', 'min'].map((reduction) => ({
      inputs: [{ shape: [4, 2], from: -1, to: 1 }, indices([3, 2], 1, -1, 1, 0, 3, 0), { shape: [3, 2] }],
      attributes: { reduction },
    })),
    {
      title: 'ties share',
      inputs: [{ shape: [2], values: [2, 5] }, indices([3], 0, 0, 1), { shape: [3], values: [2, 2, 1] }],
      attributes: { reduction: 'max' },
      gradients: [
        [1 / 3, 1],
        [1 / 3, 1 / 3, 0],
      ],
    },
    { inputs: [{ shape: [3] }, indices([0]), { shape: [0] }] },
  ],
}

const scatterND: Op = {
  name: 'ScatterND',
  since: 18,
  inputs: [3, 3],
  attributes: { reduction },
  infer: (c) => {
    const [data, index, updates] = [c.input(0), c.input(1), c.input(2)]
    if (updates.dtype !== data.dtype) c.fail(`updates must be ${data.dtype}, received ${updates.dtype}`)
    const depth = index.shape.at(-1)
    if (depth === undefined) c.fail('indices need at least one axis')
    if (typeof depth === 'number') {
      const expected = [...index.shape.slice(0, -1), ...data.shape.slice(depth)]
      if (expected.length !== updates.shape.length) c.fail(`updates must have ${expected.length} axes`)
      expected.forEach((dim, i) => {
        agree(dim, updates.shape[i]!, `axis ${i} of updates and its place in the data`, c.fail)
      })
    }
    if (!reductions.includes(c.attributes.string('reduction')))
      c.fail(`reduction must be one of ${reductions.join(', ')}`)
    return [data]
  },
  grad: (c) =>
    scatterGradient(c, {
      read: (from) => c.g.op('GatherND', [from, c.input(1)]),
      write: (into, updates) => c.g.op('ScatterND', [into, c.input(1), updates]),
      add: (into, updates) => c.g.add(into, sumAt(c.g, updates, c.input(1), shapeOf(into), 0)),
    }),
  smooth: true,
  samples: [
    { inputs: [{ shape: [4, 2] }, indices([2, 1], 1, -1), { shape: [2, 2] }] },
    { inputs: [{ shape: [3, 2] }, indices([2, 2], 0, 1, 2, 0), { shape: [2] }] },
    { inputs: [{ shape: [4, 2] }, indices([3, 1], 1, 1, 3), { shape: [3, 2] }], attributes: { reduction: 'add' } },
    {
      inputs: [{ shape: [4], ...noZero }, indices([3, 1], 1, 1, 3), { shape: [3], ...noZero }],
      attributes: { reduction: 'mul' },
    },
    ...['max', 'min'].map((reduction) => ({
      inputs: [{ shape: [4, 2], from: -1, to: 1 }, indices([3, 1], 1, -3, 0), { shape: [3, 2] }],
      attributes: { reduction },
    })),
    { inputs: [{ shape: [4, 2] }, indices([0, 1]), { shape: [0, 2] }], attributes: { reduction: 'add' } },
  ],
}

export const scattering: readonly Op[] = [scatterElements, scatterND]
