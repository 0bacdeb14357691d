import { afterAll, expect, test } from 'vitest'
import { sampleFiles, sampleManifest } from '../../test/sample-bundle.ts'
import { openBundle } from '../bundle/index.ts'
import { bundleEntry } from './bundle-entry.ts'
import { Engine } from './engine/engine.ts'

const log = { info: () => undefined, warn: () => undefined }
const engine = new Engine({ workers: 1, clock: { now: () => performance.now() }, log })
afterAll(() => engine.close())

test('a bundle that was replaced in its place is not mixed with what was listed of it', async () => {
  let now = sampleManifest
  const open = async () => openBundle(await sampleFiles(now), 'tiny')
  const { manifest } = await open()
  const entry = bundleEntry({ name: 'tiny', version: '1', manifest, open, engine, images: undefined })
  await (await entry.load()).release()
  now = { ...sampleManifest, labels: ['eel', 'dog', 'cat', 'bee', 'ant'] }
  await expect(entry.load()).rejects.toMatchObject({
    message: "the bundle of model 'tiny' is another than when it was listed",
    hint: 'POST /admin/reload takes the new one.',
  })
})
