/** Source: pairs of IDX files, pictures and their classes, plain or gzip'ed (MNIST, Fashion-MNIST, EMNIST, KMNIST). */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'
import { messageOf, QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { checkIdxLength, readIdx, readIdxHeader } from '../formats/idx.ts'
import { createDataset, type Dataset } from './dataset.ts'
import { missingPath } from './missing-path.ts'
import type { Loaded, SplitName } from './source.ts'

export interface IdxPair {
  /** path of the pictures: uint8 [n, height, width] or [n, channels, height, width] */
  readonly images: string
  /** path of the classes: integers [n] */
  readonly labels: string
  /** names of the classes; default the numbers '0' to the largest that occurs */
  readonly classes?: readonly string[]
}

/** Inflates an IDX file; its header tells the length, so a bomb or a cut file is refused before the memory is taken. */
function inflateIdx(packed: Uint8Array, name: string): Uint8Array {
  try {
    const start = gunzipSync(packed.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH })
    const header = readIdxHeader(start, name)
    // Deflate packs at most 1032 to 1, so a longer claim cannot be true.
    if (header.totalBytes > packed.length * 1032) checkIdxLength(header, start.length, name)
    const bytes = gunzipSync(packed, { maxOutputLength: header.totalBytes })
    return bytes
  } catch (error) {
    if (error instanceof QuernError) throw error
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ERR_BUFFER_TOO_LARGE' ? 'it holds more bytes than its IDX header says' : messageOf(error)
    throw new QuernError('input', `${name} cannot be unpacked with gzip: ${reason}`, { cause: error })
  }
}

/** The tensor in an IDX file on disk; gzip is recognised by its first bytes, whatever the file is called. */
export async function readIdxFile(path: string): Promise<Tensor> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw await missingPath(path, 'IDX file', error)
  }
  const name = basename(path)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = inflateIdx(bytes, name)
  return readIdx(bytes, name)
}

/** Pictures as uint8 [n, channels, height, width]. */
function picturesFrom(t: Tensor, name: string): Tensor {
  const { dtype, shape } = t
  if (dtype !== 'uint8' || shape.length < 3 || shape.length > 4) {
    throw new QuernError(
      'input',
      `${name} must hold pictures as uint8 [n, height, width] or [n, channels, height, width], ` +
        `received ${dtype} ${formatShape(shape)}`,
      shape.length === 1 ? { hint: 'It looks like a labels file: are images and labels exchanged?' } : {},
    )
  }
  const [n, ...sizes] = shape as [number, ...number[]]
  return tensor('uint8', [n, ...(sizes.length === 2 ? [1, ...sizes] : sizes)], t.data)
}

/** Classes as int32 [n], each within the named classes. */
function classesFrom(t: Tensor, name: string, classes: readonly string[] | undefined): [Tensor, readonly string[]] {
  if (t.shape.length !== 1 || t.dtype === 'float32' || t.dtype === 'float64') {
    throw new QuernError(
      'input',
      `${name} must hold classes as integers [n], received ${t.dtype} ${formatShape(t.shape)}`,
    )
  }
  const labels = Int32Array.from(t.data as ArrayLike<number>)
  const known = classes?.length ?? Number.POSITIVE_INFINITY
  let most = -1
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    if (label < 0 || label >= known) {
      throw new QuernError(
        'input',
        `label ${label} of example ${i} in ${name} is not a class: expected 0 to ${classes ? known - 1 : 'the number of classes - 1'}`,
      )
    }
    most = Math.max(most, label)
  }
  return [tensor('int32', t.shape, labels), classes ?? Array.from({ length: most + 1 }, (_, i) => String(i))]
}

/** The dataset of one pair of files, with columns `image` and `label`; names are like 'train-images[17]'. */
export async function loadIdxPair({ images, labels, classes }: IdxPair): Promise<Dataset> {
  const image = picturesFrom(await readIdxFile(images), basename(images))
  const [label, names] = classesFrom(await readIdxFile(labels), basename(labels), classes)
  const [pictures, marks] = [image.shape[0]!, label.shape[0]!]
  if (pictures !== marks) {
    const which = marks > pictures ? 'a label without image' : 'an image without label'
    throw new QuernError(
      'input',
      `${which}: ${basename(images)} holds ${pictures} images, ${basename(labels)} ${marks} labels`,
      { hint: 'The two files must belong together: train images with train labels.' },
    )
  }
  const stem = basename(images)
    .replace(/\.gz$/, '')
    .replace(/-idx\d-ubyte$/, '')
  return createDataset({ columns: { image, label }, labels: names, names: (row) => `${stem}[${row}]` })
}

const prefixes: Readonly<Record<SplitName, readonly string[]>> = {
  train: ['train'],
  validation: ['validation', 'valid', 'val'],
  test: ['t10k', 'test'],
}

/** The pair whose names begin with one of the prefixes, as MNIST's do: `train-images-idx3-ubyte`, `.gz` allowed. */
function findPair(folder: string, files: readonly string[], starts: readonly string[]): IdxPair | undefined {
  const find = (kind: string): string | undefined =>
    files.find((file) =>
      starts.some((start) => file.startsWith(`${start}-${kind}`) || file.startsWith(`${start}_${kind}`)),
    )
  const [images, labels] = [find('images'), find('labels')]
  if (images && labels) return { images: join(folder, images), labels: join(folder, labels) }
  if (!images && !labels) return undefined
  throw new QuernError(
    'missing',
    `${folder} has ${images ?? labels}, but no ${images ? 'labels' : 'images'} file to go with it`,
  )
}

/** True when a folder holds IDX files under their usual names. */
export function looksLikeIdx(files: readonly string[]): boolean {
  return files.some((file) => /(images|labels)[-.]idx\d[-.]ubyte(\.gz)?$/.test(file))
}

/** Every pair of a folder with the usual names: train, validation and t10k (or test), as given splits. */
export async function loadIdxFolder(folder: string, classes?: readonly string[]): Promise<Loaded> {
  let files: string[]
  try {
    files = (await readdir(folder)).filter((file) => looksLikeIdx([file])).sort()
  } catch (error) {
    throw await missingPath(folder, 'folder', error)
  }
  const splits: Partial<Record<SplitName, Dataset>> = {}
  for (const [split, starts] of Object.entries(prefixes) as [SplitName, readonly string[]][]) {
    const pair = findPair(folder, files, starts)
    if (pair) splits[split] = await loadIdxPair(classes ? { ...pair, classes } : pair)
  }
  const found = Object.values(splits)
  const [first] = found
  if (!first) {
    throw new QuernError('missing', `${folder} holds no pair of IDX files`, {
      hint: 'Expected names such as train-images-idx3-ubyte and train-labels-idx1-ubyte, with or without .gz.',
    })
  }
  const labels = found.map((d) => d.labels).reduce((a, b) => (b.length > a.length ? b : a))
  for (const [split, dataset] of Object.entries(splits) as [SplitName, Dataset][])
    splits[split] = { ...dataset, labels }
  const examples = found.reduce((sum, dataset) => sum + dataset.length, 0)
  return { splits, report: { examples, broken: [], ignored: [], cached: 0, warnings: [] } }
}
