import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { type ImageFormConfig, imageForm } from '../image-decoder.ts'
import { createSharpDecoder } from '../sharp-decoder.ts'
import { JpegDecoder } from './jpeg-decoder.ts'

const decoder = new JpegDecoder()
const general = await createSharpDecoder()

/** Smooth colours with edges, so that a shift of half a sample is seen. */
function drawn(width: number, height: number) {
  const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    const wave = 110 + 60 * Math.sin(x / (9 + c)) + 50 * Math.cos(y / 11 + c)
    return Math.floor(x / 40) % 2 === Math.floor(y / 40) % 2 ? wave : 240 - wave / 2
  })
  return sharp(pixels, { raw: { width, height, channels: 3 } })
}

const photo = drawn(333, 250)
type Coding = Parameters<typeof photo.jpeg>[0]
const jpegOf = (coding: Coding): Promise<Uint8Array> => photo.clone().jpeg(coding).toBuffer()

/** Mean distance to what sharp makes of the same picture without loss, which it does not read at a smaller scale. */
async function distance(jpeg: Uint8Array, config: ImageFormConfig, isOurs = true): Promise<number> {
  const form = imageForm(config)
  const ours = isOurs ? decoder.decode(jpeg, form)! : await general.decode(jpeg, form)
  const { pixels } = await general.decode(await sharp(jpeg).png().toBuffer(), form)
  expect(ours.pixels.length).toBe(pixels.length)
  return pixels.reduce((sum, value, i) => sum + Math.abs(value - ours.pixels[i]!), 0) / pixels.length
}

describe('pixels', () => {
  // Where chroma is stored at half of the size, libjpeg draws it larger by a triangle and we by Lanczos' kernel: edges of colour differ.
  for (const [name, coding, most] of [
    ['chroma of every pixel', { quality: 95, chromaSubsampling: '4:4:4' }, 0.35],
    ['chroma of every fourth pixel', { quality: 95 }, 1.6],
    ['few bits', { quality: 40 }, 1.8],
    ['codes made for the picture', { quality: 95, optimiseCoding: true }, 1.6],
    ['no rounding of coefficients', { quality: 100, chromaSubsampling: '4:4:4' }, 0.35],
  ] as const) {
    it(`are those of the general decoder: ${name}`, async () => {
      const jpeg = await jpegOf(coding)
      for (const form of [
        { height: 250, width: 333 },
        { height: 128, width: 128 },
        { height: 200, width: 40 },
        { height: 120, width: 200, fit: 'contain', background: [10, 200, 30] },
        { height: 100, width: 300, fit: 'fill' },
      ] as const) {
        expect(await distance(jpeg, form), JSON.stringify(form)).toBeLessThan(most)
      }
    })
  }

  it('are nearer to those of the whole size than sharp comes where both transform blocks at a part of it', async () => {
    const large = await drawn(1333, 1000).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer()
    // At a half, a quarter and an eighth.
    for (const side of [300, 150, 75]) {
      const form = { height: side, width: side }
      const [ours, other] = [await distance(large, form), await distance(large, form, false)]
      expect(ours, String(side)).toBeLessThan(4)
      expect(ours, String(side)).toBeLessThan(other)
    }
  })

  it('of grey pictures are one plane or three', async () => {
    const grey = await photo.clone().toColourspace('b-w').jpeg({ quality: 95 }).toBuffer()
    expect(await distance(grey, { height: 100, width: 100, channels: 1 })).toBeLessThan(0.3)
    expect(await distance(grey, { height: 100, width: 100, channels: 3 })).toBeLessThan(0.3)
    expect(decoder.decode(grey, imageForm({ height: 9, width: 9 }))).toMatchObject({
      ...{ originalHeight: 250, originalWidth: 333, originalMode: 'grey' },
    })
  })

  it('of one colour stay that colour at every size', async () => {
    const jpeg = await sharp({ create: { width: 100, height: 60, channels: 3, background: '#787878' } })
      .jpeg()
      .toBuffer()
    for (const [height, width] of [
      [60, 100],
      [33, 17],
      [7, 5],
      [1, 1],
    ] as const) {
      const { pixels } = decoder.decode(jpeg, imageForm({ height, width }))!
      expect(new Set(pixels), `${height} x ${width}`).toEqual(new Set([0x78]))
    }
  })

  it('do not depend on what was decoded before', async () => {
    const [one, other] = [await jpegOf({ quality: 90 }), await jpegOf({ quality: 30, chromaSubsampling: '4:4:4' })]
    const form = imageForm({ height: 90, width: 111 })
    const first = decoder.decode(one, form)!.pixels
    decoder.decode(other, imageForm({ height: 200, width: 200 }))
    decoder.decode(one.slice(0, one.length / 2), form)
    expect(decoder.decode(one, form)!.pixels).toEqual(first)
    expect(new JpegDecoder().decode(one, form)!.pixels).toEqual(first)
  })
})

/** A grey JPEG whose blocks have one shade each: means of 11 bits by one code, and restarts after each block. */
function blocks(shades: readonly number[], interval: number): Uint8Array {
  const segment = (kind: number, ...content: number[]): number[] => [0xff, kind, 0, content.length + 2, ...content]
  // The only code of means, 0, says 11 bits; the only other code, 0, says that nothing follows.
  const code = (kind: number, symbol: number): number[] =>
    segment(0xc4, kind, 1, ...new Array<number>(15).fill(0), symbol)
  let [bits, data, before] = ['', [] as number[], 0]
  const flush = (): void => {
    for (const byte of bits.padEnd(Math.ceil(bits.length / 8) * 8, '1').match(/.{8}/g) ?? []) {
      data.push(Number.parseInt(byte, 2))
      if (byte === '11111111') data.push(0)
    }
    bits = ''
  }
  for (const [i, shade] of shades.entries()) {
    if (interval > 0 && i > 0 && i % interval === 0) {
      flush()
      data.push(0xff, 0xd0 + ((i / interval - 1) % 8))
      before = 0
    }
    const mean = (shade - 128) * 8
    const step = mean - before
    before = mean
    // Steps below 1024 in size are not of 11 bits.
    bits += `0${(step > 0 ? step : step + 2047).toString(2).padStart(11, '0')}0`
  }
  flush()
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...segment(0xdb, 0, ...new Array<number>(64).fill(1)),
    ...segment(0xc0, 8, 0, 8, 0, 8 * shades.length, 1, 1, 0x11, 0),
    ...code(0, 11),
    ...code(0x10, 0),
    ...(interval > 0 ? segment(0xdd, 0, interval) : []),
    ...segment(0xda, 1, 1, 0, 0, 63, 0),
    ...data,
    ...[0xff, 0xd9],
  ])
}

describe('restarts', () => {
  // From a mean of 0 and back, in steps of 11 bits.
  const shades = [0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255]
  const form = (count: number) => imageForm({ height: 8, width: 8 * count, channels: 1 })

  it('begin again from the middle', () => {
    for (const [some, interval] of [
      [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1],
      [shades, 2],
      [shades, 0],
    ] as const) {
      const { pixels } = decoder.decode(blocks(some, interval), form(12))!
      expect(some.map((_, i) => pixels[8 * i + 4])).toEqual(some)
    }
  })

  it('that are not where they must be are damage', () => {
    const jpeg = blocks([0, 0, 0], 1)
    const at = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xd1)
    expect(at).toBeGreaterThan(0)
    jpeg[at + 1] = 0xd4
    expect(decoder.decode(jpeg, form(3))).toBeUndefined()
  })
})

describe('what is left to the general decoder', () => {
  const form = imageForm({ height: 40, width: 40 })

  it('is what is rare', async () => {
    const cases: Record<string, Promise<Uint8Array>> = {
      progressive: jpegOf({ progressive: true }),
      turned: photo.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
      'with a profile': photo.clone().withIccProfile('p3').jpeg().toBuffer(),
      'in four colours': photo.clone().toColourspace('cmyk').jpeg().toBuffer(),
      'not a JPEG': photo.clone().png().toBuffer(),
      empty: Promise.resolve(new Uint8Array(0)),
    }
    for (const [name, bytes] of Object.entries(cases)) expect(decoder.decode(await bytes, form), name).toBeUndefined()
    const plain = await jpegOf({})
    expect(decoder.decode(plain, form)).toBeDefined()
    expect(decoder.decode(plain, imageForm({ height: 500, width: 40 })), 'made larger').toBeUndefined()
    expect(decoder.decode(plain, imageForm({ height: 40, width: 40, channels: 1 })), 'made grey').toBeUndefined()
    const upright = await photo.clone().withMetadata({ orientation: 1, icc: undefined }).jpeg().toBuffer()
    expect((await sharp(upright).metadata()).orientation).toBe(1)
  })

  it('is what ends too early, wherever it is cut', async () => {
    const jpeg = await jpegOf({ quality: 60 })
    for (let share = 0.05; share < 1; share += 0.05) {
      expect(decoder.decode(jpeg.subarray(0, jpeg.length * share), form), share.toFixed(2)).toBeUndefined()
    }
  })

  it('is never an exception or a picture of another size, whatever byte is damaged', async () => {
    const jpeg = await photo.clone().resize(48, 40).jpeg({ quality: 60 }).toBuffer()
    let refused = 0
    for (let at = 0; at < jpeg.length; at++) {
      const damaged = Uint8Array.from(jpeg)
      damaged[at] = (damaged[at]! * 7 + 41 + at) & 255
      const image = decoder.decode(damaged, form)
      if (!image) refused++
      else expect(image.pixels.length).toBe(3 * 40 * 40)
    }
    expect(refused).toBeGreaterThan(jpeg.length / 10)
  })
})
