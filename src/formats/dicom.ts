/** DICOM: one picture of a scanner with what is said of it. Parsing by dicom-parser; here the pixels become numbers. */
import dicomParser from 'dicom-parser'
import { Inflate } from 'fflate'
import { messageOf, QuernError } from '../core/errors.ts'
import type { Frame, JpegDecoding } from './dicom-codecs.ts'
import { storedPixels } from './dicom-pixels.ts'

interface Described {
  readonly height: number
  readonly width: number
  /** PatientID, Modality, StudyDate and others, where they are given */
  readonly tags: Readonly<Record<string, string>>
}

export interface GreyPicture extends Described {
  readonly kind: 'grey'
  /** with slope and intercept applied: Hounsfield units of a CT; row after row */
  readonly values: Float32Array
  /** what the file says of how to look at it: all below is black, all above is white */
  readonly window: readonly [number, number] | undefined
  /** larger values are darker (MONOCHROME1) */
  readonly inverted: boolean
}

export interface ColourPicture extends Described {
  readonly kind: 'colour'
  /** `[height, width, 3]`: red, green, blue */
  readonly values: Uint8Array
}

export type DicomPicture = GreyPicture | ColourPicture

export interface DicomOptions {
  /** for pixels that are JPEGs; such files are refused without it */
  readonly jpeg?: JpegDecoding | undefined
}

const tagNames: Readonly<Record<string, string>> = {
  x00100020: 'PatientID',
  x00100040: 'PatientSex',
  x00080060: 'Modality',
  x00080020: 'StudyDate',
  x00180015: 'BodyPartExamined',
  x0020000d: 'StudyInstanceUID',
  x00200013: 'InstanceNumber',
}

/** Whether bytes begin as a DICOM file does. */
export function looksLikeDicom(bytes: Uint8Array): boolean {
  return bytes.byteLength > 132 && String.fromCharCode(...bytes.subarray(128, 132)) === 'DICM'
}

/** The first frame of a file. Throws `input` for what is damaged or not read. */
export async function readDicom(bytes: Uint8Array, { jpeg }: DicomOptions = {}): Promise<DicomPicture> {
  // A Buffer of Node shares its memory with what is sliced out of it.
  const { data, syntax } = parsed(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const number = (tag: string, otherwise: number): number => data.uint16(tag) ?? otherwise
  const [height, width] = [number('x00280010', 0), number('x00280011', 0)]
  const pixels = data.elements.x7fe00010
  if (!pixels || height === 0 || width === 0) throw new QuernError('input', 'DICOM file without a picture')
  const tags = Object.fromEntries(
    Object.entries(tagNames).flatMap(([tag, name]) => {
      const text = data.string(tag)?.trim()
      return text ? [[name, text] as const] : []
    }),
  )
  const kind = (data.string('x00280004') ?? '').trim()
  const isGrey = kind.startsWith('MONOCHROME')
  if (!isGrey && !colours.includes(kind)) {
    throw new QuernError(
      'input',
      `DICOM pixels are ${kind || 'of no kind'}; expected MONOCHROME1, 2 or ${colours.join(', ')}`,
    )
  }
  const bits = number('x00280100', 16)
  if (bits !== 8 && (bits !== 16 || !isGrey)) {
    throw new QuernError('input', `DICOM pixels of ${bits} bits; expected ${isGrey ? '8 or 16' : '8'}`)
  }
  const samples = isGrey ? 1 : 3
  const planar = number('x00280006', 0) === 1
  const frames = data.intString('x00280008') ?? 1
  const frame = await storedPixels(data, pixels, { syntax, height, width, samples, bits, frames, planar, jpeg })
  if (!isGrey) return { kind: 'colour', height, width, values: redGreenBlue(frame, kind, syntax), tags }
  const decimal = (tag: string): number | undefined => data.floatString(tag)
  const values = numbersOf(frame, {
    stored: number('x00280101', bits),
    isSigned: number('x00280103', 0) === 1,
    slope: decimal('x00281053') ?? 1,
    intercept: decimal('x00281052') ?? 0,
  })
  const [centre, span] = [decimal('x00281050'), decimal('x00281051')]
  const window =
    centre !== undefined && span !== undefined && span > 0
      ? ([centre - span / 2, centre + span / 2] as const)
      : undefined
  return { kind: 'grey', height, width, values, window, inverted: kind === 'MONOCHROME1', tags }
}

/** Colours whose samples are red, green and blue behind the decoder, or luminance and two differences of as many samples. */
const colours: readonly string[] = ['RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_ICT', 'YBR_RCT']
const deflated = '1.2.840.10008.1.2.1.99'
const explicitLittle = '1.2.840.10008.1.2.1'

function parsed(bytes: Uint8Array): { data: dicomParser.DataSet; syntax: string } {
  try {
    const head = dicomParser.readPart10Header(bytes) as dicomParser.DataSet & { readonly position: number }
    const syntax = head.string('x00020010') ?? '1.2.840.10008.1.2'
    if (syntax !== deflated) return { data: dicomParser.parseDicom(bytes), syntax }
    // What is inflated has no head of its own.
    const data = dicomParser.parseDicom(inflated(bytes.subarray(head.position)), { TransferSyntaxUID: explicitLittle })
    return { data, syntax }
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    const why = typeof cause === 'string' ? cause : messageOf((cause as { exception?: unknown }).exception ?? cause)
    throw new QuernError('input', `damaged DICOM file: ${why}`, { cause })
  }
}

/** Bytes that a deflated file may grow to. */
const mostInflated = 2 ** 28

function inflated(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = []
  let size = 0
  const inflate = new Inflate((chunk) => {
    size += chunk.length
    if (size > mostInflated) {
      throw new QuernError('input', `the deflated DICOM file grows beyond ${mostInflated} bytes`)
    }
    chunks.push(chunk)
  })
  const piece = 2 ** 16
  for (let at = 0; at < bytes.length; at += piece) {
    inflate.push(bytes.subarray(at, at + piece), at + piece >= bytes.length)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

interface NumberForm {
  /** bits of a pixel that count; those above hold something else */
  readonly stored: number
  readonly isSigned: boolean
  readonly slope: number
  readonly intercept: number
}

function numbersOf({ data, bytes }: Frame, { stored, isSigned, slope, intercept }: NumberForm): Float32Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const raw = bytes === 1 ? (i: number) => view.getUint8(i) : (i: number) => view.getUint16(2 * i, true)
  const spare = 32 - Math.min(stored, 8 * bytes)
  return Float32Array.from({ length: data.length / bytes }, (_, i) => {
    const shifted = raw(i) << spare
    return (isSigned ? shifted >> spare : shifted >>> spare) * slope + intercept
  })
}

/** Decoders of JPEG give red, green and blue; what was never packed so is as the file says (PS3.3, C.7.6.3.1.2). */
function redGreenBlue({ data }: Frame, kind: string, syntax: string): Uint8Array {
  const isDecoded = ['.4.50', '.4.51', '.4.90', '.4.91'].some((end) => syntax === `1.2.840.10008.1.2${end}`)
  if (isDecoded || kind === 'RGB') return data
  if (kind !== 'YBR_FULL') {
    throw new QuernError('input', `DICOM pixels are ${kind} in transfer syntax ${syntax}; expected RGB or YBR_FULL`)
  }
  const into = new Uint8ClampedArray(data.length)
  for (let i = 0; i < data.length; i += 3) {
    const [y, cb, cr] = [data[i]!, data[i + 1]! - 128, data[i + 2]! - 128]
    into[i] = y + 1.402 * cr
    into[i + 1] = y - 0.344136 * cb - 0.714136 * cr
    into[i + 2] = y + 1.772 * cb
  }
  return new Uint8Array(into.buffer)
}

/** Bytes to look at, of a grey picture: the file's window, or all that occurs, from black to white. */
export function greyFrom({ values, window, inverted }: GreyPicture): Uint8Array {
  let [low, high] = window ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  if (!window) {
    for (const value of values) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  const scale = high > low ? 255 / (high - low) : 0
  return Uint8Array.from(values, (value) => {
    const grey = Math.round(Math.min(255, Math.max(0, (value - low) * scale)))
    return inverted ? 255 - grey : grey
  })
}
