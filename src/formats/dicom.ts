/** DICOM: one picture of a scanner with what is said of it. Parsing by dicom-parser; here the pixels become numbers. */
import dicomParser from 'dicom-parser'
import { messageOf, QuernError } from '../core/errors.ts'
import { storedPixels } from './dicom-pixels.ts'

export interface DicomPicture {
  readonly height: number
  readonly width: number
  /** with slope and intercept applied: Hounsfield units of a CT; row after row */
  readonly values: Float32Array
  /** what the file says of how to look at it: all below is black, all above is white */
  readonly window: readonly [number, number] | undefined
  /** larger values are darker (MONOCHROME1) */
  readonly inverted: boolean
  /** PatientID, Modality, StudyDate and others, where they are given */
  readonly tags: Readonly<Record<string, string>>
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

/** The first frame of a file of grey pixels. Throws `input` for what is damaged, `unsupported` for compressed or coloured pixels. */
export function readDicom(bytes: Uint8Array): DicomPicture {
  let data: dicomParser.DataSet
  try {
    data = dicomParser.parseDicom(bytes)
  } catch (cause) {
    throw new QuernError('input', `damaged DICOM file: ${messageOf(cause)}`, { cause })
  }
  const number = (tag: string, otherwise: number): number => data.uint16(tag) ?? otherwise
  const decimal = (tag: string): number | undefined => data.floatString(tag)
  const syntax = data.string('x00020010') ?? '1.2.840.10008.1.2'
  const [height, width] = [number('x00280010', 0), number('x00280011', 0)]
  const pixels = data.elements.x7fe00010
  if (!pixels || height === 0 || width === 0) throw new QuernError('input', 'DICOM file without a picture')
  const kind = data.string('x00280004') ?? ''
  if (!kind.startsWith('MONOCHROME'))
    throw new QuernError('input', `DICOM pixels are ${kind}; expected MONOCHROME1 or 2`)
  const bits = number('x00280100', 16)
  const count = height * width
  if (bits !== 8 && bits !== 16) throw new QuernError('input', `DICOM pixels of ${bits} bits; expected 8 or 16`)
  const { view, littleEndian } = storedPixels(pixels, { bytes, syntax, count, bits })
  const isSigned = number('x00280103', 0) === 1
  const stored = bits === 8 ? storedReader8(view, isSigned) : storedReader16(view, isSigned, littleEndian)
  // Bits above those that are stored hold something else.
  const spare = bits - number('x00280101', bits)
  const [slope, intercept] = [decimal('x00281053') ?? 1, decimal('x00281052') ?? 0]
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const value =
      spare === 0
        ? stored(i)
        : isSigned
          ? (stored(i) << (32 - bits + spare)) >> (32 - bits + spare)
          : stored(i) & (2 ** (bits - spare) - 1)
    values[i] = value * slope + intercept
  }
  const [centre, span] = [decimal('x00281050'), decimal('x00281051')]
  const window =
    centre !== undefined && span !== undefined && span > 0
      ? ([centre - span / 2, centre + span / 2] as const)
      : undefined
  const tags = Object.entries(tagNames).flatMap(([tag, name]) => {
    const text = data.string(tag)?.trim()
    return text ? [[name, text] as const] : []
  })
  return { height, width, values, window, inverted: kind === 'MONOCHROME1', tags: Object.fromEntries(tags) }
}

type Stored = (i: number) => number

function storedReader8(view: DataView, isSigned: boolean): Stored {
  return isSigned ? (i) => view.getInt8(i) : (i) => view.getUint8(i)
}

function storedReader16(view: DataView, isSigned: boolean, little: boolean): Stored {
  return isSigned ? (i) => view.getInt16(2 * i, little) : (i) => view.getUint16(2 * i, little)
}

/** Bytes to look at: the file's window, or all that occurs, from black to white. */
export function greyFrom({ values, window, inverted }: DicomPicture): Uint8Array {
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
