/** Adapters on a decoder whose attention is fused, as ONNX Runtime GenAI's model builder writes it: packed and unpacked, and with weights of 4 bits. */
import { describe, expect, test } from 'vitest'
import { decoderFile, decoderSizes } from '../../test/decoder-file.ts'
import { noise, runLayer } from '../../test/run-layer.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import { importedModel } from '../nn/index.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { adaptGraph } from './adapt-graph.ts'
import { adaptedModel } from './adapted-model.ts'
import { adapterFrom, mergeAdapter } from './adapter.ts'
import { lora } from './lora.ts'
import { openAdapters } from './open-adapters.ts'
import { readPeft, writePeft } from './peft.ts'
import { quantizeWeights } from './quantize-weights.ts'

const { vocabulary, groups, size, layers } = decoderSizes
const [batch, length] = [2, 5]
const int64 = (shape: StaticShape, of: (i: number) => number) =>
  tensor(
    'int64',
    shape,
    BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(of(i))),
  )
const inputs: Readonly<Record<string, Tensor>> = {
  input_ids: int64([batch, length], (i) => (i * 7) % vocabulary),
  attention_mask: int64([batch, length], () => 1),
  ...Object.fromEntries(
    Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) =>
      ['key', 'value'].map((kind) => [
        `past_key_values.${layer}.${kind}`,
        float32([batch, groups, 0, size], new Float32Array()),
      ]),
    ),
  ),
}

const backend = createNodeBackend({ threads: 1 })

/** The logits, by the runtime's own operators. */
async function logitsOf(graph: Graph, parameters: ReadonlyMap<string, Tensor> = new Map()): Promise<Float32Array> {
  const session = await backend.createSession(writeModel(graph, { parameters }).model)
  const results = await session.run(inputs, [graph.outputs[0]!.name])
  await session.release()
  return results[graph.outputs[0]!.name]!.data as Float32Array
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(expected.length)
  const most = Math.max(...Array.from(expected, Math.abs))
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(found[i]! - expected[i]!) <= tolerance * most))
      expect.fail(`[${i}]: ${found[i]} against ${expected[i]}`)
  }
}

/** As from a file: names, types and opsets are what the reader makes of them. */
const read = async (graph: Graph): Promise<Graph> => (await readModel(writeModel(graph).model)).graph

const targets = { unpacked: ['q_proj', 'v_proj'], packed: ['qkv_proj'] } as const

describe.each([
  ['unpacked', undefined],
  ['packed', undefined],
  ['unpacked', 'MatMulNBits'],
  ['packed', 'MatMulNBits'],
  ['unpacked', 'DequantizeLinear'],
] as const)('a decoder with %s queries, keys and values, weights as %s', (form, as) => {
  const base = async () => {
    const graph = decoderFile({ packed: form === 'packed' })
    return read(as ? quantizeWeights(graph, { as, bits: 4, blockSize: 16 }) : graph)
  }
  const method = lora({ rank: 2, alpha: 4, targets: targets[form] })
  const numbers = (path: string, shape: StaticShape) => noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)

  test('has adapters by the names that PEFT gives its modules', async () => {
    const { sites } = adaptGraph(await base(), method)
    expect(sites.map(({ module }) => module)).toEqual(
      [0, 1].flatMap((layer) => targets[form].map((name) => `model.layers.${layer}.attn.${name}`)),
    )
  })

  test('answers the same with adapters beside its weights and within them', async () => {
    const graph = await base()
    const adapted = adaptGraph(graph, method)
    const parameters = new Map(
      adapted.parameters.map(({ path, spec }) => [path, numbers(path, spec.shape as StaticShape)]),
    )
    const [before, beside] = [await logitsOf(graph), await logitsOf(adapted.graph, parameters)]
    expect(Math.max(...beside.map((y, i) => Math.abs(y - before[i]!)))).toBeGreaterThan(0.005)
    const adapter = await adapterFrom(graph, method, parameters)
    const again = await readPeft(graph, writePeft(graph, adapter))
    expect(again.parameters).toEqual(adapter.parameters)
    if (as) await expect(mergeAdapter(graph, adapter)).rejects.toThrow(/cannot be merged/)
    else expectClose(await logitsOf(await mergeAdapter(graph, adapter)), beside, 5e-5)
    const session = await openAdapters(graph, { adapters: { one: adapter }, backend })
    const name = graph.outputs[0]!.name
    const [plain, chosen, mixed] = [
      await session.run(inputs, undefined),
      await session.run(inputs, 'one'),
      await session.run(inputs, ['one', undefined]),
    ].map((results) => results[name]!.data as Float32Array)
    await session.release()
    expectClose(plain!, before, 5e-5)
    expectClose(chosen!, beside, 5e-5)
    const half = before.length / 2
    expectClose(mixed!, [...beside.slice(0, half), ...before.slice(half)], 5e-5)
  })

  test('has the gradients that the runtime’s own attention has by differences', async () => {
    const graph = await base()
    const model = adaptedModel(importedModel(graph, { train: 'none', output: graph.outputs[0]!.name }), {
      adapter: method,
    })
    const run = await runLayer(model, {
      inputs: graph.inputs.map(({ name }) => inputs[name]!),
      parameter: numbers,
    })
    const adapted = adaptGraph(graph, method)
    const shapes = adapted.parameters.map(({ path, spec }) => [path, spec.shape as StaticShape] as const)
    const weights = noise(90, [batch, length, vocabulary]).data
    const lossAt = async (step: number): Promise<number> => {
      const moved = shapes.map(([path, shape]) => {
        const direction = noise(30, shape).data
        return [
          path,
          float32(
            shape,
            numbers(path, shape).data.map((x, i) => x + step * direction[i]!),
          ),
        ] as const
      })
      return (await logitsOf(adapted.graph, new Map(moved))).reduce((sum, y, i) => sum + y * weights[i]!, 0)
    }
    const step = 2e-3
    const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step)
    const found = shapes.reduce((sum, [path, shape]) => {
      const direction = noise(30, shape).data
      return sum + (run.gradients.get(path)!.data as Float32Array).reduce((dot, d, i) => dot + d * direction[i]!, 0)
    }, 0)
    expect(run.gradients.size).toBe(shapes.length)
    expect(Math.abs(found - slope)).toBeLessThan(0.01 * Math.abs(slope))
    expectClose(
      run.y.data as Float32Array,
      await logitsOf(adapted.graph, new Map(shapes.map(([path, shape]) => [path, numbers(path, shape)]))),
      1e-4,
    )
  })
})

test('an adapter that PEFT trained on the model of Transformers fits the file, whose attention is named otherwise', async () => {
  const graph = await read(decoderFile({ packed: false }))
  const method = lora({ rank: 2, targets: ['q_proj', 'v_proj'] })
  const adapted = adaptGraph(graph, method)
  const adapter = await adapterFrom(
    graph,
    method,
    new Map(adapted.parameters.map(({ path, spec }) => [path, noise(3, spec.shape as StaticShape)])),
  )
  const files = writePeft(graph, { ...adapter, base: undefined })
  const renamed = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, withNames(bytes)] as const))
  expect((await readPeft(graph, renamed)).parameters).toEqual(adapter.parameters)
  const packed = await read(decoderFile({ packed: true }))
  await expect(readPeft(packed, renamed)).rejects.toThrow(
    /changes 'model.layers.0.self_attn.q_proj', which the model does not have/,
  )
})

/** '.attn.' as '.self_attn.': five characters more each, which the header of the safetensors file counts. */
function withNames(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder('latin1').decode(bytes)
  const isSafetensors = text.charCodeAt(8) === 0x7b
  if (!isSafetensors) return new TextEncoder().encode(text.replaceAll('.attn.', '.self_attn.'))
  const count = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + count)).replaceAll('.attn.', '.self_attn.')
  const padded = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8))
  const made = new Uint8Array(8 + padded.length + bytes.length - 8 - count)
  new DataView(made.buffer).setBigUint64(0, BigInt(padded.length), true)
  made.set(padded, 8)
  made.set(bytes.subarray(8 + count), 8 + padded.length)
  return made
}
