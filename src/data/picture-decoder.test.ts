import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeFiles } from './decode-files.ts'
import { imageForm } from './image-decoder.ts'
import { createPictureDecoder } from './picture-decoder.ts'
import { createSharpDecoder } from './sharp-decoder.ts'

const [decoder, general] = [await createPictureDecoder(), await createSharpDecoder()]
const form = imageForm({ height: 60, width: 80 })
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictures-'))
})
afterAll(() => rm(folder, { recursive: true }))

const noise = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i + (i >> 9)) % 251),
    { raw: { width, height, channels: 3 } },
  )

/** A file as decode-files.ts lists them. */
async function file(name: string, bytes: Uint8Array) {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return { name, path, size: bytes.length, stamp: String(bytes.length) }
}

describe('the decoder of Node', () => {
  it('decodes in threads what it decodes itself, to the bit, and large pictures there alone', async () => {
    const large = await noise(900, 700).jpeg({ quality: 98 }).toBuffer()
    expect(large.length).toBeGreaterThan(500_000)
    const small = await noise(300, 200).jpeg().toBuffer()
    const files = await Promise.all([...Array(9).keys()].map((i) => file(`${i}.jpg`, i % 4 === 3 ? large : small)))
    const { pixels, broken } = await decodeFiles(files, { form, decoder, cacheName: 'x' })
    expect(broken).toEqual([])
    const size = 3 * 60 * 80
    for (const [i, bytes] of [small, small, small, large, small, small, small, large, small].entries()) {
      expect(pixels.slice(i * size, (i + 1) * size)).toEqual((await decoder.decode(bytes, form)).pixels)
    }
  })

  it('leaves to sharp what it does not read, with the same pixels and the same complaints', async () => {
    const jpeg = await noise(300, 200).jpeg().toBuffer()
    const files = {
      'progressive.jpg': await noise(300, 200).jpeg({ progressive: true }).toBuffer(),
      'turned.jpg': await noise(300, 200).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
      'png.jpg': await noise(300, 200).png().toBuffer(),
      'cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'empty.jpg': new Uint8Array(0),
      'text.jpg': new TextEncoder().encode('no picture'),
    }
    const listed = await Promise.all(Object.entries(files).map(([name, bytes]) => file(name, bytes)))
    const gone = { name: 'gone.jpg', path: join(folder, 'gone.jpg'), size: 1, stamp: '1' }
    const options = { form, cacheName: 'x' }
    const ours = await decodeFiles([...listed, gone], { ...options, decoder })
    const theirs = await decodeFiles([...listed, gone], { ...options, decoder: general })
    expect([ours.pictures, ours.pixels]).toEqual([theirs.pictures, theirs.pixels])
    const reason = (i: number) => [ours.broken[i]!.reason, theirs.broken[i]!.reason]
    // libvips tells the reason of whichever picture failed last, when several are read at once.
    for (const text of reason(0)) expect(text).toMatch(/damaged/)
    for (const i of [1, 2, 3]) expect(reason(i)[0]).toBe(reason(i)[1])
    expect(ours.pictures.map(({ name }) => name)).toEqual(['progressive.jpg', 'turned.jpg', 'png.jpg'])
    expect(ours.broken.map(({ name }) => name)).toEqual(['cut.jpg', 'empty.jpg', 'text.jpg', 'gone.jpg'])
  })

  it('tells its pixels from those of sharp alone, so that caches are made again', () => {
    expect(decoder.id).not.toBe(general.id)
    expect(decoder.id).toContain(general.id)
  })
})
