// Planes to a picture of another size: first down, then across, by weights of 14 bits; then from luma and chroma to red, green and blue.

/** Bits that stay behind the point between the two passes and before the colours are made. */
const fraction: i32 = 4
const weightBits: i32 = 14

const head: usize = 28
const each: usize = 36

/**
 * `job` is, 32 bits each: planes (1 or 3), width and height, address of the first plane of the picture, bytes from plane to plane and from row to
 * row, address of room for rows; then of each plane: its address, bytes of its rows, columns that are read, and the weights down and across: address of the
 * first sample's place of each row (column), address of the weights (int16), weights of each, an even number down and a multiple of 8 across.
 * Rows may be read 16 samples behind their end, and there are places and weights across for a multiple of 8 columns.
 */
export function picture(job: usize): void {
  const planes = load<i32>(job)
  const width = load<i32>(job, 4)
  const height = load<i32>(job, 8)
  const target = <usize>load<i32>(job, 12)
  const planeBytes = <usize>load<i32>(job, 16)
  const rowBytes = <usize>load<i32>(job, 20)
  const room = <usize>load<i32>(job, 24)
  // Rows across in 16 bits, three of them; bytes, three rows; the row down.
  const row = <usize>((width + 15) & ~7) << 1
  const bytes = room + 3 * row
  const between = bytes + 3 * row
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < planes; c++) {
      const plane = job + head + each * c
      down(plane, y, between)
      across(plane, width, between, room + <usize>c * row)
    }
    if (planes == 3) colours(width, room, row, bytes)
    else grey(width, room, bytes)
    for (let c = 0; c < planes; c++) {
      memory.copy(target + <usize>c * planeBytes + <usize>y * rowBytes, bytes + <usize>c * row, width)
    }
  }
}

/** One row of sums down: 16 columns at a time, two rows in one product. */
function down(plane: usize, y: i32, between: usize): void {
  const stride = <usize>load<i32>(plane, 4)
  const columns = load<i32>(plane, 8)
  const start = load<i32>(<usize>load<i32>(plane, 12) + (<usize>y << 2))
  const taps = load<i32>(plane, 20)
  const weights = <usize>load<i32>(plane, 16) + <usize>(y * taps << 1)
  const source = <usize>load<i32>(plane) + <usize>start * stride
  const rounding = i32x4.splat(1 << (weightBits - fraction - 1))
  for (let x = 0; x < columns; x += 16) {
    let s0 = rounding, s1 = rounding, s2 = rounding, s3 = rounding
    let at = source + x
    for (let j = 0; j < taps; j += 2, at += 2 * stride) {
      const w = v128.load32_splat(weights + (<usize>j << 1))
      const a = v128.load(at)
      const b = v128.load(at + stride)
      const first = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const last = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(first), w))
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(first), w))
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(last), w))
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(last), w))
    }
    const to = between + (<usize>x << 1)
    v128.store(to, i16x8.narrow_i32x4_s(i32x4.shr_s(s0, weightBits - fraction), i32x4.shr_s(s1, weightBits - fraction)))
    v128.store(to + 16, i16x8.narrow_i32x4_s(i32x4.shr_s(s2, weightBits - fraction), i32x4.shr_s(s3, weightBits - fraction)))
  }
}

@inline
function one(starts: usize, weights: usize, taps: i32, between: usize): v128 {
  const at = between + (<usize>load<i32>(starts) << 1)
  let sum = i32x4.dot_i16x8_s(v128.load(at), v128.load(weights))
  for (let j: usize = 16; j < <usize>taps << 1; j += 16) {
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(at + j), v128.load(weights + j)))
  }
  return sum
}

/** Sums across of four columns, each over its own lanes. */
@inline
function four(starts: usize, weights: usize, taps: i32, between: usize): v128 {
  const next = <usize>taps << 1
  const a = one(starts, weights, taps, between)
  const b = one(starts + 4, weights + next, taps, between)
  const c = one(starts + 8, weights + 2 * next, taps, between)
  const d = one(starts + 12, weights + 3 * next, taps, between)
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  const sum = i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7))
  return i32x4.shr_s(i32x4.add(sum, i32x4.splat(1 << (weightBits - 1))), weightBits)
}

function across(plane: usize, width: i32, between: usize, to: usize): void {
  let starts = <usize>load<i32>(plane, 24)
  let weights = <usize>load<i32>(plane, 28)
  const taps = load<i32>(plane, 32)
  const next = <usize>taps << 3
  for (let x = 0; x < width; x += 8, starts += 32, weights += 2 * next, to += 16) {
    const first = four(starts, weights, taps, between)
    v128.store(to, i16x8.narrow_i32x4_s(first, four(starts + 16, weights + next, taps, between)))
  }
}

/** A share of a number of 16 bits: factor / 2^15, rounded. */
@inline
function share(x: v128, factor: i16): v128 {
  return i16x8.q15mulr_sat_s(x, i16x8.splat(factor))
}

@inline
function writeBytes(to: usize, x: v128): void {
  const rounded = i16x8.shr_s(i16x8.add_sat_s(x, i16x8.splat(8)), fraction)
  v128.store64_lane(to, i8x16.narrow_i16x8_u(rounded, rounded), 0)
}

/** JFIF: R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb. */
function colours(width: i32, rows: usize, row: usize, to: usize): void {
  // 128, with four bits behind the point
  const middle = i16x8.splat(2048)
  for (let x: usize = 0; x < <usize>width; x += 8) {
    const y = v128.load(rows + 2 * x)
    const cb = i16x8.sub(v128.load(rows + row + 2 * x), middle)
    const cr = i16x8.sub(v128.load(rows + 2 * row + 2 * x), middle)
    writeBytes(to + x, i16x8.add(y, i16x8.add(cr, share(cr, 13173))))
    writeBytes(to + row + x, i16x8.sub(y, i16x8.add(share(cb, 11277), share(cr, 23401))))
    writeBytes(to + 2 * row + x, i16x8.add(y, i16x8.add(cb, share(cb, 25297))))
  }
}

function grey(width: i32, from: usize, to: usize): void {
  for (let x: usize = 0; x < <usize>width; x += 8) writeBytes(to + x, v128.load(from + 2 * x))
}
