import { describe, expect, test } from 'vitest'
import { exportSample, sampleFiles, sampleManifest } from '../../test/sample-bundle.ts'
import type { QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { openBundle, writeBundle } from './bundle.ts'
import { memoryFiles } from './zip.ts'

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const parsed = async (files: BlobStore) => JSON.parse(new TextDecoder().decode(await files.read('quern.json')))

/** What opening says after the manifest was changed. */
async function afterChange(change: (manifest: ReturnType<typeof JSON.parse>) => void): Promise<QuernError> {
  const files = await sampleFiles()
  const manifest = await parsed(files)
  change(manifest)
  await files.write('quern.json', text(manifest))
  return openBundle(files, './model').catch((error) => error)
}

describe('a bundle', () => {
  test('comes back as it was written', async () => {
    const files = await sampleFiles()
    const bundle = await openBundle(files, './model')
    expect(bundle.model).toEqual(exportSample())
    expect(bundle.manifest).toMatchObject(sampleManifest)
    expect(Object.keys(bundle.manifest.files)).toEqual(['model.onnx', 'README.md'])
    expect(await files.list('')).toEqual(['README.md', 'model.onnx', 'quern.json'])
  })

  test('is written with the manifest last, and an older one is gone first', async () => {
    const files = await sampleFiles()
    const order: string[] = []
    const watched: BlobStore = {
      ...files,
      write: async (key, bytes) => {
        order.push(`write ${key}`)
        await files.write(key, bytes)
      },
      remove: async (key) => {
        order.push(`remove ${key}`)
        await files.remove(key)
      },
    }
    await writeBundle(watched, { model: exportSample(), manifest: sampleManifest, card: 'mine' })
    expect(order).toEqual(['remove quern.json', 'write model.onnx', 'write README.md', 'write quern.json'])
    expect(new TextDecoder().decode(await files.read('README.md'))).toBe('mine')
  })

  test.each([1, 2, 3])('whose writing failed at write %d is no bundle', async (failing) => {
    const files = await sampleFiles()
    let writes = 0
    const full: BlobStore = {
      ...files,
      write: async (key, bytes) => {
        writes++
        if (writes === failing) throw new Error('no space left on device')
        await files.write(key, bytes)
      },
    }
    await expect(writeBundle(full, { model: new Uint8Array(9), manifest: sampleManifest })).rejects.toThrow('no space')
    await expect(openBundle(files, './model')).rejects.toThrow('./model is no model bundle: it has no quern.json')
  })

  test('with a manifest that contradicts itself is not written', async () => {
    const files = memoryFiles()
    const manifest = { ...sampleManifest, inputs: [{ name: 'x', dtype: 'unit8', shape: ['batch'] }] }
    await expect(writeBundle(files, { model: new Uint8Array(1), manifest })).rejects.toThrow("Did you mean 'uint8'?")
    expect(await files.list('')).toEqual([])
  })
})

describe('damage is found before anything is loaded', () => {
  test('no manifest', async () => {
    const error: QuernError = await openBundle(memoryFiles(), './model').catch((e) => e)
    expect(error.kind).toBe('missing')
    expect(error.message).toBe('./model is no model bundle: it has no quern.json')
  })

  test('a manifest that is cut off, or no text', async () => {
    const files = await sampleFiles()
    const bytes = await files.read('quern.json')
    await files.write('quern.json', bytes.subarray(0, 100))
    await expect(openBundle(files, './model')).rejects.toThrow(
      /^\.\/model: quern\.json: expected JSON, found 100 bytes/,
    )
    await files.write('quern.json', Uint8Array.of(0xff, 0xfe, 0))
    await expect(openBundle(files, './model')).rejects.toThrow('found 3 bytes that are not')
    await files.write('quern.json', new Uint8Array(17 * 2 ** 20))
    await expect(openBundle(files, './model')).rejects.toThrow('expected at most 16777216 bytes, found 17825792')
    for (const value of [null, 3, [], 'x']) {
      await files.write('quern.json', text(value))
      await expect(openBundle(files, './model')).rejects.toThrow('./model: quern.json: ')
    }
  })

  test('a model that is cut off, changed or missing', async () => {
    const files = await sampleFiles()
    const model = exportSample()
    await files.write('model.onnx', model.subarray(0, 50))
    await expect(openBundle(files, './model')).rejects.toThrow(
      `./model: model.onnx: expected ${model.length} bytes, found 50`,
    )
    const changed = model.slice()
    changed[500]! ^= 1
    await files.write('model.onnx', changed)
    await expect(openBundle(files, './model')).rejects.toThrow(
      /^\.\/model: model\.onnx: expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}$/,
    )
    await files.remove('model.onnx')
    await expect(openBundle(files, './model')).rejects.toThrow('but the file is missing')
  })

  test('a card that was edited', async () => {
    const files = await sampleFiles()
    await files.write('README.md', text('hello'))
    await expect(openBundle(files, './model')).rejects.toThrow('./model: README.md: expected')
  })

  test('a newer format', async () => {
    const error = await afterChange((manifest) => {
      manifest.format = 2
      manifest.news = true
    })
    expect(error.kind).toBe('unsupported')
    expect(error.message).toBe('./model: quern.json has format 2, this version reads format 1')
    expect(error.hint).toContain('update quern')
  })

  test.each([
    '../../etc/passwd',
    '/etc/passwd',
    'a\\b',
    'C:x',
    'a/./b',
    'a//b',
    '',
    'a\u0000b',
    'quern.json',
    'x'.repeat(201),
  ])('a file named %j', async (name) => {
    const error = await afterChange((manifest) => {
      manifest.files[name] = { bytes: 1, sha256: '0'.repeat(64) }
    })
    expect(error.message).toContain(`./model: quern.json: 'files' lists ${JSON.stringify(name)}: `)
  })

  test.each([
    ['an unknown key', (m: ReturnType<typeof JSON.parse>) => (m.label = []), "Did you mean 'labels'?"],
    ['a wrong checksum text', (m: ReturnType<typeof JSON.parse>) => (m.files['model.onnx'].sha256 = 'abc'), 'sha256'],
    ['no model', (m: ReturnType<typeof JSON.parse>) => delete m.files['model.onnx'], "'files' must list model.onnx"],
    [
      'an unknown type',
      (m: ReturnType<typeof JSON.parse>) => (m.inputs[0].dtype = 'uint9'),
      "the unknown type 'uint9'",
    ],
    [
      'a type of Object',
      (m: ReturnType<typeof JSON.parse>) => (m.inputs[0].dtype = 'toString'),
      "unknown type 'toString'",
    ],
    ['no batch', (m: ReturnType<typeof JSON.parse>) => (m.inputs[0].shape = [1, 12]), 'must be the batch, by name'],
    ['two of a name', (m: ReturnType<typeof JSON.parse>) => m.inputs.push(m.inputs[0]), "names 'pixels' twice"],
    ['no labels', (m: ReturnType<typeof JSON.parse>) => (m.labels = []), "'labels'"],
  ])('a manifest with %s', async (_, change, message) => {
    const error = await afterChange(change)
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/^\.\/model: quern\.json: /)
  })
})
