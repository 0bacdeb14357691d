/** Checks of layer options, with errors that name the layer and the option. */
import { QuernError } from '../core/errors.ts'

export function positiveInteger(kind: string, option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value
  throw new QuernError('config', `${kind}: ${option} must be a positive integer, received ${value}`)
}

/** A number in [0, 1). */
export function rate(kind: string, option: string, value: number): number {
  if (value >= 0 && value < 1) return value
  throw new QuernError('config', `${kind}: ${option} must be at least 0 and below 1, received ${value}`)
}

/** A number from `low` to `high`. */
export function within(kind: string, option: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value
  const range = high === Infinity ? `at least ${low}` : `from ${low} to ${high}`
  throw new QuernError('config', `${kind}: ${option} must be ${range}, received ${value}`)
}

/** One number for every axis, or a number an axis; each at least `least`. */
export function perAxis(
  kind: string,
  option: string,
  value: number | readonly number[],
  rank: number,
  least: 0 | 1 = 1,
): readonly number[] {
  const values = typeof value === 'number' ? Array.from({ length: rank }, () => value) : value
  if (values.length !== rank) {
    throw new QuernError('config', `${kind}: ${option} needs one number or ${rank}, received ${values.length}`)
  }
  return values.map((v) => {
    if (least === 1) return positiveInteger(kind, option, v)
    if (Number.isInteger(v) && v >= 0) return v
    throw new QuernError('config', `${kind}: ${option} must be an integer of at least 0, received ${v}`)
  })
}

/** Keras' names, or elements of padding on both sides of every axis, as in PyTorch. */
export type Padding = 'valid' | 'same' | number | readonly number[]

/**
 * ONNX attributes of a padding: 'same' keeps ceil(size / stride) elements, the odd one is added at the end; 'causal', for layers with one axis that
 * give the reach of their window, puts all of it in front, so that no output sees what comes after it.
 */
export function paddingAttributes(
  kind: string,
  padding: Padding | 'causal',
  axes: number,
  reach?: readonly number[],
): { auto_pad: string } | { pads: readonly number[] } | Record<never, never> {
  if (padding === 'same') return { auto_pad: 'SAME_UPPER' }
  if (padding === 'valid') return {}
  if (padding === 'causal' && axes === 1 && reach) return { pads: [reach[0]! - 1, 0] }
  if (typeof padding === 'string') {
    const known = axes === 1 && reach ? "'valid', 'same', 'causal'" : "'valid', 'same'"
    throw new QuernError('config', `${kind}: padding must be ${known} or numbers, received '${padding}'`)
  }
  const sides = perAxis(kind, 'padding', padding, axes, 0)
  return { pads: [...sides, ...sides] }
}

/** Elements that a window spans, gaps of the dilation included. */
export function reachOf(window: readonly number[], dilations: readonly number[]): number[] {
  return window.map((size, i) => (size - 1) * dilations[i]! + 1)
}
