/** Elements of any floating-point type as float32. */
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'

/** @throws QuernError 'unsupported' for other types than float32, float64, float16 and bfloat16 */
export function singles({ dtype, data }: Tensor): Float32Array {
  if (dtype === 'float32') return data as Float32Array
  if (dtype === 'float64') return Float32Array.from(data as Float64Array)
  if (dtype === 'bfloat16') {
    // The upper half of a float32.
    const words = Uint32Array.from(data as Uint16Array, (bits) => bits << 16)
    return new Float32Array(words.buffer)
  }
  if (dtype === 'float16') return Float32Array.from(data as Uint16Array, half)
  throw new QuernError('unsupported', `the numbers of an adapter must be floating-point, received ${dtype}`)
}

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
