/** Reshaping, broadcasting, joining and splitting: the elements stay, in their order. */
import { broadcastShapes, type Dim, isStatic, normalizeAxis, type Shape, sizeOf, unknownDim } from '../core/shape.ts'
import { shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type InferContext, type Op, type SampleInput, typed } from './op.ts'
import { agree, constantNumbers, normalizeAxes, productOf, range, unknownShape, withDim } from './shape-rules.ts'

const ints = (...values: number[]): SampleInput => ({ shape: [values.length], dtype: 'int64', values, constant: true })

/** The gradient of every operator here that only renames the positions. */
const backToShape: Op['grad'] = ({ g, x, dy }) => [g.reshape(dy, shapeOf(x))]

/** A result of unknown sizes, with as many axes as the shape input has elements. */
function unknownFrom(c: InferContext, index: number): readonly TensorType[] {
  const count = c.input(index).shape[0]
  return [{ dtype: c.input(0).dtype, shape: typeof count === 'number' ? unknownShape(count) : undefined }]
}

/** The dimension that -1 stands for: what the input has and the other dimensions of the result do not. */
function remainingDim(input: Shape, others: readonly Dim[], fail: (message: string) => never): Dim {
  const left = [...input]
  const right = others.filter((dim) => {
    const found = typeof dim === 'string' && dim !== unknownDim ? left.indexOf(dim) : -1
    if (found >= 0) left.splice(found, 1)
    return found < 0
  })
  if (!isStatic(right)) return unknownDim
  const divisor = sizeOf(right)
  const names = left.filter((dim) => typeof dim === 'string')
  const numeric = sizeOf(left.filter((dim) => typeof dim === 'number'))
  if (names.length === 1 && numeric === divisor) return names[0]!
  if (names.length > 0) return unknownDim
  if (divisor === 0 || numeric % divisor !== 0) fail(`${numeric} elements cannot be arranged in rows of ${divisor}`)
  return numeric / divisor
}

const reshape: Op = {
  name: 'Reshape',
  since: 19,
  inputs: [2, 2],
  attributes: { allowzero: { kind: 'int', default: 0 } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const wanted = constantNumbers(c, 1)
    if (!wanted) return unknownFrom(c, 1)
    const copies = c.attributes.int('allowzero') === 0
    const out: Dim[] = wanted.map((size, i) =>
      size === 0 && copies ? (shape[i] ?? c.fail(`size 0 at ${i} copies an axis that the input does not have`)) : size,
    )
    const open = out.indexOf(-1)
    if (open >= 0)
      out[open] = remainingDim(
        shape,
        out.filter((_, i) => i !== open),
        c.fail,
      )
    if (out.some((dim) => typeof dim === 'number' && dim < 0)) c.fail(`the shape [${wanted.join(', ')}] is not valid`)
    if (isStatic(shape) && isStatic(out) && sizeOf(shape) !== sizeOf(out)) {
      c.fail(`${sizeOf(shape)} elements cannot take the shape [${out.join(', ')}]`)
    }
    return typed(dtype, out)
  },
  grad: backToShape,
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, ints(3, 2)] },
    { inputs: [{ shape: [2, 3, 4] }, ints(0, -1)] },
    { inputs: [{ shape: [1] }, ints()] },
    { inputs: [{ shape: [] }, ints(1, -1)] },
    { inputs: [{ shape: [0, 3] }, ints(3, 0)], attributes: { allowzero: 1 } },
    { inputs: [{ shape: [2, 0] }, ints(0, 0, 5)], attributes: { allowzero: 1 } },
  ],
}

const flatten: Op = {
  name: 'Flatten',
  since: 13,
  inputs: [1, 1],
  attributes: { axis: { kind: 'int', default: 1 } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const given = c.attributes.int('axis')
    if (given < -shape.length || given > shape.length) c.fail(`axis ${given} is out of range`)
    const axis = given < 0 ? given + shape.length : given
    return typed(dtype, [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))])
  },
  grad: backToShape,
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3, 4] }] },
    { inputs: [{ shape: [2, 3] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [2, 3, 2] }], attributes: { axis: -1 } },
    { inputs: [{ shape: [3] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 0] }] },
  ],
}

const squeeze: Op = {
  name: 'Squeeze',
  since: 13,
  inputs: [1, 2],
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    if (!c.optional(1)) {
      // Any dimension that is not a number may turn out to be 1.
      return isStatic(shape)
        ? typed(
            dtype,
            shape.filter((dim) => dim !== 1),
          )
        : [{ dtype, shape: undefined }]
    }
    const given = constantNumbers(c, 1)
    if (!given) return [{ dtype, shape: undefined }]
    const axes = normalizeAxes(given, shape.length, c.fail)
    for (const axis of axes) {
      const dim = shape[axis]!
      if (typeof dim === 'number' && dim !== 1) c.fail(`axis ${axis} has size ${dim}, only 1 can be squeezed`)
    }
    return typed(
      dtype,
      shape.filter((_, i) => !axes.includes(i)),
    )
  },
  grad: backToShape,
  smooth: true,
  samples: [
    { inputs: [{ shape: [1, 3, 1] }] },
    { inputs: [{ shape: [1, 3, 1] }, ints(-1)] },
    { inputs: [{ shape: [1, 1] }, ints(0, 1)] },
    { inputs: [{ shape: [1, 0] }, ints(0)] },
  ],
}

const unsqueeze: Op = {
  name: 'Unsqueeze',
  since: 13,
  inputs: [2, 2],
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const given = constantNumbers(c, 1)
    if (!given) {
      const count = c.input(1).shape[0]
      return [{ dtype, shape: typeof count === 'number' ? unknownShape(shape.length + count) : undefined }]
    }
    const rank = shape.length + given.length
    const axes = normalizeAxes(given, rank, c.fail)
    const rest = [...shape]
    return typed(
      dtype,
      range(rank).map((axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
    )
  },
  grad: backToShape,
  smooth: true,
  samples: [
    { inputs: [{ shape: [3] }, ints(0)] },
    { inputs: [{ shape: [2, 3] }, ints(3, 0)] },
    { inputs: [{ shape: [2, 3] }, ints(-1)] },
    { inputs: [{ shape: [] }, ints(0)] },
    { inputs: [{ shape: [0] }, ints(1)] },
  ],
}

const expand: Op = {
  name: 'Expand',
  since: 13,
  inputs: [2, 2],
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const wanted = constantNumbers(c, 1)
    if (wanted) return typed(dtype, broadcastShapes(shape, wanted))
    const count = c.input(1).shape[0]
    return [{ dtype, shape: typeof count === 'number' ? unknownShape(Math.max(shape.length, count)) : undefined }]
  },
  grad: ({ g, x, dy }) => [g.sumTo(dy, shapeOf(x))],
  smooth: true,
  samples: [
    { inputs: [{ shape: [3, 1] }, ints(2, 3, 4)] },
    { inputs: [{ shape: [2, 3] }, ints(1)] },
    { inputs: [{ shape: [] }, ints(2, 2)] },
    { inputs: [{ shape: [] }, ints()] },
    { inputs: [{ shape: [2, 1] }, ints(2, 0)] },
    { inputs: [{ shape: [1, 3] }, ints(4, 1)] },
  ],
}

/** Parts of `x` along an axis, one after the other. */
function partsOf(g: Emitter, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let start = 0
  return sizes.map((size) => {
    const part = g.slice(x, [start], [start + size], [axis])
    start += size
    return part
  })
}

const concat: Op = {
  name: 'Concat',
  since: 13,
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { axis: { kind: 'int' } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axis = normalizeAxis(c.attributes.int('axis'), shape.length)
    let out: Dim[] = [...shape]
    for (let i = 1; i < c.inputCount; i++) {
      const other = c.input(i)
      if (other.dtype !== dtype)
        c.fail(`the inputs must have the same element type, received ${dtype} and ${other.dtype}`)
      if (other.shape.length !== shape.length) c.fail('the inputs must have the same number of axes')
      out = out.map((dim, j) => {
        const size = other.shape[j]!
        if (j !== axis) return agree(dim, size, `sizes of axis ${j}`, c.fail)
        if (dim === 0 || size === 0) return dim === 0 ? size : dim
        return typeof dim === 'number' && typeof size === 'number' ? dim + size : unknownDim
      })
    }
    return typed(dtype, out)
  },
  grad: ({ g, node, dy, input, attributes }) => {
    const values = node.inputs.map((_, i) => input(i))
    const axis = normalizeAxis(attributes.int('axis'), shapeOf(input(0)).length)
    const sizes = values.map((value) => shapeOf(value)[axis]!)
    if (isStatic(sizes)) return partsOf(g, dy, axis, sizes)
    const lengths = values.map((value) => g.op('Shape', [value], { start: axis, end: axis + 1 }))
    return g.ops('Split', [dy, g.concat(lengths, 0)], { axis }, values.length)
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [1, 3] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [2, 1, 2] }, { shape: [2, 3, 2] }, { shape: [2, 2, 2] }], attributes: { axis: -2 } },
    { inputs: [{ shape: [2] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [2, 0] }, { shape: [2, 2] }], attributes: { axis: 1 } },
  ],
}

/** Sizes of the parts: given, or equal with a smaller last one. */
function splitSizes(c: InferContext, dim: Dim): readonly Dim[] {
  const given = constantNumbers(c, 1)
  if (given) {
    const total = given.reduce((a, b) => a + b, 0)
    if (given.length !== c.outputCount) c.fail(`${given.length} sizes are given for ${c.outputCount} outputs`)
    if (typeof dim === 'number' && total !== dim) c.fail(`the sizes add up to ${total}, the axis has ${dim}`)
    return given
  }
  const count = c.attributes.has('num_outputs') ? c.attributes.int('num_outputs') : c.outputCount
  if (c.optional(1) || typeof dim !== 'number') return unknownShape(count)
  const size = Math.ceil(dim / count)
  return range(count).map((i) => Math.max(0, Math.min(size, dim - i * size)))
}

const split: Op = {
  name: 'Split',
  since: 18,
  inputs: [1, 2],
  attributes: { axis: { kind: 'int', default: 0 }, num_outputs: { kind: 'int', optional: true } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const axis = normalizeAxis(c.attributes.int('axis'), shape.length)
    return splitSizes(c, shape[axis]!).map((size) => ({ dtype, shape: withDim(shape, axis, size) }))
  },
  grad: ({ g, node, gradient, attributes }) => {
    const parts = node.outputs.map((value, i) => gradient(i) ?? g.zerosLike(value!))
    return [g.concat(parts, attributes.int('axis'))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [5, 2] }, ints(2, 3)], outputs: 2 },
    { inputs: [{ shape: [2, 6] }], attributes: { axis: -1, num_outputs: 3 }, outputs: 3 },
    { inputs: [{ shape: [7] }], attributes: { num_outputs: 3 }, outputs: 3 },
    { inputs: [{ shape: [4, 2] }, ints(1, 0, 3)], outputs: 3, differentiate: [0] },
    { inputs: [{ shape: [4, 0] }, ints(1, 3)], outputs: 2 },
  ],
}

export const shape: readonly Op[] = [reshape, flatten, squeeze, unsqueeze, expand, concat, split]
