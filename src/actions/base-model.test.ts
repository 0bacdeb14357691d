import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { float32, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { importedModel } from '../nn/index.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createFileBlobs } from '../store/file-blobs.ts'
import { createRunStore } from '../store/file-runs.ts'
import { createMemoryBlobs } from '../store/memory-blobs.ts'
import { type ModelFile, openBase } from './base-model.ts'
import { answersOfFile, compareAnswers } from './compare-answers.ts'
import { verifyExport } from './start-from.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** A picture `[N, 3, 2, 2]` to three numbers. */
function file(location?: string) {
  const g = new Emitter(table, new GraphBuilder('vision'))
  const x = g.builder.input('pixel_values', { dtype: 'float32', shape: ['N', 3, 2, 2] })
  const weight = g.constant(
    float32(
      [12, 3],
      Float32Array.from({ length: 36 }, (_, i) => i / 36),
    ),
    'classifier.weight',
  )
  const graph = g.builder.finish([g.matMul(g.op('Flatten', [x]), weight)])
  return writeModel(graph, location === undefined ? {} : { externalData: { location, threshold: 16 } })
}

async function services(files: Readonly<Record<string, Uint8Array>>) {
  const store = createMemoryBlobs()
  for (const [key, bytes] of Object.entries(files)) await store.write(key, bytes)
  const folder = (path: string) => ({
    ...store,
    read: (key: string) => store.read(path === '.' ? key : `${path}/${key}`),
    exists: (key: string) => store.exists(path === '.' ? key : `${path}/${key}`),
    list: async (prefix: string) => (await store.list(`${path}/${prefix}`)).map((key) => key.slice(path.length + 1)),
  })
  return { backend: createNodeBackend(), table, folder, runs: createRunStore(createMemoryBlobs(), { now: () => 0 }) }
}

describe('a folder in the layout of Hugging Face', () => {
  const config = { id2label: { 0: 'cat', 1: 'dog', 2: 'owl' } }
  const processor = {
    image_processor_type: 'ViTImageProcessor',
    ...{ do_resize: true, size: { shortest_edge: 8 }, do_center_crop: true, crop_size: { height: 2, width: 2 } },
    ...{ rescale_factor: 0.00392156862745098, image_mean: [0.5, 0.4, 0.3], image_std: [0.2, 0.2, 0.2] },
  }
  const json = (value: unknown) => bytesOf(JSON.stringify(value))

  it('brings labels, the size of pictures and what pixels become', async () => {
    const of = await services({
      'vit/config.json': json(config),
      'vit/preprocessor_config.json': json(processor),
      'vit/onnx/model.onnx': file().model,
    })
    const base = await openBase(of, 'vit')
    expect(base.labels).toEqual(['cat', 'dog', 'owl'])
    expect(base.image).toEqual({
      ...{ height: 2, width: 2, fit: 'cover' },
      pixels: { scale: 0.00392156862745098, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2] },
    })
    expect(base.hash).toMatch(/^[0-9a-f]{64}$/)
  })

  it('says what is missing or wrong in it', async () => {
    const none = await services({ 'm/config.json': json(config), 'm/model.safetensors': new Uint8Array(4) })
    await expect(openBase(none, 'm')).rejects.toMatchObject({
      message: 'm has no ONNX file: neither onnx/model.onnx nor model.onnx',
      hint: expect.stringContaining('It has model.safetensors. Export it: optimum-cli export onnx'),
    })
    const broken = { 'm/config.json': bytesOf('{'), 'm/model.onnx': file().model }
    await expect(openBase(await services(broken), 'm')).rejects.toThrow(/m\/config.json is no JSON/)
    const odd = {
      'm/config.json': json(config),
      'm/model.onnx': file().model,
      'm/preprocessor_config.json': json({ ...processor, image_std: ['a'] }),
    }
    await expect(openBase(await services(odd), 'm')).rejects.toThrow(
      /image_std must be a list of numbers, received \["a"\]/,
    )
  })
})

describe('external data', () => {
  it('is read from beside the file, and the untouched file has it beside it', async () => {
    const { model, external } = file('weights.bin')
    const weights = Uint8Array.from(external!.chunks.flatMap((chunk) => [...chunk]))
    const base = await openBase(await services({ 'm.onnx': model, 'weights.bin': weights }), 'm.onnx')
    const x = float32(
      [1, 3, 2, 2],
      Float32Array.from({ length: 12 }, (_, i) => i),
    )
    const answers = (file: Uint8Array | ModelFile) => answersOfFile(file, { pixel_values: x }, createNodeBackend())
    expect(await answers(await base.untouched())).toEqual(await answers(file().model))
  })

  it('is run only when all that it names lies beside the file, and is large', async () => {
    const root = await mkdtemp(join(tmpdir(), 'quern-base-'))
    try {
      const g = new Emitter(table, new GraphBuilder('two'))
      const weight = (name: string) => g.constant(float32([4, 4], new Float32Array(16).fill(0.5)), name)
      const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 4] })
      const graph = g.builder.finish([g.matMul(g.matMul(x, weight('first')), weight('second'))])
      const { model, external } = writeModel(graph, { externalData: { location: 'weights.bin', threshold: 16 } })
      const weights = Uint8Array.from(external!.chunks.flatMap((chunk) => [...chunk]))
      // The second weight, at a place above.
      const text = Buffer.from(model).toString('latin1')
      const outside = Buffer.from(text.slice(0, text.lastIndexOf('weights.bin')), 'latin1')
      const rest = Buffer.from(text.slice(text.lastIndexOf('weights.bin') + 11), 'latin1')
      await writeFile(join(root, 'outside.onnx'), Buffer.concat([outside, Buffer.from('../ghts.bin'), rest]))
      await writeFile(join(root, 'm.onnx'), model)
      await writeFile(join(root, 'weights.bin'), weights)
      let sessions = 0
      const backend = createNodeBackend()
      const of = {
        ...(await services({})),
        folder: createFileBlobs,
        backend: {
          ...backend,
          createSession(...given: Parameters<typeof backend.createSession>) {
            sessions++
            return backend.createSession(...given)
          },
        },
      }
      await expect(openBase(of, join(root, 'outside.onnx'), { probeFrom: 1 })).rejects.toThrow("'../ghts.bin'")
      expect(sessions).toBe(0)
      await openBase(of, join(root, 'm.onnx'), { probeFrom: 2 ** 20 })
      const without = sessions
      await openBase(of, join(root, 'm.onnx'), { probeFrom: 1 })
      expect(sessions).toBe(2 * without + 1)
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it('lies in memory once, from a folder of the system too, and changes the hash of the model', async () => {
    const root = await mkdtemp(join(tmpdir(), 'quern-base-'))
    try {
      const { model, external } = file('weights.bin')
      const weights = Uint8Array.from(external!.chunks.flatMap((chunk) => [...chunk]))
      await writeFile(join(root, 'm.onnx'), model)
      await writeFile(join(root, 'weights.bin'), weights)
      const of = { ...(await services({})), folder: createFileBlobs }
      const base = await openBase(of, join(root, 'm.onnx'))
      const constants = base.graph.nodes.flatMap(({ inputs }) => inputs.flatMap((value) => value?.constant ?? []))
      const held = constants.map(({ data }) => (data as Float32Array).buffer.byteLength)
      expect(held).toContain(weights.length)
      const x = float32([1, 3, 2, 2], new Float32Array(12).fill(0.5))
      const answers = (given: Uint8Array | ModelFile) => answersOfFile(given, { pixel_values: x }, createNodeBackend())
      const untouched = await base.untouched()
      expect(untouched.externalData).toBe(root)
      expect(await answers(untouched)).toEqual(await answers(file().model))
      expect(base.probed).toBeUndefined()
      // Run before its weights are read, on inputs of its own type, where they are as large as is said.
      const early = await openBase(of, join(root, 'm.onnx'), { probeFrom: weights.length })
      expect(early.probed!.outputs).toEqual(
        await answersOfFile(file().model, early.probed!.inputs, createNodeBackend()),
      )
      expect((await openBase(of, join(root, 'm.onnx'), { probeFrom: weights.length + 1 })).probed).toBeUndefined()
      weights[3] = weights[3]! ^ 1
      await writeFile(join(root, 'weights.bin'), weights)
      expect((await openBase(of, join(root, 'm.onnx'))).hash).not.toBe(base.hash)
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it('that is missing, or outside of the folder, is named', async () => {
    const { model } = file('weights.bin')
    await expect(openBase(await services({ 'm.onnx': model }), 'm.onnx')).rejects.toMatchObject({
      message: "m.onnx keeps weights in 'weights.bin', which is not beside it",
      hint: 'Copy weights.bin into the folder of the model: the two files belong together.',
    })
    // The same length, so that nothing else of the file changes.
    const text = new TextDecoder('latin1').decode(model).replace('weights.bin', '../ghts.bin')
    const outside = Uint8Array.from(text, (c) => c.charCodeAt(0))
    await expect(openBase(await services({ 'm.onnx': outside }), 'm.onnx')).rejects.toThrow(
      /lies at '..\/ghts.bin', expected a relative path inside the model's folder/,
    )
  })
})

it('a file with Dropout in training mode is compared without its chance', async () => {
  const g = new Emitter(table, new GraphBuilder('training'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 16] })
  const isTraining = g.constant(tensor('bool', [], Uint8Array.of(1)))
  const [dropped] = g.ops('Dropout', [x, g.constant(float32([], [0.5])), isTraining], {}, 2)
  const { model } = writeModel(g.builder.finish([g.mul(dropped!, g.constant(float32([1], [3]), 'scale'))]))
  const ones = float32([1, 16], new Float32Array(16).fill(1))
  const answers = async (file: Uint8Array | ModelFile) =>
    (await answersOfFile(file, { x: ones }, createNodeBackend()))[0]!.data as Float32Array
  expect([...(await answers(model))].filter((value) => value === 0).length).toBeGreaterThan(0)
  const base = await openBase(await services({ 'm.onnx': model }), 'm.onnx')
  expect([...(await answers(await base.untouched()))]).toEqual(new Array(16).fill(3))
  expect(base.graph.nodes[0]!.inputs).toHaveLength(2)
})

it('an export that answers otherwise than what was trained does not say that nothing was', async () => {
  const times = (factor: number) => {
    const g = new Emitter(table, new GraphBuilder('times'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 2] })
    return g.builder.finish([g.mul(x, factor)])
  }
  const trained = {
    model: importedModel(times(3), { train: 'none' }),
    examples: { x: float32([1, 2], [1, 2]) },
    parameters: new Map(),
  }
  const exported = verifyExport({ backend: createNodeBackend(), table }, writeModel(times(2)).model, trained)
  await expect(exported).rejects.toMatchObject({
    message: expect.stringContaining('the exported model does not answer as the trained one'),
    hint: expect.stringMatching(/^What was trained is not exported/),
  })
})

describe('compareAnswers', () => {
  it('takes rounding for rounding and no more', () => {
    const near = [float32([2], [1, 2])]
    expect(compareAnswers([float32([2], [1, 2.00001])], near, ['a', 'b'])).toBeCloseTo(5e-6, 6)
    expect(() => compareAnswers([float32([2], [1, 2.01])], near, ['the model', 'the file'])).toThrow(
      /the model does not answer as the file: they differ by 0.00500 of the largest output/,
    )
    expect(() => compareAnswers([float32([2], [1, Number.NaN])], near, ['a', 'b'])).toThrow(/differ by Infinity/)
    expect(() => compareAnswers([float32([1], [1])], near, ['a', 'b'])).toThrow(/output 0 of a has shape \[1\]/)
  })
})
