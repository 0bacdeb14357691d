// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), eight blocks at a time.
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

@inline
function high32(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 1, 3, 5, 7)
}

@inline
function low32(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6)
}

/** Stores the four words of one block after the other; lane i of a, b, c, d holds those of block i. */
@inline
function storeBlocks(y: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  v128.store(y, v128.shuffle<i64>(ab, cd, 0, 2))
  v128.store(y, v128.shuffle<i64>(ab, cd, 1, 3), 16)
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(y, v128.shuffle<i64>(abHigh, cdHigh, 0, 2), 32)
  v128.store(y, v128.shuffle<i64>(abHigh, cdHigh, 1, 3), 48)
}

/**
 * Writes the 32 words of eight blocks to y (128 bytes), where the fills turn them into numbers in place. Two groups
 * of four run side by side (a, b, c, d and p, q, r, s): one alone waits for its own multiplications.
 */
@inline
function writeWords(y: usize, block: u32, key0: u32, key1: u32, stream: u32, step: u32): void {
  let a = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3))
  let p = i32x4.add(i32x4.splat(block), i32x4(4, 5, 6, 7))
  let b = i32x4.splat(0)
  let q = b
  let c = i32x4.splat(stream)
  let r = c
  let d = i32x4.splat(step)
  let s = d
  let k0 = i32x4.splat(key0)
  let k1 = i32x4.splat(key1)
  const m0 = i32x4.splat(M0)
  const m1 = i32x4.splat(M1)
  for (let round = 0; round < 10; round++) {
    const a0 = i64x2.extmul_low_i32x4_u(a, m0)
    const a1 = i64x2.extmul_high_i32x4_u(a, m0)
    const c0 = i64x2.extmul_low_i32x4_u(c, m1)
    const c1 = i64x2.extmul_high_i32x4_u(c, m1)
    a = v128.xor(v128.xor(high32(c0, c1), b), k0)
    b = low32(c0, c1)
    c = v128.xor(v128.xor(high32(a0, a1), d), k1)
    d = low32(a0, a1)
    const p0 = i64x2.extmul_low_i32x4_u(p, m0)
    const p1 = i64x2.extmul_high_i32x4_u(p, m0)
    const r0 = i64x2.extmul_low_i32x4_u(r, m1)
    const r1 = i64x2.extmul_high_i32x4_u(r, m1)
    p = v128.xor(v128.xor(high32(r0, r1), q), k0)
    q = low32(r0, r1)
    r = v128.xor(v128.xor(high32(p0, p1), s), k1)
    s = low32(p0, p1)
    k0 = i32x4.add(k0, i32x4.splat(W0))
    k1 = i32x4.add(k1, i32x4.splat(W1))
  }
  storeBlocks(y, a, b, c, d)
  storeBlocks(y + 64, p, q, r, s)
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
  for (; i + 32 <= count; i += 32) {
    writeWords(y, i >> 2, key0, key1, stream, step)
    for (const end = y + 128; y < end; y += 16) {
      v128.store(y, v128.and(i32x4.ge_u(v128.load(y), limit), kept))
    }
  }
  for (; i < count; i++, y += 4) {
    store<f32>(y, wordAt(i >> 2, i & 3, key0, key1, stream, step) >= threshold ? value : 0)
  }
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
  for (; i + 32 <= count; i += 32) {
    writeWords(y, i >> 2, key0, key1, stream, step)
    for (const end = y + 128; y < end; y += 16) {
      const words = v128.load(y)
      const upper = v128.shuffle<i32>(words, words, 2, 3, 2, 3)
      const a = f32x4.demote_f64x2_zero(f64x2.add(l, f64x2.mul(f64x2.convert_low_i32x4_u(words), w)))
      const b = f32x4.demote_f64x2_zero(f64x2.add(l, f64x2.mul(f64x2.convert_low_i32x4_u(upper), w)))
      v128.store(y, v128.shuffle<i64>(a, b, 0, 2))
    }
  }
  for (; i < count; i++, y += 4) {
    const word = wordAt(i >> 2, i & 3, key0, key1, stream, step)
    store<f32>(y, <f32>(low + <f64>word * width))
  }
}

@inline
function horner(y: v128, x: v128, term: f64): v128 {
  return f64x2.add(f64x2.mul(y, x), f64x2.splat(term))
}

/** ln(x) for x in [2^-32, 1]: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 * artanh((m - 1) / (m + 1)) */
@inline
function ln(x: v128): v128 {
  const fraction = v128.and(x, i64x2.splat(0x000fffffffffffff))
  const mantissa = v128.or(fraction, i64x2.splat(0x3ff0000000000000))
  const large = f64x2.ge(mantissa, f64x2.splat(1.4142135623730951))
  const m = v128.bitselect(f64x2.mul(mantissa, f64x2.splat(0.5)), mantissa, large)
  const exponent = i64x2.sub(i64x2.shr_u(x, 52), large) // `large` is -1 where it holds
  const biased = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(exponent, exponent, 0, 2, 0, 2))
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1)))
  const q = f64x2.mul(s, s)
  // |s| < 0.172: the first term left out is below 2^-56 of the sum
  let sum = f64x2.splat(1.0 / 21.0)
  sum = horner(sum, q, 1.0 / 19.0)
  sum = horner(sum, q, 1.0 / 17.0)
  sum = horner(sum, q, 1.0 / 15.0)
  sum = horner(sum, q, 1.0 / 13.0)
  sum = horner(sum, q, 1.0 / 11.0)
  sum = horner(sum, q, 1.0 / 9.0)
  sum = horner(sum, q, 1.0 / 7.0)
  sum = horner(sum, q, 1.0 / 5.0)
  sum = horner(sum, q, 1.0 / 3.0)
  sum = horner(sum, q, 1.0)
  const e = f64x2.mul(f64x2.sub(biased, f64x2.splat(1023)), f64x2.splat(0.6931471805599453))
  return f64x2.add(e, f64x2.mul(f64x2.mul(s, f64x2.splat(2)), sum))
}

/** A mask of the lower two lanes, each doubled to 64 bits: where any of `bits` is set in x + offset. */
@inline
function where(x: v128, offset: i32, bits: i32): v128 {
  const set = i32x4.ne(v128.and(i32x4.add(x, i32x4.splat(offset)), i32x4.splat(bits)), i32x4.splat(0))
  return v128.shuffle<i32>(set, set, 0, 0, 1, 1)
}

/** cos(2 pi word / 2^32) of the lower two words: the upper three bits name the octant, Taylor series in [0, pi / 4] */
@inline
function cosOfTurn(words: v128): v128 {
  const octant = i32x4.shr_u(words, 29)
  const rising = v128.and(words, i32x4.splat(0x1fffffff))
  const odd = i32x4.ne(v128.and(octant, i32x4.splat(1)), i32x4.splat(0))
  const fraction = v128.bitselect(i32x4.sub(i32x4.splat(0x20000000), rising), rising, odd)
  const x = f64x2.mul(f64x2.convert_low_i32x4_u(fraction), f64x2.splat(6.283185307179586 * UNIT))
  const q = f64x2.mul(x, x)
  let cos = f64x2.splat(1.0 / 20922789888000.0)
  cos = horner(cos, q, -1.0 / 87178291200.0)
  cos = horner(cos, q, 1.0 / 479001600.0)
  cos = horner(cos, q, -1.0 / 3628800.0)
  cos = horner(cos, q, 1.0 / 40320.0)
  cos = horner(cos, q, -1.0 / 720.0)
  cos = horner(cos, q, 1.0 / 24.0)
  cos = horner(cos, q, -0.5)
  cos = horner(cos, q, 1.0)
  let sin = f64x2.splat(-1.0 / 1307674368000.0)
  sin = horner(sin, q, 1.0 / 6227020800.0)
  sin = horner(sin, q, -1.0 / 39916800.0)
  sin = horner(sin, q, 1.0 / 362880.0)
  sin = horner(sin, q, -1.0 / 5040.0)
  sin = horner(sin, q, 1.0 / 120.0)
  sin = horner(sin, q, -1.0 / 6.0)
  sin = f64x2.mul(x, horner(sin, q, 1.0))
  // octants 1, 2, 5, 6 lie nearest to the sine's axis; 2 to 5 are negative
  const y = v128.bitselect(sin, cos, where(octant, 1, 2))
  return v128.xor(y, v128.and(where(octant, 2, 4), f64x2.splat(-0.0)))
}

/** Two normal numbers, as float32 in the lower lanes, from four words. */
function normalPair(words: v128, mean: f64, deviation: f64): v128 {
  const first = f64x2.convert_low_i32x4_u(v128.shuffle<i32>(words, words, 0, 2, 0, 2))
  const rest = f64x2.sub(f64x2.splat(1), f64x2.mul(first, f64x2.splat(UNIT)))
  const radius = f64x2.sqrt(f64x2.mul(f64x2.splat(-2), ln(rest)))
  const z = f64x2.mul(radius, cosOfTurn(v128.shuffle<i32>(words, words, 1, 3, 1, 3)))
  return f32x4.demote_f64x2_zero(f64x2.add(f64x2.splat(mean), f64x2.mul(f64x2.splat(deviation), z)))
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
  let i = 0
  // 32 words become 16 numbers in the first half of their own place: a number is written behind the words it needs
  for (; i + 32 <= count; i += 16, y += 64) {
    writeWords(y, i >> 1, key0, key1, stream, step)
    for (let pair: usize = 0; pair < 8; pair++) {
      v128.store64_lane(y + 8 * pair, normalPair(v128.load(y + 16 * pair), mean, deviation), 0)
    }
  }
  for (; i < count; i++, y += 4) {
    const word = (i & 1) << 1
    const first = wordAt(i >> 1, word, key0, key1, stream, step)
    const second = wordAt(i >> 1, word + 1, key0, key1, stream, step)
    const z = normalPair(i32x4.replace_lane(i32x4.splat(first), 1, second), mean, deviation)
    v128.store_lane<f32>(y, z, 0)
  }
}
