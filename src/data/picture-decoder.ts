/** The decoder of Node: the JPEGs that most people have by our own kernels (jpeg/), every other picture by sharp. */
import type { ImageDecoder, ImageForm } from './image-decoder.ts'
import { JpegDecoder, jpegDecoderId } from './jpeg/jpeg-decoder.ts'
import { JpegThreads } from './jpeg/jpeg-threads.ts'
import { createSharpDecoder } from './sharp-decoder.ts'

/** Decoding a larger JPEG at once would keep all that this thread does waiting for a hundredth of a second or more. */
const mostBytes = 500_000

let own: { readonly decoder: JpegDecoder; readonly threads: JpegThreads } | undefined

const roomFor = ({ channels, height, width }: ImageForm): Uint8Array => new Uint8Array(channels * height * width)

/** PNG, JPEG, WebP, GIF (first frame), TIFF, AVIF, DICOM; EXIF rotation; transparency on the background. */
export async function createPictureDecoder(): Promise<ImageDecoder> {
  const sharp = await createSharpDecoder()
  own ??= { decoder: new JpegDecoder(), threads: new JpegThreads() }
  const { decoder, threads } = own
  return {
    id: `${jpegDecoderId}-${sharp.id}`,
    async decode(bytes, form) {
      const isLarge = bytes.length > mostBytes && bytes[0] === 0xff && bytes[1] === 0xd8
      const image = isLarge ? await threads.decode(bytes, form, roomFor(form)) : decoder.decode(bytes, form)
      return image ?? sharp.decode(bytes, form)
    },
    decodeFile: (path, form, into) =>
      /\.jpe?g$/i.test(path) ? threads.decode(path, form, into) : Promise.resolve(undefined),
  }
}
