import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage, type ImageFormConfig, imageForm } from './image-decoder.ts'
import { createSharpDecoder } from './sharp-decoder.ts'

const decoder = await createSharpDecoder()
const pixels = async (bytes: Uint8Array, form: ImageFormConfig): Promise<number[]> =>
  Array.from(await decodeImage(decoder, bytes, form))

/** A picture of 2 x 1: red, blue. */
const redBlue = sharp(Buffer.of(255, 0, 0, 0, 0, 255), { raw: { width: 2, height: 1, channels: 3 } })

describe('the sharp decoder', () => {
  it('gives planes [channels, height, width]', async () => {
    const png = await redBlue.clone().png().toBuffer()
    expect(await pixels(png, { height: 1, width: 2 })).toEqual([255, 0, 0, 0, 0, 255])
  })

  it('repeats the channel of a grey picture that is wanted in colour, and greys a coloured one', async () => {
    const grey = await sharp(Buffer.of(10, 200), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer()
    expect(await pixels(grey, { height: 1, width: 2 })).toEqual([10, 200, 10, 200, 10, 200])
    const png = await redBlue.clone().png().toBuffer()
    const [red, blue] = (await pixels(png, { height: 1, width: 2, channels: 1 })) as [number, number]
    expect(red).toBeGreaterThan(blue)
  })

  it('puts transparent pixels on white, or on the background that is asked for', async () => {
    const clear = await sharp(Buffer.of(9, 9, 9, 0, 1, 2, 3, 255), { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer()
    expect(await pixels(clear, { height: 1, width: 2 })).toEqual([255, 1, 255, 2, 255, 3])
    expect(await pixels(clear, { height: 1, width: 2, background: [0, 50, 100] })).toEqual([0, 1, 50, 2, 100, 3])
    const greyAlpha = await sharp(Buffer.of(9, 9, 9, 0, 7, 7, 7, 255), { raw: { width: 2, height: 1, channels: 4 } })
      .toColourspace('b-w')
      .png()
      .toBuffer()
    expect(await pixels(greyAlpha, { height: 1, width: 2, channels: 1 })).toEqual([255, 7])
  })

  it('fits by covering, containing and stretching', async () => {
    const strip = await sharp(Buffer.from([10, 10, 90, 90]), { raw: { width: 4, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .resize(40, 10, { kernel: 'nearest', fit: 'fill' })
      .png()
      .toBuffer()
    const cover = await pixels(strip, { height: 10, width: 10, channels: 1 })
    expect([cover[0], cover[9]]).toEqual([10, 90])
    const contain = await pixels(strip, { height: 40, width: 40, channels: 1, fit: 'contain', background: [0, 0, 0] })
    expect([contain[0], contain[20 * 40], contain[20 * 40 + 39], contain[39 * 40]]).toEqual([0, 10, 90, 0])
    const fill = await pixels(strip, { height: 20, width: 40, channels: 1, fit: 'fill' })
    expect([fill[0], fill[39], fill[799]]).toEqual([10, 90, 90])
  })

  it('turns a photo the way the camera was held (EXIF orientation 6: a quarter turn)', async () => {
    const jpeg = await redBlue
      .clone()
      .resize(32, 16, { kernel: 'nearest', fit: 'fill' })
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100 })
      .toBuffer()
    const image = await decoder.decode(jpeg, imageForm({ height: 32, width: 16 }))
    expect([image.originalHeight, image.originalWidth]).toEqual([32, 16])
    expect(image.pixels[0]).toBeGreaterThan(200)
    expect(image.pixels[31 * 16]).toBeLessThan(60)
    expect(image.pixels[2 * 512 + 31 * 16]).toBeGreaterThan(200)
  })

  it('reads 16-bit PNG, CMYK JPEG, palettes and the first frame of an animation', async () => {
    const form = { height: 4, width: 4 }
    const solid = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 100, b: 50 } } })
    const deep = await solid.clone().toColourspace('rgb16').png().toBuffer()
    const cmyk = await solid.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()
    const palette = await solid.clone().png({ palette: true }).toBuffer()
    const frames = await sharp(
      Buffer.from(Array.from({ length: 16 * 16 * 3 }, (_, i) => (i < 384 ? [200, 100, 50][i % 3]! : 0))),
      {
        raw: { width: 16, height: 16, channels: 3, pageHeight: 8 },
      },
    )
      .gif()
      .toBuffer()
    for (const [bytes, slack] of [
      [deep, 0],
      [cmyk, 40],
      [palette, 2],
      [frames, 12],
    ] as const) {
      const got = await pixels(bytes, form)
      expect(got.length).toBe(48)
      for (const [i, want] of [
        [0, 200],
        [16, 100],
        [32, 50],
      ] as const)
        expect(Math.abs(got[i]! - want)).toBeLessThanOrEqual(slack)
    }
  })

  it('refuses an empty file, text, a cut file and a bomb, each with its reason', async () => {
    const form = { height: 4, width: 4 }
    await expect(pixels(new Uint8Array(0), form)).rejects.toThrow('the file is empty (0 bytes)')
    await expect(pixels(Buffer.from('{"json": true}'), form)).rejects.toThrow('begins with the text "{\\"json\\": tru"')
    await expect(pixels(Uint8Array.of(0x42, 0x4d, 200, 0), form)).rejects.toThrow('begins with the bytes 42 4d c8 00')
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251))
    const big = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff'] as const) {
      const bytes = await big.clone().toFormat(format).toBuffer()
      await expect(pixels(bytes.subarray(0, bytes.length * 0.6), form), format).rejects.toMatchObject({ kind: 'input' })
    }
    const bomb = await sharp({ create: { width: 11000, height: 11000, channels: 3, background: 'white' } })
      .png({ compressionLevel: 1 })
      .toBuffer()
    await expect(pixels(bomb, form)).rejects.toThrow('more than 100 million pixels')
  })

  it('refuses a wrong form', () => {
    expect(() => imageForm({ height: 0, width: 4 })).toThrow(
      'image.height must be a whole number from 1 to 16384, received 0',
    )
    expect(() => imageForm({ height: 4, width: 4, channels: 4 as 3 })).toThrow(
      'image.channels must be 1 (grey) or 3 (colour)',
    )
    expect(() => imageForm({ height: 4, width: 4, background: [0, 0, 256] })).toThrow('image.background')
  })
})
