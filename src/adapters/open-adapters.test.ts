/** Several adapters over one session, and adapters over weights of few bits. */
import { describe, expect, test } from 'vitest'
import { noise, runLayer } from '../../test/run-layer.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph } from '../graph/graph.ts'
import { importedModel } from '../nn/index.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { adaptGraph } from './adapt-graph.ts'
import { adaptedModel } from './adapted-model.ts'
import { type Adapter, adapterFrom, mergeAdapter } from './adapter.ts'
import { ia3 } from './ia3.ts'
import { lora } from './lora.ts'
import { openAdapters } from './open-adapters.ts'
import { quantizeWeights } from './quantize-weights.ts'

const backend = createNodeBackend({ threads: 1 })

/** [batch, 3, 40] -> [batch, 3, 6]: a product without and one with a bias, 40 inputs so that the last block is not full. */
function base(): Graph {
  const g = new Emitter(table, new GraphBuilder('base'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 3, 40] })
  const hidden = g.tanh(g.matMul(x, g.constant(noise(1, [40, 32], 0.2), 'first.weight')))
  const flat = g.reshape(hidden, ['rows', 32])
  const out = g.op(
    'Gemm',
    [flat, g.constant(noise(2, [6, 32], 0.2), 'second.weight'), g.constant(noise(3, [6]), 'second.bias')],
    { transB: 1 },
  )
  return g.builder.finish([g.op('Reshape', [out, g.integers([-1, 3, 6])])])
}

async function adapterOf(graph: Graph, salt: number, rank: number, targets: readonly string[]): Promise<Adapter> {
  const method = lora({ rank, alpha: 2 * rank, targets, rankStabilized: rank === 3 })
  const { parameters } = adaptGraph(graph, method)
  return adapterFrom(
    graph,
    method,
    new Map(parameters.map(({ path, spec }, i) => [path, noise(salt + i, spec.shape, 0.3)])),
  )
}

async function outputOf(
  graph: Graph,
  x: Tensor,
  parameters: ReadonlyMap<string, Tensor> = new Map(),
): Promise<Float32Array> {
  const session = await backend.createSession(writeModel(graph, { parameters }).model)
  const results = await session.run({ x })
  await session.release()
  return results[graph.outputs[0]!.name]!.data as Float32Array
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-6): void {
  expect(found.length).toBe(expected.length)
  const size = Math.max(...Array.from(expected, Math.abs))
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(found[i]! - expected[i]!) <= tolerance * size))
      expect.fail(`[${i}]: ${found[i]} against ${expected[i]}`)
  }
}

describe('adapters chosen at each run', () => {
  const graph = base()
  const x = noise(100, [3, 3, 40])
  const name = graph.outputs[0]!.name
  const both = async () => ({
    a: await adapterOf(graph, 10, 2, ['first', 'second']),
    b: await adapterOf(graph, 20, 3, ['first']),
  })

  test('each answers as its merged model, the base as itself', async () => {
    const adapters = await both()
    const session = await openAdapters(graph, { adapters, backend })
    for (const [key, adapter] of Object.entries(adapters)) {
      expectClose(
        (await session.run({ x }, key))[name]!.data as Float32Array,
        await outputOf(await mergeAdapter(graph, adapter), x),
      )
    }
    expectClose((await session.run({ x }, undefined))[name]!.data as Float32Array, await outputOf(graph, x))
    await session.release()
  })

  test('rows of a batch have an adapter each', async () => {
    const first = new Emitter(table, new GraphBuilder('rows'))
    const input = first.builder.input('x', { dtype: 'float32', shape: ['batch', 3, 40] })
    const small = first.builder.finish([first.matMul(input, first.constant(noise(1, [40, 32], 0.2), 'first.weight'))])
    const adapters = { a: await adapterOf(small, 10, 2, ['first']), b: await adapterOf(small, 20, 3, ['first']) }
    const session = await openAdapters(small, { adapters, backend })
    const out = small.outputs[0]!.name
    const mixed = (await session.run({ x }, ['b', undefined, 'a']))[out]!.data as Float32Array
    for (const [row, key] of (['b', undefined, 'a'] as const).entries()) {
      const whole = (await session.run({ x }, key))[out]!.data as Float32Array
      expectClose(mixed.subarray(row * 96, (row + 1) * 96), whole.subarray(row * 96, (row + 1) * 96))
    }
    await expect(async () => session.run({ x }, ['a', 'b'])).rejects.toThrow(
      "2 adapters are named for the rows of the batch, 'x' has 3 rows",
    )
    await session.release()
  })

  test('adapters come and go; unknown ones and other kinds are refused', async () => {
    const { a, b } = await both()
    const session = await openAdapters(graph, { adapters: { a }, backend })
    await session.set('b', b)
    expect(session.names).toEqual(['a', 'b'])
    await session.set('a', undefined)
    await expect(async () => session.run({ x }, 'a')).rejects.toThrow("there is no adapter 'a'")
    await session.release()
    const scaled = ia3({ targets: 'first' })
    const factors = await adapterFrom(graph, scaled, new Map([['first.weight/ia3_l', noise(1, [32, 1])]]))
    await expect(openAdapters(graph, { adapters: { factors }, backend })).rejects.toThrow(
      'neither decomposed nor (IA)3',
    )
    await expect(openAdapters(graph, { adapters: { a: { ...a, base: '0'.repeat(64) } }, backend })).rejects.toThrow(
      'another base',
    )
  })
})

describe.each([
  ['MatMulNBits', 4],
  ['MatMulNBits', 8],
  ['DequantizeLinear', 4],
  ['DequantizeLinear', 8],
] as const)('weights as %s of %i bits', (as, bits) => {
  const graph = base()
  const packed = quantizeWeights(graph, { as, bits, blockSize: 16 })
  const x = noise(100, [2, 3, 40])

  test('answer nearly as before', async () => {
    expect(packed.nodes.filter(({ op }) => op === as).length).toBe(2)
    const [before, after] = [await outputOf(graph, x), await outputOf(packed, x)]
    const error = Math.hypot(...after.map((y, i) => y - before[i]!)) / Math.hypot(...before)
    expect(error).toBeLessThan(bits === 4 ? 0.12 : 0.008)
    expect(error).toBeGreaterThan(0)
  })

  test.each([false, true])(
    'let gradients through to adapters and input: those of the same numbers as float32; decomposed: %s',
    async (decomposed) => {
      const method = lora({ rank: 2, targets: ['first', 'second'], decomposed })
      const parameter = (path: string, shape: StaticShape) =>
        path.endsWith('_magnitude') ? given(noise(7, shape)) : noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)
      const given = ({ shape, data }: Tensor<Float32Array>) =>
        float32(
          shape,
          data.map((m) => m + 2),
        )
      const run = (of: Graph) =>
        runLayer(adaptedModel(importedModel(of, { train: 'none' }), { adapter: method }), { inputs: [x], parameter })
      // The weights that the packed ones stand for, read off by a base of unit vectors.
      const other = await run(await unpacked(packed))
      const own = await run(packed)
      expectClose(own.y.data as Float32Array, other.y.data as Float32Array, 1e-4)
      expect([...own.gradients.keys()].map((path) => path.replace(/_Q[48]/, ''))).toEqual([...other.gradients.keys()])
      for (const [path, { data }] of own.gradients) {
        expectClose(data as Float32Array, other.gradients.get(path.replace(/_Q[48]/, ''))!.data as Float32Array, 1e-3)
      }
      expectClose(own.inputGradients[0]!.data as Float32Array, other.inputGradients[0]!.data as Float32Array, 1e-3)
    },
  )

  test('cannot take an adapter up', async () => {
    const adapter = await adapterOf(packed, 10, 2, ['first'])
    await expect(mergeAdapter(packed, adapter)).rejects.toThrow(/cannot be merged: the weight is u?int/)
  })

  test('have the lengths that a decomposed adapter starts from', async () => {
    const method = lora({ rank: 2, decomposed: true, targets: ['first', 'second'] })
    const lengthsOf = (of: Graph) =>
      adaptGraph(of, method)
        .parameters.filter(({ path }) => path.endsWith('_magnitude'))
        .map(({ spec }) => (spec.initializer as { elements: Float32Array }).elements)
    const [own, other] = [lengthsOf(packed), lengthsOf(await unpacked(packed))]
    expect(own.length).toBe(2)
    for (const [i, lengths] of own.entries()) expectClose(lengths, other[i]!, 1e-5)
  })
})

/** The base with the weights that a packed one stands for. */
async function unpacked(packed: Graph): Promise<Graph> {
  const unit = (size: number) =>
    float32(
      [1, size, size],
      Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
    )
  const weightOf = async (name: string, inputs: number): Promise<Float32Array> => {
    const node = packed.nodes.find((each) => each.inputs.some((value) => value?.name.startsWith(name)))!
    const g = new Emitter(table, new GraphBuilder('unit'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [1, inputs, inputs] })
    const isPacked = node.op === 'MatMulNBits'
    const value = g.repeat(node, isPacked ? [x, ...node.inputs.slice(1)] : node.inputs)[0]!
    return outputOf(g.builder.finish([isPacked ? value : g.op('Identity', [value])]), unit(inputs))
  }
  const isTurned = packed.nodes.some(({ op }) => op === 'DequantizeLinear')
  const first = await weightOf('first', 40)
  const second = await weightOf('second', 32)
  const swapped = isTurned ? second : Float32Array.from(second, (_, i) => second[(i % 32) * 6 + Math.floor(i / 32)]!)
  const graph = base()
  const values = new Map([
    ['first.weight', first],
    ['second.weight', swapped],
  ])
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((value) => {
        const data = value && values.get(value.name)
        return data && value ? { ...value, constant: float32(value.constant!.shape, data) } : value
      }),
    })),
  }
}

test('quantisation says what it cannot do', () => {
  expect(() => quantizeWeights(base(), { blockSize: 24 })).toThrow('blockSize must be a power of two')
  expect(() => quantizeWeights(base(), { targets: 'second', blockSize: 64 })).toThrow(
    "'second.weight' stays as it is: it has 32 inputs",
  )
  expect(() => quantizeWeights(base(), { targets: 'third' })).toThrow("no frozen weight matches 'third'")
})
