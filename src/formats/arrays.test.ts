import { describe, expect, it } from 'vitest'
import { readDicom } from './dicom.ts'
import { readNifti } from './nifti.ts'
import { readNpyElements, readNpyHeader } from './npy.ts'

/** Bytes of .npy as NumPy writes version 1.0. */
function npy(descr: string, shape: string, elements: Uint8Array, fortran = false): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`
  const bytes = new Uint8Array(10 + padded.length + elements.length)
  bytes.set([0x93, 78, 85, 77, 80, 89, 1, 0, padded.length & 255, padded.length >> 8])
  bytes.set(new TextEncoder().encode(padded), 10)
  bytes.set(elements, 10 + padded.length)
  return bytes
}
const bytesOf = ({ buffer }: ArrayBufferView): Uint8Array => new Uint8Array(buffer as ArrayBuffer)

describe('.npy', () => {
  it.each([
    ['<f8', new Float64Array([1.5, -2]), [1.5, -2]],
    ['<f4', new Float32Array([0.5, 3]), [0.5, 3]],
    ['<f2', new Uint16Array([0x3c00, 0xc000, 0x0001]), [1, -2, 2 ** -24]],
    ['|u1', new Uint8Array([0, 255]), [0, 255]],
    ['<i2', new Int16Array([-3, 4]), [-3, 4]],
    ['>i2', new Uint8Array([255, 253]), [-3]],
    ['<i8', new BigInt64Array([-5n]), [-5]],
    ['|b1', new Uint8Array([1, 0]), [true, false]],
    ['<U2', new Uint32Array([0x1f600, 0, 97, 98]), ['😀', 'ab']],
    ['|S3', new Uint8Array([97, 98, 0]), ['ab']],
  ])('%s is read', (descr, elements, expected) => {
    const bytes = npy(descr, `(${expected.length},)`, bytesOf(elements))
    const header = readNpyHeader(bytes, 'a.npy')
    expect(header.shape).toEqual([expected.length])
    expect(readNpyElements(header, bytes.subarray(header.offset))).toEqual(expected)
  })

  it.each([
    ['no .npy', new Uint8Array(20), /a\.npy: it is no \.npy file/],
    ['objects', npy('|O', '(1,)', new Uint8Array(8)), /elements of the type \|O are not read/],
    ['a header cut off', npy('<f8', '(1,)', new Uint8Array(8)).subarray(0, 40), /its header is cut off/],
  ])('%s is refused', (_, bytes, message) => {
    expect(() => readNpyHeader(bytes, 'a.npy')).toThrow(message)
  })
})

it('bytes that are no NIfTI or DICOM file are refused', async () => {
  expect(() => readNifti(new Uint8Array(400), 'none.nii')).toThrow(/none\.nii: it is no NIfTI file/)
  await expect(readDicom(new Uint8Array(200))).rejects.toThrow(/damaged DICOM file/)
})
