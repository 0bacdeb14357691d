/** Files that other programs wrote: NumPy's archives, a brain of NIfTI. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
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
