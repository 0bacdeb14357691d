import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistFolder } from '../../test/mnist-files.ts'
import { tensor } from '../core/tensor.ts'
import { createDataset, type Dataset, subset } from './dataset.ts'
import { loadIdxFolder } from './idx-source.ts'
import { loadImageFolder } from './image-folder-source.ts'
import { profileImages } from './profile.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-profile-'))
})
afterAll(() => rm(root, { recursive: true }))

const mnist = (await loadIdxFolder(mnistFolder)).splits!

/** MNIST digits with some replaced by copies. */
function withCopies(positions: readonly number[], change: (pixels: Uint8Array, labels: Int32Array) => void): Dataset {
  const image = (mnist.test!.columns.image!.data as Uint8Array).slice(0, positions.length * 784)
  const label = (mnist.test!.columns.label!.data as Int32Array).slice(0, positions.length)
  change(image, label)
  const all = createDataset({
    columns: {
      image: tensor('uint8', [positions.length, 1, 28, 28], image),
      label: tensor('int32', [positions.length], label),
    },
    labels: mnist.test!.labels,
  })
  return subset(all, positions)
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('profileImages', () => {
  it('describes MNIST', () => {
    const profile = profileImages({ splits: mnist, near: false })
    expect(profile).toMatchObject({ kind: 'images', examples: 70000, shape: [1, 28, 28] })
    expect(profile.splits.test!.classes).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    // The numbers that everyone normalises MNIST with, from the training split alone.
    expect(profile.pixels.mean[0]! / 255).toBeCloseTo(0.1307, 4)
    expect(profile.pixels.std[0]! / 255).toBeCloseTo(0.3081, 4)
    expect(profile.imbalance).toMatchObject({ largest: '1', smallest: '5' })
    expect(profile.duplicates).toMatchObject({ extra: 0, leaked: {} })
    expect(profile.advice).toEqual([])
    expect(JSON.parse(JSON.stringify(profile))).toEqual(profile)
  })

  it('finds copies within and across splits, contradictions and constant pictures', () => {
    const all = withCopies(upTo(300), (pixels, labels) => {
      pixels.copyWithin(250 * 784, 3 * 784, 4 * 784)
      labels[250] = labels[3]!
      pixels.copyWithin(10 * 784, 4 * 784, 5 * 784)
      labels[10] = (labels[4]! + 1) % 10
      pixels.fill(9, 20 * 784, 21 * 784)
    })
    const splits = {
      train: subset(all, upTo(200)),
      test: subset(
        all,
        upTo(100).map((i) => i + 200),
      ),
    }
    const profile = profileImages({ splits })
    expect(profile.duplicates.extra).toBe(2)
    expect(profile.duplicates.leaked).toEqual({ test: 1 })
    expect(profile.duplicates.groups.first[0]).toMatchObject({
      examples: ['train: 3', 'test: 250'],
      splits: ['train', 'test'],
    })
    expect(profile.duplicates.contradictions.first[0]!.examples).toEqual(['train: 4', 'train: 10'])
    expect(profile.constant.first).toEqual(['train: 20'])
    expect(profile.advice[0]).toContain("Leak: 1 of 100 pictures of 'test' are in 'train' too")
    expect(profile.advice[1]).toContain(
      '1 pictures stand under different classes with the same pixels (train: 4 = train: 10)',
    )
    expect(profile.advice.some((line) => line.includes('of one colour (train: 20)'))).toBe(true)
  })

  it('finds pictures that are almost the same', () => {
    const all = withCopies(upTo(300), (pixels) => {
      pixels.copyWithin(77 * 784, 5 * 784, 6 * 784)
      pixels[77 * 784 + 300]! ^= 8
    })
    const { near, duplicates } = profileImages({ splits: { all } })
    expect(near!.first.map(({ examples }) => examples)).toEqual([['all: 5', 'all: 77']])
    expect(duplicates.extra).toBe(0)
  })

  it('finds a photo that was saved again at another quality, but not other photos', async () => {
    const folder = join(root, 'again')
    await mkdir(join(folder, 'a'), { recursive: true })
    for (let k = 0; k < 12; k++) {
      // A smooth scene of a few waves, different for each k: as compressible as a photo.
      const scene = Buffer.from(
        Array.from({ length: 64 * 64 * 3 }, (_, i) => {
          const [x, y, c] = [Math.floor(i / 3) % 64, Math.floor(i / 192), i % 3]
          return 128 + 60 * Math.sin(x / (3 + k) + c) + 60 * Math.cos(y / (9 - k / 2) + k * c)
        }),
      )
      const image = sharp(scene, { raw: { width: 64, height: 64, channels: 3 } })
      await writeFile(join(folder, `a/${k + 10}.jpg`), await image.clone().jpeg({ quality: 92 }).toBuffer())
      if (k === 4) await writeFile(join(folder, 'a/copy.jpg'), await image.clone().jpeg({ quality: 70 }).toBuffer())
    }
    const { all } = await loadImageFolder(folder, { height: 32, width: 32 })
    const { near } = profileImages({ splits: { all: all! } })
    expect(near!.first.map(({ examples }) => examples)).toEqual([['all: a/14.jpg', 'all: a/copy.jpg']])
  })

  it('speaks of imbalance, lonely classes and classes that a split lacks', () => {
    const labels = Array.from(mnist.test!.columns.label!.data as Int32Array)
    const rows = (label: number, n: number): number[] => labels.flatMap((l, i) => (l === label ? [i] : [])).slice(0, n)
    const picked = subset(mnist.test!, [...rows(0, 200), ...rows(1, 50), ...rows(2, 1)])
    const three = { ...picked, labels: ['zero', 'one', 'two'] }
    const { advice } = profileImages({
      splits: { train: three, test: subset(three, rows(0, 0).concat([0])) },
      near: false,
    })
    expect(advice.join('\n')).toContain('Class two have one example')
    expect(advice.join('\n')).toContain("'test' has no example of one, two")
    expect(advice.join('\n')).toContain("Class 'zero' has 201.0 times as many examples as 'two'")
  })

  it('describes a folder: sizes, modes, broken files', async () => {
    const make = async (
      name: string,
      width: number,
      grey: boolean,
      format: 'png' | 'jpeg',
      seed: number,
    ): Promise<void> => {
      const channels = grey ? 1 : 3
      const raw = Buffer.from(Array.from({ length: width * 20 * channels }, (_, i) => (i * seed) % 255))
      const image = sharp(raw, { raw: { width, height: 20, channels } })
      await mkdir(join(root, 'photos', name, '..'), { recursive: true })
      await writeFile(
        join(root, 'photos', name),
        await (grey ? image.toColourspace('b-w') : image).toFormat(format).toBuffer(),
      )
    }
    await make('a/1.png', 20, true, 'png', 7)
    await make('a/2.jpg', 30, false, 'jpeg', 13)
    await make('b/3.jpg', 30, false, 'jpeg', 29)
    await make('b/4.png', 90, false, 'png', 31)
    await writeFile(join(root, 'photos', 'b/5.png'), '')
    const { all, report, originals } = await loadImageFolder(join(root, 'photos'), {
      height: 24,
      width: 24,
      onBroken: 'skip',
    })
    const profile = profileImages({ splits: { all: all! }, report, originals })
    expect(profile.originals).toEqual({
      height: { min: 20, median: 20, max: 20 },
      width: { min: 20, median: 30, max: 90 },
      sizes: [
        { height: 20, width: 30, count: 2 },
        { height: 20, width: 20, count: 1 },
        { height: 20, width: 90, count: 1 },
      ],
      modes: { colour: 3, grey: 1 },
      enlarged: 4,
    })
    expect(profile.broken).toEqual([{ name: 'b/5.png', reason: 'the file is empty (0 bytes)' }])
    expect(profile.advice.join('\n')).toContain('1 pictures cannot be read (b/5.png: the file is empty (0 bytes))')
    expect(profile.advice.join('\n')).toContain('smaller than 24 x 24')
  })

  it('refuses splits of different shapes', () => {
    const other = createDataset({
      columns: {
        image: tensor('uint8', [1, 1, 2, 2], new Uint8Array(4)),
        label: tensor('int32', [1], Int32Array.of(0)),
      },
      labels: ['x'],
    })
    expect(() => profileImages({ splits: { train: mnist.test!, test: other } })).toThrow("'test' has [1, 2, 2]")
  })
})
