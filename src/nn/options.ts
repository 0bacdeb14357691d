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

/** One number for every axis, or a number an axis. */
export function perAxis(
  kind: string,
  option: string,
  value: number | readonly number[],
  rank: number,
): readonly number[] {
  const values = typeof value === 'number' ? Array.from({ length: rank }, () => value) : value
  if (values.length !== rank) {
    throw new QuernError('config', `${kind}: ${option} needs one number or ${rank}, received ${values.length}`)
  }
  return values.map((v) => positiveInteger(kind, option, v))
}

export type Padding = 'valid' | 'same'

/** ONNX attributes that mean Keras' padding: 'same' keeps ceil(size / stride) elements, the odd one is added at the end. */
export function paddingAttributes(kind: string, padding: Padding): { auto_pad: string } | Record<never, never> {
  if (padding === 'same') return { auto_pad: 'SAME_UPPER' }
  if (padding === 'valid') return {}
  throw new QuernError('config', `${kind}: padding must be 'valid' or 'same', received '${padding as string}'`)
}
