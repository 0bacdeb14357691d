/**
 * Copies rows of a column into an array of the caller's, typically a view on the WebAssembly memory that the
 * runtime reads in place. The views for the copy are made once, so that a step allocates nothing.
 */
import { dtypes } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import { exampleSize } from './dataset.ts'

/** Numeric arrays: everything a column can hold but strings. */
export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/** Copies `count` rows, `rows[from]` and on, to the beginning of the target. */
export type Gather = (rows: Int32Array, from: number, count: number) => void

type Words = Int32Array | Int16Array | Uint8Array

/** Views of both memories in the widest words that the row length and both addresses allow. Integers: floats may lose NaN bits. */
function widestViews(source: NumericArray, target: NumericArray, rowBytes: number): [Words, Words] {
  const fits = (bytes: number): boolean =>
    (source.byteOffset | source.byteLength | target.byteOffset | target.byteLength | rowBytes) % bytes === 0
  const view = (a: NumericArray): Words => {
    if (fits(4)) return new Int32Array(a.buffer, a.byteOffset, a.byteLength / 4)
    if (fits(2)) return new Int16Array(a.buffer, a.byteOffset, a.byteLength / 2)
    return new Uint8Array(a.buffer, a.byteOffset, a.byteLength)
  }
  return [view(source), view(target)]
}

function copyRows(source: Words, target: Words, words: number, rows: Int32Array, from: number, count: number): void {
  let t = 0
  for (let i = 0; i < count; i++) {
    let s = rows[from + i]! * words
    const end = t + words
    while (t < end) target[t++] = source[s++]!
  }
}

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
  const [from, to] = widestViews(source, target, rowLength * source.BYTES_PER_ELEMENT)
  const words = (rowLength * source.BYTES_PER_ELEMENT) / to.BYTES_PER_ELEMENT
  return (rows, first, count) => {
    if (count * words > to.length) {
      const why = to.length === 0 && target.length === 0 ? ' (was its memory grown or freed?)' : ''
      throw new QuernError(
        'input',
        `${count} rows of column '${name}' need ${count * rowLength} elements, the target holds ${target.length}${why}`,
      )
    }
    copyRows(from, to, words, rows, first, count)
  }
}
