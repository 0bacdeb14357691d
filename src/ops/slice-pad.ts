/** Slice and Pad, each the other's gradient. */
import { QuernError } from '../core/errors.ts'
import { type Dim, normalizeAxis, type Shape, unknownDim } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import { shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type GradientContext, type InferContext, type Op, type SampleInput, typed } from './op.ts'
import { scatterSum } from './scatter-sum.ts'
import { constantNumbers, normalizeAxes, range, unknownShape } from './shape-rules.ts'

const ints = (...values: number[]): SampleInput => ({ shape: [values.length], dtype: 'int64', values, constant: true })

/** Pads that differ from 0, at the front and at the back of every axis; negative ones cut. */
function padBy(g: Emitter, x: Value, front: readonly number[], back: readonly number[]): Value {
  if ([...front, ...back].every((pad) => pad === 0)) return x
  return g.op('Pad', [x, g.integers([...front, ...back])])
}

interface Cut {
  readonly axis: number
  readonly step: number
  /** first element taken, and how many are */
  readonly start: number
  readonly count: number
}

/** Start and count of `start:end:step` on an axis of `size`, by the clamping rules of ONNX (those of Python). */
function cutOf(axis: number, size: number, start: number, end: number, step: number): Cut {
  const clamp = (v: number, low: number, high: number) => Math.max(low, Math.min(high, v < 0 ? v + size : v))
  if (size === 0) return { axis, step, start: 0, count: 0 }
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1]
  const first = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1)
  // INT64_MIN means "before the first element" also after the size has been added.
  const last = end < -size ? low : clamp(end, low, high)
  return { axis, step, start: first, count: Math.max(0, Math.ceil((last - first) / step)) }
}

function inferSlice(c: InferContext): readonly TensorType[] {
  const { dtype, shape } = c.input(0)
  const [starts, ends, steps] = [constantNumbers(c, 1), constantNumbers(c, 2), constantNumbers(c, 4)]
  const axesGiven = c.optional(3) !== undefined
  const given = axesGiven ? constantNumbers(c, 3) : undefined
  if (axesGiven && !given) return typed(dtype, unknownShape(shape.length))
  const axes = given ? normalizeAxes(given, shape.length, c.fail) : range((starts ?? ends)?.length ?? shape.length)
  const out: Dim[] = [...shape]
  for (const [i, axis] of axes.entries()) {
    const size = shape[axis] ?? c.fail(`axis ${axis} does not exist`)
    const [start, end, step] = [starts?.[i], ends?.[i], c.optional(4) ? steps?.[i] : 1]
    if (step === 0) c.fail('a step of 0 is not allowed')
    if (start === undefined || end === undefined || step === undefined) out[axis] = unknownDim
    else if (typeof size === 'number') out[axis] = cutOf(axis, size, start, end, step).count
    else if (start !== 0 || step !== 1 || end < 2 ** 31 - 1) out[axis] = unknownDim
  }
  return typed(dtype, out)
}

function constantOr(c: GradientContext, index: number, fallback: readonly number[]): readonly number[] {
  const value = c.optional(index)
  if (!value) return fallback
  if (value.constant) return numbersOf(value.constant)
  throw new QuernError(
    'unsupported',
    `no gradient through ${c.node.op} at '${c.node.name}': input ${index} is not a constant`,
  )
}

/** The cuts of a Slice node, one for each axis that is really cut. */
function cutsOf(c: GradientContext): Cut[] {
  const shape = shapeOf(c.x)
  const starts = constantOr(c, 1, [])
  const ends = constantOr(c, 2, [])
  const axes = constantOr(c, 3, range(starts.length))
  const steps = constantOr(
    c,
    4,
    starts.map(() => 1),
  )
  return axes.flatMap((given, i) => {
    const axis = normalizeAxis(given, shape.length)
    const size = shape[axis]!
    if (typeof size === 'number') return [cutOf(axis, size, starts[i]!, ends[i]!, steps[i]!)]
    if (shapeOf(c.y)[axis] === size) return []
    throw new QuernError(
      'unsupported',
      `no gradient through ${c.node.op} at '${c.node.name}': axis ${axis} has no known size`,
    )
  })
}

/**
 * Puts dy back where it was cut from: reverse the axes that ran backwards, spread the elements `step` apart (an axis n becomes
 * [n, 1], padded to [n, step], joined to n step), then pad with zeros to the old size.
 */
function sliceGradient(c: GradientContext): Value {
  const { g } = c
  const shape = shapeOf(c.x)
  const front = shape.map(() => 0)
  const back = shape.map(() => 0)
  let dx = c.dy
  for (const { axis, step, start, count } of cutsOf(c)) {
    const size = shape[axis] as number
    const stride = Math.abs(step)
    if (step < 0 && count > 1) dx = g.slice(dx, [-1], [Number.MIN_SAFE_INTEGER], [axis], [-1])
    if (stride > 1 && count > 1) dx = spread(g, dx, axis, stride)
    const length = stride > 1 && count > 1 ? count * stride : count
    const first = count === 0 ? 0 : step < 0 ? start + step * (count - 1) : start
    front[axis] = first
    back[axis] = size - first - length
  }
  return padBy(g, dx, front, back)
}

function spread(g: Emitter, x: Value, axis: number, stride: number): Value {
  const shape = shapeOf(x)
  const open = g.unsqueeze(x, [axis + 1])
  const none = [...shape, 1].map(() => 0)
  const wide = padBy(
    g,
    open,
    none,
    none.map((_, i) => (i === axis + 1 ? stride - 1 : 0)),
  )
  return g.reshape(
    wide,
    shape.map((dim, i) => (i === axis ? (dim as number) * stride : dim)),
  )
}

const toEnd = Number.MAX_SAFE_INTEGER
const toStart = Number.MIN_SAFE_INTEGER

const slice: Op = {
  name: 'Slice',
  since: 13,
  inputs: [3, 5],
  infer: inferSlice,
  grad: (c) => [sliceGradient(c)],
  smooth: true,
  samples: [
    { inputs: [{ shape: [5, 3] }, ints(1), ints(4)] },
    { inputs: [{ shape: [5, 4] }, ints(1, 0), ints(toEnd, -1), ints(0, -1)] },
    { inputs: [{ shape: [7] }, ints(0), ints(toEnd), ints(0), ints(3)] },
    { inputs: [{ shape: [8, 2] }, ints(1), ints(7), ints(0), ints(2)] },
    { inputs: [{ shape: [2, 5] }, ints(-1), ints(toStart), ints(1), ints(-1)] },
    { inputs: [{ shape: [2, 7] }, ints(5), ints(0), ints(1), ints(-2)] },
    { inputs: [{ shape: [7, 5] }, ints(100, 1), ints(-100, 4), ints(0, 1), ints(-3, 2)] },
    { title: 'nothing', inputs: [{ shape: [4, 2] }, ints(3), ints(1), ints(0)] },
    { title: 'zero size', inputs: [{ shape: [4, 0] }, ints(1), ints(3), ints(0)] },
    {
      title: 'zero size, backwards',
      inputs: [{ shape: [2, 0] }, ints(-1, 1), ints(toStart, 0), ints(0, 1), ints(-1, -2)],
    },
    { title: 'everything', inputs: [{ shape: [3] }, ints(0), ints(toEnd), ints(0), ints(1)] },
  ],
}

/** Pads of every axis as [front, back], for the axes of the node. */
function padsOf(given: readonly number[], axes: readonly number[], rank: number): [front: number[], back: number[]] {
  const [front, back] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)]
  for (const [i, axis] of axes.entries()) {
    front[axis] = given[i]!
    back[axis] = given[i + axes.length]!
  }
  return [front, back]
}

/** Index in an axis of `size` that the padded position `i` (from -front) shows. */
const shownBy: Readonly<Record<string, (i: number, size: number) => number>> = {
  edge: (i, size) => Math.max(0, Math.min(size - 1, i)),
  wrap: (i, size) => ((i % size) + size) % size,
  reflect: (i, size) => {
    const period = Math.max(1, 2 * (size - 1))
    const at = ((i % period) + period) % period
    return at < size ? at : period - at
  },
}

/** dx sums, for each element, the gradients of the positions that show it: one axis at a time. */
function mirroredGradient(g: Emitter, dy: Value, shape: Shape, front: number[], mode: string): Value {
  let dx = dy
  for (const [axis, dim] of shape.entries()) {
    const size = dim as number
    const length = shapeOf(dx)[axis] as number
    if (length === size && front[axis] === 0) continue
    const indices = range(length).map((i) => shownBy[mode]!(i - front[axis]!, size))
    dx = foldMirrored(g, dx, indices, { axis, front: front[axis]!, size })
  }
  return dx
}

/** The part that was not mirrored, with what the borders show added to it: they are few, and show elements that others show too. */
function foldMirrored(
  g: Emitter,
  dx: Value,
  indices: readonly number[],
  { axis, front, size }: { axis: number; front: number; size: number },
): Value {
  const shape = shapeOf(dx).map((d, i) => (i === axis ? size : d))
  const back = indices.length - front - size
  if (front < 0 || back < 0) return scatterSum(g, dx, g.integers(indices), { axis, shape })
  const end = front + size
  const borders = [
    { from: 0, to: front },
    { from: end, to: end + back },
  ].filter(({ from, to }) => to > from)
  const shown = borders.map(({ from, to }) => g.slice(dx, [from], [to], [axis]))
  const numbers = g.integers([...indices.slice(0, front), ...indices.slice(end)])
  const middle = g.slice(dx, [front], [end], [axis])
  return g.add(middle, scatterSum(g, g.concat(shown, axis), numbers, { axis, shape }))
}

const pad: Op = {
  name: 'Pad',
  since: 19,
  inputs: [2, 4],
  attributes: { mode: { kind: 'string', default: 'constant' } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const given = constantNumbers(c, 1)
    const axesGiven = c.optional(3) ? constantNumbers(c, 3) : range(shape.length)
    if (!given || !axesGiven) return typed(dtype, unknownShape(shape.length))
    const axes = normalizeAxes(axesGiven, shape.length, c.fail)
    if (given.length !== 2 * axes.length) c.fail(`pads must have ${2 * axes.length} elements, received ${given.length}`)
    const [front, back] = padsOf(given, axes, shape.length)
    const mode = c.attributes.string('mode')
    if (mode !== 'constant' && !shownBy[mode])
      c.fail(`mode must be constant, edge, reflect or wrap, received '${mode}'`)
    return typed(
      dtype,
      shape.map((dim, i) => {
        const extra = front[i]! + back[i]!
        if (typeof dim === 'number') return dim + extra >= 0 ? dim + extra : c.fail(`axis ${i} is cut below zero`)
        return front[i] === 0 && back[i] === 0 ? dim : unknownDim
      }),
    )
  },
  grad: (c) => {
    const { g, x, dy } = c
    const shape = shapeOf(x)
    const axes = constantOr(c, 3, range(shape.length)).map((axis) => normalizeAxis(axis, shape.length))
    const [front, back] = padsOf(constantOr(c, 1, []), axes, shape.length)
    const mode = c.attributes.string('mode')
    if (mode !== 'constant') return [mirroredGradient(g, dy, shape, front, mode)]
    const dx = padBy(
      g,
      dy,
      front.map((n) => -n),
      back.map((n) => -n),
    )
    // Whatever did not come from x came from the constant.
    const value = c.optional(2)
    return [dx, undefined, value && g.reshape(g.sub(g.sum(dy), g.sum(dx)), shapeOf(value))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, ints(1, 0, 0, 2)] },
    { inputs: [{ shape: [2, 3] }, ints(1, 0, 0, 2), { shape: [] }] },
    { inputs: [{ shape: [2, 3, 2] }, ints(1, 2), undefined, ints(-2)] },
    { title: 'no pads', inputs: [{ shape: [2] }, ints(0, 0)] },
    { title: 'zero size', inputs: [{ shape: [0, 2] }, ints(1, 0, 2, 0)] },
    { title: 'cut', inputs: [{ shape: [4, 3] }, ints(-1, 1, 0, -1)] },
    { inputs: [{ shape: [2, 4] }, ints(1, 2, 0, 3)], attributes: { mode: 'edge' } },
    { inputs: [{ shape: [3, 4] }, ints(2, 2, 1, 3)], attributes: { mode: 'reflect' } },
    { inputs: [{ shape: [3, 4] }, ints(1, 3, 2, 2)], attributes: { mode: 'wrap' } },
    { inputs: [{ shape: [3, 2] }, ints(2, 1), undefined, ints(0)], attributes: { mode: 'edge' } },
  ],
}

export const sliceAndPad: readonly Op[] = [slice, pad]
