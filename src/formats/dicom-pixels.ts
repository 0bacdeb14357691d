/** Where the pixels of a DICOM file stand and how they are packed: the transfer syntaxes, and run lengths (PS3.5, annex G) unpacked. */
import type dicomParser from 'dicom-parser'
import { QuernError } from '../core/errors.ts'

/** Transfer syntaxes whose pixels are read. */
const read: Readonly<Record<string, 'little' | 'big' | 'runs'>> = {
  '1.2.840.10008.1.2': 'little',
  '1.2.840.10008.1.2.1': 'little',
  '1.2.840.10008.1.2.2': 'big',
  '1.2.840.10008.1.2.5': 'runs',
}

/** What the others are called; docs/guide.md has the table. */
const unread: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.1.99': 'deflated',
  '1.2.840.10008.1.2.4.50': 'JPEG baseline',
  '1.2.840.10008.1.2.4.51': 'JPEG extended, 12 bits',
  '1.2.840.10008.1.2.4.57': 'JPEG lossless',
  '1.2.840.10008.1.2.4.70': 'JPEG lossless, first order',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS lossless',
  '1.2.840.10008.1.2.4.81': 'JPEG-LS near-lossless',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000 lossless',
  '1.2.840.10008.1.2.4.91': 'JPEG 2000',
  '1.2.840.10008.1.2.4.201': 'HTJ2K lossless',
  '1.2.840.10008.1.2.4.203': 'HTJ2K',
}

export interface StoredPixels {
  readonly view: DataView
  readonly littleEndian: boolean
}

export interface PixelForm {
  readonly bytes: Uint8Array
  readonly syntax: string
  /** pixels of a frame */
  readonly count: number
  readonly bits: 8 | 16
}

/** The first frame, unpacked. Throws `input` for what is not read and for what ends too early. */
export function storedPixels(element: dicomParser.Element, form: PixelForm): StoredPixels {
  const { bytes, syntax, count, bits } = form
  const way = read[syntax]
  if (!way) {
    const name = unread[syntax] ?? 'unknown'
    throw new QuernError(
      'input',
      `DICOM pixels are compressed (${name}, transfer syntax ${syntax}), which is not read`,
      {
        hint: 'Unpack them first: dcmdjpeg or gdcmconv --raw.',
      },
    )
  }
  if (way !== 'runs') {
    if (element.length < (count * bits) / 8) {
      throw new QuernError('input', `the DICOM picture ends after ${element.length} of ${(count * bits) / 8} bytes`)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset + element.dataOffset, element.length)
    return { view, littleEndian: way === 'little' }
  }
  // Each frame is a fragment of its own.
  const [frame] = element.fragments ?? []
  if (!frame) throw new QuernError('input', 'the DICOM picture has no frame')
  const packed = bytes.subarray(frame.position, frame.position + frame.length)
  const unpacked = unpackRuns(packed, count, bits / 8)
  return { view: new DataView(unpacked.buffer), littleEndian: true }
}

/** The most that the head of a frame has room for. */
const mostPlanes = 15

/** A frame of run lengths: a plane for each byte of a pixel, the highest first; together little-endian numbers. */
export function unpackRuns(frame: Uint8Array, count: number, width: number): Uint8Array {
  if (frame.length < 64) throw new QuernError('input', `a DICOM frame of run lengths ends within its head`)
  const head = new DataView(frame.buffer, frame.byteOffset, 64)
  const planes = head.getUint32(0, true)
  if (planes !== width || planes > mostPlanes) {
    throw new QuernError('input', `a DICOM frame of run lengths has ${planes} planes; expected ${width}`)
  }
  const into = new Uint8Array(count * width)
  for (let plane = 0; plane < planes; plane++) {
    const start = head.getUint32(4 + 4 * plane, true)
    const end = plane + 1 < planes ? head.getUint32(8 + 4 * plane, true) : frame.length
    const made = unpackPlane(frame.subarray(start, end), into, width - 1 - plane, width)
    if (made < count) {
      throw new QuernError(
        'input',
        `plane ${plane + 1} of a DICOM frame of run lengths ends after ${made} of ${count} pixels`,
      )
    }
  }
  return into
}

/** Writes byte i of a plane at `first + i * stride`; how many there were, but no more than have room. */
function unpackPlane(plane: Uint8Array, into: Uint8Array, first: number, stride: number): number {
  const count = Math.ceil((into.length - first) / stride)
  let made = 0
  for (let at = 0; at < plane.length && made < count; ) {
    const code = plane[at++]!
    // Up to 127: so many and one bytes as they are; from 129: one byte, repeated; 128: nothing.
    if (code === 128) continue
    const isRun = code > 128
    const length = Math.min(isRun ? 257 - code : code + 1, count - made, isRun ? count : plane.length - at)
    if (isRun && at >= plane.length) break
    for (let i = 0; i < length; i++) into[first + (made + i) * stride] = plane[isRun ? at : at + i]!
    made += length
    at += isRun ? 1 : code + 1
  }
  return made
}
