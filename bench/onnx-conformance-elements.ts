/** Elements of any tensor as values that can be compared: types that are kept as raw bits are decoded. */
import type { Tensor } from '../src/core/tensor.ts'

export function elementsOf({ dtype, data }: Tensor): ArrayLike<unknown> {
  if (dtype === 'float16') return Array.from(data as Uint16Array, numberFromHalf)
  if (dtype === 'bfloat16') return Array.from(data as Uint16Array, numberFromBrain)
  return data
}

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. */
function numberFromHalf(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

/** The upper half of a float32. */
function numberFromBrain(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!
}
