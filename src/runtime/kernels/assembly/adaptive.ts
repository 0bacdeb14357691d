// Update rules that divide each weight's step by a running size of its gradient, and those that keep its sign alone. As in
// update.ts: one pass each, addresses in bytes, `count` in elements, `scale` on the gradient, `shrink` for decoupled decay.
import { descend, read, write } from './lanes'

/** rho * average + (1 - rho) * x */
@inline
function blend(average: v128, rho: f32, x: v128, rest: f32): v128 {
  return f32x4.add(f32x4.mul(average, f32x4.splat(rho)), f32x4.mul(x, f32x4.splat(rest)))
}

@inline
function scaled(g: usize, scale: f32, one: bool): v128 {
  return f32x4.mul(read(g, one), f32x4.splat(scale))
}

@inline
function rmspropStep(
  w: usize,
  g: usize,
  v: usize,
  a: usize,
  b: usize,
  scale: f32,
  rho: f32,
  rest: f32,
  rate: f32,
  epsilon: f32,
  friction: f32,
  shrink: f32,
  centered: bool,
  heavy: bool,
  one: bool,
): void {
  const gradient = scaled(g, scale, one)
  const square = blend(read(v, one), rho, f32x4.mul(gradient, gradient), rest)
  write(v, square, one)
  let size = square
  if (centered) {
    const mean = blend(read(a, one), rho, gradient, rest)
    write(a, mean, one)
    // The variance of gradients that do not change is 0, which rounding may take below.
    size = f32x4.max(f32x4.sub(square, f32x4.mul(mean, mean)), f32x4.splat(0))
  }
  const root = f32x4.sqrt(f32x4.add(size, f32x4.splat(epsilon)))
  let step = f32x4.div(f32x4.mul(gradient, f32x4.splat(rate)), root)
  if (heavy) {
    step = f32x4.add(f32x4.mul(read(b, one), f32x4.splat(friction)), step)
    write(b, step, one)
  }
  descend(w, step, shrink, one)
}

@inline
function rmspropPass(
  w: usize,
  g: usize,
  v: usize,
  a: usize,
  b: usize,
  count: i32,
  scale: f32,
  rho: f64,
  rate: f32,
  epsilon: f32,
  friction: f32,
  shrink: f32,
  centered: bool,
  heavy: bool,
): void {
  const keep = <f32>rho
  const rest = <f32>(1 - rho)
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16, a += 16, b += 16) {
    rmspropStep(w, g, v, a, b, scale, keep, rest, rate, epsilon, friction, shrink, centered, heavy, false)
  }
  for (; count > 0; count--, w += 4, g += 4, v += 4, a += 4, b += 4) {
    rmspropStep(w, g, v, a, b, scale, keep, rest, rate, epsilon, friction, shrink, centered, heavy, true)
  }
}

/**
 * v = rho * v + (1 - rho) * g^2; step = rate * g / sqrt(v + epsilon); w = w - step - shrink * w.
 * With an address a: a = rho * a + (1 - rho) * g, and max(v - a^2, 0) in place of v below the root.
 * With an address b: b = friction * b + step, which is the step then. Address 0: without.
 */
export function rmsprop(
  w: usize,
  g: usize,
  v: usize,
  a: usize,
  b: usize,
  count: i32,
  scale: f32,
  rho: f64,
  rate: f32,
  epsilon: f32,
  friction: f32,
  shrink: f32,
): void {
  if (a != 0) {
    if (b != 0) rmspropPass(w, g, v, a, b, count, scale, rho, rate, epsilon, friction, shrink, true, true)
    else rmspropPass(w, g, v, a, b, count, scale, rho, rate, epsilon, friction, shrink, true, false)
  } else if (b != 0) rmspropPass(w, g, v, a, b, count, scale, rho, rate, epsilon, friction, shrink, false, true)
  else rmspropPass(w, g, v, a, b, count, scale, rho, rate, epsilon, friction, shrink, false, false)
}

@inline
function adagradStep(w: usize, g: usize, v: usize, scale: f32, rate: f32, epsilon: f32, shrink: f32, one: bool): void {
  const gradient = scaled(g, scale, one)
  const sum = f32x4.add(read(v, one), f32x4.mul(gradient, gradient))
  write(v, sum, one)
  const root = f32x4.sqrt(f32x4.add(sum, f32x4.splat(epsilon)))
  descend(w, f32x4.div(f32x4.mul(gradient, f32x4.splat(rate)), root), shrink, one)
}

/** v = v + g^2; w = w - rate * g / sqrt(v + epsilon) - shrink * w */
export function adagrad(
  w: usize,
  g: usize,
  v: usize,
  count: i32,
  scale: f32,
  rate: f32,
  epsilon: f32,
  shrink: f32,
): void {
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16) adagradStep(w, g, v, scale, rate, epsilon, shrink, false)
  for (; count > 0; count--, w += 4, g += 4, v += 4) adagradStep(w, g, v, scale, rate, epsilon, shrink, true)
}

@inline
function adadeltaStep(
  w: usize,
  g: usize,
  v: usize,
  d: usize,
  scale: f32,
  rho: f32,
  rest: f32,
  rate: f32,
  epsilon: f32,
  shrink: f32,
  one: bool,
): void {
  const gradient = scaled(g, scale, one)
  const square = blend(read(v, one), rho, f32x4.mul(gradient, gradient), rest)
  write(v, square, one)
  const moved = read(d, one)
  const small = f32x4.splat(epsilon)
  const ratio = f32x4.div(f32x4.sqrt(f32x4.add(moved, small)), f32x4.sqrt(f32x4.add(square, small)))
  const step = f32x4.mul(ratio, gradient)
  write(d, blend(moved, rho, f32x4.mul(step, step), rest), one)
  descend(w, f32x4.mul(step, f32x4.splat(rate)), shrink, one)
}

/**
 * v = rho * v + (1 - rho) * g^2; step = sqrt(d + epsilon) / sqrt(v + epsilon) * g; d = rho * d + (1 - rho) * step^2;
 * w = w - rate * step - shrink * w
 */
export function adadelta(
  w: usize,
  g: usize,
  v: usize,
  d: usize,
  count: i32,
  scale: f32,
  rho: f64,
  rate: f32,
  epsilon: f32,
  shrink: f32,
): void {
  const keep = <f32>rho
  const rest = <f32>(1 - rho)
  for (; count >= 4; count -= 4, w += 16, g += 16, v += 16, d += 16) {
    adadeltaStep(w, g, v, d, scale, keep, rest, rate, epsilon, shrink, false)
  }
  for (; count > 0; count--, w += 4, g += 4, v += 4, d += 4) {
    adadeltaStep(w, g, v, d, scale, keep, rest, rate, epsilon, shrink, true)
  }
}

@inline
function nadamStep(
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
  look: f32,
  epsilon: f32,
  shrink: f32,
  one: bool,
): void {
  const gradient = scaled(g, scale, one)
  const first = blend(read(m, one), beta1, gradient, rest1)
  const second = blend(read(v, one), beta2, f32x4.mul(gradient, gradient), rest2)
  write(m, first, one)
  write(v, second, one)
  const move = f32x4.add(f32x4.mul(first, f32x4.splat(rate)), f32x4.mul(gradient, f32x4.splat(look)))
  descend(w, f32x4.div(move, f32x4.add(f32x4.sqrt(second), f32x4.splat(epsilon))), shrink, one)
}

/** m and v as Adam's; w = w - (rate * m + look * g) / (sqrt(v) + epsilon) - shrink * w */
export function nadam(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  count: i32,
  scale: f32,
  beta1: f64,
  beta2: f64,
  rate: f32,
  look: f32,
  epsilon: f32,
  shrink: f32,
): void {
  const b1 = <f32>beta1
  const b2 = <f32>beta2
  const r1 = <f32>(1 - beta1)
  const r2 = <f32>(1 - beta2)
  for (; count >= 4; count -= 4, w += 16, g += 16, m += 16, v += 16) {
    nadamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, look, epsilon, shrink, false)
  }
  for (; count > 0; count--, w += 4, g += 4, m += 4, v += 4) {
    nadamStep(w, g, m, v, scale, b1, r1, b2, r2, rate, look, epsilon, shrink, true)
  }
}

@inline
function lionStep(
  w: usize,
  g: usize,
  m: usize,
  scale: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rate: f32,
  shrink: f32,
  one: bool,
): void {
  const gradient = scaled(g, scale, one)
  const momentum = read(m, one)
  const direction = blend(momentum, beta1, gradient, rest1)
  write(m, blend(momentum, beta2, gradient, rest2), one)
  // rate with the sign bit of the direction, and 0 where that is 0
  const signed = v128.or(v128.and(direction, f32x4.splat(-0.0)), f32x4.splat(rate))
  const step = v128.and(signed, f32x4.ne(direction, f32x4.splat(0)))
  // x - x is 0, but NaN for NaN and infinities: a sign alone would hide a broken gradient
  descend(w, f32x4.add(step, f32x4.sub(direction, direction)), shrink, one)
}

/** w = w - rate * sign(beta1 * m + (1 - beta1) * g) - shrink * w; m = beta2 * m + (1 - beta2) * g. `rate` is not negative. */
export function lion(
  w: usize,
  g: usize,
  m: usize,
  count: i32,
  scale: f32,
  beta1: f64,
  beta2: f64,
  rate: f32,
  shrink: f32,
): void {
  const b1 = <f32>beta1
  const b2 = <f32>beta2
  const r1 = <f32>(1 - beta1)
  const r2 = <f32>(1 - beta2)
  for (; count >= 4; count -= 4, w += 16, g += 16, m += 16) {
    lionStep(w, g, m, scale, b1, r1, b2, r2, rate, shrink, false)
  }
  for (; count > 0; count--, w += 4, g += 4, m += 4) lionStep(w, g, m, scale, b1, r1, b2, r2, rate, shrink, true)
}

@inline
function lambStep(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  scale: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  correction1: f32,
  correction2: f32,
  epsilon: f32,
  decay: f32,
  one: bool,
): void {
  const gradient = scaled(g, scale, one)
  const first = blend(read(m, one), beta1, gradient, rest1)
  const second = blend(read(v, one), beta2, f32x4.mul(gradient, gradient), rest2)
  write(m, first, one)
  write(v, second, one)
  const root = f32x4.sqrt(f32x4.add(f32x4.mul(second, f32x4.splat(correction2)), f32x4.splat(epsilon)))
  const ratio = f32x4.div(f32x4.mul(first, f32x4.splat(correction1)), root)
  write(g, f32x4.add(ratio, f32x4.mul(read(w, one), f32x4.splat(decay))), one)
}

/**
 * The direction of LAMB, in place of the gradient; its length is judged over a whole layer, so the weights move in a second pass.
 * m and v as Adam's; g = correction1 * m / sqrt(correction2 * v + epsilon) + decay * w
 */
export function lamb(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  count: i32,
  scale: f32,
  beta1: f64,
  beta2: f64,
  correction1: f32,
  correction2: f32,
  epsilon: f32,
  decay: f32,
): void {
  const b1 = <f32>beta1
  const b2 = <f32>beta2
  const r1 = <f32>(1 - beta1)
  const r2 = <f32>(1 - beta2)
  for (; count >= 4; count -= 4, w += 16, g += 16, m += 16, v += 16) {
    lambStep(w, g, m, v, scale, b1, r1, b2, r2, correction1, correction2, epsilon, decay, false)
  }
  for (; count > 0; count--, w += 4, g += 4, m += 4, v += 4) {
    lambStep(w, g, m, v, scale, b1, r1, b2, r2, correction1, correction2, epsilon, decay, true)
  }
}
