/** A tiny bundle with random parameters, and pictures for it: for the tests of everything that uses bundles. */
import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { exportGraph } from '../src/bundle/export-graph.ts'
import { type Bundle, memoryFiles, openBundle, writeBundle } from '../src/bundle/index.ts'
import type { Manifest } from '../src/contract/manifest.ts'
import type { BlobStore } from '../src/core/ports.ts'
import { createRandom } from '../src/core/random.ts'
import {
  conv2d,
  dense,
  flatten,
  initialParameters,
  type Layer,
  maxPooling2d,
  rescaling,
  sequential,
  trace,
} from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'

export const labels: string[] = ['ant', 'bee', 'cat', 'dog', 'eel']

/** Convolution, pooling and two dense layers on grey pictures of 12 x 12. */
export const tinyNetwork: Layer = sequential([
  rescaling({ scale: 1 / 255 }),
  conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }),
  maxPooling2d(),
  flatten(),
  dense({ units: 16, activation: 'relu' }),
  dense({ units: labels.length, activation: 'softmax' }),
])

export function exportSample(model: Layer = tinyNetwork, shape: readonly number[] = [1, 12, 12]): Uint8Array {
  const inputs = [{ name: 'pixels', dtype: 'uint8' as const, shape }]
  const symbolic = { name: 'pixels', type: { dtype: 'uint8' as const, shape: ['batch', ...shape] } }
  const { parameters } = trace(model, [symbolic], { table, training: false })
  const values = initialParameters(parameters, createRandom(7))
  return exportGraph({ model, inputs, output: 'probabilities', parameters: values, table, name: 'tiny' })
}

export const sampleManifest: Omit<Manifest, 'files'> = {
  format: 1,
  task: 'image-classification',
  name: 'tiny',
  created: '2026-01-02T03:04:05.000Z',
  inputs: [{ name: 'pixels', dtype: 'uint8', shape: ['batch', 1, 12, 12] }],
  outputs: [{ name: 'probabilities', dtype: 'float32', shape: ['batch', labels.length] }],
  preprocessing: { kind: 'image', height: 12, width: 12, channels: 1, fit: 'cover', background: [255, 255, 255] },
  labels,
  metrics: { validation: { accuracy: 0.9, loss: 0.31234567 }, test: { accuracy: 0.875, loss: 0.4 } },
  lineage: {
    run: '20260102-030405-tiny',
    seed: 7,
    config: { task: 'image-classification', train: { epochs: 3 } },
    data: {
      examples: { train: 80, validation: 10, test: 16 },
      sha256: createHash('sha256').update('data').digest('hex'),
    },
    epochs: 3,
    bestEpoch: 2,
    seconds: 12.3,
  },
  versions: { quern: '0.1.0', node: '20.20.0' },
}

/** The files of a bundle in memory. */
export async function sampleFiles(
  manifest: Omit<Manifest, 'files'> = sampleManifest,
  model: Uint8Array = exportSample(),
): Promise<BlobStore> {
  const files = memoryFiles()
  await writeBundle(files, { model, manifest })
  return files
}

export async function sampleBundle(): Promise<Bundle> {
  return openBundle(await sampleFiles(), 'tiny')
}

/** A PNG with a pattern that the number chooses. */
export async function samplePng(number: number, size = 20): Promise<Uint8Array<ArrayBuffer>> {
  const random = createRandom(number)
  const pixels = Uint8Array.from({ length: size * size * 3 }, () => random.uint32() & 255)
  const image = sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
  return new Uint8Array(await image.png().toBuffer())
}

/** Pixels `[count, 1, 12, 12]`. */
export function samplePixels(count: number): Uint8Array {
  const random = createRandom(count)
  return Uint8Array.from({ length: count * 144 }, () => random.uint32() & 255)
}
