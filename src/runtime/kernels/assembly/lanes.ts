// Loads and stores of four float32 lanes, or of one lane in a tail. A tail runs the same vector arithmetic with one
// lane in use, so a result never depends on where a segment starts or ends. `one` is a constant at every call: the
// compiler removes the branch.

@inline
export function read(address: usize, one: bool): v128 {
  return one ? v128.load_zero<f32>(address) : v128.load(address)
}

@inline
export function write(address: usize, x: v128, one: bool): void {
  if (one) v128.store_lane<f32>(address, x, 0)
  else v128.store(address, x)
}
