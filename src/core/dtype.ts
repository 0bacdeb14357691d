/**
 * Element types of tensors: the names, the codes that ONNX gives them (TensorProto.DataType, onnx.proto) and
 * how each is laid out in memory. One row here is the whole definition of a type.
 */

/** Numeric arrays. Types without a native array keep their raw bits (float16: 16-bit words). */
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

/** What can hold the elements of a tensor. */
export type TensorData = NumericArray | string[]

export type DType =
  | 'float32'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'string'
  | 'bool'
  | 'float16'
  | 'float64'
  | 'uint32'
  | 'uint64'
  | 'complex64'
  | 'complex128'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'uint4'
  | 'int4'
  | 'float4e2m1'

type TypedArrayConstructor =
  | Float32ArrayConstructor
  | Float64ArrayConstructor
  | Int8ArrayConstructor
  | Uint8ArrayConstructor
  | Int16ArrayConstructor
  | Uint16ArrayConstructor
  | Int32ArrayConstructor
  | Uint32ArrayConstructor
  | BigInt64ArrayConstructor
  | BigUint64ArrayConstructor

export interface DTypeRow {
  /** TensorProto.DataType */
  readonly code: number
  /** bits of one element; 0 for strings */
  readonly bits: number
  /** array that holds the elements (or their raw bits); undefined for strings */
  readonly array: TypedArrayConstructor | undefined
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'string' | 'complex'
}

export const dtypes: Readonly<Record<DType, DTypeRow>> = {
  float32: { code: 1, bits: 32, array: Float32Array, kind: 'float' },
  uint8: { code: 2, bits: 8, array: Uint8Array, kind: 'uint' },
  int8: { code: 3, bits: 8, array: Int8Array, kind: 'int' },
  uint16: { code: 4, bits: 16, array: Uint16Array, kind: 'uint' },
  int16: { code: 5, bits: 16, array: Int16Array, kind: 'int' },
  int32: { code: 6, bits: 32, array: Int32Array, kind: 'int' },
  int64: { code: 7, bits: 64, array: BigInt64Array, kind: 'int' },
  string: { code: 8, bits: 0, array: undefined, kind: 'string' },
  bool: { code: 9, bits: 8, array: Uint8Array, kind: 'bool' },
  float16: { code: 10, bits: 16, array: Uint16Array, kind: 'float' },
  float64: { code: 11, bits: 64, array: Float64Array, kind: 'float' },
  uint32: { code: 12, bits: 32, array: Uint32Array, kind: 'uint' },
  uint64: { code: 13, bits: 64, array: BigUint64Array, kind: 'uint' },
  complex64: { code: 14, bits: 64, array: Float32Array, kind: 'complex' },
  complex128: { code: 15, bits: 128, array: Float64Array, kind: 'complex' },
  bfloat16: { code: 16, bits: 16, array: Uint16Array, kind: 'float' },
  float8e4m3fn: { code: 17, bits: 8, array: Uint8Array, kind: 'float' },
  float8e4m3fnuz: { code: 18, bits: 8, array: Uint8Array, kind: 'float' },
  float8e5m2: { code: 19, bits: 8, array: Uint8Array, kind: 'float' },
  float8e5m2fnuz: { code: 20, bits: 8, array: Uint8Array, kind: 'float' },
  uint4: { code: 21, bits: 4, array: Uint8Array, kind: 'uint' },
  int4: { code: 22, bits: 4, array: Uint8Array, kind: 'int' },
  float4e2m1: { code: 23, bits: 4, array: Uint8Array, kind: 'float' },
}

const nameOfCode = new Map<number, DType>(Object.entries(dtypes).map(([name, row]) => [row.code, name as DType]))

/** The dtype with an ONNX code, or undefined when the code is unknown. */
export function dtypeFromCode(code: number): DType | undefined {
  return nameOfCode.get(code)
}

export function isFloat(dtype: DType): boolean {
  return dtypes[dtype].kind === 'float'
}

/** Types that stand for real numbers when a scale goes with them: integers of up to 16 bits, floats of up to 8. */
export function isQuantized(dtype: DType): boolean {
  const { bits, kind } = dtypes[dtype]
  return kind === 'float' ? bits <= 8 : (kind === 'int' || kind === 'uint') && bits <= 16
}

/** True when an element of the array is an element of the tensor as a number: not a string, raw bits or half a complex number. */
export function holdsNumbers(dtype: DType): boolean {
  const { array, bits, kind } = dtypes[dtype]
  const isRaw = kind === 'float' && bits < 32
  return array !== undefined && kind !== 'complex' && bits >= 8 && !isRaw
}

/** Array elements that `count` tensor elements take: two for a complex number, half of one for a 4-bit number. */
export function storageLength(dtype: DType, count: number): number {
  const { bits, kind } = dtypes[dtype]
  if (bits === 4) return Math.ceil(count / 2)
  return kind === 'complex' ? count * 2 : count
}

/** Bytes that `count` elements take in memory and in ONNX's raw_data; not defined for strings. */
export function byteLength(dtype: DType, count: number): number {
  return Math.ceil((dtypes[dtype].bits * count) / 8)
}
