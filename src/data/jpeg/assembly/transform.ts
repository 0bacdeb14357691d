// Coefficients to samples: the inverse cosine transform of 8 x 8, A.3.3, whole or at a half, a quarter or an eighth of the size.

/**
 * Where the block keeps the coefficient that stands at place k in the file, in bytes: figure A.6, with rows and columns exchanged, so
 * that the first of the two passes needs no transposing. Behind 63: damaged data, which must write somewhere.
 */
const order = memory.data<u8>([
  0, 16, 2, 4, 18, 32, 48, 34, 20, 6, 8, 22, 36, 50, 64, 80, 66, 52, 38, 24, 10, 12, 26, 40, 54, 68, 82, 96, 112, 98, 84, 70, 56, 42, 28, 14,
  30, 44, 58, 72, 86, 100, 114, 116, 102, 88, 74, 60, 46, 62, 76, 90, 104, 118, 120, 106, 92, 78, 94, 108, 122, 124, 110, 126, 126, 126, 126,
  126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126,
])

@inline
export function place(k: i32): usize {
  return load<u8>(order + k)
}

/** sqrt(2) cos(k pi / 16) times 2^13 for k = 1 to 7 */
const c1: i32 = 11363
const c2: i32 = 10703
const c3: i32 = 9633
const c4: i32 = 8192
const c5: i32 = 6437
const c6: i32 = 4433
const c7: i32 = 2260

/** Two factors of 16 bits, of the even and of the odd members of pairs. */
@inline
function pair(a: i32, b: i32): v128 {
  return i32x4.splat((b << 16) | (a & 0xffff))
}

@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

@inline
function dot2(a: v128, fa: v128, b: v128, fb: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(a, fa), i32x4.dot_i16x8_s(b, fb))
}

/**
 * One pass over eight vectors at `block`, for four of the eight lanes: sums of even members, sums of odd members, and by their symmetry
 * x[n] = even[n] + odd[n], x[7 - n] = even[n] - odd[n]. Writes 32-bit results to `half`, eight vectors, shifted by `shift`.
 */
@inline
function lanes(p04: v128, p26: v128, p13: v128, p57: v128, half: usize, shift: i32): void {
  const round = i32x4.splat(1 << (shift - 1))
  const t0 = i32x4.add(i32x4.dot_i16x8_s(p04, pair(c4, c4)), round)
  const t1 = i32x4.add(i32x4.dot_i16x8_s(p04, pair(c4, -c4)), round)
  const t2 = i32x4.dot_i16x8_s(p26, pair(c2, c6))
  const t3 = i32x4.dot_i16x8_s(p26, pair(c6, -c2))
  const e0 = i32x4.add(t0, t2)
  const e3 = i32x4.sub(t0, t2)
  const e1 = i32x4.add(t1, t3)
  const e2 = i32x4.sub(t1, t3)
  const o0 = dot2(p13, pair(c1, c3), p57, pair(c5, c7))
  const o1 = dot2(p13, pair(c3, -c7), p57, pair(-c1, -c5))
  const o2 = dot2(p13, pair(c5, -c1), p57, pair(c7, c3))
  const o3 = dot2(p13, pair(c7, -c5), p57, pair(c3, -c1))
  v128.store(half, i32x4.shr_s(i32x4.add(e0, o0), shift), 0)
  v128.store(half, i32x4.shr_s(i32x4.add(e1, o1), shift), 16)
  v128.store(half, i32x4.shr_s(i32x4.add(e2, o2), shift), 32)
  v128.store(half, i32x4.shr_s(i32x4.add(e3, o3), shift), 48)
  v128.store(half, i32x4.shr_s(i32x4.sub(e3, o3), shift), 64)
  v128.store(half, i32x4.shr_s(i32x4.sub(e2, o2), shift), 80)
  v128.store(half, i32x4.shr_s(i32x4.sub(e1, o1), shift), 96)
  v128.store(half, i32x4.shr_s(i32x4.sub(e0, o0), shift), 112)
}

/** Both halves of a pass; the results stand at `scratch` and 128 bytes behind it. */
@inline
function pass(x0: v128, x1: v128, x2: v128, x3: v128, x4: v128, x5: v128, x6: v128, x7: v128, scratch: usize, shift: i32): void {
  lanes(low(x0, x4), low(x2, x6), low(x1, x3), low(x5, x7), scratch, shift)
  lanes(high(x0, x4), high(x2, x6), high(x1, x3), high(x5, x7), scratch + 128, shift)
}

@inline
function packed(scratch: usize, i: usize): v128 {
  return i16x8.narrow_i32x4_s(v128.load(scratch + 16 * i), v128.load(scratch + 128 + 16 * i))
}

@inline
function writeRow(target: usize, stride: usize, scratch: usize, i: usize): void {
  const row = i16x8.add_sat_s(packed(scratch, i), i16x8.splat(128))
  v128.store64_lane(target + i * stride, i8x16.narrow_i16x8_u(row, row), 0)
}

/** 64 samples at `target`, rows of `stride` bytes; `scratch` is 256 bytes. */
export function whole(block: usize, target: usize, stride: usize, scratch: usize): void {
  pass(
    v128.load(block, 0), v128.load(block, 16), v128.load(block, 32), v128.load(block, 48),
    v128.load(block, 64), v128.load(block, 80), v128.load(block, 96), v128.load(block, 112), scratch, 11,
  )
  const a0 = packed(scratch, 0), a1 = packed(scratch, 1), a2 = packed(scratch, 2), a3 = packed(scratch, 3)
  const a4 = packed(scratch, 4), a5 = packed(scratch, 5), a6 = packed(scratch, 6), a7 = packed(scratch, 7)
  const b0 = low(a0, a4), b1 = high(a0, a4), b2 = low(a1, a5), b3 = high(a1, a5)
  const b4 = low(a2, a6), b5 = high(a2, a6), b6 = low(a3, a7), b7 = high(a3, a7)
  const d0 = low(b0, b4), d1 = high(b0, b4), d2 = low(b1, b5), d3 = high(b1, b5)
  const d4 = low(b2, b6), d5 = high(b2, b6), d6 = low(b3, b7), d7 = high(b3, b7)
  pass(
    low(d0, d4), high(d0, d4), low(d1, d5), high(d1, d5),
    low(d2, d6), high(d2, d6), low(d3, d7), high(d3, d7), scratch, 18,
  )
  for (let i: usize = 0; i < 8; i++) writeRow(target, stride, scratch, i)
}

@inline
function byte(value: i32): i32 {
  return min(max(value, 0), 255)
}

/** A block of one colour, `side` x `side` samples. */
export function flat(mean: i32, target: usize, stride: usize, side: i32): void {
  const value = byte(((mean + 4) >> 3) + 128)
  for (let i = 0; i < side; i++, target += stride) {
    if (side == 8) store<u64>(target, <u64>value * 0x0101010101010101)
    else if (side == 4) store<u32>(target, <u32>value * 0x01010101)
    else for (let j = 0; j < side; j++) store<u8>(target + j, value)
  }
}

/** cos((2 n + 1) k pi / 8) / 2 times 2^13, with 1 / sqrt(8) for k = 0: rows of n, of the transform of 4 */
const four = memory.data<i32>([
  2896, 3784, 2896, 1567, 2896, 1567, -2896, -3784, 2896, -1567, -2896, 3784, 2896, -3784, 2896, -1567,
])
/** the same of the transform of 2 */
const two = memory.data<i32>([2896, 2896, 2896, -2896])

/** The picture at a smaller size: the transform of 4 or 2 of the lowest coefficients, whose mean is that of the block. */
export function reduced(block: usize, target: usize, stride: usize, scratch: usize, side: i32): void {
  const factors = side == 4 ? four : two
  // Rows of the block are columns of the picture.
  for (let u = 0; u < side; u++) {
    for (let y = 0; y < side; y++) {
      let sum: i32 = 1 << 9
      for (let v = 0; v < side; v++) {
        sum += load<i32>(factors + ((y * side + v) << 2)) * <i32>load<i16>(block + ((u * 8 + v) << 1))
      }
      store<i32>(scratch + ((y * side + u) << 2), sum >> 10)
    }
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let sum: i32 = 1 << 15
      for (let u = 0; u < side; u++) {
        sum += load<i32>(factors + ((x * side + u) << 2)) * load<i32>(scratch + ((y * side + u) << 2))
      }
      store<u8>(target + <usize>y * stride + x, byte((sum >> 16) + 128))
    }
  }
}
