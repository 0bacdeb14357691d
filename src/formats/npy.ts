/** NumPy's .npy: a header that is a Python dictionary, then the elements (numpy.lib.format). Read; nothing here writes it. */
import { QuernError } from '../core/errors.ts'

export interface NpyHeader {
  /** byte order, kind and size: '<f8', '|u1', '<U12' */
  readonly descr: string
  readonly shape: readonly number[]
  readonly fortranOrder: boolean
  /** where the elements begin */
  readonly offset: number
  /** bytes of an element */
  readonly itemSize: number
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

/** Bytes that hold the header of any file that people write. */
export const npyHeaderBytes: number = 1 << 16

/** The header, from the beginning of a file; `what` names it in errors. */
export function readNpyHeader(bytes: Uint8Array, what: string): NpyHeader {
  const wrong = (reason: string): QuernError => new QuernError('input', `${what}: ${reason}`)
  if (magic.some((byte, i) => bytes[i] !== byte)) throw wrong('it is no .npy file')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isFirst = bytes[6] === 1
  const begin = isFirst ? 10 : 12
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true)
  if (begin + length > bytes.byteLength) throw wrong('its header is cut off')
  const text = new TextDecoder().decode(bytes.subarray(begin, begin + length))
  const descr = /'descr':\s*'([^']+)'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const dimensions = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1]
  if (descr === undefined || order === undefined || dimensions === undefined) {
    throw wrong(`its header is not of one array of numbers or texts: ${text.trim().slice(0, 100)}`)
  }
  const size = /^[<>|=]([biufUS?])(\d+)$/.exec(descr)
  if (!size) throw wrong(`elements of the type ${descr} are not read; expected numbers, booleans or texts`)
  const shape = dimensions
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number)
  const itemSize = size[1] === 'U' ? 4 * Number(size[2]) : Number(size[2])
  return { descr, shape, fortranOrder: order === 'True', offset: begin + length, itemSize }
}

/** Elements of a header's type, in the order of the bytes. 64-bit integers beyond 2^53 lose their last digits. */
export function readNpyElements({ descr, itemSize }: NpyHeader, bytes: Uint8Array): (number | string | boolean)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = !descr.startsWith('>')
  const read = readerOf(descr.slice(1), view, bytes, little)
  return Array.from({ length: Math.floor(bytes.byteLength / itemSize) }, (_, i) => read(i * itemSize))
}

type Read = (at: number) => number | string | boolean

function readerOf(type: string, view: DataView, bytes: Uint8Array, little: boolean): Read {
  const readers: Readonly<Record<string, Read>> = {
    b1: (at) => view.getUint8(at) !== 0,
    i1: (at) => view.getInt8(at),
    u1: (at) => view.getUint8(at),
    i2: (at) => view.getInt16(at, little),
    u2: (at) => view.getUint16(at, little),
    i4: (at) => view.getInt32(at, little),
    u4: (at) => view.getUint32(at, little),
    i8: (at) => Number(view.getBigInt64(at, little)),
    u8: (at) => Number(view.getBigUint64(at, little)),
    f2: (at) => halfFrom(view.getUint16(at, little)),
    f4: (at) => view.getFloat32(at, little),
    f8: (at) => view.getFloat64(at, little),
  }
  const found = readers[type]
  if (found) return found
  const size = Number(type.slice(1))
  if (type.startsWith('S')) return (at) => new TextDecoder().decode(bytes.subarray(at, at + size)).replace(/\0+$/, '')
  if (type.startsWith('U')) {
    return (at) => {
      const points = Array.from({ length: size }, (_, i) => view.getUint32(at + 4 * i, little))
      return String.fromCodePoint(...points.filter((point) => point !== 0))
    }
  }
  throw new QuernError('unsupported', `elements of the type ${type} are not read`)
}

/** IEEE 754 half precision. */
function halfFrom(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}
