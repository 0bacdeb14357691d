/**
 * Source: a folder of pictures with one folder for each class, or with train/, validation/ and test/ above those; or with labels from their
 * names or a table.
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
import {
  type FileTable,
  fileTable,
  type Labelled,
  type LabelRule,
  labelFiles,
  unlabelledWarnings,
} from './labelled-files.ts'
import { type Listing, listPictures, type PictureFile } from './list-pictures.ts'
import { createPictureDecoder } from './picture-decoder.ts'
import { type Loaded, type Skipped, type SplitName, splitNames } from './source.ts'

export interface ImageFolderOptions extends ImageFormConfig {
  /** where the class of a picture comes from; default: its folder */
  readonly label?: LabelRule | undefined
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

function columnsFrom(decoded: DecodedFiles, form: ImageForm, places: readonly Labelled<PictureFile>[]): Dataset {
  const count = decoded.pictures.length
  const labels = [...new Set(places.map(({ values }) => values.label!))].sort()
  const codes = new Map(labels.map((label, i) => [label, i]))
  return createDataset({
    columns: {
      image: tensor('uint8', [count, form.channels, form.height, form.width], decoded.pixels),
      label: tensor(
        'int32',
        [count],
        Int32Array.from(places, ({ values }) => codes.get(values.label!)!),
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
  const rule = options.label ?? 'folder'
  const table = typeof rule === 'object' && 'table' in rule ? await readFileTable(rule, folder) : undefined
  const listing = await listPictures(folder)
  const { files, ignored, splits } = labelFiles(listing, { rule, table, root: folder, what: 'pictures' })
  refuseWithoutLabel(files, rule)
  const decoder = options.decoder ?? (await createPictureDecoder())
  const cacheName = resolve(folder)
  const decoded = await decodeFiles(
    files.map(({ file }) => file),
    { form, decoder, cache, cacheName, concurrency, onProgress, signal },
  )
  const { pictures, broken } = decoded
  if (onBroken === 'fail') refuseBroken(folder, broken, files.length)
  if (pictures.length === 0) refuseBroken(folder, broken, files.length)
  const byName = new Map(files.map((labelled) => [labelled.file.name, labelled]))
  const places = pictures.map(({ name }) => byName.get(name)!)
  const dataset = columnsFrom(decoded, form, places)
  const warnings = [
    ...decoded.warnings,
    ...unlabelledWarnings(listing, ignored, 'pictures'),
    ...(rule !== 'folder'
      ? []
      : emptyFolders(
          listing,
          splits,
          pictures.map(({ name }) => name),
        )),
  ]
  const report = { examples: pictures.length, broken, ignored, cached: decoded.cached, warnings }
  const originals = pictures.map(({ height, width, mode }) => ({ height, width, mode }))
  if (places.every(({ split }) => split === undefined)) return { all: dataset, report, form, originals }
  const given: Partial<Record<SplitName, Dataset>> = {}
  for (const split of splitNames) {
    const positions = places.flatMap((place, i) => (place.split === split ? [i] : []))
    if (positions.length > 0) given[split] = subset(dataset, positions)
  }
  return { splits: given, report, form, originals }
}

/** A pattern may find everything but the label. */
function refuseWithoutLabel(files: readonly Labelled<PictureFile>[], rule: LabelRule): void {
  const without = files.find(({ values }) => values.label === undefined)
  if (!without) return
  const split = typeof rule === 'object' && 'pattern' in rule ? rule.pattern : ''
  throw new QuernError(
    'config',
    `data.label: the pattern ${JSON.stringify(split)} finds no label in ${without.file.name}`,
    {
      hint: 'Name the part that is the class: (?<label>...).',
    },
  )
}

/** The table beside the pictures, read by the same readers as any other. */
async function readFileTable(rule: Extract<LabelRule, { table: string }>, folder: string): Promise<FileTable> {
  const { readTableRows } = await import('./sources/table-rows.ts')
  const rows = []
  for await (const row of readTableRows(rule.table, { root: folder })) rows.push(row)
  return fileTable(rows, rule)
}
