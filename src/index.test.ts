import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quern } from '../test/command-line.ts'
import { defineProject, type ImageClassifier, pipeline, QuernError } from './index.ts'
import * as nn from './nn.ts'

let root = ''
let classify: ImageClassifier
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-entry-'))
  for (const label of ['dark', 'light']) {
    for (let i = 0; i < 10; i++) {
      const background = label === 'dark' ? { r: i, g: i, b: i } : { r: 255 - i, g: 255, b: 255 }
      const path = join(root, 'photos', label, `${i}.png`)
      await mkdir(join(path, '..'), { recursive: true })
      await sharp({ create: { width: 8, height: 8, channels: 3, background } })
        .png()
        .toFile(path)
    }
  }
  const config = defineProject({
    task: 'image-classification',
    name: 'light',
    data: { source: './photos', image: { height: 8, width: 8 } },
    model: 'mlp',
    train: { epochs: 2, batchSize: 4 },
  })
  await writeFile(join(root, 'quern.config.json'), JSON.stringify(config))
  const trained = await quern(['train'], { cwd: root })
  expect(trained.code, trained.stderr).toBe(0)
  await quern(['export', '--out', 'model'], { cwd: root })
  classify = await pipeline('image-classification', join(root, 'model'))
}, 60_000)
afterAll(async () => {
  await classify?.release()
  await rm(root, { recursive: true })
})

test('a pipeline takes a path, a URL and bytes, one or several', async () => {
  const path = join(root, 'photos/dark/1.png')
  const bytes = await sharp(path).png().toBuffer()
  const answer = await classify(path)
  expect(answer).toHaveLength(2)
  expect(answer[0]!.score + answer[1]!.score).toBeCloseTo(1, 5)
  expect(await classify(pathToFileURL(path))).toEqual(answer)
  expect(await classify(bytes)).toEqual(answer)
  expect(await classify([path, bytes])).toEqual([answer, answer])
  expect(await classify(path, { topK: 1 })).toEqual([answer[0]])
  expect(classify.manifest).toMatchObject({ name: 'light', labels: ['dark', 'light'] })
})

test('errors are those of Quern, and say what to do', async () => {
  await expect(classify(join(root, 'photos/dark/l.png'))).rejects.toMatchObject({
    kind: 'missing',
    hint: expect.stringContaining('.png'),
  })
  await expect(pipeline('image-classification', join(root, 'photos'))).rejects.toBeInstanceOf(QuernError)
})

test('quern/nn has what a network of one’s own needs', () => {
  const names = ['sequential', 'conv2d', 'maxPooling2d', 'flatten', 'dense', 'adam', 'cosine']
  expect(Object.keys(nn)).toEqual(expect.arrayContaining(names))
})
