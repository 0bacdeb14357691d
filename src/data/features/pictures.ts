/** Pictures in a table: decoded to pixels of one size; what the network sees of them is -1 to 1. */
import { QuernError } from '../../core/errors.ts'
import { imageForm } from '../image-decoder.ts'
import { cellBytes } from './cell-bytes.ts'
import { numericOptions } from './number-statistics.ts'
import type { OwnFeature } from './own-feature.ts'

interface Size {
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** Cut to the middle, in colour unless `channels` is 1. */
export const pixels: OwnFeature<Size> = {
  name: 'pixels',
  summary: 'image: pixels of `height` (32) and `width` (32), `channels` (3)',
  kinds: ['image'],
  dtype: 'uint8',
  shape: ({ channels, height, width }) => [channels, height, width],
  fit(_, options) {
    const { height, width, channels } = numericOptions('pixels', options, { height: 32, width: 32, channels: 3 })
    imageForm({ height, width, channels: channels as 1 | 3 })
    return { height, width, channels }
  },
  async encode({ height, width, channels }, cell, into, c) {
    if (!c.images) throw new QuernError('unsupported', 'pictures cannot be decoded here')
    const form = imageForm({ height, width, channels: channels as 1 | 3 })
    into.set((await c.images.decode(await cellBytes(cell, c), form)).pixels)
  },
  graph: (_, { g }, value) => g.sub(g.mul(g.cast(value, 'float32'), 2 / 255), 1),
}
