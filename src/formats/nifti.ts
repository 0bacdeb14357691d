/** NIfTI-1 and -2: a volume of a scanner with its grid in the patient's space. Reading by nifti-reader-js; here it becomes numbers. */
import { decompress, isCompressed, isNIFTI, type NIFTI1, type NIFTI2, readHeader, readImage } from 'nifti-reader-js'
import { QuernError } from '../core/errors.ts'

export interface NiftiVolume {
  /** x (left to right where `affine` says so), y, z, and further axes such as time */
  readonly shape: readonly number[]
  /** millimetres between voxels along each axis of `shape` */
  readonly spacing: readonly number[]
  /** 4 x 4, from voxel indices to millimetres */
  readonly affine: readonly (readonly number[])[]
  /** with slope and intercept applied; x runs fastest */
  readonly values: Float32Array
}

const readers: Readonly<Record<number, readonly [number, (view: DataView, at: number, little: boolean) => number]>> = {
  2: [1, (view, at) => view.getUint8(at)],
  4: [2, (view, at, little) => view.getInt16(at, little)],
  8: [4, (view, at, little) => view.getInt32(at, little)],
  16: [4, (view, at, little) => view.getFloat32(at, little)],
  64: [8, (view, at, little) => view.getFloat64(at, little)],
  256: [1, (view, at) => view.getInt8(at)],
  512: [2, (view, at, little) => view.getUint16(at, little)],
  768: [4, (view, at, little) => view.getUint32(at, little)],
}

/** Voxels of a file, gzipped or not; `what` names it in errors. Throws `input` for other types of voxels and for a file cut off. */
export function readNifti(bytes: Uint8Array, what: string): NiftiVolume {
  const wrong = (reason: string): QuernError => new QuernError('input', `${what}: ${reason}`)
  let data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  let header: NIFTI1 | NIFTI2
  try {
    if (isCompressed(data)) data = decompress(data) as ArrayBuffer
    if (!isNIFTI(data)) throw wrong('it is no NIfTI file')
    header = readHeader(data)
  } catch (cause) {
    throw cause instanceof QuernError ? cause : wrong('it is damaged or cut off')
  }
  const reader = readers[header.datatypeCode]
  if (!reader) throw wrong(`voxels of the type ${header.datatypeCode} (NIfTI's code) are not read`)
  const [size, read] = reader
  const shape = header.dims.slice(1, 1 + header.dims[0]!)
  const count = shape.reduce((product, length) => product * length, 1)
  const image = readImage(header, data)
  if (image.byteLength < count * size) {
    throw wrong(`it ends after ${Math.floor(image.byteLength / size)} of ${count} voxels`)
  }
  const view = new DataView(image)
  const [slope, intercept] = [header.scl_slope || 1, header.scl_slope ? header.scl_inter : 0]
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = read(view, i * size, header.littleEndian) * slope + intercept
  return { shape, spacing: header.pixDims.slice(1, 1 + shape.length), affine: header.affine, values }
}
