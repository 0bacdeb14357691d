/**
 * Tensors from messages. Sizes are compared with the bytes at hand before anything is allocated, so a file that claims
 * a million times what it holds costs nothing.
 */
import { byteLength, type DType, dtypeFromCode, dtypes, storageLength } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, sizeOf } from '../core/shape.ts'
import { type Tensor, zeros } from '../core/tensor.ts'
import { externalLocation } from './codes.ts'
import { checkLocation } from './external.ts'
import type { SparseTensorProto, TensorProto } from './generated/onnx_pb.ts'

/** Bytes of the side files that a model names, by location. */
export type SideFiles = ReadonlyMap<string, Uint8Array>

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Elements of a dense copy of a sparse tensor; more than this is refused. */
const sparseLimit = 2 ** 28

/** The tensor of a message; `what` names it in errors ("initializer 'w'"). */
export function tensorFromProto(message: TensorProto, files: SideFiles, what: string): Tensor {
  const dtype = dtypeOfCode(message.dataType, what)
  const shape = sizesFromProto(message.dims, what)
  const count = sizeOf(shape)
  if (!Number.isSafeInteger(count)) fail(what, `has the shape ${formatShape(shape)}, more elements than can be counted`)
  if (message.segment) fail(what, 'is one segment of a tensor, expected a whole one')
  if (message.dataLocation === externalLocation) {
    if (dtype === 'string') fail(what, 'keeps strings in a side file, expected them in the model')
    return tensorOver(dtype, shape, externalBytes(message, byteLength(dtype, count), files, what))
  }
  const field = filledField(message, what)
  if (field === undefined && count > 0) {
    fail(what, `must have ${count} elements of ${dtype} for its shape ${formatShape(shape)}, received none`)
  }
  if (field === undefined) return zeros(dtype, shape)
  if (field === 'rawData' && dtype !== 'string') return tensorFromBytes(dtype, shape, message.rawData, what)
  const wanted = fieldOf(dtype)
  if (field !== wanted)
    fail(what, `is ${dtype} and keeps its elements in '${field}', expected 'rawData' or '${wanted}'`)
  const elements = message[wanted]
  const length = dtype === 'string' ? count : storageLength(dtype, count)
  if (elements.length !== length) {
    fail(
      what,
      `must have ${length} elements of ${dtype} for its shape ${formatShape(shape)}, received ${elements.length}`,
    )
  }
  return { dtype, shape, data: elementsFromList(dtype, elements, what) }
}

/** Dimensions as numbers: none negative, none beyond what a number counts exactly. */
export function sizesFromProto(dims: readonly bigint[], what: string): number[] {
  return dims.map((dim) => {
    const size = Number(dim)
    if (size < 0 || !Number.isSafeInteger(size)) fail(what, `has a dimension ${dim}, expected 0 or more`)
    return size
  })
}

export function dtypeOfCode(code: number, what: string): DType {
  return dtypeFromCode(code) ?? fail(what, `has the element type ${code}, expected a code from 1 to 23`)
}

type ListField = 'floatData' | 'int32Data' | 'stringData' | 'int64Data' | 'doubleData' | 'uint64Data'
const listFields: readonly ListField[] = [
  'floatData',
  'int32Data',
  'stringData',
  'int64Data',
  'doubleData',
  'uint64Data',
]

/** The list that holds a type's elements when they are not in raw_data. */
function fieldOf(dtype: DType): ListField {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'floatData'
    case 'float64':
    case 'complex128':
      return 'doubleData'
    case 'int64':
      return 'int64Data'
    case 'uint32':
    case 'uint64':
      return 'uint64Data'
    case 'string':
      return 'stringData'
    default:
      return 'int32Data'
  }
}

/** The one field that has elements. */
function filledField(message: TensorProto, what: string): ListField | 'rawData' | undefined {
  const filled: (ListField | 'rawData')[] = listFields.filter((field) => message[field].length > 0)
  if (message.rawData.length > 0) filled.push('rawData')
  if (filled.length > 1) fail(what, `keeps its elements in ${filled.join(' and ')}, expected one of them`)
  return filled[0]
}

/** A view where the elements lie at a multiple of their size, as exporters align them: a side file is in memory once. */
function tensorOver(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const array = dtypes[dtype].array ?? Uint8Array
  const { BYTES_PER_ELEMENT: size } = array
  const {
    buffer,
    byteOffset,
    byteLength: length,
  } = bytes.byteOffset % size === 0 ? bytes : Uint8Array.prototype.slice.call(bytes)
  return { dtype, shape, data: new array(buffer as ArrayBuffer, byteOffset, length / size) }
}

/** A copy, since raw_data begins at any byte of the file and typed arrays begin at multiples of their element's size. */
function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array, what: string): Tensor {
  const expected = byteLength(dtype, sizeOf(shape))
  if (bytes.byteLength !== expected) {
    fail(what, `must have ${expected} bytes for ${dtype}${formatShape(shape)}, received ${bytes.byteLength}`)
  }
  const { buffer } = Uint8Array.prototype.slice.call(bytes)
  const array = dtypes[dtype].array ?? Uint8Array
  return { dtype, shape, data: new array(buffer) }
}

function elementsFromList(dtype: DType, list: TensorProto[ListField], what: string): Tensor['data'] {
  const array = dtypes[dtype].array
  if (!array) return (list as Uint8Array[]).map((bytes) => text(bytes, what))
  if (dtype === 'bool') return Uint8Array.from(list as number[], (v) => (v === 0 ? 0 : 1))
  if (dtype === 'uint32') return Uint32Array.from(list as bigint[], Number)
  return (array as { from(list: ArrayLike<unknown>): Exclude<Tensor['data'], string[]> }).from(list)
}

function text(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return fail(what, 'holds a string that is not UTF-8')
  }
}

/** Where a tensor's elements lie in a side file, checked to stay in the model's folder. */
export function externalPlace(
  message: TensorProto,
  what: string,
): { location: string; offset: number; length?: number } {
  const place = new Map(message.externalData.map(({ key, value }) => [key, value]))
  const number = (key: string): number | undefined => {
    const given = place.get(key)
    if (given === undefined) return undefined
    const value = Number(given)
    if (!/^\d+$/.test(given) || !Number.isSafeInteger(value)) {
      fail(what, `has the external ${key} '${given}', expected a number of bytes`)
    }
    return value
  }
  const length = number('length')
  const location = checkLocation(place.get('location') ?? '', what)
  return { location, offset: number('offset') ?? 0, ...(length === undefined ? {} : { length }) }
}

function externalBytes(message: TensorProto, expected: number, files: SideFiles, what: string): Uint8Array {
  const { location, offset, length = expected } = externalPlace(message, what)
  const file = files.get(location)
  if (!file) return fail(what, `lies in '${location}', which was not given`)
  if (length !== expected) fail(what, `must have ${expected} bytes for its shape, its external length is ${length}`)
  if (offset + length > file.byteLength) {
    fail(what, `lies at bytes ${offset} to ${offset + length} of '${location}', which has ${file.byteLength}`)
  }
  return file.subarray(offset, offset + length)
}

/**
 * The dense tensor of a sparse one. Indices are positions in the flat tensor ([count]) or coordinates ([count, rank]).
 */
export function denseFromSparse(message: SparseTensorProto, files: SideFiles, what: string): Tensor {
  if (!message.values || !message.indices) return fail(what, 'is sparse and lacks values or indices')
  const values = tensorFromProto(message.values, files, `the values of ${what}`)
  const indices = tensorFromProto(message.indices, files, `the indices of ${what}`)
  const shape = sizesFromProto(message.dims, what)
  if (sizeOf(shape) > sparseLimit)
    fail(what, `is sparse of shape ${formatShape(shape)}, more than ${sparseLimit} elements`)
  if (values.dtype === 'string' || dtypes[values.dtype].bits < 8) fail(what, `is sparse of ${values.dtype}`)
  if (!(indices.data instanceof BigInt64Array)) return fail(what, `has indices of ${indices.dtype}, expected int64`)
  const dense = zeros(values.dtype, shape)
  const count = sizeOf(values.shape)
  const width = indices.shape.length === 2 ? shape.length : 1
  if (indices.data.length !== count * width) {
    fail(what, `must have ${count * width} indices, received ${indices.data.length}`)
  }
  const step = storageLength(values.dtype, 1)
  for (let i = 0; i < count; i++) {
    let at = 0
    for (let d = 0; d < width; d++) {
      const index = Number(indices.data[i * width + d])
      const limit = width === 1 ? sizeOf(shape) : (shape[d] ?? 0)
      if (index < 0 || index >= limit) fail(what, `has the index ${index}, expected 0 to ${limit - 1}`)
      at = width === 1 ? index : at * limit + index
    }
    const element = values.data.slice(i * step, (i + 1) * step) as Float32Array
    ;(dense.data as Float32Array).set(element, at * step)
  }
  return dense
}

function fail(what: string, problem: string): never {
  throw new QuernError('input', `${what} ${problem}`, {
    hint: 'The file is damaged or was written wrongly: export it again.',
  })
}
