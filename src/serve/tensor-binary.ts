/**
 * Tensors as raw bytes, row-major and little-endian, as the binary extension of the Open Inference Protocol has them. Texts (BYTES) are
 * lengths of 4 bytes, each followed by as many bytes.
 */
import { type DType, dtypes, type NumericArray } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

/**
 * A tensor that owns its memory. The number of bytes is compared with the shape before memory is taken for them.
 *
 * @param what names the tensor in messages
 * @throws QuernError `input` for another number of bytes, numbers that are none (NaN, infinities), and texts that are no UTF-8
 */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array, what: string): Tensor {
  const { array, bits, kind } = dtypes[dtype]
  const expected = sizeOf(shape)
  if (!array) return { dtype, shape, data: textsFrom(bytes, expected, shape, what) }
  const wanted = (expected * bits) / 8
  if (bits < 8 || kind === 'complex') throw new QuernError('unsupported', `${what}: ${dtype} cannot be sent as bytes`)
  if (bytes.length !== wanted) {
    throw new QuernError(
      'input',
      `${what} of shape ${formatShape(shape)} needs ${wanted} bytes, received ${bytes.length}`,
    )
  }
  // A copy of its own begins at an address that every element type accepts, and can be transferred.
  // Not by `slice`: what comes from a socket is a Buffer, whose slices are views on what lies around them.
  const own = new Uint8Array(wanted)
  own.set(bytes)
  const data: NumericArray = new array(own.buffer)
  if (kind === 'bool') refuseWhere(data as Uint8Array, (value) => value > 1, what, '0 or 1')
  if (dtype === 'float32' || dtype === 'float64') {
    refuseWhere(data as Float32Array, (value) => !Number.isFinite(value), what, 'a finite number')
  }
  if (dtype === 'float16')
    refuseWhere(data as Uint16Array, (bits) => (bits & 0x7c00) === 0x7c00, what, 'a finite number')
  return { dtype, shape, data }
}

function refuseWhere(
  data: ArrayLike<number>,
  isWrong: (value: number) => boolean,
  what: string,
  expected: string,
): void {
  for (let i = 0; i < data.length; i++) {
    if (isWrong(data[i]!)) {
      throw new QuernError('input', `${what}: element ${i} must be ${expected}, received ${data[i]}`)
    }
  }
}

function textsFrom(bytes: Uint8Array, expected: number, shape: readonly number[], what: string): string[] {
  const fail = (found: number): QuernError =>
    new QuernError(
      'input',
      `${what} of shape ${formatShape(shape)} needs ${expected} texts, received ${found} whole ones`,
    )
  // Each takes 4 bytes at least: a claim that cannot be true is refused before it costs anything.
  if (expected * 4 > bytes.length) throw fail(Math.floor(bytes.length / 4))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const texts: string[] = []
  let at = 0
  while (at + 4 <= bytes.length && texts.length < expected) {
    const end = at + 4 + view.getUint32(at, true)
    if (end > bytes.length) break
    try {
      texts.push(decoder.decode(bytes.subarray(at + 4, end)))
    } catch (cause) {
      throw new QuernError('input', `${what}: element ${texts.length} is no UTF-8`, { cause })
    }
    at = end
  }
  if (texts.length !== expected || at !== bytes.length) throw fail(texts.length)
  return texts
}

/** The bytes of a tensor; they may share its memory. */
export function bytesFromTensor({ data }: Tensor): Uint8Array {
  if (!Array.isArray(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const texts = data.map((text) => new TextEncoder().encode(text))
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + 4 + text.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const text of texts) {
    view.setUint32(at, text.length, true)
    bytes.set(text, at + 4)
    at += 4 + text.length
  }
  return bytes
}
