/** Where the pixels of a DICOM file stand and how they are packed: the transfer syntaxes, and run lengths (PS3.5, annex G) unpacked. */
import dicomParser from 'dicom-parser'
import { QuernError } from '../core/errors.ts'
import {
  type CodecName,
  type Frame,
  type FrameSize,
  interleaved,
  type JpegDecoding,
  unpackFrame,
} from './dicom-codecs.ts'

/** Transfer syntaxes whose pixels are read, but for those of a codec. */
const plain: Readonly<Record<string, 'little' | 'big' | 'runs'>> = {
  '1.2.840.10008.1.2': 'little',
  '1.2.840.10008.1.2.1': 'little',
  '1.2.840.10008.1.2.1.99': 'little',
  '1.2.840.10008.1.2.2': 'big',
  '1.2.840.10008.1.2.5': 'runs',
}

const packed: Readonly<Record<string, CodecName>> = {
  '1.2.840.10008.1.2.4.50': 'JPEG',
  '1.2.840.10008.1.2.4.51': 'JPEG',
  '1.2.840.10008.1.2.4.57': 'JPEG lossless',
  '1.2.840.10008.1.2.4.70': 'JPEG lossless',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS',
  '1.2.840.10008.1.2.4.81': 'JPEG-LS',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000',
  '1.2.840.10008.1.2.4.91': 'JPEG 2000',
}

/** What others are called; docs/guide.md has the table. */
const unread: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.92': 'JPEG 2000 of several components, lossless',
  '1.2.840.10008.1.2.4.93': 'JPEG 2000 of several components',
  '1.2.840.10008.1.2.4.100': 'MPEG-2',
  '1.2.840.10008.1.2.4.102': 'MPEG-4 AVC',
  '1.2.840.10008.1.2.4.107': 'HEVC',
  '1.2.840.10008.1.2.4.110': 'JPEG XL lossless',
  '1.2.840.10008.1.2.4.112': 'JPEG XL',
  '1.2.840.10008.1.2.4.201': 'HTJ2K lossless',
  '1.2.840.10008.1.2.4.202': 'HTJ2K lossless, by resolution',
  '1.2.840.10008.1.2.4.203': 'HTJ2K',
}

export interface PixelForm extends FrameSize {
  readonly syntax: string
  readonly bits: 8 | 16
  readonly frames: number
  /** of colours that are not packed by a codec: a plane for each sample */
  readonly planar: boolean
  readonly jpeg: JpegDecoding | undefined
}

/** Pixels that are unpacked at most: a small file can claim a huge picture. */
const mostPixels = 100_000_000

/** The first frame, unpacked. Throws `input` for what is not read and for what ends too early. */
export async function storedPixels(
  data: dicomParser.DataSet,
  element: dicomParser.Element,
  form: PixelForm,
): Promise<Frame> {
  const { syntax, bits, height, width, samples, frames, planar, jpeg } = form
  const count = height * width * samples
  if (count > mostPixels) {
    throw new QuernError('input', `a DICOM picture of ${width} x ${height} pixels; expected ${mostPixels} at most`)
  }
  const codec = packed[syntax]
  if (codec) return unpackFrame(codec, firstFrame(data, element, frames), { size: form, jpeg })
  const way = plain[syntax]
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
  const bytes = bits === 8 ? 1 : 2
  if (way === 'runs') {
    // Each frame is a fragment of its own.
    const [frame] = element.fragments ?? []
    if (!frame) throw new QuernError('input', 'the DICOM picture has no frame')
    const runs = data.byteArray.subarray(frame.position, frame.position + frame.length) as Uint8Array
    return { data: unpackRuns(runs, height * width, { bytes, samples }), bytes, samples }
  }
  if (element.length < count * bytes) {
    throw new QuernError('input', `the DICOM picture ends after ${element.length} of ${count * bytes} bytes`)
  }
  const found = (data.byteArray as Uint8Array).slice(element.dataOffset, element.dataOffset + count * bytes)
  if (way === 'big' && bytes === 2) swapBytes(found)
  return { data: planar && samples > 1 ? interleaved(found, samples, bytes) : found, bytes, samples }
}

/** The bytes of the first frame, whose fragments may be several. */
function firstFrame(data: dicomParser.DataSet, element: dicomParser.Element, frames: number): Uint8Array {
  const { fragments = [], basicOffsetTable = [] } = element
  if (fragments.length === 0) throw new QuernError('input', 'the DICOM picture has no frame')
  const bytes = (): dicomParser.ByteArray => {
    if (frames === 1) return dicomParser.readEncapsulatedPixelDataFromFragments(data, element, 0, fragments.length)
    if (basicOffsetTable.length > 0) return dicomParser.readEncapsulatedImageFrame(data, element, 0)
    return dicomParser.readEncapsulatedPixelDataFromFragments(
      data,
      element,
      0,
      Math.max(1, Math.floor(fragments.length / frames)),
    )
  }
  return bytes() as Uint8Array
}

function swapBytes(data: Uint8Array): void {
  for (let i = 0; i + 1 < data.length; i += 2) {
    const low = data[i + 1]!
    data[i + 1] = data[i]!
    data[i] = low
  }
}

/** The most that the head of a frame has room for. */
const mostPlanes = 15

/** A frame of run lengths: a plane for each byte of each sample, the highest byte first; together little-endian numbers, samples side by side. */
function unpackRuns(
  frame: Uint8Array,
  count: number,
  { bytes, samples }: { readonly bytes: number; readonly samples: number },
): Uint8Array {
  const width = bytes * samples
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
    const sample = Math.floor(plane / bytes)
    const at = sample * bytes + (bytes - 1 - (plane % bytes))
    const made = unpackPlane(frame.subarray(start, end), into, at, width)
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
