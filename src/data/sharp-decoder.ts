/** Decodes pictures in Node with sharp (libvips). The sole importer of sharp, which is loaded at the first picture. */
import { messageOf, QuernError } from '../core/errors.ts'
import { greyFrom, looksLikeDicom, readDicom } from '../formats/dicom.ts'
import { type DecodedImage, type ImageDecoder, type ImageForm, planesFrom } from './image-decoder.ts'

/** A picture of more pixels than this is refused before it is unpacked: a small file can hold a huge empty one. */
const mostPixels = 100_000_000

type Sharp = typeof import('sharp').default

let loading: Promise<Sharp> | undefined

async function load(): Promise<Sharp> {
  try {
    const { default: sharp } = await import('sharp')
    // Pictures are decoded side by side, so one thread each; every picture is used once, so nothing is kept.
    sharp.concurrency(1)
    sharp.cache(false)
    return sharp
  } catch (cause) {
    throw new QuernError('unsupported', `pictures cannot be decoded: sharp does not load (${messageOf(cause)})`, {
      hint: 'Install it for this platform: npm install sharp',
      cause,
    })
  }
}

/** What the first bytes look like, for a file that is no picture. */
function beginning(bytes: Uint8Array): string {
  const start = Array.from(bytes.subarray(0, 12))
  const text = start.every((b) => b >= 9 && b < 127)
  return text
    ? `it begins with the text ${JSON.stringify(String.fromCharCode(...start))}`
    : `it begins with the bytes ${start
        .slice(0, 4)
        .map((b) => b.toString(16).padStart(2, '0'))
        .join(' ')}`
}

function reason(error: unknown, bytes: Uint8Array): string {
  const message = messageOf(error).split('\n')[0]!
  if (/unsupported image format/i.test(message)) return `not a picture of a known format: ${beginning(bytes)}`
  if (/pixel limit/i.test(message))
    return `the picture has more than ${mostPixels / 1e6} million pixels, which are not read: make it smaller`
  if (/premature|truncated|end of|read error|not enough/i.test(message)) return `truncated or damaged (${message})`
  return `damaged (${message})`
}

/** A picture of a scanner, grey as its own window says, or in colour. */
async function scanned(sharp: Sharp, bytes: Uint8Array): Promise<ReturnType<Sharp>> {
  const jpeg = (frame: Uint8Array, samples: number): Promise<Uint8Array> =>
    sharp(frame, { failOn: 'error', limitInputPixels: mostPixels })
      .toColourspace(samples === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer()
  const picture = await readDicom(bytes, { jpeg })
  const { height, width } = picture
  return picture.kind === 'grey'
    ? sharp(greyFrom(picture), { raw: { width, height, channels: 1 } })
    : sharp(picture.values, { raw: { width, height, channels: 3 } })
}

async function decodeWith(sharp: Sharp, bytes: Uint8Array, form: ImageForm): Promise<DecodedImage> {
  const { height, width, channels, fit } = form
  const [r, g, b] = form.background
  const background = { r, g, b, alpha: 1 }
  // failOn 'error' lets warnings about metadata pass, and refuses pictures whose data ends too early.
  const image = looksLikeDicom(bytes)
    ? await scanned(sharp, bytes)
    : sharp(bytes, { failOn: 'error', limitInputPixels: mostPixels, autoOrient: true })
  const { autoOrient, space, hasAlpha } = await image.metadata()
  const { data, info } = await image
    .flatten({ background })
    .resize({ width, height, fit, background, position: 'centre', kernel: 'lanczos3' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  return {
    pixels: planesFrom(data, info.channels, channels, height * width),
    originalHeight: autoOrient.height,
    originalWidth: autoOrient.width,
    originalMode: `${space === 'b-w' || space === 'grey16' ? 'grey' : 'colour'}${hasAlpha ? ' with alpha' : ''}`,
  }
}

/** The decoder of Node: PNG, JPEG, WebP, GIF (first frame), TIFF, AVIF, DICOM; EXIF rotation; transparency on the background. */
export async function createSharpDecoder(): Promise<ImageDecoder> {
  loading ??= load()
  const sharp = await loading
  const { sharp: version, vips } = sharp.versions
  return {
    id: `sharp-${version}-vips-${vips}`,
    async decode(bytes, form) {
      if (bytes.length === 0) throw new QuernError('input', 'the file is empty (0 bytes)')
      try {
        return await decodeWith(sharp, bytes, form)
      } catch (cause) {
        if (cause instanceof QuernError) throw cause
        throw new QuernError('input', reason(cause, bytes), { cause })
      }
    },
  }
}
