import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import S3rver from 's3rver'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAll } from '../../../test/read-tables.ts'
import { loadImageFolder } from '../image-folder-source.ts'

let root: string
async function write(name: string, bytes: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, name)), { recursive: true })
  await writeFile(join(root, name), bytes)
}

let picture: Uint8Array
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-folders-'))
  picture = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  for (const name of ['train/cat/1.png', 'train/dog/2.png', 'test/cat/3.png']) await write(`splits/${name}`, picture)
  for (const name of ['p1_left_ill.png', 'p1_right_well.png', 'p2_left_well.png']) await write(`names/${name}`, picture)
  await write('names/labels.csv', 'picture,what\np1_left_ill.png,a\n./p2_left_well.png,b\nlost.png,b\n')
  await write('texts/good/1.txt', 'ünder the tree')
  await write('texts/bad/2.txt', 'on the\nroad')
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('a folder as a table', () => {
  it('has a reference, the folder as label, and the splits that folders give', async () => {
    const found = await readAll('splits', { root })
    expect(found.kinds).toEqual({ image: 'image', label: 'category', split: 'category' })
    expect(found.cells('image')[0]).toBe(join(root, 'splits/test/cat/3.png'))
    expect(found.cells('label')).toEqual(['cat', 'cat', 'dog'])
    expect(found.cells('split')).toEqual(['test', 'train', 'train'])
  })

  it('has what a pattern finds in the names', async () => {
    const pattern = String.raw`(?<patient>p\d)_(?<side>\w+?)_(?<label>\w+)\.png$`
    const found = await readAll('names', { root, pattern })
    expect(found.kinds).toMatchObject({ image: 'image', patient: 'category' })
    expect(found.cells('patient')).toEqual(['p1', 'p1', 'p2'])
    expect(found.cells('label')).toEqual(['ill', 'well', 'well'])
  })

  it('holds texts themselves', async () => {
    const found = await readAll('texts', { root })
    expect(found.cells('text')).toEqual(['on the\nroad', 'ünder the tree'])
    expect(found.cells('label')).toEqual(['bad', 'good'])
  })

  it.each([
    [
      'names that do not match',
      { pattern: '(?<label>ill)' },
      /2 of 3 files of .*names have no label; the first is p1_right_well\.png: its name does not match/,
    ],
    ['a pattern without a group', { pattern: 'x' }, /the pattern "x" names no group/],
    ['no pattern', {}, /holds 3 pictures, but none in a folder of a class/],
  ])('with %s is refused', async (_, options, message) => {
    await expect(readAll('names', { root, ...options })).rejects.toThrow(message)
  })

  it('leaves out and names what has no label, when asked', async () => {
    const found = await readAll('names', { root, pattern: '(?<label>ill)', onBroken: 'skip' })
    expect(found.table.rows).toBe(1)
    expect(found.skipped.map(({ name }) => name)).toEqual(['p1_right_well.png', 'p2_left_well.png'])
  })
})

describe('pictures to classify', () => {
  const form = { height: 4, width: 4 }

  it('have labels from their names', async () => {
    const { all, report } = await loadImageFolder(join(root, 'names'), {
      ...form,
      label: { pattern: '_(?<label>ill|well)' },
    })
    expect(all!.labels).toEqual(['ill', 'well'])
    expect(Array.from(all!.columns.label!.data as Int32Array)).toEqual([0, 1, 1])
    expect(report.ignored.map(({ name }) => name)).toEqual(['labels.csv'])
    expect(report.warnings).toEqual([])
  })

  it('have labels from a table beside them, and those that it does not name are listed', async () => {
    const label = { table: 'labels.csv', file: 'picture', label: 'what' }
    const { all, report } = await loadImageFolder(join(root, 'names'), { ...form, label })
    expect(all!.labels).toEqual(['a', 'b'])
    expect(report.ignored).toContainEqual({ name: 'p1_right_well.png', reason: 'not in labels.csv' })
    expect(report.ignored).toContainEqual({
      name: 'lost.png',
      reason: 'labels.csv names it, but it is not among the pictures',
    })
    // Training shows warnings alone.
    expect(report.warnings).toEqual([
      '1 of 3 pictures have no label and are left out; the first is p1_right_well.png (not in labels.csv)',
      '1 labels are of pictures that are not there; the first is lost.png (labels.csv names it, but it is not among the pictures)',
    ])
    await expect(
      loadImageFolder(join(root, 'names'), { ...form, label: { ...label, file: 'pictur' } }),
    ).rejects.toThrow(/labels\.csv has no column 'pictur'\. Did you mean 'picture'/)
  })

  it('must be given a label by the pattern', async () => {
    await expect(
      loadImageFolder(join(root, 'names'), { ...form, label: { pattern: '(?<patient>p1)' } }),
    ).rejects.toThrow(/finds no label in p1_left_ill\.png/)
  })
})

describe('an S3 server', () => {
  let server: S3rver
  let environment: Record<string, string>
  const put = async (key: string, body: string | Uint8Array): Promise<void> => {
    const { S3mini } = await import('s3mini')
    const {
      AWS_ENDPOINT_URL: base,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    } = environment
    const client = new S3mini({
      accessKeyId: accessKeyId!,
      secretAccessKey: secretAccessKey!,
      endpoint: `${base}/data`,
      region: 'us-east-1',
    })
    await client.putObject(key, body)
  }
  beforeAll(async () => {
    server = new S3rver({
      address: '127.0.0.1',
      port: 0,
      silent: true,
      directory: join(root, 'objects'),
      configureBuckets: [{ name: 'data', configs: [] }],
    })
    const { port } = await server.run()
    environment = {
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    }
    await put('sales/2024.csv', 'n,shop\n1,Bern\n2,Chur\n')
    await put('sales/2025.csv', 'n,shop\n3,Bern\n')
    for (const name of ['cat/1.png', 'dog/2.png']) await put(`photos/${name}`, picture)
  }, 30_000)
  afterAll(() => server.close())
  const options = () => ({ environment, cache: join(root, 'cache') })

  it('gives an object, and several by a pattern', async () => {
    const one = await readAll('s3://data/sales/2024.csv', options())
    expect(one.cells('shop')).toEqual(['Bern', 'Chur'])
    const all = await readAll('s3://data/sales/*.csv', options())
    expect(all.cells('n')).toEqual(['1', '2', '3'])
  })

  it('gives a folder of pictures', async () => {
    const found = await readAll('s3://data/photos/', options())
    expect(found.kinds).toEqual({ image: 'image', label: 'category' })
    expect(found.cells('label')).toEqual(['cat', 'dog'])
  })

  it('is asked again when an object has changed', async () => {
    await put('changing.csv', 'n\n1\n')
    expect((await readAll('s3://data/changing.csv', options())).cells('n')).toEqual(['1'])
    await put('changing.csv', 'n\n2\n')
    expect((await readAll('s3://data/changing.csv', options())).cells('n')).toEqual(['2'])
  })

  it.each([
    ['an object that is not there', 's3://data/sales/2024.cvs', {}, /there is no such object/],
    ['a bucket that is not there', 's3://other/a.csv', {}, /s3:\/\/other\/a\.csv/],
    ['no keys', 's3://data/a.csv', { AWS_ACCESS_KEY_ID: '' }, /the environment has no AWS_ACCESS_KEY_ID/],
    ['no key', 's3://data', {}, /is no address of an object/],
    [
      'a server that is not there',
      's3://data/a.csv',
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      /cannot be read from http:\/\/127\.0\.0\.1:1\/data/,
    ],
  ])('refuses %s', async (_, address, more, message) => {
    await expect(readAll(address, { ...options(), environment: { ...environment, ...more } })).rejects.toThrow(message)
  })
})
