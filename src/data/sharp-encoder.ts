/** Pixels as a PNG file, for reports and samples. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

/** A picture uint8 `[channels, height, width]` (1: grey, 3: colour) as PNG bytes. sharp is loaded at the first one. */
export async function encodePng({ data, shape, dtype }: Tensor): Promise<Uint8Array> {
  const [channels, height, width] = shape
  if (dtype !== 'uint8' || shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new QuernError(
      'input',
      `a PNG is made of uint8 [1 or 3, height, width], received ${dtype}${formatShape(shape)}`,
    )
  }
  const { default: sharp } = await import('sharp')
  const planes = data as Uint8Array
  const size = height! * width!
  const interleaved = new Uint8Array(planes.length)
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < size; i++) interleaved[i * channels + c] = planes[c * size + i]!
  const image = sharp(interleaved, { raw: { width: width!, height: height!, channels } })
  const colours = channels === 1 ? image.toColourspace('b-w') : image
  return colours.png().toBuffer()
}
