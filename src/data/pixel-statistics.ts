/** Mean and spread of the pixels of each channel, and pictures of one colour. Pure. */
import type { Pictures } from './duplicates.ts'

export interface PixelStatistics {
  /** mean of each channel, 0 to 255 */
  readonly mean: readonly number[]
  /** standard deviation of each channel (of all pixels, not of means of pictures), 0 to 127.5 */
  readonly std: readonly number[]
}

/** Statistics of the pictures that `include` picks (the training split), exact: from a histogram of each channel. */
export function pixelStatistics(pictures: Pictures, include: (index: number) => boolean): PixelStatistics {
  const { count, channels, height, width } = pictures
  const plane = height * width
  const histograms = Array.from({ length: channels }, () => new Float64Array(256))
  for (let i = 0; i < count; i++) {
    if (!include(i)) continue
    const pixels = pictures.pixels(i)
    for (let c = 0; c < channels; c++) {
      const histogram = histograms[c]!
      const start = pictures.offset(i) + c * plane
      for (let p = start; p < start + plane; p++) histogram[pixels[p]!]!++
    }
  }
  const moments = histograms.map((histogram) => {
    const total = Math.max(
      1,
      histogram.reduce((a, b) => a + b, 0),
    )
    const mean = histogram.reduce((sum, n, value) => sum + n * value, 0) / total
    const variance = histogram.reduce((sum, n, value) => sum + n * (value - mean) ** 2, 0) / total
    return { mean, std: Math.sqrt(variance) }
  })
  return { mean: moments.map(({ mean }) => mean), std: moments.map(({ std }) => std) }
}

/** Pictures whose every channel has one value everywhere. */
export function constantPictures(pictures: Pictures): number[] {
  const { count, channels, height, width } = pictures
  const plane = height * width
  const isConstant = (i: number): boolean => {
    const pixels = pictures.pixels(i)
    for (let c = 0; c < channels; c++) {
      const start = pictures.offset(i) + c * plane
      for (let p = start + 1; p < start + plane; p++) if (pixels[p] !== pixels[start]) return false
    }
    return true
  }
  return Array.from({ length: count }, (_, i) => i).filter(isConstant)
}
