/**
 * The cache of decoded pictures: one blob for a folder, a form and a decoder. Its layout:
 *
 *     'QPIX' | uint32 bytes of the index | uint32 CRC-32 of all that follows | index (JSON) | pixels, one picture after another
 *
 * The numbers are little-endian. A blob that is damaged, of another version or of another form reads as undefined.
 * Knows no files: blobs come through the BlobStore port.
 */
import { crc32 } from 'node:zlib'
import type { PictureMode } from './image-decoder.ts'

export interface CachedPicture {
  readonly name: string
  /** the file's stamp when it was decoded; another stamp means that the file has changed */
  readonly stamp: string
  readonly height: number
  readonly width: number
  readonly mode: PictureMode
}

export interface PictureCache {
  readonly pictures: readonly CachedPicture[]
  /** uint8 [pictures, channels, height, width], a view on the blob */
  readonly pixels: Uint8Array
}

const magic = [0x51, 0x50, 0x49, 0x58]
const headerBytes = 12
const version = 1

/** The blob of decoded pictures; `size` is the number of bytes of one. */
export function packPictures(cache: PictureCache, size: number): Uint8Array {
  const rows = cache.pictures.map((p) => [p.name, p.stamp, p.height, p.width, p.mode])
  const index = new TextEncoder().encode(JSON.stringify({ version, size, pictures: rows }))
  const bytes = new Uint8Array(headerBytes + index.length + cache.pixels.length)
  bytes.set(magic)
  bytes.set(index, headerBytes)
  bytes.set(cache.pixels, headerBytes + index.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, index.length, true)
  view.setUint32(8, crc32(bytes.subarray(headerBytes)), true)
  return bytes
}

/** The pictures of a blob, or undefined when it is damaged or holds pictures of another size. */
export function unpackPictures(bytes: Uint8Array, size: number): PictureCache | undefined {
  if (bytes.length < headerBytes || magic.some((byte, i) => bytes[i] !== byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = headerBytes + view.getUint32(4, true)
  if (end > bytes.length || crc32(bytes.subarray(headerBytes)) !== view.getUint32(8, true)) return undefined
  const index = parseIndex(new TextDecoder().decode(bytes.subarray(headerBytes, end)))
  if (!index || index.size !== size || bytes.length - end !== index.pictures.length * size) return undefined
  const pictures = index.pictures.map(([name, stamp, height, width, mode]) => ({ name, stamp, height, width, mode }))
  return { pictures, pixels: new Uint8Array(bytes.buffer, bytes.byteOffset + end, bytes.length - end) }
}

interface Index {
  readonly version: number
  readonly size: number
  readonly pictures: readonly (readonly [string, string, number, number, PictureMode])[]
}

function parseIndex(text: string): Index | undefined {
  try {
    const index = JSON.parse(text) as Index
    return index.version === version && Array.isArray(index.pictures) ? index : undefined
  } catch {
    return undefined
  }
}
