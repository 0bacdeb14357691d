/**
 * Copies rows of a column into an array of the caller's, typically a view on the WebAssembly memory that the
 * runtime reads in place.
 */
import { dtypes, type NumericArray } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Blocks } from './block-order.ts'
import { exampleSize, type StoredColumn } from './dataset.ts'

/** Copies `count` rows, `rows[from]` and on, to the beginning of the target. */
export type Gather = (rows: Int32Array, from: number, count: number) => void

/** Below this many elements a loop is faster than a view and a block copy (measured: 16 on V8). */
const shortRow = 16

function copyShortRows<A extends NumericArray>(
  source: A,
  target: A,
  length: number,
  rows: Int32Array,
  from: number,
  count: number,
): void {
  let t = 0
  for (let i = 0; i < count; i++) {
    let s = rows[from + i]! * length
    for (const end = t + length; t < end; ) target[t++] = source[s++]!
  }
}

/** Block copies; the short-lived views are all that is allocated. */
function copyLongRows(
  source: Uint8Array,
  target: Uint8Array,
  bytes: number,
  rows: Int32Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const start = rows[from + i]! * bytes
    target.set(source.subarray(start, start + bytes), i * bytes)
  }
}

const bytesOf = (a: NumericArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

/**
 * A function that gathers rows of `column` into `target`. The array type must be the column's own; the number of rows
 * that fit is the capacity. Errors name the column.
 */
export function createGather(name: string, column: Tensor, target: NumericArray): Gather {
  const source = column.data
  if (Array.isArray(source)) {
    throw new QuernError('unsupported', `column '${name}' holds strings: encode it before it is batched`)
  }
  if (!(target instanceof dtypes[column.dtype].array!)) {
    throw new QuernError(
      'input',
      `column '${name}' is ${column.dtype} and gathers into ${source.constructor.name}, received ${target.constructor.name}`,
    )
  }
  // 4-bit columns pack two elements into a byte, so count what a row takes in memory, not its elements.
  const stored = column.shape[0]!
  const rowLength = stored === 0 ? exampleSize(column) : source.length / stored
  if (!Number.isInteger(rowLength)) {
    throw new QuernError('unsupported', `rows of column '${name}' (${column.dtype}) do not begin at whole bytes`)
  }
  const rowBytes = rowLength * source.BYTES_PER_ELEMENT
  const long = rowLength > shortRow
  const [from, to] = [bytesOf(source), bytesOf(target)]
  return (rows, first, count) => {
    if (count * rowBytes > to.length) {
      const why = to.length === 0 && target.length === 0 ? ' (was its memory grown or freed?)' : ''
      throw new QuernError(
        'input',
        `${count} rows of column '${name}' need ${count * rowLength} elements, the target holds ${target.length}${why}`,
      )
    }
    if (long) copyLongRows(from, to, rowBytes, rows, first, count)
    else copyShortRows(source, target, rowLength, rows, first, count)
  }
}

/**
 * As `createGather`, from a file. The last `window` blocks that were read are kept, so that rows in the order of `shuffleBlocks`, and rows one after
 * the other, read each block once.
 */
export function gatherStored(
  name: string,
  column: StoredColumn,
  target: NumericArray,
  { rows: size, window }: Blocks,
): Gather {
  if (!(target instanceof dtypes[column.dtype].array!)) {
    throw new QuernError('input', `column '${name}' is ${column.dtype}, received ${target.constructor.name}`)
  }
  const rowBytes = exampleSize(column) * target.BYTES_PER_ELEMENT
  const stored = column.shape[0]!
  const to = bytesOf(target)
  /** place in `kept` by block; -1: not read */
  const places = new Int32Array(Math.ceil(stored / size)).fill(-1)
  const kept: { block: number; bytes: Uint8Array }[] = []
  let oldest = 0
  const read = (block: number): Uint8Array => {
    const first = block * size
    const isFull = kept.length >= window
    const place = isFull ? oldest : kept.length
    const slot = kept[place] ?? { block, bytes: new Uint8Array(size * rowBytes) }
    if (isFull) [places[slot.block], oldest] = [-1, (oldest + 1) % window]
    column.read(first, Math.min(size, stored - first), slot.bytes)
    slot.block = block
    kept[place] = slot
    places[block] = place
    return slot.bytes
  }
  return (rows, first, count) => {
    for (let i = 0; i < count; i++) {
      const row = rows[first + i]!
      const block = Math.floor(row / size)
      const place = places[block]!
      const bytes = place < 0 ? read(block) : kept[place]!.bytes
      const start = (row - block * size) * rowBytes
      to.set(bytes.subarray(start, start + rowBytes), i * rowBytes)
    }
  }
}
