/** DICOM pictures of several makers in every transfer syntax that is read, beside what pydicom makes of them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { createPictureDecoder } from '../src/data/picture-decoder.ts'
import { type DicomPicture, type GreyPicture, greyFrom, looksLikeDicom, readDicom } from '../src/formats/dicom.ts'
import { packageFolder } from './package-files.ts'

const golden = JSON.parse(readFileSync(new URL('golden/dicom.json', import.meta.url), 'utf8')) as Record<
  string,
  { readonly syntax: string; readonly shape: readonly number[]; readonly sum: number; readonly some: readonly number[] }
>

async function open(name: string): Promise<Uint8Array> {
  const folder = name.startsWith('jpeg_lossless')
    ? join(import.meta.dirname, '../node_modules/jpeg-lossless-decoder-js/tests/data')
    : join(await packageFolder('python3-pydicom=2.3.1-1'), 'usr/lib/python3/dist-packages/pydicom/data/test_files')
  return readFileSync(join(folder, `${name}.dcm`))
}

const jpeg = (frame: Uint8Array, samples: number): Promise<Uint8Array> =>
  sharp(frame, { failOn: 'error' })
    .toColourspace(samples === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer()

const read = async (name: string): Promise<DicomPicture> => readDicom(await open(name), { jpeg })
const grey = async (name: string): Promise<GreyPicture> => (await read(name)) as GreyPicture

it('a CT has Hounsfield units and what is said of it', async () => {
  expect(looksLikeDicom(await open('CT_small'))).toBe(true)
  const found = await grey('CT_small')
  expect([found.height, found.width]).toEqual([128, 128])
  expect(found.tags).toMatchObject({ Modality: 'CT', PatientID: '1CT1', StudyDate: '20040119' })
  // NumPy: the first elements behind the tag of the pixels is 175, 180, 166, 143; intercept -1024, slope 1.
  expect(Array.from(found.values.subarray(0, 4))).toEqual([-849, -844, -858, -881])
  const shown = greyFrom(found)
  expect([Math.min(...shown), Math.max(...shown)]).toEqual([0, 255])
})

it('an MR has its window', async () => {
  const found = await grey('MR_small')
  expect([found.height, found.width]).toEqual([64, 64])
  // WindowCenter 600, WindowWidth 1600
  expect(found.window).toEqual([-200, 1400])
})

describe('numbers are those of pydicom', () => {
  // The JPEGs are not exact by nature: decoders round otherwise, and smooth halved colours otherwise.
  const rounded: Readonly<Record<string, number>> = { 'SC_rgb_dcmtk_+eb+cy+np': 2, 'SC_rgb_dcmtk_+eb+cr': 1 }

  it.each(Object.keys(golden))('%s', async (name) => {
    const { shape, sum, some } = golden[name]!
    const { kind, height, width, values } = await read(name)
    expect([height, width, ...(kind === 'colour' ? [3] : [])]).toEqual(shape)
    const near = rounded[name] ?? 0
    const ours = Array.from({ length: some.length }, (_, i) => values[i * 1499]!)
    for (const [i, value] of ours.entries()) expect(Math.abs(value - some[i]!)).toBeLessThanOrEqual(near)
    const total = (values as Uint8Array).reduce((all, value) => all + value, 0)
    expect(Math.abs(total - sum)).toBeLessThanOrEqual(near * values.length)
  })

  it('covers every transfer syntax that a codec reads', () => {
    const ends = new Set(Object.values(golden).map(({ syntax }) => syntax.replace('1.2.840.10008.1.2.', '')))
    expect([...ends].sort()).toEqual(['1.99', '2', '4.50', '4.57', '4.70', '4.80', '4.90', '4.91', '5'])
  })
})

it.each(['MR_small_RLE', 'MR_small_bigendian', 'MR_small_jp2klossless', 'MR_small_jpeg_ls_lossless'])(
  '%s is the picture that it was made of',
  async (name) => {
    expect((await grey(name)).values).toEqual((await grey('MR_small')).values)
  },
)

it('damaged run lengths are refused', async () => {
  const bytes = Uint8Array.from(await open('MR_small_RLE'))
  // The frame's head is behind the tag of its item: 2 planes.
  const at = Buffer.from(bytes).indexOf(Buffer.from([2, 0, 0, 0, 64, 0, 0, 0]))
  const other = Uint8Array.from(bytes)
  other[at] = 3
  await expect(readDicom(other)).rejects.toThrow('has 3 planes; expected 2')
  const ended = Uint8Array.from(bytes)
  // The second plane begins where the frame ends.
  new DataView(ended.buffer).setUint32(at + 8, 1e6, true)
  await expect(readDicom(ended)).rejects.toThrow(/plane 2 of a DICOM frame of run lengths ends after 0 of 4096 pixels/)
})

/** An element in the explicit little-endian form (PS3.5, 7.1.2). */
function element(tag: number, vr: string, value: Uint8Array | number | string): Buffer {
  const content =
    typeof value === 'number' ? Buffer.from(Uint16Array.of(value).buffer) : Buffer.from(value as Uint8Array)
  const even = content.length % 2 === 0 ? content : Buffer.concat([content, Buffer.from([vr === 'UI' ? 0 : 32])])
  const head = Buffer.alloc(vr === 'OB' ? 12 : 8)
  head.writeUInt16LE(tag >>> 16, 0)
  head.writeUInt16LE(tag & 0xffff, 2)
  head.write(vr, 4)
  if (vr === 'OB') head.writeUInt32LE(even.length, 8)
  else head.writeUInt16LE(even.length, 6)
  return Buffer.concat([head, even])
}

/** A file of one frame, in one fragment or several. */
function fileOf(
  syntax: string,
  {
    height,
    width,
    kind = 'MONOCHROME2',
    fragments,
    deflate = (x) => x,
  }: {
    height: number
    width: number
    kind?: string
    fragments: readonly Uint8Array[]
    deflate?: (content: Buffer) => Buffer
  },
): Uint8Array {
  const item = (content: Uint8Array): Buffer => {
    const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0])
    const even = Buffer.concat([content, Buffer.alloc(content.length % 2)])
    head.writeUInt32LE(even.length, 4)
    return Buffer.concat([head, even])
  }
  const meta = element(0x00020010, 'UI', syntax)
  const pixels = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff])
  const end = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0])
  const content = Buffer.concat([
    element(0x00280002, 'US', kind === 'MONOCHROME2' ? 1 : 3),
    element(0x00280004, 'CS', kind),
    element(0x00280010, 'US', height),
    element(0x00280011, 'US', width),
    element(0x00280100, 'US', 8),
    element(0x00280101, 'US', 8),
    element(0x00280103, 'US', 0),
    pixels,
    item(new Uint8Array(0)),
    ...fragments.map(item),
    end,
  ])
  return Uint8Array.from(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta, deflate(content)]))
}

const baseline = '1.2.840.10008.1.2.4.50'

describe('a grey JPEG', () => {
  const size = { height: 24, width: 40 }
  const ramp = Uint8Array.from({ length: 24 * 40 }, (_, i) => (i % 40) * 6)
  const encoded = async (): Promise<Uint8Array> =>
    sharp(ramp, { raw: { ...size, channels: 1 } })
      .toColourspace('b-w')
      .jpeg({ quality: 100 })
      .toBuffer()

  it('is read, in one fragment and in several', async () => {
    const frame = await encoded()
    const whole = await readDicom(fileOf(baseline, { ...size, fragments: [frame] }), { jpeg })
    expect(whole.kind).toBe('grey')
    for (const [i, value] of whole.values.entries()) expect(Math.abs(value - ramp[i]!)).toBeLessThanOrEqual(2)
    const cut = (frame.length >> 2) << 1
    const parts = fileOf(baseline, { ...size, fragments: [frame.subarray(0, cut), frame.subarray(cut)] })
    expect((await readDicom(parts, { jpeg })).values).toEqual(whole.values)
  })

  it('is refused where it breaks off, is of another size, or nothing decodes it', async () => {
    const frame = await encoded()
    const file = (fragment: Uint8Array, other: object = {}) =>
      fileOf(baseline, { ...size, ...other, fragments: [fragment] })
    await expect(readDicom(file(frame.subarray(0, -20)), { jpeg })).rejects.toThrow(
      /DICOM frame of JPEG: it breaks off after \d+ bytes/,
    )
    await expect(readDicom(file(frame, { width: 41 }), { jpeg })).rejects.toThrow(
      'it has 40 x 24 pixels of 1 samples, the file says 41 x 24 of 1',
    )
    await expect(readDicom(file(frame, { kind: 'RGB' }), { jpeg })).rejects.toThrow(
      'of 1 samples, the file says 40 x 24 of 3',
    )
    await expect(readDicom(file(frame))).rejects.toThrow('there is no decoder of pictures here')
  })
})

describe('frames that are no frames', () => {
  it.each([
    ['1.2.840.10008.1.2.4.50', /DICOM frame of JPEG: it does not begin as a JPEG does/],
    ['1.2.840.10008.1.2.4.70', /DICOM frame of JPEG lossless: it does not begin/],
    ['1.2.840.10008.1.2.4.80', /DICOM frame of JPEG-LS: it does not begin/],
    ['1.2.840.10008.1.2.4.91', /DICOM frame of JPEG 2000: it does not begin/],
  ])('of %s', async (syntax, message) => {
    const noise = Uint8Array.from({ length: 200 }, (_, i) => (i * 37) % 251)
    const file = fileOf(syntax, { height: 8, width: 8, fragments: [Uint8Array.of(...noise, 0xff, 0xd9)] })
    await expect(readDicom(file, { jpeg })).rejects.toThrow(message)
  })

  it.each(['MR_small_jp2klossless', 'MR_small_jpeg_ls_lossless', 'jpeg_lossless_sel1'])(
    'of %s, whose bytes were changed: an error or a picture of its size, and the next file is read',
    async (name) => {
      const bytes = await open(name)
      for (let seed = 1; seed <= 12; seed++) {
        const damaged = Uint8Array.from(bytes)
        const digest = createHash('sha256').update(String(seed)).digest()
        // Behind the head of the file, within the frame.
        for (const byte of digest.subarray(0, 6)) {
          damaged[Math.floor(bytes.length * (0.55 + (0.4 * byte) / 255))] = digest[byte % 32]!
        }
        const found = await readDicom(damaged, { jpeg }).catch((error: Error) => error)
        if (found instanceof Error) expect(found.name).toBe('QuernError')
        else expect(found.values.length).toBe(found.height * found.width)
      }
      expect((await readDicom(bytes)).values.length).toBeGreaterThan(0)
    },
  )
})

it('what a deflated file grows to is limited', { timeout: 60_000 }, async () => {
  const zeros = deflateRawSync(Buffer.alloc(2 ** 20))
  const syntax = '1.2.840.10008.1.2.1.99'
  const small = fileOf(syntax, { height: 8, width: 8, fragments: [], deflate: () => zeros })
  await expect(readDicom(small)).rejects.toThrow(/damaged DICOM file|without a picture/)
  const bomb = fileOf(syntax, {
    ...{ height: 8, width: 8, fragments: [] },
    deflate: () => deflateRawSync(Buffer.alloc(2 ** 28 + 2 ** 20), { level: 9 }),
  })
  expect(bomb.length).toBeLessThan(2 ** 21)
  await expect(readDicom(bomb)).rejects.toThrow('the deflated DICOM file grows beyond 268435456 bytes')
})

it.each([
  ['JPEG-lossy', /DICOM frame of JPEG: its numbers have 12 bits \(extended\), which is not read/],
  ['SC_rgb_rle_16bit', /DICOM pixels of 16 bits; expected 8/],
  ['rtplan', /without a picture/],
])('%s is refused with the reason', async (name, message) => {
  await expect(read(name)).rejects.toThrow(message)
})

it.each([
  [
    '1.2.840.10008.1.2.4.201',
    /pixels are compressed \(HTJ2K lossless, transfer syntax 1\.2\.840\.10008\.1\.2\.4\.201\)/,
  ],
  ['1.2.840.10008.1.2.4.100', /pixels are compressed \(MPEG-2, transfer syntax/],
  ['1.2.3.4', /pixels are compressed \(unknown, transfer syntax 1\.2\.3\.4\)/],
])('%s is refused by its name', async (syntax, message) => {
  await expect(readDicom(fileOf(syntax, { height: 8, width: 8, fragments: [Uint8Array.of(1, 2)] }))).rejects.toThrow(
    message,
  )
})

it('packed pictures are decoded as any others, grey and in colour', async () => {
  const decoder = await createPictureDecoder()
  const form = { height: 32, width: 32, fit: 'fill', background: [0, 0, 0] } as const
  const packed = await decoder.decode(await open('MR_small_jp2klossless'), { ...form, channels: 1 })
  const plain = await decoder.decode(await open('MR_small'), { ...form, channels: 1 })
  expect(packed.pixels).toEqual(plain.pixels)
  const colour = await decoder.decode(await open('SC_rgb_jpeg_dcmtk'), { ...form, channels: 3 })
  expect(colour.originalMode).toBe('colour')
  // The top of the picture is red.
  const at = (channel: number): number => colour.pixels[channel * 32 * 32 + 32 + 4]!
  expect(at(0)).toBeGreaterThan(240)
  expect(at(1) + at(2)).toBeLessThan(20)
})
