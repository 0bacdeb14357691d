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

/** High 32 bits of the unsigned product of two 32-bit numbers; in whole numbers of 32 bits throughout. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const low = Math.imul(aLow, bLow) >>> 16
  const mid1 = (Math.imul(aHigh, bLow) + low) >>> 0
  const mid2 = (Math.imul(aLow, bHigh) + (mid1 & 0xffff)) >>> 0
  return (Math.imul(aHigh, bHigh) + (mid1 >>> 16) + (mid2 >>> 16)) >>> 0
}

/** Writes one block of four 32-bit words for the counter [c0, c1, c2, c3] and the key [k0, k1]. */
function writeBlock(into: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number): void {
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(M0, c0)
    const l0 = Math.imul(M0, c0)
    const h1 = mulHigh(M1, c2)
    const l1 = Math.imul(M1, c2)
    c0 = h1 ^ c1 ^ k0
    c1 = l1
    c2 = h0 ^ c3 ^ k1
    c3 = l0
    k0 = (k0 + W0) | 0
    k1 = (k1 + W1) | 0
  }
  into[0] = c0
  into[1] = c1
  into[2] = c2
  into[3] = c3
}

/** One block of four 32-bit words for a 128-bit counter and a 64-bit key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const block = new Uint32Array(4)
  writeBlock(block, ...counter, ...key)
  return [...block] as [number, number, number, number]
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
  const [keyLow, keyHigh] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]
  // One piece of memory for all blocks: millions of initial values are drawn, and an array for each block is garbage that V8's young generation grows by, for good.
  const block = new Uint32Array(4)
  let word = 4
  let [countLow, countHigh] = [0, 0]
  const random: Random = {
    seed,
    stream,
    fork: (name) => createRandom(seed, hashName(`${stream}/${name}`)),
    uint32() {
      if (word === 4) {
        writeBlock(block, countLow, countHigh, stream, 0, keyLow, keyHigh)
        word = 0
        countLow = (countLow + 1) | 0
        if (countLow === 0) countHigh++
      }
      return block[word++]!
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
