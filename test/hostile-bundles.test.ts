/** Bundles and ONNX files of somebody who means harm: refused in words, on a server that goes on. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bundle, openBundle } from '../src/bundle/index.ts'
import type { Manifest } from '../src/contract/manifest.ts'
import type { BlobStore } from '../src/core/ports.ts'
import { ModelProtoSchema } from '../src/onnx/generated/onnx_pb.ts'
import { bundleEntry } from '../src/serve/bundle-entry.ts'
import { inferBody, type LiveServer, liveServer } from './live-server.ts'
import { sampleFiles, sampleManifest } from './sample-bundle.ts'

let live: LiveServer
let folder: string
beforeAll(async () => {
  live = await liveServer()
  folder = await mkdtemp(join(tmpdir(), 'quern-hostile-'))
  await writeFile(join(folder, 'secret'), 'x'.repeat(64))
})
afterAll(async () => {
  await live.close()
  await rm(folder, { recursive: true })
})

type Dim = number | string
const typed = (elemType: number, shape: readonly Dim[]) => {
  const dim = shape.map((d) => ({
    value: typeof d === 'number' ? { case: 'dimValue', value: BigInt(d) } : { case: 'dimParam', value: d },
  }))
  return { value: { case: 'tensorType', value: { elemType, shape: { dim } } } }
}
const pixels = { name: 'pixels', type: typed(2, ['batch', 1, 12, 12]) }
const probabilities = { name: 'probabilities', type: typed(1, ['batch', 5]) }
const model = (graph: object): Uint8Array => {
  const ports = { name: 'g', input: [pixels], output: [probabilities] }
  const init = { irVersion: 9n, opsetImport: [{ domain: '', version: 20n }], graph: { ...ports, ...graph } }
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, init as never))
}

/** Answers with the bytes of a file, if it is let. */
const reading = (location: string): Uint8Array =>
  model({
    initializer: [
      { name: 'w', dims: [1n, 5n], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: location }] },
    ],
    node: [{ opType: 'Identity', input: ['w'], output: ['probabilities'] }],
  })

/** A tensor of the sizes in `dims`, filled when it is run. */
const filling = (dims: readonly bigint[]): Uint8Array =>
  model({
    initializer: [{ name: 's', dims: [BigInt(dims.length)], dataType: 7, int64Data: dims }],
    node: [{ opType: 'ConstantOfShape', input: ['s'], output: ['probabilities'] }],
  })

const claiming = model({
  initializer: [{ name: 'w', dims: [100_000n, 100_000n], dataType: 1, rawData: new Uint8Array(16) }],
  node: [{ opType: 'Identity', input: ['w'], output: ['probabilities'] }],
})
const foreign = model({
  node: [{ opType: 'Shell', domain: 'com.evil', input: ['pixels'], output: ['probabilities'] }],
})
const endless = model({
  node: [
    { opType: 'Relu', input: ['b'], output: ['a'] },
    { opType: 'Relu', input: ['a'], output: ['b'] },
    { opType: 'Identity', input: ['a'], output: ['probabilities'] },
  ],
})

describe('a model that', () => {
  test.each<[string, () => Uint8Array]>([
    ['reads a file by its whole path', () => reading(join(folder, 'secret'))],
    ['reads a file above its folder', () => reading('../../../../../../etc/passwd')],
    ['reads a file of the working directory', () => reading('package.json')],
    ['fills 400 GB', () => filling([100_000n, 1_000_000n])],
    ['fills more than can be counted', () => filling([2n ** 40n, 2n ** 40n])],
    ['fills less than nothing', () => filling([-5n, 5n])],
    ['claims 40 GB of weights', () => claiming],
    ['brings an operator of its own', () => foreign],
    ['runs in a circle', () => endless],
    ['is cut in half', () => reading('x').subarray(0, 60)],
    ['is a text', () => new TextEncoder().encode('#!/bin/sh\nrm -rf /\n')],
  ])('%s is refused, and the server goes on', async (what, bytes) => {
    const name = what.replaceAll(/\W/g, '-')
    const files = await sampleFiles(sampleManifest, bytes())
    const open = (): Promise<Bundle> => openBundle(files, name)
    const { manifest } = await open()
    live.catalog.add(bundleEntry({ name, version: '1', manifest, open, engine: live.engine, images: undefined }))
    const { url } = live.server
    const answer = await fetch(`${url}/v2/models/${name}/infer`, { method: 'POST', body: inferBody(1) })
    // It is not the fault of who asks, and what is wrong is for the log.
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { error: `model '${name}' cannot be loaded now; the log of the server says why` },
    ])
    expect(live.lines.at(-1)).toContain(`version 1 of model '${name}' could not be loaded: `)
    expect(live.catalog.find(name)).toMatchObject({ state: 'failed', users: 0 })
    live.catalog.remove(name, '1')
    const other = await fetch(`${url}/v2/models/tiny/infer`, { method: 'POST', body: inferBody(1) })
    expect(other.status).toBe(200)
  })
})

describe('a manifest that', () => {
  // biome-ignore lint/suspicious/noExplicitAny: a stranger's JSON
  type Change = (manifest: any) => void
  const list = (files: BlobStore, change: Change) => async (): Promise<Manifest> => {
    const manifest = JSON.parse(new TextDecoder().decode(await files.read('quern.json')))
    change(manifest)
    await files.write('quern.json', new TextEncoder().encode(JSON.stringify(manifest)))
    return (await openBundle(files, 'it')).manifest
  }
  test.each<[string, Change]>([
    ['names a file outside', (m) => (m.files['../secret'] = { bytes: 64, sha256: '0'.repeat(64) })],
    ['names a file by its whole path', (m) => (m.files['/etc/passwd'] = { bytes: 1, sha256: '0'.repeat(64) })],
    ['has another checksum', (m) => (m.files['model.onnx'].sha256 = '0'.repeat(64))],
    ['claims another length', (m) => (m.files['model.onnx'].bytes = 2 ** 50)],
    ['has an input that the model lacks', (m) => (m.inputs[0].dtype = 'float99')],
    ['has sizes below nothing', (m) => (m.inputs[0].shape = ['batch', -1])],
    ['has a preprocessing of no kind', (m) => (m.preprocessing = { kind: 'shell', command: 'rm' })],
    ['has a million by a million pixels', (m) => Object.assign(m.preprocessing, { height: 1e6, width: 1e6 })],
    ['has keys of its own', (m) => (m.onLoad = 'require("fs")')],
    ['is of the future', (m) => (m.format = 2)],
    ['has no labels', (m) => (m.labels = [])],
  ])('%s is refused before anything is loaded', async (_, change) => {
    const files = await sampleFiles()
    const opened = await list(files, change)().then(
      async (manifest) => {
        // What only the model can contradict is found when it is loaded.
        const open = (): Promise<Bundle> => openBundle(files, 'it')
        live.catalog.add(
          bundleEntry({ name: 'it', version: '1', manifest, open, engine: live.engine, images: undefined }),
        )
        try {
          await live.catalog.load('it')
          return 'loaded'
        } catch {
          return 'refused'
        } finally {
          live.catalog.remove('it', '1')
        }
      },
      () => 'refused',
    )
    expect(opened).toBe('refused')
  })

  test('names a model that cannot stand in an address is not served', async () => {
    const files = await sampleFiles()
    const { manifest } = await openBundle(files, 'it')
    const open = (): Promise<Bundle> => openBundle(files, 'it')
    for (const name of ['../x', 'a/b', '', '..', 'a b']) {
      const entry = bundleEntry({ name, version: '1', manifest, open, engine: live.engine, images: undefined })
      expect(() => live.catalog.add(entry)).toThrow('cannot be served')
    }
  })
})

test('a model that is deleted while it is used finishes what it has begun', async () => {
  const files = await sampleFiles()
  const { manifest } = await openBundle(files, 'gone')
  const open = (): Promise<Bundle> => openBundle(files, 'gone')
  live.catalog.add(bundleEntry({ name: 'gone', version: '1', manifest, open, engine: live.engine, images: undefined }))
  const ask = () =>
    fetch(`${live.server.url}/v2/models/gone/infer`, { method: 'POST', body: inferBody(1) }).then(
      ({ status }) => status,
    )
  expect(await ask()).toBe(200)
  // Its files go, then the name: who is under way is answered, who comes later is told.
  const under = Array.from({ length: 30 }, ask)
  for (const key of await files.list('')) await files.remove(key)
  await new Promise((resolve) => setTimeout(resolve, 2))
  live.catalog.remove('gone', '1')
  const statuses = new Set(await Promise.all(under))
  expect([...statuses].every((status) => status === 200 || status === 404)).toBe(true)
  expect(await ask()).toBe(404)
})
