// Update rules, one pass over the memory each. Addresses are in bytes, `count` in float32 elements.
// w weights, g gradients, v velocity or second moment, m first moment. `scale` multiplies the gradient as it is read;
// `shrink` is the share of itself that a weight loses (decoupled weight decay: shrink = learning rate * decay).
import { descend, read, write } from './lanes'

@inline
function sgdStep(w: usize, g: usize, rate: f32, shrink: f32, one: bool): void {
  descend(w, f32x4.mul(read(g, one), f32x4.splat(rate)), shrink, one)
}

/** w = w - rate * g - shrink * w */
export function sgd(w: usize, g: usize, count: i32, rate: f32, shrink: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16) sgdStep(w, g, rate, shrink, false)
  for (; count > 0; count--, w += 4, g += 4) sgdStep(w, g, rate, shrink, true)
}

@inline
function momentumStep(w: usize, g: usize, v: usize, rate: f32, friction: f32, shrink: f32, look: bool, one: bool): void {
  const step = f32x4.mul(read(g, one), f32x4.splat(rate))
  const velocity = f32x4.add(f32x4.mul(read(v, one), f32x4.splat(friction)), step)
  write(v, velocity, one)
  // Nesterov looks ahead: it moves by the velocity that the next step would have with the same gradient.
  descend(w, look ? f32x4.add(f32x4.mul(velocity, f32x4.splat(friction)), step) : velocity, shrink, one)
}

/** v = friction * v + rate * g; w = w - v - shrink * w */
export function momentum(w: usize, g: usize, v: usize, count: i32, rate: f32, friction: f32, shrink: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16) momentumStep(w, g, v, rate, friction, shrink, false, false)
  for (; count > 0; count--, w += 4, g += 4, v += 4) momentumStep(w, g, v, rate, friction, shrink, false, true)
}

/** v = friction * v + rate * g; w = w - friction * v - rate * g - shrink * w */
export function nesterov(w: usize, g: usize, v: usize, count: i32, rate: f32, friction: f32, shrink: f32): void {
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16) momentumStep(w, g, v, rate, friction, shrink, true, false)
  for (; count > 0; count--, w += 4, g += 4, v += 4) momentumStep(w, g, v, rate, friction, shrink, true, true)
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
  shrink: f32,
  one: bool,
): void {
  const gradient = f32x4.mul(read(g, one), f32x4.splat(scale))
  const first = f32x4.add(f32x4.mul(read(m, one), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1)))
  const square = f32x4.mul(gradient, gradient)
  const second = f32x4.add(f32x4.mul(read(v, one), f32x4.splat(beta2)), f32x4.mul(square, f32x4.splat(rest2)))
  write(m, first, one)
  write(v, second, one)
  const step = f32x4.div(f32x4.mul(first, f32x4.splat(rate)), f32x4.add(f32x4.sqrt(second), f32x4.splat(epsilon)))
  descend(w, step, shrink, one)
}

/**
 * Adam with the bias corrections already in `rate` (and in `epsilon`, if wanted):
 * m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2; w = w - rate * m / (sqrt(v) + epsilon) - shrink * w
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
  shrink: f32,
): void {
  const b1 = <f32>beta1
  const b2 = <f32>beta2
  const r1 = <f32>(1 - beta1)
  const r2 = <f32>(1 - beta2)
  for (; count >= 4; count -= 4, w += 16, g += 16, m += 16, v += 16) {
    adamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, epsilon, shrink, false)
  }
  for (; count > 0; count--, w += 4, g += 4, m += 4, v += 4) {
    adamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, epsilon, shrink, true)
  }
}
