/** A tensor in memory: element type, sizes, and the elements in row-major order. Plain data, no methods. */
import { type DType, dtypes, holdsNumbers, storageLength, type TensorData } from './dtype.ts'
import { QuernError } from './errors.ts'
import { formatShape, type StaticShape, sizeOf } from './shape.ts'

export interface Tensor<D extends TensorData = TensorData> {
  readonly dtype: DType
  readonly shape: StaticShape
  readonly data: D
}

/** Wraps elements as a tensor after checking that their number and array type fit. */
export function tensor<D extends TensorData>(dtype: DType, shape: StaticShape, data: D): Tensor<D> {
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw new QuernError('input', `the sizes of a tensor must be whole numbers >= 0, received ${formatShape(shape)}`)
  }
  const expected = storageLength(dtype, sizeOf(shape))
  const array = dtypes[dtype].array
  if (array === undefined ? !Array.isArray(data) : !(data instanceof array)) {
    throw new QuernError(
      'input',
      `a ${dtype} tensor holds ${array?.name ?? 'an array of strings'}, received ${data.constructor.name}`,
    )
  }
  if (data.length !== expected) {
    throw new QuernError(
      'input',
      `a ${dtype} tensor of shape ${formatShape(shape)} has ${expected} elements, received ${data.length}`,
    )
  }
  return { dtype, shape, data }
}

/** A tensor of zeros (of empty strings for `string`). */
export function zeros(dtype: DType, shape: StaticShape): Tensor {
  const array = dtypes[dtype].array
  const length = storageLength(dtype, sizeOf(shape))
  return { dtype, shape, data: array ? new array(length) : new Array<string>(length).fill('') }
}

/** float32 tensor from numbers. */
export function float32(shape: StaticShape, values: ArrayLike<number>): Tensor<Float32Array> {
  return tensor('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values))
}

/** int64 tensor from integers. */
export function int64(shape: StaticShape, values: ArrayLike<number>): Tensor<BigInt64Array> {
  return tensor('int64', shape, BigInt64Array.from(Array.from(values, (v) => wholeNumber(v, 'int64'))))
}

/** BigInt's own message names neither the tensor nor its type. */
function wholeNumber(value: number, dtype: DType): bigint {
  if (Number.isInteger(value)) return BigInt(value)
  throw new QuernError('input', `${dtype} elements must be whole numbers, received ${value}`)
}

/**
 * Elements as JavaScript numbers. 64-bit integers beyond the safe range become the nearest safe one; strings, complex numbers and
 * types that are kept as raw bits (float16, float8, 4-bit) are refused.
 */
export function numbersOf(t: Tensor): number[] {
  const { data, dtype } = t
  if (Array.isArray(data) || !holdsNumbers(dtype)) {
    throw new QuernError('unsupported', `cannot read ${dtype} elements as numbers`)
  }
  return Array.from(data as ArrayLike<number | bigint>, (v) => {
    const n = Number(v)
    if (typeof v === 'bigint' && !Number.isSafeInteger(n)) {
      // ONNX writes "to the end" as INT64_MAX or INT64_MIN in Slice: keep the meaning, a number beyond any size.
      return n > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER
    }
    return n
  })
}

/**
 * A tensor of the dtype from plain numbers. Floats are rounded to the nearest of the type; integers lose their fraction, but for
 * 64-bit ones, which must be whole; for `bool` everything but 0 is true.
 */
export function tensorFromNumbers(dtype: DType, shape: StaticShape, values: ArrayLike<number>): Tensor {
  const array = dtypes[dtype].array
  if (!array || !holdsNumbers(dtype)) {
    throw new QuernError('unsupported', `cannot write numbers as ${dtype}`)
  }
  const data =
    array === BigInt64Array || array === BigUint64Array
      ? array.from(Array.from(values, (v) => wholeNumber(v, dtype)))
      : (array as Float32ArrayConstructor).from(
          dtype === 'bool' ? Array.from(values, (v) => (v === 0 ? 0 : 1)) : values,
        )
  return tensor(dtype, shape, data)
}
