import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mnistFile, mnistFolder } from '../../test/mnist-files.ts'
import { tensor } from '../core/tensor.ts'
import { writeIdx } from '../formats/idx.ts'
import { countClasses, exampleData, exampleName } from './dataset.ts'
import { loadIdxFolder, loadIdxPair, readIdxFile } from './idx-source.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quern-idx-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes)
  return join(folder, name)
}

const test = { images: mnistFile('t10k-images-idx3-ubyte'), labels: mnistFile('t10k-labels-idx1-ubyte') }

describe('loadIdxPair', () => {
  it('reads MNIST', async () => {
    const data = await loadIdxPair(test)
    expect(data.columns.image!.shape).toEqual([10000, 1, 28, 28])
    expect(data.labels).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    expect(countClasses(data)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    expect(exampleName(data, 17)).toBe('t10k-images[17]')
    expect(exampleData(data, 'image', 17).shape).toEqual([1, 28, 28])
  })

  it('reads gzip, whatever the file is called', async () => {
    const images = await file('a-images-idx3-ubyte.gz', gzipSync(await readFile(test.images), { level: 1 }))
    const labels = await file('no-ending', gzipSync(await readFile(test.labels)))
    const [packed, plain] = [await loadIdxPair({ images, labels }), await loadIdxPair(test)]
    expect(Buffer.compare(packed.columns.image!.data as Uint8Array, plain.columns.image!.data as Uint8Array)).toBe(0)
    expect(packed.columns.label).toEqual(plain.columns.label)
    expect(exampleName(packed, 3)).toBe('a-images[3]')
  })

  it('refuses a label without image, naming both counts', async () => {
    const labels = mnistFile('train-labels-idx1-ubyte')
    await expect(loadIdxPair({ images: test.images, labels })).rejects.toThrow(
      'a label without image: t10k-images-idx3-ubyte holds 10000 images, train-labels-idx1-ubyte 60000 labels',
    )
    await expect(loadIdxPair({ images: mnistFile('train-images-idx3-ubyte'), labels: test.labels })).rejects.toThrow(
      'an image without label',
    )
  })

  it('refuses exchanged files', async () => {
    await expect(loadIdxPair({ images: test.labels, labels: test.images })).rejects.toMatchObject({
      message: expect.stringContaining('received uint8 [10000]'),
      hint: expect.stringContaining('exchanged'),
    })
  })

  it('refuses a label outside the named classes and a negative one', async () => {
    await expect(loadIdxPair({ ...test, classes: ['a', 'b'] })).rejects.toThrow(
      'label 7 of example 0 in t10k-labels-idx1-ubyte is not a class: expected 0 to 1',
    )
    const labels = await file('negative', writeIdx(tensor('int8', [2], Int8Array.of(0, -1))))
    await expect(loadIdxPair({ images: test.images, labels })).rejects.toThrow('label -1 of example 1')
  })
})

describe('readIdxFile', () => {
  it('names the nearest file when one is missing', async () => {
    const error = await readIdxFile(join(mnistFolder, 'train-image-idx3-ubyte')).catch((e) => e)
    expect(error.kind).toBe('missing')
    expect(error.hint).toBe("Did you mean 'train-images-idx3-ubyte'?")
  })

  it('refuses a truncated file, plain and packed', async () => {
    const bytes = await readFile(test.images)
    await expect(readIdxFile(await file('cut', bytes.subarray(0, 99999)))).rejects.toThrow(
      'cut is truncated: uint8 [10000, 28, 28] needs 7840016 bytes, received 99999',
    )
    const packed = gzipSync(bytes, { level: 1 })
    await expect(readIdxFile(await file('cut.gz', packed.subarray(0, 99999)))).rejects.toThrow(
      'cut.gz cannot be unpacked with gzip: unexpected end of file',
    )
    await expect(readIdxFile(await file('short.gz', gzipSync(bytes.subarray(0, 99999))))).rejects.toThrow(
      'needs 7840016 bytes',
    )
  })

  it('refuses a gzip file that grows beyond its header, and a header that promises the impossible', async () => {
    const long = gzipSync(Buffer.concat([await readFile(test.labels), Buffer.alloc(5_000_000)]))
    await expect(readIdxFile(await file('bomb.gz', long))).rejects.toThrow('more bytes than its IDX header says')
    const huge = gzipSync(Uint8Array.of(0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
    await expect(readIdxFile(await file('huge.gz', huge))).rejects.toThrow('huge.gz is truncated')
  })
})

describe('loadIdxFolder', () => {
  it('finds train and test of MNIST', async () => {
    const { splits, all, report } = await loadIdxFolder(mnistFolder)
    expect(all).toBeUndefined()
    expect(splits?.train?.length).toBe(60000)
    expect(splits?.test?.length).toBe(10000)
    expect(splits?.validation).toBeUndefined()
    expect(report.examples).toBe(70000)
  })

  it('names a folder without IDX files, a missing one, and a half pair', async () => {
    await expect(loadIdxFolder(join(mnistFolder, '..', 'bin'))).rejects.toThrow('holds no pair of IDX files')
    await expect(loadIdxFolder(join(mnistFolder, '..', 'dta'))).rejects.toMatchObject({ hint: "Did you mean 'data'?" })
    await file('test-labels-idx1-ubyte', await readFile(test.labels))
    await expect(loadIdxFolder(folder)).rejects.toThrow('no images file to go with it')
  })
})
