/**
 * Frames of DICOM pictures that are packed as JPEG-LS (CharLS), JPEG 2000 (OpenJPEG), JPEG lossless or JPEG, unpacked by well-kept decoders that are
 * loaded at the first such frame. What a frame says of its size is compared with what the file says before anything is unpacked: the bytes may be a stranger's.
 */
import { messageOf, QuernError } from '../core/errors.ts'

/** A frame of numbers. */
export interface Frame {
  /** `[height, width, samples]`, little-endian */
  readonly data: Uint8Array
  /** of one number */
  readonly bytes: 1 | 2
  readonly samples: number
}

export interface FrameSize {
  readonly height: number
  readonly width: number
  readonly samples: number
}

/** Decodes a JPEG of 8 bits into `[height, width, samples]`: grey, or red, green and blue. */
export type JpegDecoding = (jpeg: Uint8Array, samples: number) => Promise<Uint8Array>

export type CodecName = 'JPEG' | 'JPEG lossless' | 'JPEG-LS' | 'JPEG 2000'

/** Unpacks a frame. Throws `input` for one that is damaged, of another size, or of a kind that nothing here reads. */
export async function unpackFrame(
  codec: CodecName,
  packed: Uint8Array,
  { size, jpeg }: { readonly size: FrameSize; readonly jpeg: JpegDecoding | undefined },
): Promise<Frame> {
  try {
    checkEnd(packed)
    const frame = await codecs[codec](packed, size, jpeg)
    const expected = size.height * size.width * size.samples * frame.bytes
    if (frame.data.length === expected) return frame
    throw new QuernError('input', `it has ${frame.data.length} of ${expected} bytes`)
  } catch (cause) {
    if (cause instanceof QuernError) {
      throw new QuernError(cause.kind, `DICOM frame of ${codec}: ${cause.message}`, { hint: cause.hint, cause })
    }
    // What stopped in the middle may not be fit for another frame.
    charls = undefined
    openjpeg = undefined
    // Some decoders throw numbers and texts.
    const why = cause instanceof Error ? messageOf(cause) : `the decoder stopped (${String(cause)})`
    throw new QuernError('input', `DICOM frame of ${codec}: it is damaged: ${why}`, { cause })
  }
}

type Codec = (packed: Uint8Array, size: FrameSize, jpeg: JpegDecoding | undefined) => Promise<Frame>

const codecs: Readonly<Record<CodecName, Codec>> = {
  async JPEG(packed, size, jpeg) {
    const { precision } = checkHeader(packed, size)
    if (precision !== 8) {
      throw new QuernError('input', `its numbers have ${precision} bits (extended), which is not read`, {
        hint: 'Unpack the file first: dcmdjpeg.',
      })
    }
    if (!jpeg) throw new QuernError('unsupported', 'there is no decoder of pictures here')
    return { data: await jpeg(packed, size.samples), bytes: 1, samples: size.samples }
  },

  async 'JPEG lossless'(packed, size) {
    const { precision } = checkHeader(packed, size)
    const { default: jpeg } = await import('jpeg-lossless-decoder-js')
    // The decoder reads to the end of the buffer that it is given.
    const copy = packed.slice()
    const data = new jpeg.lossless.Decoder().decompress(copy.buffer, 0, copy.length)
    return { data: new Uint8Array(data), bytes: precision > 8 ? 2 : 1, samples: size.samples }
  },

  async 'JPEG-LS'(packed, size) {
    checkHeader(packed, size)
    charls ??= import('@cornerstonejs/codec-charls/decodewasmjs').then(({ default: load }) => load())
    const { JpegLSDecoder } = await charls
    const decoder = new JpegLSDecoder()
    try {
      decoder.getEncodedBuffer(packed.length).set(packed)
      decoder.decode()
      const { bitsPerSample, componentCount } = decoder.getFrameInfo()
      // A copy: the memory is the decoder's.
      const data = decoder.getDecodedBuffer().slice()
      const bytes = bitsPerSample > 8 ? 2 : 1
      const isPlanar = componentCount > 1 && decoder.getInterleaveMode() === 0
      return { data: isPlanar ? interleaved(data, componentCount, bytes) : data, bytes, samples: componentCount }
    } finally {
      decoder.delete()
    }
  },

  async 'JPEG 2000'(packed, size) {
    sameSize(codestreamSize(packed), size)
    const silent = { print: () => undefined, printErr: () => undefined }
    openjpeg ??= import('@cornerstonejs/codec-openjpeg/decodewasmjs').then(({ default: load }) => load(silent))
    const { J2KDecoder } = await openjpeg
    const decoder = new J2KDecoder()
    try {
      decoder.getEncodedBuffer(packed.length).set(packed)
      decoder.decode()
      const { bitsPerSample, componentCount } = decoder.getFrameInfo()
      return {
        data: decoder.getDecodedBuffer().slice(),
        bytes: bitsPerSample > 8 ? 2 : 1,
        samples: componentCount,
      }
    } finally {
      decoder.delete()
    }
  },
}

let charls: ReturnType<typeof import('@cornerstonejs/codec-charls/decodewasmjs')> | undefined
let openjpeg: ReturnType<typeof import('@cornerstonejs/codec-openjpeg/decodewasmjs')> | undefined

/** Planes one after the other as samples side by side. */
export function interleaved(planes: Uint8Array, samples: number, bytes: number): Uint8Array {
  const count = planes.length / samples / bytes
  const into = new Uint8Array(planes.length)
  for (let sample = 0; sample < samples; sample++) {
    for (let i = 0; i < count; i++) {
      for (let byte = 0; byte < bytes; byte++) {
        into[(i * samples + sample) * bytes + byte] = planes[(sample * count + i) * bytes + byte]!
      }
    }
  }
  return into
}

/** All four end with one marker; bytes that fill up may stand behind it. Without it a part of the picture would be missing, which some decoders pass over. */
function checkEnd(packed: Uint8Array): void {
  let end = packed.length
  while (end > 0 && (packed[end - 1] === 0 || packed[end - 1] === 0xff)) end--
  if (packed[end - 2] === 0xff && packed[end - 1] === 0xd9) return
  throw new QuernError('input', `it breaks off after ${packed.length} bytes`)
}

function sameSize(found: FrameSize, { height, width, samples }: FrameSize): void {
  if (found.height === height && found.width === width && found.samples === samples) return
  throw new QuernError(
    'input',
    `it has ${found.width} x ${found.height} pixels of ${found.samples} samples, the file says ${width} x ${height} of ${samples}`,
  )
}

/** The size that a JPEG 2000 codestream says it has (SIZ: ITU-T T.800, A.5.1); in a JP2 file it stands behind boxes. */
function codestreamSize(packed: Uint8Array): FrameSize {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let at = 0; at + 42 <= packed.length; at++) {
    // Start of codestream, then SIZ.
    if (view.getUint32(at) !== 0xff4f_ff51) continue
    const number = (offset: number): number => view.getUint32(at + offset)
    return { width: number(8) - number(16), height: number(12) - number(20), samples: view.getUint16(at + 40) }
  }
  throw new QuernError('input', 'it does not begin as JPEG 2000 does')
}

/** The start of a frame of any kind of JPEG (SOF0 to SOF15, and SOF55 of JPEG-LS): ITU-T T.81, B.2.2. */
function checkHeader(packed: Uint8Array, size: FrameSize): { readonly precision: number } {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let at = 2; at + 10 <= packed.length && packed[at] === 0xff; ) {
    const marker = packed[at + 1]!
    const isFrame = marker === 0xf7 || (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
    if (isFrame) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)]
      sameSize({ height, width, samples: packed[at + 9]! }, size)
      return { precision: packed[at + 4]! }
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2)
  }
  throw new QuernError('input', 'it does not begin as a JPEG does')
}
