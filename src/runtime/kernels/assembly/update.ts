// Update rules, one pass over the memory each. Addresses are in bytes, `count` in float32 elements.
// w weights, g gradients, v velocity or second moment, m first moment. `scale` multiplies the gradient as it is read;
// `keep` multiplies the weight before its step (decoupled weight decay: keep = 1 - learning rate * decay).
import { read, write } from './lanes'

// Averages below 2^-120 become 0. Once a gradient stops they would end as denormal numbers for ever, which many
// processors handle a hundred times slower, and WebAssembly cannot switch them off.
const TINY: f32 = 7.52316384526264e-37

@inline
function flush(x: v128): v128 {
  return v128.and(x, f32x4.ge(f32x4.abs(x), f32x4.splat(TINY)))
}

@inline
function sgdStep(w: usize, g: usize, rate: f32, keep: f32, one: bool): void {
  const step = f32x4.mul(read(g, one), f32x4.splat(rate))
  write(w, f32x4.sub(f32x4.mul(read(w, one), f32x4.splat(keep)), step), one)
}

/** w = keep * w - rate * g */
export function sgd(w: usize, g: usize, count: i32, rate: f32, keep: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16) sgdStep(w, g, rate, keep, false)
  for (; count > 0; count--, w += 4, g += 4) sgdStep(w, g, rate, keep, true)
}

@inline
function momentumStep(w: usize, g: usize, v: usize, rate: f32, friction: f32, keep: f32, look: bool, one: bool): void {
  const step = f32x4.mul(read(g, one), f32x4.splat(rate))
  const velocity = flush(f32x4.sub(f32x4.mul(read(v, one), f32x4.splat(friction)), step))
  write(v, velocity, one)
  // Nesterov looks ahead: it moves by the velocity that the next step would have with the same gradient.
  const move = look ? f32x4.sub(f32x4.mul(velocity, f32x4.splat(friction)), step) : velocity
  write(w, f32x4.add(f32x4.mul(read(w, one), f32x4.splat(keep)), move), one)
}

/** v = friction * v - rate * g; w = keep * w + v */
export function momentum(w: usize, g: usize, v: usize, count: i32, rate: f32, friction: f32, keep: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16) momentumStep(w, g, v, rate, friction, keep, false, false)
  for (; count > 0; count--, w += 4, g += 4, v += 4) momentumStep(w, g, v, rate, friction, keep, false, true)
}

/** v = friction * v - rate * g; w = keep * w + friction * v - rate * g */
export function nesterov(w: usize, g: usize, v: usize, count: i32, rate: f32, friction: f32, keep: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16) momentumStep(w, g, v, rate, friction, keep, true, false)
  for (; count > 0; count--, w += 4, g += 4, v += 4) momentumStep(w, g, v, rate, friction, keep, true, true)
}

@inline
function adamStep(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  scale: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rate: f32,
  epsilon: f32,
  keep: f32,
  one: bool,
): void {
  const gradient = f32x4.mul(read(g, one), f32x4.splat(scale))
  const first = flush(f32x4.add(f32x4.mul(read(m, one), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1))))
  const square = f32x4.mul(gradient, gradient)
  const second = flush(f32x4.add(f32x4.mul(read(v, one), f32x4.splat(beta2)), f32x4.mul(square, f32x4.splat(rest2))))
  write(m, first, one)
  write(v, second, one)
  const step = f32x4.div(f32x4.mul(first, f32x4.splat(rate)), f32x4.add(f32x4.sqrt(second), f32x4.splat(epsilon)))
  write(w, f32x4.sub(f32x4.mul(read(w, one), f32x4.splat(keep)), step), one)
}

/**
 * Adam with the bias corrections already in `rate` (and in `epsilon`, if wanted):
 * m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2; w = keep * w - rate * m / (sqrt(v) + epsilon)
 */
export function adam(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  count: i32,
  scale: f32,
  beta1: f64,
  beta2: f64,
  rate: f32,
  epsilon: f32,
  keep: f32,
): void {
  const b1 = <f32>beta1
  const b2 = <f32>beta2
  const r1 = <f32>(1 - beta1)
  const r2 = <f32>(1 - beta2)
  for (; count >= 4; count -= 4, w += 16, g += 16, m += 16, v += 16) {
    adamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, epsilon, keep, false)
  }
  for (; count > 0; count--, w += 4, g += 4, m += 4, v += 4) {
    adamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, epsilon, keep, true)
  }
}
