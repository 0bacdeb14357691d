/** WAV bytes to samples from -1 to 1. Source: "Multimedia Programming Interface and Data Specifications 1.0", and WAVE_FORMAT_EXTENSIBLE. */
import { QuernError } from '../core/errors.ts'

export interface Sound {
  /** samples of each channel, all of one length */
  readonly channels: readonly Float32Array[]
  /** samples a second */
  readonly rate: number
}

interface Format {
  readonly code: number
  readonly channels: number
  readonly rate: number
  readonly bits: number
}

/** Integers of 8, 16, 24 and 32 bits, and floats of 32. Throws `input` for other bytes, `unsupported` for other codings. */
export function decodeWav(bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const name = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4))
  if (bytes.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') {
    throw new QuernError('input', 'not a WAV file: it must begin with RIFF ... WAVE', {
      hint: 'Other sounds can be converted: sox in.mp3 out.wav, or ffmpeg -i in.mp3 out.wav.',
    })
  }
  let format: Format | undefined
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true)
    const body = at + 8
    if (name(at) === 'fmt ' && body + 16 <= bytes.length) {
      const code = view.getUint16(body, true)
      format = {
        // An extensible format says the coding behind the head.
        code: code === 0xfffe && size >= 26 ? view.getUint16(body + 24, true) : code,
        channels: view.getUint16(body + 2, true),
        rate: view.getUint32(body + 4, true),
        bits: view.getUint16(body + 14, true),
      }
    }
    if (name(at) === 'data') {
      if (!format) throw new QuernError('input', 'damaged WAV file: the samples stand before their format')
      return { rate: format.rate, channels: samplesOf(view, body, Math.min(size, bytes.length - body), format) }
    }
    at = body + size + (size % 2)
  }
  throw new QuernError('input', 'damaged WAV file: it has no samples')
}

/** How an element of each coding is read, by `code/bits`. */
const readers: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  '1/8': (view, at) => (view.getUint8(at) - 128) / 128,
  '1/16': (view, at) => view.getInt16(at, true) / 32_768,
  '1/24': (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8_388_608,
  '1/32': (view, at) => view.getInt32(at, true) / 2_147_483_648,
  '3/32': (view, at) => view.getFloat32(at, true),
}

function samplesOf(view: DataView, at: number, size: number, { code, channels, rate, bits }: Format): Float32Array[] {
  const read = readers[`${code}/${bits}`]
  if (!read) throw new QuernError('unsupported', `WAV files of coding ${code} with ${bits} bits are not read`)
  if (channels < 1 || rate < 1) throw new QuernError('input', `damaged WAV file: ${channels} channels at ${rate} Hz`)
  const width = bits / 8
  const count = Math.floor(size / (width * channels))
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: count }, (_, i) => read(view, at + (i * channels + channel) * width)),
  )
}
