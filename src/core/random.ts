/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 * A draw is a pure function of (seed, stream, index), so a resumed run repeats the uninterrupted one, and two
 * places never share numbers unless they share a stream name.
 */
import { QuernError } from './errors.ts'

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

/** High 32 bits of the unsigned product of two 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const low = aLow * bLow
  const mid1 = aHigh * bLow + (low >>> 16)
  const mid2 = aLow * bHigh + (mid1 & 0xffff)
  return (aHigh * bHigh + (mid1 >>> 16) + (mid2 >>> 16)) >>> 0
}

/** One block of four 32-bit words for a 128-bit counter and a 64-bit key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(M0, c0)
    const l0 = Math.imul(M0, c0) >>> 0
    const h1 = mulHigh(M1, c2)
    const l1 = Math.imul(M1, c2) >>> 0
    c0 = (h1 ^ c1 ^ k0) >>> 0
    c1 = l1
    c2 = (h0 ^ c3 ^ k1) >>> 0
    c3 = l0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  return [c0, c1, c2, c3]
}

/** 32-bit FNV-1a hash of a stream name, so that places are told apart by name. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** A stream of random numbers. `fork(name)` gives an independent stream; forking costs nothing and draws nothing. */
export interface Random {
  readonly seed: number
  /** the stream's 32-bit id, a hash of its path of names */
  readonly stream: number
  fork(name: string | number): Random
  /** next unsigned 32-bit integer */
  uint32(): number
  /** next number in [0, 1), 32 random bits */
  uniform(): number
  /** next standard normal number (Box-Muller) */
  normal(): number
  /** next integer in [0, below), without modulo bias; `below` is a whole number from 1 to 2^32 */
  integer(below: number): number
  /** shuffles in place (Fisher-Yates) and returns the same array */
  shuffle<A extends { length: number; [index: number]: unknown }>(items: A): A
}

/** A random stream for a seed, an integer of up to 53 bits. */
export function createRandom(seed: number, stream = 0): Random {
  if (!Number.isSafeInteger(seed))
    throw new QuernError('input', `a seed is a whole number of up to 53 bits, received ${seed}`)
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const
  let block: number[] = []
  let index = 0
  const random: Random = {
    seed,
    stream,
    fork: (name) => createRandom(seed, hashName(`${stream}/${name}`)),
    uint32() {
      const word = index % 4
      if (word === 0) {
        const count = index / 4
        block = philox4x32([count >>> 0, Math.floor(count / 2 ** 32) >>> 0, stream, 0], key)
      }
      index++
      return block[word]!
    },
    uniform: () => random.uint32() / 2 ** 32,
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
      return radius * Math.cos(2 * Math.PI * random.uniform())
    },
    integer(below) {
      if (!(Number.isInteger(below) && below >= 1 && below <= 2 ** 32)) {
        throw new QuernError(
          'input',
          `a random integer is drawn below a whole number from 1 to 2^32, received ${below}`,
        )
      }
      const limit = 2 ** 32 - (2 ** 32 % below)
      let word = random.uint32()
      while (word >= limit) word = random.uint32()
      return word % below
    },
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = random.integer(i + 1)
        const held = items[i]
        items[i] = items[j]
        items[j] = held
      }
      return items
    },
  }
  return random
}
