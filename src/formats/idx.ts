/**
 * IDX, the format of the MNIST files (http://yann.lecun.com/exdb/mnist, "file formats"): two zero bytes, a type
 * code, the rank, one big-endian uint32 for each dimension, then the elements, row-major and big-endian.
 * Knows bytes only; reading files and gzip is the source's work.
 */
import { byteLength, type DType, dtypes, type TensorData } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, type StaticShape } from '../core/shape.ts'
import { type Tensor, tensor } from '../core/tensor.ts'

const typeCodes = new Map<number, DType>([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
])

export interface IdxHeader {
  readonly dtype: DType
  readonly shape: StaticShape
  /** bytes before the first element */
  readonly headerBytes: number
  /** bytes of the whole file; Infinity when the dimensions overflow */
  readonly totalBytes: number
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ')

/** What a file that is not IDX seems to be, from its first bytes. */
function guess(bytes: Uint8Array): string {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return ' (a gzip file: unpack it first)'
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return ' (a PNG picture)'
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return ' (a zip file)'
  if (bytes[0] === 0x93 && bytes[1] === 0x4e) return ' (a NumPy file)'
  return ''
}

/** Reads and checks the header alone; `bytes` may be the beginning of a file. */
export function readIdxHeader(bytes: Uint8Array, name = 'IDX data'): IdxHeader {
  if (bytes.length < 4) {
    throw new QuernError('input', `${name} is truncated: an IDX header has at least 4 bytes, received ${bytes.length}`)
  }
  const dtype = typeCodes.get(bytes[2]!)
  if (bytes[0] !== 0 || bytes[1] !== 0 || !dtype) {
    const magic = hex(bytes.subarray(0, 4))
    throw new QuernError(
      'input',
      `${name} is not an IDX file: expected 00 00, a type (08, 09, 0b, 0c, 0d or 0e) and the rank, ` +
        `received ${magic}${guess(bytes)}`,
      { hint: 'Check that the path names an images or labels file such as train-images-idx3-ubyte.' },
    )
  }
  const rank = bytes[3]!
  const headerBytes = 4 + 4 * rank
  if (bytes.length < headerBytes) {
    throw new QuernError(
      'input',
      `${name} is truncated: the header of rank ${rank} has ${headerBytes} bytes, received ${bytes.length}`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  // A product beyond 2^53 is not exact, so it is called Infinity: no file is that long.
  const count = shape.includes(0) ? 0 : shape.reduce((product, dim) => product * dim, 1)
  const totalBytes = headerBytes + byteLength(dtype, count)
  return { dtype, shape, headerBytes, totalBytes: Number.isSafeInteger(totalBytes) ? totalBytes : Infinity }
}

/** Refuses a length that is not what the header says; called before anything is allocated. */
export function checkIdxLength(header: IdxHeader, received: number, name = 'IDX data'): void {
  const { totalBytes } = header
  if (received === totalBytes) return
  const expected = Number.isFinite(totalBytes) ? `${totalBytes} bytes` : 'more bytes than any file has'
  const what = `${header.dtype} ${formatShape(header.shape)}`
  throw new QuernError(
    'input',
    received < totalBytes
      ? `${name} is truncated: ${what} needs ${expected}, received ${received}`
      : `${name} has ${received - totalBytes} bytes too many: ${what} needs ${expected}, received ${received}`,
    { hint: 'The file is damaged or was cut while it was copied; fetch it again.' },
  )
}

/** Elements as the machine's numbers. One-byte types share the memory of `bytes`; wider ones are copied and swapped. */
function elements(dtype: DType, bytes: Uint8Array): TensorData {
  if (dtype === 'uint8') return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (dtype === 'int8') return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = dtypes[dtype].bits / 8
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new (dtypes[dtype].array as Float32ArrayConstructor)(bytes.length / size)
  const read: (offset: number) => number =
    dtype === 'int16'
      ? (o) => view.getInt16(o)
      : dtype === 'int32'
        ? (o) => view.getInt32(o)
        : dtype === 'float32'
          ? (o) => view.getFloat32(o)
          : (o) => view.getFloat64(o)
  for (let i = 0; i < out.length; i++) out[i] = read(i * size)
  return out
}

/**
 * The tensor in an IDX file. `name` is what errors call it. uint8 and int8 tensors are views on `bytes`.
 *
 *     readIdx(bytes, 'train-images-idx3-ubyte').shape   // [60000, 28, 28]
 */
export function readIdx(bytes: Uint8Array, name = 'IDX data'): Tensor {
  const header = readIdxHeader(bytes, name)
  checkIdxLength(header, bytes.length, name)
  return tensor(header.dtype, header.shape, elements(header.dtype, bytes.subarray(header.headerBytes)))
}

/** The bytes of an IDX file that holds the tensor; an error for the dtypes that IDX does not have. */
export function writeIdx(t: Tensor): Uint8Array {
  const code = [...typeCodes].find(([, dtype]) => dtype === t.dtype)?.[0]
  if (code === undefined) {
    throw new QuernError('unsupported', `IDX holds ${[...typeCodes.values()].join(', ')}, received ${t.dtype}`)
  }
  const unfit = t.shape.find((dim) => dim >= 2 ** 32)
  if (t.shape.length > 255 || unfit !== undefined) {
    throw new QuernError('unsupported', `IDX holds up to 255 dimensions below 2^32, received ${formatShape(t.shape)}`)
  }
  const header = 4 + 4 * t.shape.length
  const data = t.data as ArrayLike<number>
  const size = dtypes[t.dtype].bits / 8
  const bytes = new Uint8Array(header + data.length * size)
  const view = new DataView(bytes.buffer)
  bytes.set([0, 0, code, t.shape.length])
  t.shape.forEach((dim, i) => {
    view.setUint32(4 + 4 * i, dim)
  })
  for (let i = 0; i < data.length; i++) {
    const offset = header + i * size
    if (t.dtype === 'float32') view.setFloat32(offset, data[i]!)
    else if (t.dtype === 'float64') view.setFloat64(offset, data[i]!)
    else if (size === 4) view.setInt32(offset, data[i]!)
    else if (size === 2) view.setInt16(offset, data[i]!)
    else bytes[offset] = data[i]!
  }
  return bytes
}
