/** Arrays whose first axis is the row: `.npy`, `.npz` (a column for each array), and the slices of a NIfTI volume. */
import { open, readFile, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { QuernError } from '../../core/errors.ts'
import { readNifti } from '../../formats/nifti.ts'
import { type NpyHeader, npyHeaderBytes, readNpyElements, readNpyHeader } from '../../formats/npy.ts'
import { unzip } from '../../formats/zip.ts'
import { missingPath } from '../missing-path.ts'
import type { SpoolColumn, SpoolRows } from './spool.ts'
import { spooledOrigin } from './spooled-origin.ts'
import type { TableOrigin } from './table-origin.ts'

/** Bytes of all arrays that are made into rows at a time. */
const batchBytes = 4 << 20

interface Rows {
  readonly name: string
  readonly header: Pick<NpyHeader, 'shape' | 'itemSize' | 'descr'>
  /** elements of the rows from `first` on */
  read(first: number, rows: number): Promise<readonly (number | string | boolean)[]>
  close(): Promise<void>
}

const openers: readonly (readonly [RegExp, (path: string, name: string) => Promise<readonly Rows[]>])[] = [
  [/\.npy$/i, async (path, name) => [await npyRows(path, name)]],
  [/\.npz$/i, npzRows],
  [/\.nii(\.gz)?$/i, niftiRows],
]

/** Whether a file holds arrays. */
export function holdsArrays(path: string): boolean {
  return openers.some(([ending]) => ending.test(path))
}

export async function arraysOrigin(path: string): Promise<TableOrigin> {
  await stat(path).catch(async (error: unknown) => {
    throw await missingPath(path, 'file', error)
  })
  const name = basename(path)
  return spooledOrigin({ what: name, folder: dirname(path), batches: () => batches(path, name) })
}

async function* batches(path: string, what: string): AsyncGenerator<SpoolRows> {
  const [, openRows] = openers.find(([ending]) => ending.test(path))!
  const arrays = await openRows(path, what)
  try {
    const counts = arrays.map(({ header }) => header.shape[0] ?? 1)
    const [count = 0] = counts
    const odd = arrays.find((_, i) => counts[i] !== count)
    if (odd) {
      throw new QuernError(
        'input',
        `${what}: array '${odd.name}' has ${odd.header.shape[0]} rows, '${arrays[0]!.name}' has ${count}`,
        {
          hint: 'Arrays that are columns of one table need as many rows.',
        },
      )
    }
    const columns = arrays.map(columnOf)
    const widths = arrays.map(({ header }) => header.shape.slice(1).reduce((product, length) => product * length, 1))
    const rowBytes = arrays.reduce((sum, { header }, i) => sum + header.itemSize * widths[i]!, 0)
    const step = Math.max(1, Math.floor(batchBytes / Math.max(1, rowBytes)))
    for (let first = 0; first < count; first += step) {
      const rows = Math.min(step, count - first)
      const cells = await Promise.all(arrays.map((array) => array.read(first, rows)))
      const textOf = (i: number, row: number): string | null => {
        const width = widths[i]!
        if (arrays[i]!.header.shape.length > 1) return `[${cells[i]!.slice(row * width, (row + 1) * width).join(',')}]`
        const cell = cells[i]![row]!
        return Number.isNaN(cell) ? null : String(cell)
      }
      yield { columns, rows: Array.from({ length: rows }, (_, row) => columns.map((_, i) => textOf(i, row))) }
    }
  } finally {
    for (const array of arrays) await array.close()
  }
}

function columnOf({ name, header: { shape, descr } }: Rows): SpoolColumn {
  const isText = /[US]/.test(descr)
  if (shape.length > 1 && isText) throw new QuernError('input', `array '${name}' holds texts in more than one axis`)
  return { name, type: isText ? 'VARCHAR' : shape.length > 1 ? 'DOUBLE[]' : /b1$/.test(descr) ? 'BOOLEAN' : 'DOUBLE' }
}

function refuseOrder(header: NpyHeader, what: string): void {
  if (!header.fortranOrder || header.shape.length < 2) return
  throw new QuernError('input', `${what} is stored column by column (fortran_order)`, {
    hint: 'Write it again: numpy.save(file, numpy.ascontiguousarray(array)).',
  })
}

const widthOf = ({ shape }: NpyHeader): number => shape.slice(1).reduce((product, length) => product * length, 1)

/** A file of one array, read row by row: it may be larger than the memory. */
async function npyRows(path: string, what: string): Promise<Rows> {
  const file = await open(path)
  try {
    const begin = new Uint8Array(npyHeaderBytes)
    const { bytesRead } = await file.read(begin, 0, npyHeaderBytes, 0)
    const header = readNpyHeader(begin.subarray(0, bytesRead), what)
    refuseOrder(header, what)
    const rowBytes = header.itemSize * widthOf(header)
    return {
      name: what.replace(/\.npy$/i, ''),
      header,
      async read(first, rows) {
        const bytes = new Uint8Array(rows * rowBytes)
        const found = await file.read(bytes, 0, bytes.length, header.offset + first * rowBytes)
        if (found.bytesRead < bytes.length) {
          const whole = first + Math.floor(found.bytesRead / rowBytes)
          throw new QuernError('input', `${what} ends after ${whole} of ${header.shape[0]} rows`, {
            hint: 'Copy it again: the copy was cut off.',
          })
        }
        return readNpyElements(header, bytes)
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Arrays of an archive, which is unpacked in memory. */
async function npzRows(path: string, what: string): Promise<Rows[]> {
  const files = unzip(await readFile(path), what)
  return Object.entries(files).map(([file, bytes]): Rows => {
    const name = file.replace(/\.npy$/i, '')
    const header = readNpyHeader(bytes, `${what}, array '${name}'`)
    refuseOrder(header, `${what}, array '${name}'`)
    const rowBytes = header.itemSize * widthOf(header)
    const needed = header.offset + (header.shape[0] ?? 1) * rowBytes
    if (bytes.length < needed)
      throw new QuernError('input', `${what}, array '${name}' ends after ${bytes.length} of ${needed} bytes`)
    return {
      ...{ name, header },
      read: async (first, rows) =>
        readNpyElements(
          header,
          bytes.slice(header.offset + first * rowBytes, header.offset + (first + rows) * rowBytes),
        ),
      close: async () => undefined,
    }
  })
}

/** Slices of a volume along its third axis: `slice` from 0, and `voxels`, x fastest. */
async function niftiRows(path: string, what: string): Promise<Rows[]> {
  const { shape, values } = readNifti(await readFile(path), what)
  const [x = 1, y = 1, ...further] = shape
  const slices = further.reduce((product, length) => product * length, 1)
  const close = async (): Promise<void> => undefined
  const array = (of: readonly number[]) => ({ shape: of, itemSize: 4, descr: '<f4' })
  return [
    {
      name: 'slice',
      header: array([slices]),
      close,
      read: async (first, rows) => Array.from({ length: rows }, (_, i) => first + i),
    },
    {
      ...{ name: 'voxels', header: array([slices, x * y]), close },
      read: async (first, rows) => Array.from(values.subarray(first * x * y, (first + rows) * x * y)),
    },
  ]
}
