// Second moments of a matrix as means over its rows and its columns (Shazeer & Stern, "Adafactor", 2018). Matrices are row-major float32
// without padding: `rows` times `columns` elements from address g.
import { read, write } from './lanes'

@inline
function squares(x: v128, scale: f64, upper: bool): v128 {
  const wide = f64x2.promote_low_f32x4(upper ? v128.shuffle<i32>(x, x, 2, 3, 2, 3) : x)
  const y = f64x2.mul(wide, f64x2.splat(scale))
  return f64x2.mul(y, y)
}

@inline
function average(y: usize, rho: f64, x: f64): void {
  store<f32>(y, <f32>(rho * <f64>load<f32>(y) + (1 - rho) * x))
}

/** r[i] = rho * r[i] + (1 - rho) * (mean over the row of (scale * g)^2 + epsilon) */
export function rowSquares(r: usize, g: usize, rows: i32, columns: i32, scale: f64, rho: f64, epsilon: f64): void {
  for (let i = 0; i < rows; i++, r += 4) {
    let sums = f64x2.splat(0)
    let count = columns
    for (; count >= 4; count -= 4, g += 16) {
      const x = read(g, false)
      sums = f64x2.add(sums, f64x2.add(squares(x, scale, false), squares(x, scale, true)))
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
    for (; count > 0; count--, g += 4) sum += f64x2.extract_lane(squares(read(g, true), scale, false), 0)
    average(r, rho, sum / <f64>columns + epsilon)
  }
}

/** c[j] = rho * c[j] + (1 - rho) * (mean over the column of (scale * g)^2 + epsilon); eight columns at a time */
export function columnSquares(c: usize, g: usize, rows: i32, columns: i32, scale: f64, rho: f64, epsilon: f64): void {
  const stride = (<usize>columns) << 2
  const count = <f64>rows
  let left = columns
  for (; left >= 8; left -= 8, c += 32, g += 32) {
    let s0 = f64x2.splat(0)
    let s1 = f64x2.splat(0)
    let s2 = f64x2.splat(0)
    let s3 = f64x2.splat(0)
    let at = g
    for (let i = 0; i < rows; i++, at += stride) {
      const x = read(at, false)
      const y = read(at + 16, false)
      s0 = f64x2.add(s0, squares(x, scale, false))
      s1 = f64x2.add(s1, squares(x, scale, true))
      s2 = f64x2.add(s2, squares(y, scale, false))
      s3 = f64x2.add(s3, squares(y, scale, true))
    }
    average(c, rho, f64x2.extract_lane(s0, 0) / count + epsilon)
    average(c + 4, rho, f64x2.extract_lane(s0, 1) / count + epsilon)
    average(c + 8, rho, f64x2.extract_lane(s1, 0) / count + epsilon)
    average(c + 12, rho, f64x2.extract_lane(s1, 1) / count + epsilon)
    average(c + 16, rho, f64x2.extract_lane(s2, 0) / count + epsilon)
    average(c + 20, rho, f64x2.extract_lane(s2, 1) / count + epsilon)
    average(c + 24, rho, f64x2.extract_lane(s3, 0) / count + epsilon)
    average(c + 28, rho, f64x2.extract_lane(s3, 1) / count + epsilon)
  }
  for (; left > 0; left--, c += 4, g += 4) {
    let sum: f64 = 0
    let at = g
    for (let i = 0; i < rows; i++, at += stride) {
      const x = scale * <f64>load<f32>(at)
      sum += x * x
    }
    average(c, rho, sum / count + epsilon)
  }
}

@inline
function factoredStep(g: usize, c: usize, factor: f32, one: bool): void {
  write(g, f32x4.div(f32x4.mul(read(g, one), f32x4.splat(factor)), f32x4.sqrt(read(c, one))), one)
}

/** g[i][j] = scale * g[i][j] / sqrt(r[i] * c[j] / mean of r): the gradient over the root of its factored second moment */
export function factoredDirection(g: usize, r: usize, c: usize, rows: i32, columns: i32, scale: f64): void {
  let mean: f64 = 0
  for (let i = 0; i < rows; i++) mean += <f64>load<f32>(r + ((<usize>i) << 2))
  mean /= <f64>rows
  for (let i = 0; i < rows; i++, r += 4) {
    const factor = <f32>(scale * Math.sqrt(mean / <f64>load<f32>(r)))
    let count = columns
    let at = c
    for (; count >= 4; count -= 4, g += 16, at += 16) factoredStep(g, at, factor, false)
    for (; count > 0; count--, g += 4, at += 4) factoredStep(g, at, factor, true)
  }
}

@inline
function wholeStep(g: usize, v: usize, scale: f32, rho: f32, rest: f32, epsilon: f32, one: bool): void {
  const x = f32x4.mul(read(g, one), f32x4.splat(scale))
  const square = f32x4.mul(f32x4.add(f32x4.mul(x, x), f32x4.splat(epsilon)), f32x4.splat(rest))
  const moment = f32x4.add(f32x4.mul(read(v, one), f32x4.splat(rho)), square)
  write(v, moment, one)
  write(g, f32x4.div(x, f32x4.sqrt(moment)), one)
}

/** v = rho * v + (1 - rho) * ((scale * g)^2 + epsilon); g = scale * g / sqrt(v) */
export function wholeDirection(g: usize, v: usize, count: i32, scale: f32, rho: f64, epsilon: f32): void {
  const keep = <f32>rho
  const rest = <f32>(1 - rho)
  for (; count >= 4; count -= 4, g += 16, v += 16) wholeStep(g, v, scale, keep, rest, epsilon, false)
  for (; count > 0; count--, g += 4, v += 4) wholeStep(g, v, scale, keep, rest, epsilon, true)
}
