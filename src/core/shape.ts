/**
 * Shapes of tensors. A dimension is a number, a name that stands for a size known later ('batch'), or '?', a
 * size that nobody knows: '?' equals nothing, not even itself.
 */
import { QuernError } from './errors.ts'

export type Dim = number | string
export type Shape = readonly Dim[]
/** A shape whose every dimension is a number. */
export type StaticShape = readonly number[]

export const unknownDim = '?'

export function sameDim(a: Dim, b: Dim): boolean {
  return a === b && a !== unknownDim
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => sameDim(dim, b[i]!))
}

export function isStatic(shape: Shape): shape is StaticShape {
  return shape.every((dim) => typeof dim === 'number')
}

/** Number of elements of a static shape; a scalar `[]` has one. */
export function sizeOf(shape: StaticShape): number {
  let size = 1
  for (const dim of shape) size *= dim
  return size
}

/** The shape with numbers only, or an error that names what needs it. */
export function requireStatic(shape: Shape, what: string): StaticShape {
  if (isStatic(shape)) return shape
  throw new QuernError('input', `${what} needs every dimension as a number, received ${formatShape(shape)}`, {
    hint: 'Give the sizes before training: shapes are specialised to the batch.',
  })
}

/** Row-major strides in elements. */
export function stridesOf(shape: StaticShape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

/** Index of an axis counted from the front; negative axes count from the back, as in ONNX. */
export function normalizeAxis(axis: number, rank: number, what = 'axis'): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new QuernError('input', `${what} must be from ${-rank} to ${rank - 1} for rank ${rank}, received ${axis}`)
  }
  return axis < 0 ? axis + rank : axis
}

/** Shape of the element-wise combination of two shapes by ONNX's multidirectional (NumPy) broadcasting. */
export function broadcastShapes(a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length)
  const out = new Array<Dim>(rank)
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1
    const y = b[b.length - i] ?? 1
    if (x === 1) out[rank - i] = y
    else if (y === 1 || sameDim(x, y)) out[rank - i] = x
    else if (typeof x === 'number' && typeof y === 'number') {
      throw new QuernError(
        'input',
        `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: ${x} against ${y}`,
      )
    } else out[rank - i] = typeof x === 'number' ? x : typeof y === 'number' ? y : unknownDim
  }
  return out
}

/** `[batch, 3, 28, 28]` */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}
