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
 * 1 when the picture gets brighter to the right. Two words, the upper and the lower half.
 */
function differenceHash(cells: Float64Array): [upper: number, lower: number] {
  const words: [number, number] = [0, 0]
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const bit = cells[y * 9 + x]! < cells[y * 9 + x + 1]! ? 1 : 0
      words[y >> 2] = ((words[y >> 2]! << 1) | bit) >>> 0
    }
  }
  return words
}

/** How far the pixels of two pictures are apart, as a share of how far those of the first are from their own mean. */
function relativeDifference(pictures: Pictures, a: number, b: number): number {
  const [pa, pb, oa, ob] = [pictures.pixels(a), pictures.pixels(b), pictures.offset(a), pictures.offset(b)]
  const size = sizeOf(pictures)
  let mean = 0
  for (let i = 0; i < size; i++) mean += pa[oa + i]! / size
  let [apart, spread] = [0, 0]
  for (let i = 0; i < size; i++) {
    apart += Math.abs(pa[oa + i]! - pb[ob + i]!)
    spread += Math.abs(pa[oa + i]! - mean)
  }
  return apart === 0 ? 0 : apart / spread
}

/**
 * Pairs that differ, but hardly: half of the difference hash is the same and the pixels differ by at most
 * `tolerance` of the picture's own contrast. A search with bounds: each picture is compared with at most 32 others of its hash, so pairs may
 * be missed in data of very similar pictures; none that is reported is wrong.
 */
export function nearDuplicates(pictures: Pictures, tolerance = 0.05): [number, number][] {
  const halves = [new Map<number, number[]>(), new Map<number, number[]>()]
  const cells = new Float64Array(72)
  const pairs: [number, number][] = []
  for (let i = 0; i < pictures.count; i++) {
    grid(pictures.pixels(i), pictures.offset(i), pictures, cells)
    const candidates = new Set<number>()
    for (const [half, word] of differenceHash(cells).entries()) {
      const bucket = halves[half]!.get(word)
      if (!bucket) halves[half]!.set(word, [i])
      else {
        for (const other of bucket) candidates.add(other)
        if (bucket.length < 32) bucket.push(i)
      }
    }
    for (const other of candidates) {
      const difference = relativeDifference(pictures, other, i)
      if (difference > 0 && difference <= tolerance) {
        pairs.push([other, i])
        break
      }
    }
  }
  return pairs
}
