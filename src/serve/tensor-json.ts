/** Tensors as the Open Inference Protocol writes them in JSON: names of types, flat or nested elements, checked ranges. */
import type { DType } from '../core/dtype.ts'
import { dtypes } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

/** The protocol's names of element types that JSON can carry. */
export const datatypes: Readonly<Partial<Record<DType, string>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
}

/** The protocol's name of a type; 'FP16' and others, which need the binary form, are named all the same. */
export function datatypeOf(dtype: string): string {
  return datatypes[dtype as DType] ?? (dtype === 'float16' ? 'FP16' : dtype.toUpperCase())
}

const largestFloat32 = 3.4028234663852886e38

/** What elements of a type must be, and how that is said when one is not. */
interface Elements {
  readonly words: string
  fits(value: unknown): boolean
}

/** Made once for a tensor: it is asked for each element. */
function elementsOf(dtype: DType): Elements {
  const { kind, bits } = dtypes[dtype]
  if (kind === 'string') return { words: 'a text', fits: (value) => typeof value === 'string' }
  if (kind === 'bool') {
    return { words: 'true or false', fits: (value) => typeof value === 'boolean' || value === 0 || value === 1 }
  }
  if (kind === 'float') {
    const limit = dtype === 'float32' ? largestFloat32 : Number.MAX_VALUE
    const fits = (value: unknown): boolean => typeof value === 'number' && Math.abs(value) <= limit
    return { words: `a finite number of ${bits} bits`, fits }
  }
  // 64-bit integers come as JSON numbers, which are exact up to 2^53.
  const high = Math.min(Number.MAX_SAFE_INTEGER, 2 ** (kind === 'uint' ? bits : bits - 1) - 1)
  const low = kind === 'uint' ? 0 : Math.max(Number.MIN_SAFE_INTEGER, -(2 ** (bits - 1)))
  return {
    words: `a whole number from ${low} to ${high}`,
    fits: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  }
}

/**
 * A tensor from a JSON array: flat in row-major order, or nested as the shape says. The number of elements is compared with the
 * shape before memory is taken for them.
 *
 * @param what names the tensor in messages
 */
export function tensorFromJson(dtype: DType, shape: readonly number[], data: readonly unknown[], what: string): Tensor {
  const isNested = Array.isArray(data[0])
  const expected = sizeOf(shape)
  if (!isNested && data.length !== expected) {
    throw new QuernError(
      'input',
      `${what} of shape ${formatShape(shape)} needs ${expected} elements, received ${data.length}`,
    )
  }
  const flat = isNested ? flatten(data, shape, what) : data
  const { array, kind } = dtypes[dtype]
  if (datatypes[dtype] === undefined) throw new QuernError('unsupported', `${what}: JSON cannot carry ${dtype}`)
  const fill = array ? new array(expected) : new Array<string>(expected)
  const isBig = array === BigInt64Array || array === BigUint64Array
  const { words, fits } = elementsOf(dtype)
  for (let i = 0; i < expected; i++) {
    const value = flat[i]
    if (!fits(value)) {
      const must = kind !== 'string' && kind !== 'bool' && typeof value !== 'number' ? 'a number' : words
      throw new QuernError('input', `${what}: element ${i} must be ${must}, received ${shown(value)}`)
    }
    fill[i] = (isBig ? BigInt(value as number) : value) as never
  }
  return { dtype, shape, data: fill }
}

/** Elements of nested arrays, whose lengths must be those of the shape. No deeper than the shape is long. */
function flatten(data: readonly unknown[], shape: readonly number[], what: string): unknown[] {
  const flat: unknown[] = []
  const visit = (level: unknown, axis: number): void => {
    if (axis === shape.length) {
      flat.push(level)
      return
    }
    if (!Array.isArray(level) || level.length !== shape[axis]) {
      const found = Array.isArray(level) ? `an array of ${level.length}` : shown(level)
      throw new QuernError(
        'input',
        `${what} of shape ${formatShape(shape)}: axis ${axis} needs arrays of ${shape[axis]}, received ${found}`,
      )
    }
    for (const inner of level) visit(inner, axis + 1)
  }
  visit(data, 0)
  return flat
}

/** Lengths of nested arrays along their first elements; `flatten` sees to the rest. */
export function shapeOfNested(data: unknown): number[] {
  const shape: number[] = []
  let level = data
  while (Array.isArray(level)) {
    shape.push(level.length)
    level = level[0]
  }
  return shape
}

/** Elements for JSON, flat. Numbers that JSON has no word for (NaN, infinities) are an error, never null. */
export function jsonFromTensor({ dtype, data }: Tensor, what: string): unknown[] {
  if (Array.isArray(data)) return data
  if (dtype === 'bool') return Array.from(data as Uint8Array, (value) => value !== 0)
  const numbers = new Array<number>(data.length)
  for (let i = 0; i < data.length; i++) {
    const number = Number(data[i])
    if (!Number.isFinite(number)) throw new QuernError('numeric', `${what} holds ${number}`)
    numbers[i] = number
  }
  return numbers
}

function shown(value: unknown): string {
  // A number such as 1e999 is infinite here, which JSON has no word for.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing')
  return text.length > 40 ? `${text.slice(0, 37)}...` : text
}
