/** A tensor in memory: element type, sizes, and the elements in row-major order. Plain data, no methods. */
import { type DType, dtypes, storageLength, type TensorData } from './dtype.ts'
import { QuernError } from './errors.ts'
import { formatShape, type StaticShape, sizeOf } from './shape.ts'

export interface Tensor<D extends TensorData = TensorData> {
  readonly dtype: DType
  readonly shape: StaticShape
  readonly data: D
}

/** Wraps elements as a tensor after checking that their number and array type fit. */
export function tensor<D extends TensorData>(dtype: DType, shape: StaticShape, data: D): Tensor<D> {
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
  return tensor('int64', shape, BigInt64Array.from(Array.from(values, (v) => BigInt(v))))
}

/** Elements as JavaScript numbers; 64-bit integers outside the safe range are refused, strings and raw-bit types too. */
export function numbersOf(t: Tensor): number[] {
  const { data, dtype } = t
  if (Array.isArray(data) || dtype === 'float16' || dtype === 'bfloat16' || dtypes[dtype].bits < 8) {
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

/** A tensor of the dtype from plain numbers, rounded as the dtype demands. */
export function tensorFromNumbers(dtype: DType, shape: StaticShape, values: ArrayLike<number>): Tensor {
  const array = dtypes[dtype].array
  if (!array || dtype === 'float16' || dtype === 'bfloat16' || dtypes[dtype].bits < 8) {
    throw new QuernError('unsupported', `cannot write numbers as ${dtype}`)
  }
  const data =
    array === BigInt64Array || array === BigUint64Array
      ? array.from(Array.from(values, (v) => BigInt(v)))
      : (array as Float32ArrayConstructor).from(values)
  return tensor(dtype, shape, data)
}
