/** Finds pictures that are the same, pixel for pixel, or nearly. Pure; knows uint8 pixels only. */

/** A set of pictures of one size: picture i begins at `offset(i)` of `pixels(i)`. */
export interface Pictures {
  readonly count: number
  readonly channels: number
  readonly height: number
  readonly width: number
  pixels(index: number): Uint8Array
  offset(index: number): number
}

const sizeOf = ({ channels, height, width }: Pictures): number => channels * height * width

/** 32-bit FNV-1a of a picture; equal hashes are compared byte by byte, so a collision does no harm. */
function hashPicture(pixels: Uint8Array, offset: number, size: number): number {
  let hash = 0x811c9dc5
  for (let i = offset; i < offset + size; i++) hash = Math.imul(hash ^ pixels[i]!, 0x01000193)
  return hash >>> 0
}

function samePicture(pictures: Pictures, a: number, b: number): boolean {
  const [pa, pb, oa, ob] = [pictures.pixels(a), pictures.pixels(b), pictures.offset(a), pictures.offset(b)]
  for (let i = 0; i < sizeOf(pictures); i++) if (pa[oa + i] !== pb[ob + i]) return false
  return true
}

/** Groups of two or more pictures with the same pixels, each in rising order. */
export function exactDuplicates(pictures: Pictures): number[][] {
  const size = sizeOf(pictures)
  const firsts = new Map<number, number[][]>()
  const groups: number[][] = []
  for (let i = 0; i < pictures.count; i++) {
    const hash = hashPicture(pictures.pixels(i), pictures.offset(i), size)
    const bucket = firsts.get(hash) ?? []
    const group = bucket.find(([first]) => samePicture(pictures, first!, i))
    if (group) {
      if (group.push(i) === 2) groups.push(group)
    } else firsts.set(hash, [...bucket, [i]])
  }
  return groups.sort(([a], [b]) => a! - b!)
}

/** Mean grey value of each cell of a grid of 9 x 8 over the picture, all channels together. */
function grid(pixels: Uint8Array, offset: number, { channels, height, width }: Pictures, cells: Float64Array): void {
  for (let gy = 0; gy < 8; gy++) {
    const [y0, y1] = [
      Math.floor((gy * height) / 8),
      Math.max(Math.floor(((gy + 1) * height) / 8), Math.floor((gy * height) / 8) + 1),
    ]
    for (let gx = 0; gx < 9; gx++) {
      const x0 = Math.floor((gx * width) / 9)
      const x1 = Math.max(Math.floor(((gx + 1) * width) / 9), x0 + 1)
      let sum = 0
      for (let c = 0; c < channels; c++) {
        for (let y = y0; y < y1; y++) {
          const row = offset + (c * height + y) * width
          for (let x = x0; x < x1; x++) sum += pixels[row + x]!
        }
      }
      cells[gy * 9 + gx] = sum / (channels * (y1 - y0) * (x1 - x0))
    }
  }
}

/**
 * Difference hash (Krawetz 2013, "Kind of like that"): 64 bits, one for each pair of neighbours in a row of the grid,
 * 1 when the picture gets brighter to the right; written as four words of 16 bits, from top to bottom.
 */
function differenceHash(cells: Float64Array, words: Uint16Array, at: number): void {
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const bit = cells[y * 9 + x]! < cells[y * 9 + x + 1]! ? 1 : 0
      words[at + (y >> 1)] = (words[at + (y >> 1)]! << 1) | bit
    }
  }
}

/** Bits in which two 16-bit words differ. */
function differingBits(a: number, b: number): number {
  let bits = a ^ b
  bits -= (bits >> 1) & 0x5555
  bits = (bits & 0x3333) + ((bits >> 2) & 0x3333)
  return ((((bits + (bits >> 4)) & 0x0f0f) * 0x0101) >> 8) & 31
}

function hashDistance(words: Uint16Array, a: number, b: number): number {
  let bits = 0
  for (let w = 0; w < 4; w++) bits += differingBits(words[4 * a + w]!, words[4 * b + w]!)
  return bits
}

/** Sum of the distances of a picture's pixels from their mean: its contrast. */
function contrastOf(pixels: Uint8Array, offset: number, size: number): number {
  let sum = 0
  for (let i = offset; i < offset + size; i++) sum += pixels[i]!
  const mean = sum / size
  let contrast = 0
  for (let i = offset; i < offset + size; i++) contrast += Math.abs(pixels[i]! - mean)
  return contrast
}

/** Sum of the distances of the pixels of two pictures; gives up, with a larger number, as soon as it exceeds `most`. */
function distanceOf(pictures: Pictures, a: number, b: number, most: number): number {
  const [pa, pb] = [pictures.pixels(a), pictures.pixels(b)]
  const end = pictures.offset(a) + sizeOf(pictures)
  let sum = 0
  for (let i = pictures.offset(a), j = pictures.offset(b); i < end && sum <= most; i++, j++) {
    sum += Math.abs(pa[i]! - pb[j]!)
  }
  return sum
}

/** Bits by which the hashes of two versions of a picture may differ (Krawetz: up to 10 of 64). */
const nearBits = 10

/**
 * Pairs that differ, but hardly: the difference hashes are near, and the pixels differ by at most `tolerance` of the
 * picture's own contrast. A search with bounds: each picture is compared with at most 32 others for each quarter of
 * its hash, so pairs may be missed in data of very similar pictures.
 */
export function nearDuplicates(pictures: Pictures, tolerance = 0.08): [number, number][] {
  const words = new Uint16Array(4 * pictures.count)
  const quarters = Array.from({ length: 4 }, () => new Map<number, number[]>())
  const cells = new Float64Array(72)
  const pairs: [number, number][] = []
  for (let i = 0; i < pictures.count; i++) {
    grid(pictures.pixels(i), pictures.offset(i), pictures, cells)
    differenceHash(cells, words, 4 * i)
    const candidates = new Set<number>()
    for (const [q, buckets] of quarters.entries()) {
      const bucket = buckets.get(words[4 * i + q]!)
      if (!bucket) buckets.set(words[4 * i + q]!, [i])
      else {
        for (const other of bucket) if (hashDistance(words, other, i) <= nearBits) candidates.add(other)
        if (bucket.length < 32) bucket.push(i)
      }
    }
    if (candidates.size === 0) continue
    const most = tolerance * contrastOf(pictures.pixels(i), pictures.offset(i), sizeOf(pictures))
    for (const other of candidates) {
      const distance = distanceOf(pictures, other, i, most)
      if (distance > 0 && distance <= most) {
        pairs.push([other, i])
        break
      }
    }
  }
  return pairs
}
