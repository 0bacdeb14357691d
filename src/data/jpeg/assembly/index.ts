// The module: a sequential JPEG's data to planes of samples, and planes to a picture of another size. Addresses come from the caller.
import { begin, coefficients, difference, isShort, restart } from './entropy'
import { flat, reduced, whole } from './transform'
export { table } from './entropy'
export { picture } from './resize'

/** Numbers of a component, from `job + head`: 32 bits each. */
const head: usize = 20
const each: usize = 44

/**
 * Reads the scan between two addresses. `job` is, 32 bits each: components, units across and down, units between restarts or 0, side of a block in
 * the planes (8, 4, 2 or 1); then of each component: blocks of a unit across and down, addresses of its quanta, of its tables of means and of the
 * others and of its plane, bytes of the plane's rows, and which blocks are wanted: from and to (not included), across and down. The plane holds the
 * wanted blocks alone. `scratch`: 512 bytes. Returns 0, or 1 where the data are damaged or end too early.
 */
export function scan(job: usize, from: usize, to: usize, scratch: usize): i32 {
  const components = load<i32>(job)
  const across = load<i32>(job, 4)
  const down = load<i32>(job, 8)
  const interval = load<i32>(job, 12)
  const side = load<i32>(job, 16)
  const means = scratch + 384
  memory.fill(scratch, 0, 512)
  begin(from, to)
  let left = interval
  let restarts = 0
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      if (interval > 0 && left == 0) {
        if (restart(restarts++) < 0) return 1
        memory.fill(means, 0, 16)
        left = interval
      }
      left--
      for (let c = 0; c < components; c++) {
        if (!unit(job + head + each * c, means + 4 * c, x, y, side, scratch)) return 1
      }
    }
    if (isShort()) return 1
  }
  return 0
}

/** The blocks of one component in a unit; false where they are damaged. */
function unit(component: usize, mean: usize, x: i32, y: i32, side: i32, scratch: usize): bool {
  const h = load<i32>(component)
  const v = load<i32>(component, 4)
  const quanta = <usize>load<i32>(component, 8)
  const meanTable = <usize>load<i32>(component, 12)
  const otherTable = <usize>load<i32>(component, 16)
  for (let j = 0; j < v; j++) {
    const row = y * v + j
    for (let i = 0; i < h; i++) {
      const column = x * h + i
      const step = difference(meanTable)
      if (step == 1 << 20) return false
      const value = load<i32>(mean) + step
      store<i32>(mean, value)
      const last = coefficients(otherTable, quanta, scratch)
      if (last > 64) return false
      const isWanted =
        column >= load<i32>(component, 28) && column < load<i32>(component, 32) &&
        row >= load<i32>(component, 36) && row < load<i32>(component, 40)
      if (isWanted) {
        const stride = <usize>load<i32>(component, 24)
        const target =
          <usize>load<i32>(component, 20) +
          <usize>((row - load<i32>(component, 36)) * side) * stride +
          <usize>((column - load<i32>(component, 28)) * side)
        block(value * <i32>load<u16>(quanta), last, target, stride, side, scratch)
      }
      if (last > 1) for (let k: usize = 0; k < 128; k += 16) v128.store(scratch + k, i64x2.splat(0))
    }
  }
  return true
}

@inline
function block(mean: i32, last: i32, target: usize, stride: usize, side: i32, scratch: usize): void {
  if (last == 1 || side == 1) return flat(mean, target, stride, side)
  store<i16>(scratch, <i16>mean)
  if (side == 8) whole(scratch, target, stride, scratch + 128)
  else reduced(scratch, target, stride, scratch + 128, side)
  store<i16>(scratch, 0)
}
