import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistFile } from '../../test/mnist-files.ts'
import type { BlobStore } from '../core/ports.ts'
import { exampleName, labelsOf } from './dataset.ts'
import { readIdxFile } from './idx-source.ts'
import { decodeImage, type ImageDecoder } from './image-decoder.ts'
import { loadImageFolder } from './image-folder-source.ts'
import { createPictureDecoder } from './picture-decoder.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-folder-'))
})
afterAll(() => rm(root, { recursive: true }))

/** A picture of 40 x 30 with noise, so that no two are the same. */
function picture(seed: number, format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' = 'png'): Promise<Buffer> {
  const data = Buffer.from(Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * (seed * 2 + 3) + seed * 40) % 251))
  return sharp(data, { raw: { width: 40, height: 30, channels: 3 } })
    .toFormat(format)
    .toBuffer()
}

async function folder(
  name: string,
  files: Readonly<Record<string, Uint8Array | string | Promise<Uint8Array>>>,
): Promise<string> {
  for (const [file, bytes] of Object.entries(files)) {
    const path = join(root, name, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, await bytes)
  }
  return join(root, name)
}

/** Blobs as files, written beside and renamed. */
function fileStore(base: string): BlobStore {
  return {
    read: (key) => readFile(join(base, key)),
    async write(key, bytes) {
      await mkdir(base, { recursive: true })
      await writeFile(join(base, `${key}.new`), bytes)
      await rename(join(base, `${key}.new`), join(base, key))
    },
    exists: (key) =>
      stat(join(base, key)).then(
        () => true,
        () => false,
      ),
    list: () => readdir(base),
    remove: (key) => rm(join(base, key)),
  }
}

const form = { height: 8, width: 8 }

describe('loadImageFolder', () => {
  it('reads PNG, JPEG, WebP, GIF and TIFF, classes from folders, nested folders too', async () => {
    const path = await folder('formats', {
      'dog/b.jpg': picture(1, 'jpeg'),
      'dog/old/a.PNG': picture(2),
      'cat/c.webp': picture(3, 'webp'),
      'cat/d.gif': picture(4, 'gif'),
      'ape/e.tiff': picture(5, 'tiff'),
    })
    const { all, splits, report, originals } = await loadImageFolder(path, form)
    expect(splits).toBeUndefined()
    expect(all!.labels).toEqual(['ape', 'cat', 'dog'])
    expect(Array.from(labelsOf(all!))).toEqual([0, 1, 1, 2, 2])
    expect(all!.columns.image!.shape).toEqual([5, 3, 8, 8])
    expect([0, 1, 4].map((i) => exampleName(all!, i))).toEqual(['ape/e.tiff', 'cat/c.webp', 'dog/old/a.PNG'])
    expect(report).toMatchObject({ examples: 5, broken: [], ignored: [], cached: 0, warnings: [] })
    expect(originals[3]).toEqual({ height: 30, width: 40, mode: 'colour' })
  })

  it('gives the pixels that predict sees for the same file', async () => {
    const path = await folder('same', {
      'a/1.jpg': picture(6, 'jpeg'),
      'b/2.png': picture(7),
      'b/3.webp': picture(8, 'webp'),
    })
    const decoder = await createPictureDecoder()
    for (const options of [form, { height: 9, width: 5, channels: 1, fit: 'contain' }] as const) {
      const { all } = await loadImageFolder(path, options)
      const pixels = all!.columns.image!.data as Uint8Array
      const size = pixels.length / 3
      for (let i = 0; i < 3; i++) {
        const alone = await decodeImage(decoder, await readFile(join(path, exampleName(all!, i))), options)
        expect(Buffer.compare(alone, pixels.subarray(i * size, (i + 1) * size))).toBe(0)
      }
    }
  })

  it('keeps MNIST digits that were saved as PNG pixel for pixel', async () => {
    const digits = (await readIdxFile(mnistFile('t10k-images-idx3-ubyte'))).data as Uint8Array
    const png = await sharp(digits.slice(0, 784), { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toBuffer()
    const pixels = await decodeImage(await createPictureDecoder(), png, { height: 28, width: 28, channels: 1 })
    expect(Buffer.compare(pixels, digits.subarray(0, 784))).toBe(0)
  })

  it('takes train, validation and test folders as splits with common classes', async () => {
    const path = await folder('given', {
      'train/a/1.png': picture(1),
      'train/b/2.png': picture(2),
      'val/b/3.png': picture(3),
      'test/c/4.png': picture(4),
    })
    const { all, splits } = await loadImageFolder(path, form)
    expect(all).toBeUndefined()
    expect([splits!.train!.length, splits!.validation!.length, splits!.test!.length]).toEqual([2, 1, 1])
    expect(splits!.test!.labels).toEqual(['a', 'b', 'c'])
    expect(Array.from(labelsOf(splits!.test!))).toEqual([2])
    expect(exampleName(splits!.validation!, 0)).toBe('val/b/3.png')
  })

  it('takes a class that is called test for a class', async () => {
    const path = await folder('class-test', {
      'test/1.png': picture(1),
      'train/2.png': picture(2),
      'other/3.png': picture(3),
    })
    expect((await loadImageFolder(path, form)).all!.labels).toEqual(['other', 'test', 'train'])
  })

  it('reports hidden files, other endings, stray pictures and links', async () => {
    const path = await folder('odd', {
      'a/1.png': picture(1),
      'b/2.png': picture(2),
      'a/.DS_Store': 'x',
      'a/notes.txt': 'x',
      '.git/3.png': picture(3),
      'stray.png': picture(4),
    })
    await mkdir(join(path, 'empty'))
    await symlink('nowhere.png', join(path, 'a/gone.png'))
    await symlink('1.png', join(path, 'a/link.png'))
    await symlink('..', join(path, 'b/loop'))
    const { all, report } = await loadImageFolder(path, form)
    expect(all!.length).toBe(3)
    expect(report.ignored.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      '.git: hidden',
      'a/.DS_Store: hidden',
      'a/gone.png: a link that leads nowhere, or no permission',
      "a/notes.txt: the ending '.txt' is not one of a picture",
      'b/loop: a link to a folder that is read already',
      'stray.png: not in a folder of a class',
    ])
    expect(report.warnings).toEqual([
      '1 of 4 pictures have no label and are left out; the first is stray.png (not in a folder of a class)',
      "the folder empty/ holds no picture that can be read, so there is no class 'empty'",
    ])
  })
})

describe('broken pictures', () => {
  const bad = async (name: string): Promise<string> => {
    const jpeg = await picture(9, 'jpeg')
    const png = await picture(9)
    return folder(name, {
      'a/0-empty.png': '',
      'a/1-text.png': 'hello, I am no picture',
      'a/2-cut.jpg': jpeg.subarray(0, jpeg.length - 700),
      'a/3-cut.png': png.subarray(0, png.length / 2),
      'a/4-good.png': png,
      'b/5-good.jpg': jpeg,
    })
  }

  it('fail: names the first and how many', async () => {
    const path = await bad('bad-fail')
    await expect(loadImageFolder(path, form)).rejects.toMatchObject({
      kind: 'input',
      message: `4 of 6 pictures in ${path} cannot be read; the first is a/0-empty.png: the file is empty (0 bytes)`,
      hint: expect.stringContaining("onBroken: 'skip'"),
    })
  })

  it('skip: counts and names each with the reason, and keeps the others in place', async () => {
    const path = await bad('bad-skip')
    const { all, report } = await loadImageFolder(path, { ...form, onBroken: 'skip' })
    expect(report.broken.map(({ name }) => name)).toEqual([
      'a/0-empty.png',
      'a/1-text.png',
      'a/2-cut.jpg',
      'a/3-cut.png',
    ])
    expect(report.broken[1]!.reason).toBe('not a picture of a known format: it begins with the text "hello, I am "')
    expect(report.broken[2]!.reason).toContain('truncated or damaged')
    expect(report.broken[3]!.reason).toMatch(/damaged/)
    expect(report.examples).toBe(2)
    const alone = await decodeImage(await createPictureDecoder(), await readFile(join(path, 'a/4-good.png')), form)
    expect(Buffer.compare((all!.columns.image!.data as Uint8Array).subarray(0, 192), alone)).toBe(0)
    expect(Array.from(labelsOf(all!))).toEqual([0, 1])
  })

  it('skip: still fails when no picture is left', async () => {
    const path = await folder('all-bad', { 'a/1.png': '', 'b/2.png': '' })
    await expect(loadImageFolder(path, { ...form, onBroken: 'skip' })).rejects.toThrow('2 of 2 pictures')
  })

  it('names a file that vanishes while the folder is read', async () => {
    const path = await folder('vanishing', { 'a/1.png': picture(1), 'b/2.png': picture(2) })
    const sharpDecoder = await createPictureDecoder()
    const decoder: ImageDecoder = {
      id: sharpDecoder.id,
      async decode(bytes, wanted) {
        await rm(join(path, 'b/2.png'), { force: true })
        return sharpDecoder.decode(bytes, wanted)
      },
    }
    const { report } = await loadImageFolder(path, { ...form, decoder, concurrency: 1, onBroken: 'skip' })
    expect(report.broken[0]).toMatchObject({
      name: 'b/2.png',
      reason: expect.stringContaining('cannot be opened (ENOENT'),
    })
    expect(report.warnings[0]).toContain('the folder b/ holds no picture that can be read')
  })

  it('tells how far it is, and stops when it is asked to', async () => {
    const path = await folder('stopping', { 'a/1.png': picture(1), 'b/2.png': picture(2), 'b/3.png': picture(3) })
    const seen: string[] = []
    const stop = new AbortController()
    const onProgress = (done: number, total: number): void => {
      seen.push(`${done}/${total}`)
      if (done === 2) stop.abort()
    }
    const loading = loadImageFolder(path, { ...form, concurrency: 1, onProgress, signal: stop.signal })
    await expect(loading).rejects.toThrow('aborted')
    expect(seen).toEqual(['1/3', '2/3'])
  })

  it('names a missing folder with the nearest name, an empty one, one without classes, and a file', async () => {
    await folder('photos', { '1.png': picture(1) })
    await mkdir(join(root, 'bare'))
    await expect(loadImageFolder(join(root, 'fotos'), form)).rejects.toMatchObject({
      kind: 'missing',
      hint: "Did you mean 'photos'?",
    })
    await expect(loadImageFolder(join(root, 'bare'), form)).rejects.toThrow('holds no pictures (it is empty)')
    await expect(loadImageFolder(join(root, 'photos'), form)).rejects.toThrow(
      '1 pictures, but none in a folder of a class',
    )
    await expect(loadImageFolder(join(root, 'photos/1.png'), form)).rejects.toThrow(
      'expected a folder, received the file',
    )
    await expect(loadImageFolder(root, { ...form, fit: 'covr' as 'cover' })).rejects.toThrow("Did you mean 'cover'?")
  })
})

describe('the cache', () => {
  it('answers the second time, notices changed, new and removed files, and survives damage', async () => {
    const path = await folder('cached', { 'a/1.png': picture(1), 'a/2.png': picture(2), 'b/3.png': picture(3) })
    const cache = fileStore(join(root, 'store'))
    const load = () => loadImageFolder(path, { ...form, cache, onBroken: 'skip' })
    const first = await load()
    expect(first.report.cached).toBe(0)
    const second = await load()
    expect(second.report.cached).toBe(3)
    expect(
      Buffer.compare(second.all!.columns.image!.data as Uint8Array, first.all!.columns.image!.data as Uint8Array),
    ).toBe(0)
    expect(second.originals).toEqual(first.originals)

    await writeFile(join(path, 'a/2.png'), await picture(20))
    const changed = await load()
    expect(changed.report.cached).toBe(2)
    const fresh = await loadImageFolder(path, form)
    expect(
      Buffer.compare(changed.all!.columns.image!.data as Uint8Array, fresh.all!.columns.image!.data as Uint8Array),
    ).toBe(0)

    await rm(join(path, 'a/1.png'))
    await folder('cached', { 'b/0.png': picture(4), 'b/9.png': '' })
    const moved = await load()
    expect(moved.report).toMatchObject({ examples: 3, cached: 2 })
    expect(moved.report.broken).toHaveLength(1)
    expect((await load()).report).toMatchObject({ cached: 3, examples: 3 })

    const [key] = await cache.list('')
    const blob = await cache.read(key!)
    blob[blob.length - 5]! ^= 1
    await cache.write(key!, blob)
    const mended = await load()
    expect(mended.report.cached).toBe(0)
    expect(mended.report.warnings[0]).toContain('was damaged and is made again')
    expect((await load()).report.cached).toBe(3)
    await cache.write(key!, blob.subarray(0, 7))
    expect((await load()).report.cached).toBe(0)
  })

  it('notices a file of the same size and modification time', async () => {
    const path = await folder('touched', { 'a/1.png': picture(1), 'b/2.png': picture(2) })
    const cache = fileStore(join(root, 'store-touched'))
    await loadImageFolder(path, { ...form, cache })
    const file = join(path, 'a/1.png')
    const { mtime, atime } = await stat(file)
    const bytes = await readFile(file)
    await writeFile(file, bytes)
    await utimes(file, atime, mtime)
    expect((await loadImageFolder(path, { ...form, cache })).report.cached).toBe(1)
  })

  it('keeps other forms apart, and goes on when it cannot be written', async () => {
    const path = await folder('forms', { 'a/1.png': picture(1), 'b/2.png': picture(2) })
    const cache = fileStore(join(root, 'store-forms'))
    await loadImageFolder(path, { ...form, cache })
    expect((await loadImageFolder(path, { ...form, width: 9, cache })).report.cached).toBe(0)
    expect(await cache.list('')).toHaveLength(2)
    const full = {
      ...cache,
      exists: async () => false,
      write: () => Promise.reject(new Error('ENOSPC: no space left')),
    }
    const { report } = await loadImageFolder(path, { ...form, cache: full })
    expect(report.warnings).toEqual(['the cache of decoded pictures cannot be written: ENOSPC: no space left'])
  })
})
