/** A picture as a few numbers: how bright, how contrasted, how rough it is, and its colours. */
import type { Port } from '../../contract/manifest.ts'
import { type Measures, noMeasures } from './measures.ts'

/** Pixels looked at along each side: every one of a small picture, evenly spread ones of a larger. */
const grid = 16
const colours = ['red', 'green', 'blue'] as const

/** Of the input `[batch, channels, height, width]`; values as the graph takes them, 0 to 255. */
export function imageMeasures({ name, shape }: Port): Measures {
  const [, channels, height, width] = shape as number[]
  if (![channels, height, width].every((size) => typeof size === 'number' && size > 0)) return noMeasures
  const stepX = Math.ceil(width! / grid)
  const stepY = Math.ceil(height! / grid)
  const plane = height! * width!
  const hasColours = channels === 3
  return {
    list: ['brightness', 'contrast', 'roughness', ...(hasColours ? colours : [])].map((measure) => ({ name: measure })),
    read(tensors, row, into) {
      const data = tensors[name]!.data as Uint8Array
      let [sum, squares, steps, cells, count] = [0, 0, 0, 0, 0]
      for (let channel = 0; channel < channels!; channel++) {
        const start = (row * channels! + channel) * plane
        const before = sum
        let here = 0
        for (let y = 0; y < height!; y += stepY) {
          const line = start + y * width!
          let last = data[line]!
          for (let x = 0; x < width!; x += stepX) {
            const value = data[line + x]!
            sum += value
            squares += value * value
            steps += value > last ? value - last : last - value
            last = value
            here++
          }
          cells += Math.ceil(width! / stepX) - 1
        }
        count += here
        if (hasColours) into[3 + channel] = (sum - before) / here
      }
      const mean = sum / count
      into[0] = mean
      into[1] = Math.sqrt(Math.max(0, squares / count - mean * mean))
      into[2] = cells > 0 ? steps / cells : 0
    },
  }
}
