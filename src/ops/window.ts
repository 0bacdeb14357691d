/**
 * Where the windows of convolutions and pools lie. All lists run over the spatial axes; along one of them, output o reads the
 * inputs o * stride + k * dilation - before for k in 0 .. kernel - 1.
 * Source: ONNX operators Conv, ConvTranspose, MaxPool.
 */
import { QuernError } from '../core/errors.ts'
import { type Dim, requireStatic, type Shape, unknownDim } from '../core/shape.ts'
import type { AttributeReader, AttributeSpec } from './op.ts'

export interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** padding in front of the first element of each axis */
  readonly before: readonly number[]
  /** padding behind the last element of each axis */
  readonly after: readonly number[]
}

/** Attributes that every windowed operator has. */
export const windowAttributes: Readonly<Record<string, AttributeSpec>> = {
  auto_pad: { kind: 'string', default: 'NOTSET' },
  dilations: { kind: 'ints', optional: true },
  kernel_shape: { kind: 'ints', optional: true },
  pads: { kind: 'ints', optional: true },
  strides: { kind: 'ints', optional: true },
}

/** A list attribute with one entry a spatial axis, checked. */
export function perAxis(
  attributes: AttributeReader,
  name: string,
  length: number,
  otherwise: number,
): readonly number[] {
  if (!attributes.has(name)) return new Array<number>(length).fill(otherwise)
  const list = attributes.ints(name)
  if (list.length !== length)
    throw new QuernError('input', `'${name}' needs ${length} numbers, received ${list.length}`)
  return list
}

/** Elements that a window spans, gaps of the dilation included. */
export function extent(windows: Pick<Windows, 'kernel' | 'dilations'>, axis: number): number {
  return (windows.kernel[axis]! - 1) * windows.dilations[axis]! + 1
}

/** The windows of a node whose input has these spatial sizes. Padding 'SAME' needs the sizes as numbers. */
export function windowsOf(attributes: AttributeReader, kernel: readonly number[], input: Shape): Windows {
  const rank = kernel.length
  const strides = perAxis(attributes, 'strides', rank, 1)
  const dilations = perAxis(attributes, 'dilations', rank, 1)
  const mode = attributes.string('auto_pad')
  if (mode === 'NOTSET') {
    const pads = perAxis(attributes, 'pads', 2 * rank, 0)
    return { kernel, strides, dilations, before: pads.slice(0, rank), after: pads.slice(rank) }
  }
  const none = new Array<number>(rank).fill(0)
  if (mode === 'VALID') return { kernel, strides, dilations, before: none, after: none }
  const total = requireStatic(input, `auto_pad ${mode}`).map((size, i) => {
    const stride = strides[i]!
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent({ kernel, dilations }, i) - size)
  })
  return { kernel, strides, dilations, ...splitPadding(mode, total) }
}

/** Shares out a total padding: SAME_UPPER puts the odd element behind, SAME_LOWER in front. */
export function splitPadding(mode: string, total: readonly number[]): { before: number[]; after: number[] } {
  const before = total.map((t) => (mode === 'SAME_LOWER' ? Math.ceil(t / 2) : Math.floor(t / 2)))
  return { before, after: total.map((t, i) => t - before[i]!) }
}

/** Spatial sizes of the output; a size that depends on an unknown one is unknown. */
export function outputSizes(
  attributes: AttributeReader,
  kernel: readonly number[],
  input: Shape,
  ceilMode = false,
): Dim[] {
  const mode = attributes.string('auto_pad')
  return input.map((size, i) => {
    const stride = perAxis(attributes, 'strides', kernel.length, 1)[i]!
    if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
      return typeof size === 'number' ? Math.ceil(size / stride) : stride === 1 ? size : unknownDim
    }
    const windows = windowsOf(attributes, kernel, input)
    const before = windows.before[i]!
    const rest = before + windows.after[i]! - extent(windows, i)
    if (typeof size !== 'number') return stride === 1 && rest === -1 ? size : unknownDim
    if (size + rest < 0) {
      throw new QuernError(
        'input',
        `a window of ${extent(windows, i)} elements does not fit axis ${i + 2} of size ${size}, padding ${rest + extent(windows, i)}`,
      )
    }
    if (!ceilMode) return Math.floor((size + rest) / stride) + 1
    const count = Math.ceil((size + rest) / stride) + 1
    // A window that would start behind the input and its front padding is left out.
    return (count - 1) * stride >= size + before ? count - 1 : count
  })
}
