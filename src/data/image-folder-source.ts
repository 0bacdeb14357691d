/**
 * Source: a folder of pictures with one folder for each class, or with train/, validation/ and test/ above those.
 * Every file is either an example, or named in the report with the reason why it is none.
 */
import { resolve } from 'node:path'
import { QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { tensor } from '../core/tensor.ts'
import { createDataset, type Dataset, subset } from './dataset.ts'
import { type DecodedFiles, decodeFiles } from './decode-files.ts'
import {
  type ImageDecoder,
  type ImageForm,
  type ImageFormConfig,
  imageForm,
  type PictureMode,
} from './image-decoder.ts'
import { type Listing, listPictures } from './list-pictures.ts'
import { createSharpDecoder } from './sharp-decoder.ts'
import type { Loaded, Skipped, SplitName } from './source.ts'

export interface ImageFolderOptions extends ImageFormConfig {
  /** a picture that cannot be read: stop and name it (default), or go on and list it in the report */
  readonly onBroken?: 'fail' | 'skip' | undefined
  /** keeps decoded pixels between runs; without it every run decodes */
  readonly cache?: BlobStore | undefined
  /** default: sharp */
  readonly decoder?: ImageDecoder | undefined
  /** pictures decoded at the same time */
  readonly concurrency?: number | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A picture before it was made into the form. */
export interface OriginalPicture {
  readonly height: number
  readonly width: number
  readonly mode: PictureMode
}

export interface LoadedPictures extends Loaded {
  readonly form: ImageForm
  /** by storage row; the profile reads it */
  readonly originals: readonly OriginalPicture[]
}

const splitFolders: Readonly<Record<string, SplitName>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
}

/** Splits that the folders give: when one is called train and all others have names of splits too. */
function givenSplits(folders: readonly string[]): ReadonlyMap<string, SplitName> | undefined {
  const splits = new Map(folders.map((folder) => [folder, splitFolders[folder.toLowerCase()]]))
  const names = [...splits.values()]
  if (!names.includes('train') || names.includes(undefined)) return undefined
  if (new Set(names).size < names.length) {
    throw new QuernError('input', `two folders give the same split: ${folders.join(', ')}`)
  }
  return splits as Map<string, SplitName>
}

interface Labelled {
  readonly split: SplitName | undefined
  readonly label: string | undefined
}

/** Split and class of a picture, from the folders in its name. */
function placeOf(name: string, splits: ReadonlyMap<string, SplitName> | undefined): Labelled {
  const folders = name.split('/').slice(0, -1)
  const split = splits?.get(folders[0] ?? '')
  return { split, label: folders[splits ? 1 : 0] }
}

/** Pictures with a class; the others are listed as ignored. */
function labelled(listing: Listing, splits: ReadonlyMap<string, SplitName> | undefined, root: string): Listing {
  const ignored: Skipped[] = [...listing.ignored]
  const files = listing.files.filter(({ name }) => {
    if (placeOf(name, splits).label !== undefined) return true
    ignored.push({ name, reason: 'not in a folder of a class' })
    return false
  })
  if (files.length > 0) return { ...listing, files, ignored }
  const found = listing.files.length
  throw new QuernError(
    'input',
    found > 0
      ? `${root} holds ${found} pictures, but none in a folder of a class`
      : `${root} holds no pictures (${ignored.length === 0 ? 'it is empty' : `${ignored.length} other files or links`})`,
    { hint: 'Expected one folder for each class, such as cat/1.png and dog/2.jpg.' },
  )
}

function refuseBroken(root: string, broken: readonly Skipped[], total: number): void {
  const [first] = broken
  if (!first) return
  throw new QuernError(
    'input',
    `${broken.length} of ${total} pictures in ${root} cannot be read; the first is ${first.name}: ${first.reason}`,
    {
      hint: "Mend or remove them, or set data.onBroken: 'skip' to go on without them; `quern inspect` lists them all.",
    },
  )
}

function columnsFrom(decoded: DecodedFiles, form: ImageForm, places: readonly Labelled[]): Dataset {
  const count = decoded.pictures.length
  const labels = [...new Set(places.map(({ label }) => label!))].sort()
  const codes = new Map(labels.map((label, i) => [label, i]))
  return createDataset({
    columns: {
      image: tensor('uint8', [count, form.channels, form.height, form.width], decoded.pixels),
      label: tensor(
        'int32',
        [count],
        Int32Array.from(places, ({ label }) => codes.get(label!)!),
      ),
    },
    labels,
    names: decoded.pictures.map(({ name }) => name),
  })
}

/** Warnings about folders that ended without a picture. */
function emptyFolders(
  listing: Listing,
  splits: ReadonlyMap<string, SplitName> | undefined,
  names: readonly string[],
): string[] {
  const kind = splits ? 'split' : 'class'
  return listing.folders
    .filter((folder) => !names.some((name) => name.startsWith(`${folder}/`)))
    .map((folder) => `the folder ${folder}/ holds no picture that can be read, so there is no ${kind} '${folder}'`)
}

/**
 * The pictures of a folder as a dataset with columns `image` (uint8 [n, channels, height, width]) and `label` (int32
 * [n]); classes are the folders' names in sorted order, names of examples their paths.
 *
 *     const { all, report } = await loadImageFolder('photos', { height: 64, width: 64, onBroken: 'skip' })
 */
export async function loadImageFolder(folder: string, options: ImageFolderOptions): Promise<LoadedPictures> {
  const { onBroken = 'fail', cache, concurrency, onProgress, signal } = options
  const form = imageForm(options)
  const all = await listPictures(folder)
  const splits = givenSplits(all.folders)
  const listing = labelled(all, splits, folder)
  const decoder = options.decoder ?? (await createSharpDecoder())
  const cacheName = resolve(folder)
  const decoded = await decodeFiles(listing.files, { form, decoder, cache, cacheName, concurrency, onProgress, signal })
  const { pictures, broken } = decoded
  if (onBroken === 'fail') refuseBroken(folder, broken, listing.files.length)
  if (pictures.length === 0) refuseBroken(folder, broken, listing.files.length)
  const places = pictures.map(({ name }) => placeOf(name, splits))
  const dataset = columnsFrom(decoded, form, places)
  const warnings = [
    ...decoded.warnings,
    ...emptyFolders(
      listing,
      splits,
      pictures.map(({ name }) => name),
    ),
  ]
  const report = { examples: pictures.length, broken, ignored: listing.ignored, cached: decoded.cached, warnings }
  const originals = pictures.map(({ height, width, mode }) => ({ height, width, mode }))
  if (!splits) return { all: dataset, report, form, originals }
  const given: Partial<Record<SplitName, Dataset>> = {}
  for (const split of new Set(splits.values())) {
    const positions = places.flatMap((place, i) => (place.split === split ? [i] : []))
    if (positions.length > 0) given[split] = subset(dataset, positions)
  }
  return { splits: given, report, form, originals }
}
