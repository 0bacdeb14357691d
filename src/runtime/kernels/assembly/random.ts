// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), four blocks at a time.
// Counter = [block, 0, stream, step], key = [seed low, seed high]: the words that core/random.ts draws for the seed
// and stream when step is 0. Element i of a fill takes word i % 4 of block i / 4 (a normal number takes two words).

const M0: u32 = 0xd2511f53
const M1: u32 = 0xcd9e8d57
const W0: u32 = 0x9e3779b9
const W1: u32 = 0xbb67ae85

/** One word of one block, for tails. */
function wordAt(block: u32, word: i32, key0: u32, key1: u32, stream: u32, step: u32): u32 {
  let c0 = block
  let c1: u32 = 0
  let c2 = stream
  let c3 = step
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>M0 * <u64>c0
    const p1 = <u64>M1 * <u64>c2
    c0 = <u32>(p1 >> 32) ^ c1 ^ key0
    c1 = <u32>p1
    c2 = <u32>(p0 >> 32) ^ c3 ^ key1
    c3 = <u32>p0
    key0 += W0
    key1 += W1
  }
  return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3
}

// The four words of block, block + 1, block + 2, block + 3, in order: what `blocks` returns.
let words0: v128 = i32x4.splat(0)
let words1: v128 = i32x4.splat(0)
let words2: v128 = i32x4.splat(0)
let words3: v128 = i32x4.splat(0)

@inline
function blocks(block: u32, key0: u32, key1: u32, stream: u32, step: u32): void {
  let c0 = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3))
  let c1 = i32x4.splat(0)
  let c2 = i32x4.splat(stream)
  let c3 = i32x4.splat(step)
  const m0 = i32x4.splat(M0)
  const m1 = i32x4.splat(M1)
  let k0 = i32x4.splat(key0)
  let k1 = i32x4.splat(key1)
  for (let round = 0; round < 10; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(c0, m0)
    const high0 = i64x2.extmul_high_i32x4_u(c0, m0)
    const low1 = i64x2.extmul_low_i32x4_u(c2, m1)
    const high1 = i64x2.extmul_high_i32x4_u(c2, m1)
    c0 = v128.xor(v128.xor(v128.shuffle<i32>(low1, high1, 1, 3, 5, 7), c1), k0)
    c1 = v128.shuffle<i32>(low1, high1, 0, 2, 4, 6)
    c2 = v128.xor(v128.xor(v128.shuffle<i32>(low0, high0, 1, 3, 5, 7), c3), k1)
    c3 = v128.shuffle<i32>(low0, high0, 0, 2, 4, 6)
    k0 = i32x4.add(k0, i32x4.splat(W0))
    k1 = i32x4.add(k1, i32x4.splat(W1))
  }
  // lanes are blocks: transpose, so that each vector holds the four words of one block
  const a = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5)
  const b = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5)
  const c = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7)
  const d = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7)
  words0 = v128.shuffle<i64>(a, b, 0, 2)
  words1 = v128.shuffle<i64>(a, b, 1, 3)
  words2 = v128.shuffle<i64>(c, d, 0, 2)
  words3 = v128.shuffle<i64>(c, d, 1, 3)
}

/** y = 0 where a word is below `threshold`, else `value`: a dropout mask with P(0) = threshold / 2^32 */
export function dropoutMask(
  y: usize,
  count: i32,
  key0: u32,
  key1: u32,
  stream: u32,
  step: u32,
  threshold: u32,
  value: f32,
): void {
  const limit = i32x4.splat(threshold)
  const kept = f32x4.splat(value)
  let i = 0
  for (; i + 16 <= count; i += 16, y += 64) {
    blocks(i >> 2, key0, key1, stream, step)
    v128.store(y, v128.and(i32x4.ge_u(words0, limit), kept))
    v128.store(y, v128.and(i32x4.ge_u(words1, limit), kept), 16)
    v128.store(y, v128.and(i32x4.ge_u(words2, limit), kept), 32)
    v128.store(y, v128.and(i32x4.ge_u(words3, limit), kept), 48)
  }
  for (; i < count; i++, y += 4) {
    store<f32>(y, wordAt(i >> 2, i & 3, key0, key1, stream, step) >= threshold ? value : 0)
  }
}

@inline
function spread(words: v128, low: v128, width: v128): v128 {
  const a = f64x2.add(low, f64x2.mul(f64x2.convert_low_i32x4_u(words), width))
  const b = f64x2.add(low, f64x2.mul(f64x2.convert_low_i32x4_u(v128.shuffle<i32>(words, words, 2, 3, 2, 3)), width))
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2)
}

const UNIT: f64 = 2.3283064365386963e-10 // 2^-32

/** y = low + (high - low) * u, in float64 and then rounded; u in [0, 1) with 32 random bits */
export function uniform(
  y: usize,
  count: i32,
  key0: u32,
  key1: u32,
  stream: u32,
  step: u32,
  low: f64,
  high: f64,
): void {
  const width = (high - low) * UNIT
  const l = f64x2.splat(low)
  const w = f64x2.splat(width)
  let i = 0
  for (; i + 16 <= count; i += 16, y += 64) {
    blocks(i >> 2, key0, key1, stream, step)
    v128.store(y, spread(words0, l, w))
    v128.store(y, spread(words1, l, w), 16)
    v128.store(y, spread(words2, l, w), 32)
    v128.store(y, spread(words3, l, w), 48)
  }
  for (; i < count; i++, y += 4) {
    const word = wordAt(i >> 2, i & 3, key0, key1, stream, step)
    store<f32>(y, <f32>(low + <f64>word * width))
  }
}

/** ln(x) for x in [2^-32, 1]: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 * artanh((m - 1) / (m + 1)) */
function ln(x: f64): f64 {
  let bits = reinterpret<u64>(x)
  let e = <i32>(bits >> 52) - 1023
  bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000
  let m = reinterpret<f64>(bits)
  if (m >= 1.4142135623730951) {
    m *= 0.5
    e++
  }
  const s = (m - 1) / (m + 1)
  const q = s * s
  // |s| < 0.172: the first term left out is below 2^-56 of the sum
  let sum: f64 = 1.0 / 21.0
  sum = sum * q + 1.0 / 19.0
  sum = sum * q + 1.0 / 17.0
  sum = sum * q + 1.0 / 15.0
  sum = sum * q + 1.0 / 13.0
  sum = sum * q + 1.0 / 11.0
  sum = sum * q + 1.0 / 9.0
  sum = sum * q + 1.0 / 7.0
  sum = sum * q + 1.0 / 5.0
  sum = sum * q + 1.0 / 3.0
  return <f64>e * 0.6931471805599453 + 2 * (s + s * q * sum)
}

/** cos(2 pi word / 2^32): the word's upper three bits name the octant exactly, Taylor series in [0, pi / 4] */
function cosOfTurn(word: u32): f64 {
  const octant = word >> 29
  let fraction = word & 0x1fffffff
  if (octant & 1) fraction = 0x20000000 - fraction
  const x = <f64>fraction * (6.283185307179586 * UNIT)
  const q = x * x
  let y: f64
  // octants 0, 3, 4, 7 lie nearest to the cosine's axis, the others to the sine's
  if (((octant + 1) & 2) == 0) {
    y = 1.0 / 20922789888000.0
    y = y * q - 1.0 / 87178291200.0
    y = y * q + 1.0 / 479001600.0
    y = y * q - 1.0 / 3628800.0
    y = y * q + 1.0 / 40320.0
    y = y * q - 1.0 / 720.0
    y = y * q + 1.0 / 24.0
    y = y * q - 0.5
    y = y * q + 1.0
  } else {
    y = -1.0 / 1307674368000.0
    y = y * q + 1.0 / 6227020800.0
    y = y * q - 1.0 / 39916800.0
    y = y * q + 1.0 / 362880.0
    y = y * q - 1.0 / 5040.0
    y = y * q + 1.0 / 120.0
    y = y * q - 1.0 / 6.0
    y = x * (y * q + 1.0)
  }
  return octant >= 2 && octant < 6 ? -y : y
}

/** y = mean + deviation * z, z standard normal by Box-Muller from two words each (the cosine half, as in core/random.ts) */
export function normal(
  y: usize,
  count: i32,
  key0: u32,
  key1: u32,
  stream: u32,
  step: u32,
  mean: f64,
  deviation: f64,
): void {
  for (let i = 0; i < count; i += 8, y += 32) {
    blocks(i >> 1, key0, key1, stream, step)
    const left = min(count - i, 8)
    for (let j = 0; j < left; j++) {
      const words = j < 2 ? words0 : j < 4 ? words1 : j < 6 ? words2 : words3
      const first = <u32>(j & 1 ? i32x4.extract_lane(words, 2) : i32x4.extract_lane(words, 0))
      const second = <u32>(j & 1 ? i32x4.extract_lane(words, 3) : i32x4.extract_lane(words, 1))
      const z = sqrt<f64>(-2 * ln(1 - <f64>first * UNIT)) * cosOfTurn(second)
      store<f32>(y + ((<usize>j) << 2), <f32>(mean + deviation * z))
    }
  }
}
