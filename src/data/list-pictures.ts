/** Lists the files of a folder tree that have certain endings, and everything in it that has none, with the reason. */
import type { Stats } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { missingPath } from './missing-path.ts'
import type { Skipped } from './source.ts'

export const pictureEndings: ReadonlySet<string> = new Set([
  '.png',
  '.jpg',
  '.jpeg',
  '.jfif',
  '.webp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
  '.dcm',
])

export interface ListedFile {
  /** path below the folder, with '/' */
  readonly name: string
  readonly path: string
  readonly size: number
  /** changes when the content does: size and times of the last change, in milliseconds */
  readonly stamp: string
}

export type PictureFile = ListedFile

export interface FileListing<File> {
  readonly files: File[]
  readonly ignored: Skipped[]
  /** visible folders directly below */
  readonly folders: string[]
}

export type Listing = FileListing<ListedFile>

/** Files that are looked for. */
interface Wanted {
  readonly endings: ReadonlySet<string>
  /** 'a picture' */
  readonly what: string
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function why(file: string): string | undefined {
  if (file.startsWith('.') || file === 'Thumbs.db' || file === 'desktop.ini' || file === '__MACOSX') return 'hidden'
  return undefined
}

/**
 * Pictures below a folder, sorted by name (code units, so the order is the same on every machine). Links to files and
 * folders are followed, each real folder once.
 */
export async function listPictures(root: string): Promise<Listing> {
  return listFiles(root, { endings: pictureEndings, what: 'a picture' })
}

/** The same of files of any endings, in lower case with their dot. */
export async function listFiles(root: string, wanted: Wanted): Promise<Listing> {
  const listing: Listing = { files: [], ignored: [], folders: [] }
  await walk(root, '', listing, new Set(), wanted)
  return listing
}

/** What is known of the entries of a folder, some at a time: asking for one after another takes as long as decoding a tenth of them. */
async function informed(folder: string, entries: readonly string[]): Promise<(Stats | undefined)[]> {
  const found: (Stats | undefined)[] = []
  for (let i = 0; i < entries.length; i += 64) {
    const some = entries.slice(i, i + 64).map((entry) => stat(join(folder, entry)).catch(() => undefined))
    found.push(...(await Promise.all(some)))
  }
  return found
}

async function walk(
  folder: string,
  prefix: string,
  listing: Listing,
  visited: Set<string>,
  wanted: Wanted,
): Promise<void> {
  let entries: string[]
  try {
    visited.add(await realpath(folder))
    entries = await readdir(folder)
  } catch (error) {
    throw await missingPath(folder, 'folder', error)
  }
  entries.sort(compare)
  const infos = await informed(folder, entries)
  for (const [i, entry] of entries.entries()) {
    const name = prefix + entry
    const path = join(folder, entry)
    const ignore = (reason: string): number => listing.ignored.push({ name, reason })
    const hidden = why(entry)
    if (hidden) {
      ignore(hidden)
      continue
    }
    const info = infos[i]
    if (!info) ignore('a link that leads nowhere, or no permission')
    else if (info.isDirectory()) {
      if (visited.has(await realpath(path))) ignore('a link to a folder that is read already')
      else {
        if (prefix === '') listing.folders.push(entry)
        await walk(path, `${name}/`, listing, visited, wanted)
      }
    } else if (!info.isFile()) ignore('not a regular file')
    else if (!wanted.endings.has(extname(entry).toLowerCase()))
      ignore(`the ending '${extname(entry)}' is not one of ${wanted.what}`)
    else {
      const { size, mtimeMs, ctimeMs } = info
      listing.files.push({ name, path, size, stamp: `${size}:${mtimeMs}:${ctimeMs}` })
    }
  }
}
