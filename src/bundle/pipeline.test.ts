import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  exportSample,
  labels,
  sampleBundle,
  sampleManifest,
  samplePixels,
  samplePng,
} from '../../test/sample-bundle.ts'
import type { Manifest } from '../contract/manifest.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ImageDecoder } from '../data/image-decoder.ts'
import { createPictureDecoder } from '../data/picture-decoder.ts'
import { conv2d, dense, flatten, globalAveragePooling, rescaling, sequential } from '../nn/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import type { Bundle } from './bundle.ts'
import { imagePreprocessing } from './image-card.ts'
import { createPipeline, type Pipeline } from './pipeline.ts'
import type { Prediction } from './task-pipeline.ts'

const backend = createNodeBackend()
const pixels = (count: number, data = samplePixels(count)): Tensor => ({
  dtype: 'uint8',
  shape: [count, 1, 12, 12],
  data,
})

let images: ImageDecoder
let bundle: Bundle
let pipeline: Pipeline
beforeAll(async () => {
  images = await createPictureDecoder()
  bundle = await sampleBundle()
  pipeline = await createPipeline(bundle, { backend, images })
})
afterAll(() => pipeline.release())

describe('predict', () => {
  test('answers with labels in descending order', async () => {
    const answers = (await pipeline.predict(await samplePng(1), { topK: 3 })) as Prediction[]
    expect(answers).toHaveLength(3)
    expect(answers.every(({ label }) => labels.includes(label))).toBe(true)
    expect(answers.map(({ score }) => score)).toEqual(answers.map(({ score }) => score).sort((a, b) => b - a))
    const all = (await pipeline.predict(await samplePng(1), { topK: 99 })) as Prediction[]
    expect(all).toHaveLength(5)
    expect(all.slice(0, 3)).toEqual(answers)
    expect(all.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5)
  })

  test('takes pixels with and without a batch axis, and gives what infer gives', async () => {
    const row = pixels(1)
    const { probabilities } = await pipeline.infer({ pixels: row })
    const answers = (await pipeline.predict(row)) as Prediction[]
    for (const { label, score } of answers)
      expect(score).toBe((probabilities!.data as Float32Array)[labels.indexOf(label)])
    expect(await pipeline.predict({ ...row, shape: [1, 12, 12] })).toEqual(answers)
  })

  test('a picture is decoded as in training', async () => {
    const png = await samplePng(2)
    const { pixels: data } = await images.decode(png, imagePreprocessing(sampleManifest, 'the sample'))
    expect(await pipeline.predict(png)).toEqual(await pipeline.predict(pixels(1, data)))
  })

  test('says what is wrong', async () => {
    await expect(pipeline.predict(new Uint8Array())).rejects.toThrow('empty')
    await expect(pipeline.predict(new TextEncoder().encode('hello'))).rejects.toThrow('not a picture')
    await expect(pipeline.predict(pixels(1), { topK: 0 })).rejects.toThrow('topK must be a whole number from 1 up')
    await expect(pipeline.predict(pixels(2))).rejects.toThrow('expected one example, received 2')
    const blind = await createPipeline(bundle, { backend })
    await expect(blind.predict(await samplePng(1))).rejects.toThrow('no decoder for pictures')
    expect(await blind.predict(pixels(1))).toHaveLength(5)
    await blind.release()
  })
})

describe('many inputs', () => {
  test('the same bits alone, in batches of any size, and on any number of threads', async () => {
    const count = 256
    const data = samplePixels(count)
    const rows = Array.from({ length: count }, (_, i) => pixels(1, data.subarray(i * 144, (i + 1) * 144)))
    const alone: Prediction[][] = []
    for (const row of rows) alone.push((await pipeline.predict(row)) as Prediction[])
    expect(new Set(alone.map(([first]) => first!.score)).size).toBeGreaterThan(200)
    for (const batchSize of [2, 3, 8, 31, 256]) expect(await pipeline.predictBatch(rows, { batchSize })).toEqual(alone)
    const single = await createPipeline(bundle, { backend, session: { threads: 1 } })
    expect(await single.predictBatch(rows, { batchSize: 100 })).toEqual(alone)
    await single.release()
  })

  test('the same bits for a deeper network in colour', async () => {
    const net = sequential([
      rescaling({ scale: 1 / 255 }),
      conv2d({ filters: 24, kernelSize: 3, padding: 'same', activation: 'relu' }),
      conv2d({ filters: 33, kernelSize: 3, strides: 2, activation: 'relu' }),
      globalAveragePooling(),
      dense({ units: 77, activation: 'relu' }),
      flatten(),
      dense({ units: 5, activation: 'softmax' }),
    ])
    const session = await backend.createSession(exportSample(net, [3, 17, 17]))
    const size = 3 * 17 * 17
    const data = samplePixels(1000).subarray(0, 64 * size)
    const run = async (from: number, count: number) => {
      const part = data.subarray(from * size, (from + count) * size)
      const fed = { pixels: { dtype: 'uint8' as const, shape: [count, 3, 17, 17], data: part } }
      return [...((await session.run(fed)).probabilities!.data as Float32Array)]
    }
    const whole = await run(0, 64)
    for (let i = 0; i < 64; i++) expect(await run(i, 1)).toEqual(whole.slice(i * 5, i * 5 + 5))
    await session.release()
  })

  test('an unusable one is an outcome, or an error with its number', async () => {
    const inputs = [await samplePng(1), new Uint8Array([1, 2, 3, 4]), await samplePng(2), pixels(3), await samplePng(3)]
    const outcomes = []
    for await (const outcome of pipeline.predictEach(inputs, { batchSize: 2, topK: 1 })) outcomes.push(outcome)
    expect(outcomes.map((outcome) => [outcome.index, 'error' in outcome ? outcome.error.message : 'fine'])).toEqual([
      [0, 'fine'],
      [1, expect.stringContaining('not a picture')],
      [2, 'fine'],
      [3, 'expected one example, received 3'],
      [4, 'fine'],
    ])
    expect(outcomes[2]).toEqual({ index: 2, predictions: await pipeline.predict(await samplePng(2), { topK: 1 }) })
    await expect(pipeline.predictBatch(inputs)).rejects.toThrow('input 1: not a picture')
    expect(await pipeline.predictBatch([])).toEqual([])
  })
})

describe('infer', () => {
  test.each<[string, Record<string, Tensor>, string]>([
    ['nothing', {}, "needs the input 'pixels', received none"],
    ['another name', { pixel: pixels(1) }, "needs the input 'pixels', received pixel"],
    ['one too many', { pixels: pixels(1), extra: pixels(1) }, "has no input 'extra'"],
    ['another type', { pixels: { ...pixels(1), dtype: 'float32' } }, 'must be uint8, received float32'],
    [
      'another shape',
      { pixels: { ...pixels(1), shape: [1, 12, 12] } },
      'the shape [batch, 1, 12, 12], received [1, 12, 12]',
    ],
    ['another size', { pixels: { ...pixels(1), shape: [1, 1, 12, 13] } }, 'received [1, 1, 12, 13]'],
    ['no example', { pixels: pixels(0) }, 'must hold an example'],
    [
      'too few elements',
      { pixels: { ...pixels(2), shape: [3, 1, 12, 12] } },
      'needs 432 elements in Uint8Array, received 288',
    ],
    ['another array', { pixels: { ...pixels(1), data: new Int8Array(144) } }, 'received 144 in Int8Array'],
  ])('refuses %s', async (_, inputs, message) => {
    await expect(pipeline.infer(inputs)).rejects.toThrow(message)
  })

  test('refuses an output that is not there', async () => {
    await expect(pipeline.infer({ pixels: pixels(1) }, ['probability'])).rejects.toThrow(
      "Did you mean 'probabilities'?",
    )
    expect(Object.keys(await pipeline.infer({ pixels: pixels(1) }, ['probabilities']))).toEqual(['probabilities'])
  })

  test('a released model refuses', async () => {
    const other = await createPipeline(bundle, { backend })
    const running = other.infer({ pixels: pixels(1) })
    await other.release()
    await other.release()
    expect((await running).probabilities!.shape).toEqual([1, 5])
    await expect(other.infer({ pixels: pixels(1) })).rejects.toThrow("model 'tiny' was released")
  })
})

describe('a bundle whose parts do not fit', () => {
  const change = (part: Partial<Manifest>): Bundle => ({ ...bundle, manifest: { ...bundle.manifest, ...part } })
  const input = sampleManifest.inputs[0]!
  const output = sampleManifest.outputs[0]!
  test.each<[string, Partial<Manifest>, string]>([
    [
      'task',
      { task: 'image-clasification' },
      "unknown task 'image-clasification'. Did you mean 'image-classification'?",
    ],
    ['labels', { labels: ['a', 'b'] }, "output 'probabilities' must be [batch, 2] for 2 labels, found [batch, 5]"],
    [
      'picture',
      { preprocessing: { ...imagePreprocessing(sampleManifest, 'the sample'), height: 13 } },
      "must be [batch, 1, 13, 12] as 'preprocessing' says",
    ],
    ['input type', { inputs: [{ ...input, dtype: 'float32' }] }, "input 'pixels' must be uint8, found float32"],
    ['input name', { inputs: [{ ...input, name: 'image' }] }, "expected the input 'image', found pixels"],
    ['output name', { outputs: [{ ...output, name: 'scores' }] }, "expected the output 'scores', found probabilities"],
    [
      'sizes of the graph',
      {
        inputs: [{ ...input, shape: ['batch', 1, 14, 12] }],
        preprocessing: { ...imagePreprocessing(sampleManifest, 'the sample'), height: 14 },
      },
      "input 'pixels': expected uint8[batch, 1, 14, 12], found uint8[batch, 1, 12, 12]",
    ],
  ])('%s', async (_, part, message) => {
    const error = await createPipeline(change(part), { backend }).catch((e) => e)
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/^tiny: /)
  })

  test('a model that is none', async () => {
    const error = await createPipeline({ ...bundle, model: new Uint8Array([1, 2, 3]) }, { backend }).catch((e) => e)
    expect(error.message).toMatch(/^tiny: model\.onnx: the runtime does not accept the model/)
  })
})
