/** Files that other programs wrote: NumPy's archives, a brain of NIfTI, DICOM of several makers. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { greyFrom, looksLikeDicom, readDicom } from '../src/formats/dicom.ts'
import { readNifti } from '../src/formats/nifti.ts'
import { packageFolder } from './package-files.ts'
import { readAll } from './read-tables.ts'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'quern-arrays-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

it('an archive of NumPy is a table with a column for each array', async () => {
  const program = `
import numpy as np, sys
n = 300
np.savez_compressed(sys.argv[1], x=np.arange(n * 4, dtype='float32').reshape(n, 2, 2), y=np.arange(n) % 3, name=np.array([f'é{i % 7}' for i in range(n)]), ok=np.arange(n) % 2 == 0)
np.save(sys.argv[2], np.linspace(0, 1, n))`
  const [npz, single] = [join(root, 'data.npz'), join(root, 'single.npy')]
  execFileSync('/usr/bin/python3', ['-c', program, npz, single])
  const found = await readAll(npz)
  expect(found.kinds).toEqual({ x: 'vector', y: 'number', name: 'category', ok: 'boolean' })
  expect(found.cells('x')[299]).toBe('[1196,1197,1198,1199]')
  expect([found.cells('y')[4], found.cells('name')[8], found.cells('ok')[3]]).toEqual(['1', 'é1', 'false'])
  expect((await readAll(single)).cells('single')[299]).toBe('1')
  await truncate(single, 1000)
  await expect(readAll(single)).rejects.toThrow(/single\.npy ends after \d+ of 300 rows/)
  await truncate(npz, 500)
  await expect(readAll(npz)).rejects.toThrow(/data\.npz: it is no whole zip archive/)
})

it('a brain of NIfTI has its grid and voxels, and is a table of slices', async () => {
  const folder = join(await packageFolder('mricron-data=1.2.20211006+dfsg-4'), 'usr/share/mricron/templates')
  const bytes = readFileSync(join(folder, 'ch2bet.nii.gz'))
  const { shape, spacing, affine, values } = readNifti(bytes, 'ch2bet.nii.gz')
  expect(shape).toEqual([181, 217, 181])
  expect(spacing.map((length) => Math.round(length))).toEqual([1, 1, 1])
  expect(affine[3]).toEqual([0, 0, 0, 1])
  // NumPy: (voxels > 0).mean() over the file's bytes behind vox_offset.
  const share = values.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0) / values.length
  expect(share).toBeCloseTo(0.244, 3)
  expect(() => readNifti(bytes.subarray(0, 5000), 'cut.nii.gz')).toThrow(/cut\.nii\.gz: it (is damaged|ends after)/)
  expect(() => readNifti(new Uint8Array(400), 'none.nii')).toThrow(/none\.nii: it is no NIfTI file/)
}, 60_000)

describe('DICOM', () => {
  const open = async (name: string): Promise<Uint8Array> => {
    const folder = await packageFolder('python3-pydicom=2.3.1-1')
    return readFileSync(join(folder, 'usr/lib/python3/dist-packages/pydicom/data/test_files', name))
  }

  it('a CT has Hounsfield units and what is said of it', async () => {
    const bytes = await open('CT_small.dcm')
    expect(looksLikeDicom(bytes)).toBe(true)
    const found = readDicom(bytes)
    expect([found.height, found.width]).toEqual([128, 128])
    expect(found.tags).toMatchObject({ Modality: 'CT', PatientID: '1CT1', StudyDate: '20040119' })
    // NumPy: the first elements behind the tag of the pixels is 175, 180, 166, 143; intercept -1024, slope 1.
    expect(Array.from(found.values.subarray(0, 4))).toEqual([-849, -844, -858, -881])
    const grey = greyFrom(found)
    expect([Math.min(...grey), Math.max(...grey)]).toEqual([0, 255])
  })

  it('an MR has its window', async () => {
    const found = readDicom(await open('MR_small.dcm'))
    expect([found.height, found.width]).toEqual([64, 64])
    // WindowCenter 600, WindowWidth 1600
    expect(found.window).toEqual([-200, 1400])
  })

  it('run lengths are the picture that they were made of; damaged ones are refused', async () => {
    const bytes = await open('MR_small_RLE.dcm')
    expect(readDicom(bytes).values).toEqual(readDicom(await open('MR_small.dcm')).values)
    // The frame's head is behind the tag of its item: 2 planes.
    const at = Buffer.from(bytes).indexOf(Buffer.from([2, 0, 0, 0, 64, 0, 0, 0]))
    const other = Uint8Array.from(bytes)
    other[at] = 3
    expect(() => readDicom(other)).toThrow('has 3 planes; expected 2')
    const ended = Uint8Array.from(bytes)
    // The second plane begins where the frame ends.
    new DataView(ended.buffer).setUint32(at + 8, 1e6, true)
    expect(() => readDicom(ended)).toThrow(/plane 2 of a DICOM frame of run lengths ends after 0 of 4096 pixels/)
  })

  it('big-endian numbers are those of the little-endian file', async () => {
    const [big, little] = [await open('MR_small_bigendian.dcm'), await open('MR_small.dcm')]
    expect(readDicom(big).values).toEqual(readDicom(little).values)
  })

  it.each([
    ['JPEG2000.dcm', /pixels are compressed \(JPEG 2000, transfer syntax 1\.2\.840\.10008\.1\.2\.4\.91\)/],
    ['MR_small_jpeg_ls_lossless.dcm', /pixels are compressed \(JPEG-LS lossless, transfer syntax/],
    ['JPGExtended.dcm', /pixels are compressed \(JPEG extended, 12 bits, transfer syntax/],
    ['SC_rgb_rle.dcm', /pixels are RGB; expected MONOCHROME1 or 2/],
    ['rtplan.dcm', /without a picture/],
  ])('%s is refused with the reason', async (name, message) => {
    const bytes = await open(name)
    expect(() => readDicom(bytes)).toThrow(message)
  })
})
