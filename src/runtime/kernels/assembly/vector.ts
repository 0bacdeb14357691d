// Element-wise passes over float32 vectors. Addresses are in bytes, `count` in elements.
import { read, write } from './lanes'

/** y = value */
export function fill(y: usize, count: i32, value: f32): void {
  const x = f32x4.splat(value)
  for (; count >= 4; count -= 4, y += 16) write(y, x, false)
  for (; count > 0; count--, y += 4) write(y, x, true)
}

/** y = x; the ranges may overlap */
export function copy(y: usize, x: usize, count: i32): void {
  memory.copy(y, x, (<usize>count) << 2)
}

/** y = factor * y */
export function scale(y: usize, count: i32, factor: f32): void {
  const f = f32x4.splat(factor)
  for (; count >= 4; count -= 4, y += 16) write(y, f32x4.mul(read(y, false), f), false)
  for (; count > 0; count--, y += 4) write(y, f32x4.mul(read(y, true), f), true)
}

/** y = y * x, such as a pruning mask */
export function multiply(y: usize, x: usize, count: i32): void {
  for (; count >= 4; count -= 4, y += 16, x += 16) write(y, f32x4.mul(read(y, false), read(x, false)), false)
  for (; count > 0; count--, y += 4, x += 4) write(y, f32x4.mul(read(y, true), read(x, true)), true)
}

@inline
function flushStep(y: usize, one: bool): void {
  const x = read(y, one)
  write(y, v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(8.077935669463161e-28))), one) // 2^-90; NaN stays
}

/** y = 0 where |y| < 2^-90 */
export function flush(y: usize, count: i32): void {
  for (; count >= 4; count -= 4, y += 16) flushStep(y, false)
  for (; count > 0; count--, y += 4) flushStep(y, true)
}

@inline
function axpyStep(y: usize, x: usize, factor: f32, one: bool): void {
  write(y, f32x4.add(read(y, one), f32x4.mul(read(x, one), f32x4.splat(factor))), one)
}

/** y = y + factor * x */
export function axpy(y: usize, x: usize, count: i32, factor: f32): void {
  for (; count >= 4; count -= 4, y += 16, x += 16) axpyStep(y, x, factor, false)
  for (; count > 0; count--, y += 4, x += 4) axpyStep(y, x, factor, true)
}

@inline
function approachStep(y: usize, x: usize, rate: f32, one: bool): void {
  const from = read(y, one)
  write(y, f32x4.add(from, f32x4.mul(f32x4.sub(read(x, one), from), f32x4.splat(rate))), one)
}

/** y = y + rate * (x - y): one step of an exponential moving average of x */
export function approach(y: usize, x: usize, count: i32, rate: f32): void {
  for (; count >= 4; count -= 4, y += 16, x += 16) approachStep(y, x, rate, false)
  for (; count > 0; count--, y += 4, x += 4) approachStep(y, x, rate, true)
}

@inline
function clampStep(y: usize, factor: f32, limit: f32, one: bool): void {
  const x = f32x4.mul(read(y, one), f32x4.splat(factor))
  // min and max of WebAssembly hand NaN on, so that a broken gradient stays visible
  write(y, f32x4.min(f32x4.max(x, f32x4.splat(-limit)), f32x4.splat(limit)), one)
}

/** y = factor * y, limited to [-limit, limit] */
export function clamp(y: usize, count: i32, factor: f32, limit: f32): void {
  for (; count >= 4; count -= 4, y += 16) clampStep(y, factor, limit, false)
  for (; count > 0; count--, y += 4) clampStep(y, factor, limit, true)
}

@inline
function penaltyStep(g: usize, w: usize, factor: f32, l1: f32, l2: f32, one: bool): void {
  const weight = read(w, one)
  const scaled = f32x4.mul(read(g, one), f32x4.splat(factor))
  // sign(w) * l1: the sign bit of w on l1, and 0 where w is 0
  const signed = v128.or(v128.and(weight, f32x4.splat(-0.0)), f32x4.splat(l1))
  const lasso = v128.and(signed, f32x4.ne(weight, f32x4.splat(0)))
  const ridge = f32x4.mul(weight, f32x4.splat(l2 + l2))
  write(g, f32x4.add(scaled, f32x4.add(lasso, ridge)), one)
}

/** g = factor * g + d/dw (l1 * |w| + l2 * w^2) */
export function penalty(g: usize, w: usize, count: i32, factor: f32, l1: f32, l2: f32): void {
  for (; count >= 4; count -= 4, g += 16, w += 16) penaltyStep(g, w, factor, l1, l2, false)
  for (; count > 0; count--, g += 4, w += 4) penaltyStep(g, w, factor, l1, l2, true)
}
