// Loads and stores of four float32 lanes, or of one lane in a tail. A tail runs the same vector arithmetic with one
// lane in use, so a result never depends on where a segment starts or ends. `one` is a constant at every call: the
// compiler removes the branch. And how every update rule moves a weight.

@inline
export function read(address: usize, one: bool): v128 {
  return one ? v128.load_zero<f32>(address) : v128.load(address)
}

@inline
export function write(address: usize, x: v128, one: bool): void {
  if (one) v128.store_lane<f32>(address, x, 0)
  else v128.store(address, x)
}

/** w = w - step - shrink * w. The decay is added to the step, since 1 - shrink in float32 would round a small decay away. */
@inline
export function descend(w: usize, step: v128, shrink: f32, one: bool): void {
  const weight = read(w, one)
  write(w, f32x4.sub(weight, f32x4.add(step, f32x4.mul(weight, f32x4.splat(shrink)))), one)
}
