/** Source: labelled pictures in whatever form a folder holds them, IDX files or one folder of pictures for each class. */
import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { QuernError } from '../core/errors.ts'
import { columnOf, exampleShape } from './dataset.ts'
import { loadIdxFolder, looksLikeIdx } from './idx-source.ts'
import { type ImageForm, imageForm } from './image-decoder.ts'
import { type ImageFolderOptions, type LoadedPictures, loadImageFolder } from './image-folder-source.ts'
import { missingPath } from './missing-path.ts'
import type { Loaded } from './source.ts'

export interface PictureOptions extends Omit<ImageFolderOptions, 'height' | 'width' | 'channels'> {
  /** wanted size; IDX files have one of their own, which it must equal */
  readonly height?: number | undefined
  readonly width?: number | undefined
  readonly channels?: 1 | 3 | undefined
  /** folder that a relative path starts from; default: the working directory */
  readonly root?: string | undefined
  /** names of the classes of IDX files, which hold numbers */
  readonly labels?: readonly string[] | undefined
}

export interface LoadedLabelledPictures extends Loaded {
  /** size and layout of every picture */
  readonly form: ImageForm
  /** the pictures as they were found; only for folders of pictures */
  readonly originals?: LoadedPictures['originals']
}

/** Side in pixels of pictures when the configuration names none. */
const defaultSide = 64

/** Loads a folder of IDX files or of pictures, whichever it is. */
export async function loadPictures(source: string, options: PictureOptions = {}): Promise<LoadedLabelledPictures> {
  const { height, width, channels, labels, root, ...rest } = options
  const folder = root === undefined ? source : resolve(root, source)
  let files: string[]
  try {
    files = await readdir(folder)
  } catch (error) {
    throw await missingPath(folder, 'folder', error)
  }
  if (looksLikeIdx(files)) return loadIdx(folder, options)
  if (labels) {
    throw new QuernError(
      'config',
      'data.labels names the classes of IDX files; a folder of pictures has them as folder names',
      {
        hint: 'Remove data.labels, or rename the folders.',
      },
    )
  }
  const size = { height: height ?? width ?? defaultSide, width: width ?? height ?? defaultSide }
  return loadImageFolder(folder, { ...rest, ...size, ...(channels ? { channels } : {}) })
}

async function loadIdx(folder: string, options: PictureOptions): Promise<LoadedLabelledPictures> {
  const loaded = await loadIdxFolder(folder, options.labels)
  const [any] = Object.values(loaded.splits ?? {})
  const [channels = 1, height = 0, width = 0] = exampleShape(columnOf(any!, 'image'))
  const form = imageForm({
    height,
    width,
    channels: channels as 1 | 3,
    fit: options.fit ?? 'contain',
    background: options.background ?? [255, 255, 255],
  })
  for (const key of ['height', 'width', 'channels'] as const) {
    const wanted = options[key]
    if (wanted === undefined || wanted === form[key]) continue
    throw new QuernError(
      'config',
      `data.image.${key} is ${wanted}, the IDX files of ${folder} hold pictures of ${key} ${form[key]}`,
      {
        hint: `Remove data.image.${key}: IDX files say it themselves.`,
      },
    )
  }
  return { ...loaded, form }
}
