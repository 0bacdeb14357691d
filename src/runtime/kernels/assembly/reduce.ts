// Sums over float32 vectors in float64, in a fixed order: the same memory gives the same bits.
import { read } from './lanes'

@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}

@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3))
}

@inline
function total(a: v128, b: v128, c: v128, d: v128): f64 {
  const sum = f64x2.add(f64x2.add(a, b), f64x2.add(c, d))
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/** sum of x^2 */
export function sumOfSquares(x: usize, count: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  for (; count >= 8; count -= 8, x += 32) {
    const p = read(x, false)
    const q = read(x + 16, false)
    const p0 = low(p)
    const p1 = high(p)
    const q0 = low(q)
    const q1 = high(q)
    a = f64x2.add(a, f64x2.mul(p0, p0))
    b = f64x2.add(b, f64x2.mul(p1, p1))
    c = f64x2.add(c, f64x2.mul(q0, q0))
    d = f64x2.add(d, f64x2.mul(q1, q1))
  }
  let rest = total(a, b, c, d)
  for (; count > 0; count--, x += 4) {
    const value = <f64>load<f32>(x)
    rest += value * value
  }
  return rest
}

/** sum of |x| */
export function sumOfAbsolutes(x: usize, count: i32): f64 {
  let a = f64x2.splat(0)
  let b = f64x2.splat(0)
  let c = f64x2.splat(0)
  let d = f64x2.splat(0)
  for (; count >= 8; count -= 8, x += 32) {
    const p = f32x4.abs(read(x, false))
    const q = f32x4.abs(read(x + 16, false))
    a = f64x2.add(a, low(p))
    b = f64x2.add(b, high(p))
    c = f64x2.add(c, low(q))
    d = f64x2.add(d, high(q))
  }
  let rest = total(a, b, c, d)
  for (; count > 0; count--, x += 4) rest += <f64>abs<f32>(load<f32>(x))
  return rest
}

/** Index of the first element that is NaN or infinite, or -1. */
export function firstNonFinite(x: usize, count: i32): i32 {
  // A float32 is NaN or infinite when its eight exponent bits are all ones.
  const exponent = i32x4.splat(0x7f800000)
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const bits = v128.and(read(x + ((<usize>i) << 2), false), exponent)
    if (v128.any_true(i32x4.eq(bits, exponent))) break
  }
  for (; i < count; i++) {
    if ((load<u32>(x + ((<usize>i) << 2)) & 0x7f800000) == 0x7f800000) return i
  }
  return -1
}
