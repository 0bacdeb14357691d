/**
 * The order of an epoch over rows that lie in a file: reading single rows from everywhere would be a seek for each, so rows are read in blocks
 * of neighbours. Blocks come in random order, as many at once as a window holds, and the rows of a window are mixed: neighbours in the file end
 * up far apart, and each block is read once in an epoch.
 */
import type { Random } from '../core/random.ts'

/** Bytes of neighbouring rows that are read at once. */
const blockBytes = 1 << 15
/** Bytes of rows that are mixed with each other. */
const windowBytes = 1 << 25

export interface Blocks {
  /** rows of a block */
  readonly rows: number
  /** blocks of a window */
  readonly window: number
}

/** How rows of a width are read. */
export function blocksOf(rowBytes: number): Blocks {
  const rows = Math.max(1, Math.floor(blockBytes / rowBytes))
  return { rows, window: Math.max(4, Math.floor(windowBytes / (rows * rowBytes))) }
}

/** Puts storage rows into a random order that reads blocks once; rows may occur more than once. In place. */
export function shuffleBlocks(rows: Int32Array, { rows: size, window }: Blocks, random: Random): Int32Array {
  const sorted = rows.slice().sort()
  // Where the rows of each block that occurs begin, and one more.
  const starts: number[] = []
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || Math.floor(sorted[i]! / size) !== Math.floor(sorted[i - 1]! / size)) starts.push(i)
  }
  starts.push(sorted.length)
  const order = random.fork('blocks').shuffle(Int32Array.from({ length: starts.length - 1 }, (_, i) => i))
  let at = 0
  for (let first = 0; first < order.length; first += window) {
    const begun = at
    for (const block of order.subarray(first, first + window)) {
      rows.set(sorted.subarray(starts[block]!, starts[block + 1]!), at)
      at += starts[block + 1]! - starts[block]!
    }
    random.fork('window').fork(first).shuffle(rows.subarray(begun, at))
  }
  return rows
}
