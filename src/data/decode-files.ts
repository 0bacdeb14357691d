/** Reads and decodes many picture files, a bounded number at a time, and keeps the result in a cache. IO. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { messageOf, QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { type CachedPicture, type PictureCache, packPictures, unpackPictures } from './image-cache.ts'
import type { DecodedImage, ImageDecoder, ImageForm } from './image-decoder.ts'
import type { PictureFile } from './list-pictures.ts'
import type { Skipped } from './source.ts'

export interface DecodeOptions {
  readonly form: ImageForm
  readonly decoder: ImageDecoder
  /** keeps decoded pixels between runs */
  readonly cache?: BlobStore | undefined
  /** tells this folder's cache from others: the folder's path */
  readonly cacheName: string
  /** pictures decoded at the same time; default one more than twice the processors: some are read, or wait in their thread */
  readonly concurrency?: number | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface DecodedFiles {
  /** the pictures that could be read, in the order of the files */
  readonly pictures: readonly CachedPicture[]
  /** uint8 [pictures, channels, height, width] */
  readonly pixels: Uint8Array
  readonly broken: readonly Skipped[]
  /** pictures that came from the cache */
  readonly cached: number
  readonly warnings: readonly string[]
}

/** Runs `work` for every index below `count`, at most `limit` at a time; the first error stops the rest. */
export async function eachBounded(count: number, limit: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      try {
        await work(index)
      } catch (error) {
        next = count
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, count) }, lane))
}

function cacheKey({ form, decoder, cacheName }: DecodeOptions): string {
  const hash = createHash('sha256').update(JSON.stringify([cacheName, form, decoder.id]))
  return `images-${hash.digest('hex').slice(0, 24)}.pixels`
}

/** The cache's pictures by name; damaged or unreadable caches count as empty, with a warning. */
async function openCache(
  key: string,
  size: number,
  store: BlobStore | undefined,
  warnings: string[],
): Promise<PictureCache> {
  const empty: PictureCache = { pictures: [], pixels: new Uint8Array(0) }
  if (!store) return empty
  try {
    if (!(await store.exists(key))) return empty
    const found = unpackPictures(await store.read(key), size)
    if (!found) warnings.push(`the cache of decoded pictures (${key}) was damaged and is made again`)
    return found ?? empty
  } catch (error) {
    warnings.push(`the cache of decoded pictures cannot be read: ${messageOf(error)}`)
    return empty
  }
}

async function decodeFile(
  { path }: PictureFile,
  { decoder, form }: DecodeOptions,
  into: Uint8Array,
): Promise<DecodedImage> {
  const decoded = await decoder.decodeFile?.(path, form, into)
  if (decoded) return decoded
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new QuernError('input', `cannot be opened (${messageOf(cause)})`, { cause })
  }
  const image = await decoder.decode(bytes, form)
  into.set(image.pixels)
  return image
}

function allocate(count: number, size: number): Uint8Array {
  try {
    return new Uint8Array(count * size)
  } catch (cause) {
    throw new QuernError('unsupported', `${count} pictures of ${size} bytes do not fit into memory`, {
      hint: 'Choose a smaller image.height and image.width.',
      cause,
    })
  }
}

/** Pixels of all files; those that cannot be read are named in `broken`, never dropped in silence. */
export async function decodeFiles(files: readonly PictureFile[], options: DecodeOptions): Promise<DecodedFiles> {
  const { form, cache: store, onProgress, signal } = options
  const size = form.channels * form.height * form.width
  const warnings: string[] = []
  const key = cacheKey(options)
  const cache = await openCache(key, size, store, warnings)
  const known = new Map(cache.pictures.map((picture, i) => [`${picture.stamp}/${picture.name}`, i]))
  const places = files.map((file) => known.get(`${file.stamp}/${file.name}`))
  if (files.length === cache.pictures.length && places.every((place, i) => place === i)) {
    return { ...cache, broken: [], cached: files.length, warnings }
  }
  let pixels = allocate(files.length, size)
  const pictures = new Array<CachedPicture | string>(files.length)
  let [done, cached] = [0, 0]
  await eachBounded(files.length, options.concurrency ?? 2 * availableParallelism() + 1, async (i) => {
    signal?.throwIfAborted()
    const [file, place] = [files[i]!, places[i]]
    if (place === undefined) {
      try {
        const image = await decodeFile(file, options, pixels.subarray(i * size, (i + 1) * size))
        pictures[i] = {
          name: file.name,
          stamp: file.stamp,
          height: image.originalHeight,
          width: image.originalWidth,
          mode: image.originalMode,
        }
      } catch (error) {
        if (!(error instanceof QuernError) || error.kind !== 'input') throw error
        pictures[i] = error.message
      }
    } else {
      pixels.set(cache.pixels.subarray(place * size, (place + 1) * size), i * size)
      pictures[i] = cache.pictures[place]!
      cached++
    }
    onProgress?.(++done, files.length)
  })
  const good: CachedPicture[] = []
  const broken: Skipped[] = []
  for (const [i, picture] of pictures.entries()) {
    if (typeof picture === 'string') broken.push({ name: files[i]!.name, reason: picture })
    else {
      if (good.length < i) pixels.copyWithin(good.length * size, i * size, (i + 1) * size)
      good.push(picture)
    }
  }
  pixels = pixels.subarray(0, good.length * size)
  // A folder with broken pictures is decoded in part each time; its cache is rewritten only when a picture is new.
  const changed = cached < good.length || good.length !== cache.pictures.length
  if (store && changed) await saveCache(store, key, { pictures: good, pixels }, size, warnings)
  return { pictures: good, pixels, broken, cached, warnings }
}

async function saveCache(
  store: BlobStore,
  key: string,
  cache: PictureCache,
  size: number,
  warnings: string[],
): Promise<void> {
  try {
    await store.write(key, packPictures(cache, size))
  } catch (error) {
    warnings.push(`the cache of decoded pictures cannot be written: ${messageOf(error)}`)
  }
}
