/** Adapted models as layers: where they start, what they train, and what is wrong with what a user asks for. */
import { describe, expect, test } from 'vitest'
import golden from '../../test/golden/adapters.json' with { type: 'json' }
import { noise, runLayer } from '../../test/run-layer.ts'
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Value } from '../graph/graph.ts'
import * as nn from '../nn/index.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { adamw } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../train/step.ts'
import { adaptGraph } from './adapt-graph.ts'
import { adaptedModel } from './adapted-model.ts'
import { adapterFrom, mergeAdapter } from './adapter.ts'
import { ia3 } from './ia3.ts'
import { lora } from './lora.ts'
import { findSites } from './sites.ts'

const options = { vocabularySize: 11, numLayers: 2, numHeads: 2, hiddenDim: 8, maxSequenceLength: 6 } as const
const tokens = tensor('int32', [2, 6], Int32Array.of(1, 2, 3, 4, 5, 6, 10, 0, 3, 3, 7, 1))

/** Weights of a network of our own, as if trained. */
function weightsOf(model: nn.Layer): ReadonlyMap<string, Tensor> {
  const traced = nn.trace(model, [{ name: 'x', type: tokens }], { table, training: false })
  return nn.initialParameters(traced.parameters, createRandom(3))
}

const start = (path: string, shape: StaticShape) =>
  path.endsWith('lora_A') ? noise(5, shape, 0.3) : float32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))

function twoProducts(): Graph {
  const g = new Emitter(table, new GraphBuilder('base'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 5] })
  const hidden = g.op('Gemm', [
    x,
    g.constant(noise(1, [5, 4]), 'encoder.first.weight'),
    g.constant(noise(2, [4]), 'encoder.first.bias'),
  ])
  const grouped = g.reshape(hidden, ['batch', 4, 1])
  const mixed = g.op('Conv', [grouped, g.constant(noise(3, [4, 1, 1]), 'encoder.mixing.weight')], { group: 4 })
  return g.builder.finish([g.op('Gemm', [g.reshape(mixed, ['batch', 4]), g.constant(noise(4, [4, 3]), 'head.weight')])])
}

describe('a GPT of layers of our own', () => {
  const model = nn.gpt({ ...options, outputActivation: 'linear' })
  const weights = weightsOf(model)

  test('starts as the base, and only the matrices of the adapter are parameters', async () => {
    const adapted = adaptedModel(model, {
      weights,
      adapter: lora({ rank: 2, targets: ['queryKeyValue', 'tokenEmbedding'] }),
    })
    const base = await runLayer(model, { inputs: [tokens], parameter: (path) => weights.get(path)!, training: false })
    const run = await runLayer(adapted, { inputs: [tokens], parameter: start })
    expect([...run.gradients.keys()]).toEqual([
      'tokenEmbedding/embeddings/lora_A',
      'tokenEmbedding/embeddings/lora_B',
      'block_0/attention/queryKeyValue/kernel/lora_A',
      'block_0/attention/queryKeyValue/kernel/lora_B',
      'block_1/attention/queryKeyValue/kernel/lora_A',
      'block_1/attention/queryKeyValue/kernel/lora_B',
    ])
    expect(run.y.data).toEqual(base.y.data)
  })

  test('a table that also scores the output has one adapter for both uses', async () => {
    const adapted = adaptedModel(model, { weights, adapter: lora({ rank: 2, targets: ['tokenEmbedding'] }) })
    const parameter = (path: string, shape: StaticShape) => noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)
    const run = await runLayer(adapted, { inputs: [tokens], parameter })
    const [a, b] = [noise(5, [2, 11], 0.3).data, noise(6, [8, 2], 0.3).data]
    const changed = new Map(weights)
    const own = weights.get('tokenEmbedding/embeddings')!.data as Float32Array
    const whole = own.map((x, i) => {
      const [row, column] = [Math.floor(i / 8), i % 8]
      return x + a[row]! * b[2 * column]! + a[11 + row]! * b[2 * column + 1]!
    })
    changed.set('tokenEmbedding/embeddings', float32([11, 8], whole))
    const expected = await runLayer(model, {
      inputs: [tokens],
      parameter: (path) => changed.get(path)!,
      training: false,
    })
    const [found, wanted] = [run.y.data as Float32Array, expected.y.data as Float32Array]
    for (const [i, x] of wanted.entries()) expect(found[i]).toBeCloseTo(x, 5)
  })

  test('drops inputs of the branch alone, and only while training', async () => {
    const adapter = lora({ rank: 2, dropout: 0.5, targets: ['up', 'down'] })
    const adapted = adaptedModel(model, { weights, adapter })
    const parameter = (path: string, shape: StaticShape) => noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)
    const run = (training: boolean, mask: number) => runLayer(adapted, { inputs: [tokens], parameter, training, mask })
    const base = await runLayer(model, { inputs: [tokens], parameter: (path) => weights.get(path)!, training: false })
    expect((await run(true, 0)).y.data).toEqual(base.y.data)
    const whole = await run(false, 0)
    expect(whole.y.data).not.toEqual(base.y.data)
    expect((await run(true, 1)).y.data).toEqual(whole.y.data)
  })

  test('learns while the base stays, in an arena without the base', async () => {
    const adapted = adaptedModel(model, { weights, adapter: lora({ rank: 2, alpha: 8 }) })
    const before = (weights.get('block_0/attention/output/kernel')!.data as Float32Array).slice()
    const step = await createTrainingStep({
      network: {
        model: adapted,
        loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
        inputs: [{ name: 'x', dtype: 'int32', shape: [6] }],
        target: { name: 'y', dtype: 'int32', shape: [6] },
        table,
      },
      optimizer: adamw({ learningRate: 0.01 }),
      backend: createNodeBackend({ threads: 1 }),
      random: createRandom(1),
      batchSize: 2,
      evaluationBatchSize: 2,
      rules: gradientRules({}),
    })
    ;(step.batch.x!.data as Int32Array).set(tokens.data as Int32Array)
    ;(step.batch.y!.data as Int32Array).set((tokens.data as Int32Array).toReversed())
    const losses: number[] = []
    for (let i = 1; i <= 60; i++) losses.push((await step.run(2, i, 0.01)).loss)
    await step.release()
    expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.6)
    expect([...step.parameters.keys()].every((path) => /lora_[AB]$/.test(path))).toBe(true)
    expect(weights.get('block_0/attention/output/kernel')!.data).toEqual(before)
  })
})

describe('decomposed adapters while training', () => {
  test('lengths count as constants for the gradient', async () => {
    const expected = golden.decomposed
    const g = new Emitter(table, new GraphBuilder('base'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 3, 5] })
    const graph = g.builder.finish([g.matMul(x, g.constant(noise(1, [5, 4], 0.5), 'w'))])
    const model = adaptedModel(nn.importedModel(graph, { train: 'none' }), {
      adapter: lora({ rank: 2, alpha: 3, decomposed: true, targets: 'w' }),
    })
    const numbers: Record<string, Tensor<Float32Array>> = {
      'w/lora_A': noise(5, [2, 5], 0.5),
      'w/lora_B': noise(6, [4, 2], 0.5),
      'w/lora_magnitude': float32(
        [4],
        noise(7, [4]).data.map((m) => m + 2),
      ),
    }
    const run = await runLayer(model, { inputs: [noise(100, [2, 3, 5])], parameter: (path) => numbers[path]! })
    for (const [path, gradient] of Object.entries(expected.gradients)) {
      const found = run.gradients.get(path)!.data as Float32Array
      for (const [i, value] of gradient.entries()) expect(found[i], path).toBeCloseTo(value, 4)
    }
  })
})

describe('imported models', () => {
  const imported = (train: nn.WeightSelection = 'none') => nn.importedModel(twoProducts(), { train })
  const x = noise(100, [3, 5])
  const run = (adapter: ReturnType<typeof lora>, train?: nn.WeightSelection) =>
    runLayer(adaptedModel(imported(train), { adapter }), { inputs: [x], parameter: start })

  test('a head beside the adapter is trained too', async () => {
    const { gradients } = await runLayer(
      adaptedModel(imported('head'), { adapter: lora({ rank: 2, targets: 'encoder.first' }) }),
      {
        inputs: [x],
        parameter: (path, shape) => (path === 'head.weight' ? noise(4, [4, 3]) : start(path, shape)),
      },
    )
    expect([...gradients.keys()].toSorted()).toEqual([
      'encoder.first.weight/lora_A',
      'encoder.first.weight/lora_B',
      'head.weight',
    ])
  })

  test.each([
    ['a pattern that means nothing', 'frist', "no frozen weight matches 'frist'. Did you mean 'first'?"],
    [
      'a bias',
      'encoder.first.bias',
      /'encoder.first.bias', for which there is no adapter: it is no matrix that Gemm at/,
    ],
  ])('%s is refused by name', async (_, targets, message) => {
    await expect(run(lora({ rank: 2, targets }))).rejects.toThrow(message)
  })

  test('convolutions with groups have an adapter where they are named, not by default', async () => {
    const pathsOf = async (targets?: string) => {
      const { gradients } = await run(lora({ rank: 1, ...(targets === undefined ? {} : { targets }) }))
      return [...gradients.keys()]
    }
    expect(await pathsOf('mixing')).toEqual(['encoder.mixing.weight/lora_A', 'encoder.mixing.weight/lora_B'])
    expect((await pathsOf()).filter((path) => path.includes('mixing'))).toEqual([])
    const factors = ia3({ targets: 'mixing' })
    const scaled = adaptedModel(imported(), { adapter: factors })
    await expect(runLayer(scaled, { inputs: [x], parameter: start })).rejects.toThrow(
      /ia3: 'encoder.mixing.weight' belongs to a convolution that is grouped/,
    )
  })

  test('attention that is fused behind a packed projection is adapted at the projection', async () => {
    const g = new Emitter(table, new GraphBuilder('attention'))
    const tokens = g.builder.input('x', { dtype: 'float32', shape: ['batch', 3, 4] })
    const projected = g.matMul(tokens, g.constant(noise(1, [4, 12], 0.5), 'attention.qkv.weight'))
    const parts = g.ops('Split', [projected, g.integers([4, 4, 4])], { axis: 2 }, 3)
    const graph = g.builder.finish([g.op('MultiHeadAttention', parts, { num_heads: 2 }, 'com.microsoft')])
    const method = lora({ rank: 2, targets: 'qkv' })
    const parameter = (path: string, shape: StaticShape) => noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)
    const adapted = adaptedModel(nn.importedModel(graph, { train: 'none' }), { adapter: method })
    const found = await runLayer(adapted, { inputs: [noise(100, [2, 3, 4])], parameter })
    const parameters = new Map(
      adaptGraph(graph, method).parameters.map(({ path, spec }) => [path, parameter(path, spec.shape)]),
    )
    const merged = await mergeAdapter(graph, await adapterFrom(graph, method, parameters))
    const whole = nn.importedModel(merged, { train: 'none' })
    const expected = await runLayer(whole, { inputs: [noise(100, [2, 3, 4])], parameter })
    for (const [i, y] of (expected.y.data as Float32Array).entries()) {
      expect((found.y.data as Float32Array)[i]).toBeCloseTo(y, 5)
    }
    expect([...found.gradients.keys()]).toEqual(['attention.qkv.weight/lora_A', 'attention.qkv.weight/lora_B'])
  })

  test('the weights of an LSTM learn by an adapter, both of them', async () => {
    const g = new Emitter(table, new GraphBuilder('recurrent'))
    const sequence = g.builder.input('x', { dtype: 'float32', shape: ['batch', 5, 3] })
    const [, last] = g.ops(
      'LSTM',
      [
        g.transpose(sequence, [1, 0, 2]),
        g.constant(noise(1, [1, 16, 3]), 'lstm.W'),
        g.constant(noise(2, [1, 16, 4]), 'lstm.R'),
      ],
      { hidden_size: 4 },
      2,
    )
    const graph = g.builder.finish([g.op('Squeeze', [last!, g.integers([0])])])
    const adapter = lora({ rank: 2, alpha: 8, targets: ['lstm.W', 'lstm.R'] })
    const step = await createTrainingStep({
      network: {
        model: adaptedModel(nn.importedModel(graph, { train: 'none' }), { adapter }),
        loss: nn.meanSquaredError(),
        inputs: [{ name: 'x', dtype: 'float32', shape: [5, 3] }],
        target: { name: 'y', dtype: 'float32', shape: [4] },
        table,
      },
      optimizer: adamw({ learningRate: 0.02 }),
      backend: createNodeBackend({ threads: 1 }),
      random: createRandom(1),
      batchSize: 4,
      evaluationBatchSize: 4,
      rules: gradientRules({}),
    })
    ;(step.batch.x!.data as Float32Array).set(noise(3, [4, 5, 3]).data)
    ;(step.batch.y!.data as Float32Array).set(noise(4, [4, 4], 0.5).data)
    const losses: number[] = []
    for (let i = 1; i <= 80; i++) losses.push((await step.run(4, i, 0.02)).loss)
    await step.release()
    expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.3)
    expect([...step.parameters.keys()]).toEqual(['lstm.W/lora_A', 'lstm.W/lora_B', 'lstm.R/lora_A', 'lstm.R/lora_B'])
  })

  test('a weight that two operators hold in ways that differ is refused by name', async () => {
    const g = new Emitter(table, new GraphBuilder('tied'))
    const image = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2, 4, 4] })
    const weight = g.constant(noise(1, [2, 2, 3, 3]), 'tied.weight')
    const graph = g.builder.finish([g.op('ConvTranspose', [g.op('Conv', [image, weight]), weight])])
    const adapted = adaptedModel(nn.importedModel(graph, { train: 'none' }), { adapter: lora({ rank: 1 }) })
    await expect(runLayer(adapted, { inputs: [noise(2, [1, 2, 4, 4])], parameter: start })).rejects.toThrow(
      /'tied.weight' is used by Conv at '.*' and ConvTranspose at '.*' in ways that no adapter can serve at once/,
    )
  })

  test('a rank over the size of a weight is refused', async () => {
    await expect(run(lora({ rank: 5, targets: 'first' }))).rejects.toThrow(
      "the rank 5 is over the size of 'encoder.first.weight', 5 x 4",
    )
  })

  test('where no weights are named, those that are smaller than the rank are left alone', async () => {
    const { gradients } = await run(lora({ rank: 4 }))
    expect([...gradients.keys()]).toEqual(['encoder.first.weight/lora_A', 'encoder.first.weight/lora_B'])
    await expect(run(lora({ rank: 9 }))).rejects.toThrow("the rank 9 is over the size of 'encoder.first.weight'")
  })

  test('a weight inside of control flow has none, and the message says where it lies', () => {
    const then_branch = { kind: 'graph', value: twoProducts() } as const
    const branch = { op: 'If', domain: '', name: 'branch', inputs: [], outputs: [], attributes: { then_branch } }
    expect(() => adaptGraph({ ...twoProducts(), nodes: [branch] }, lora({ targets: 'head' }))).toThrow(
      "'head' means 'head.weight', for which there is no adapter: it lies inside of If at 'branch', where nothing is trained",
    )
  })

  test('weights that are trained are no targets', async () => {
    await expect(run(lora({ rank: 2 }), 'all')).rejects.toThrow('has no frozen weights')
  })

  test.each([[{ rank: 0 }], [{ rank: 1.5 }], [{ alpha: 0 }], [{ dropout: 1 }]])('%o is refused', (wrong) => {
    expect(() => lora(wrong)).toThrow(Object.keys(wrong)[0]!)
  })
})

test('modules that only the names of nodes tell are the same within a model as in the file', async () => {
  const g = new Emitter(table, new GraphBuilder('exported'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 4] })
  const weight = (seed: number, name: string) => g.constant(noise(seed, [4, 4]), name)
  const named = (name: string, given: Value, value: Value) => {
    const output = g.op('MatMul', [given, value])
    g.builder.nodes.push({ ...g.builder.nodes.pop()!, name })
    return output
  }
  const query = named('/encoder/layer.0/attention/query/MatMul', x, weight(1, 'onnx::MatMul_470'))
  const key = named('/encoder/layer.0/attention/key/MatMul_1', x, weight(2, 'onnx::MatMul_471'))
  const bare = named('MatMul_9', g.add(query, key), weight(3, 'onnx::MatMul_472'))
  const graph = g.builder.finish([bare])
  const method = lora({ rank: 2, targets: ['query', 'key'] })
  expect(findSites(graph.nodes).sites.map(({ module }) => module)).toEqual([
    'encoder.layer.0.attention.query',
    'encoder.layer.0.attention.key',
    'MatMul_9',
  ])
  const base = nn.importedModel(graph, { train: 'none', name: 'base' })
  const [first, second] = ['a', 'b'].map((name) => nn.input({ name, shape: [4] })) as [
    nn.SymbolicTensor,
    nn.SymbolicTensor,
  ]
  const whole = adaptedModel(base, { adapter: method, name: 'base' })(first)
  const model = nn.model({ inputs: [first, second], outputs: nn.add()([whole, second]) })
  const data = [noise(7, [3, 4]), noise(8, [3, 4])]
  const run = await runLayer(model, { inputs: data, parameter: start })
  const paths = ['base/onnx::MatMul_470', 'base/onnx::MatMul_471'].flatMap((path) => [
    `${path}/lora_A`,
    `${path}/lora_B`,
  ])
  expect([...run.gradients.keys()]).toEqual(paths)
})

test('products of whole numbers have no adapter, and the message says what to start from', () => {
  const g = new Emitter(table, new GraphBuilder('int8'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 4] })
  const [whole, scale] = g.ops('DynamicQuantizeLinear', [x], {}, 3)
  const weight = g.constant(tensor('int8', [4, 4], new Int8Array(16)), 'query.weight_quantized')
  const product = g.cast(g.op('MatMulInteger', [whole, weight]), 'float32')
  const ids = g.builder.input('ids', { dtype: 'int64', shape: ['batch'] })
  const types = g.op('Gather', [g.constant(noise(2, [2, 4]), 'types.weight'), ids], { axis: 0 })
  const sum = g.add(g.mul(product, scale!), g.constant(noise(1, [4]), 'query.bias'))
  const graph = g.builder.finish([g.add(sum, types)])
  for (const targets of [undefined, ['query']]) {
    expect(() => adaptGraph(graph, lora(targets ? { targets } : {}))).toThrow(
      /lora.targets:.* the products of the model take whole numbers \(MatMulInteger at '.*'\), beside which no adapter/,
    )
  }
})

describe('what is no model and no method', () => {
  // As a user of JavaScript may write it, whom no type tells.
  const misuse = (model: unknown, options: unknown) => () => adaptedModel(model as never, options as never)
  const layer = nn.dense({ units: 2 })

  test.each([
    [
      'the method in the place of the options',
      misuse(layer, lora()),
      'takes its adapter by name, received what lora() returns',
    ],
    ['(IA)3 likewise', misuse(layer, ia3({ targets: 'a' })), 'Write adaptedModel(model, { adapter: ia3(...) }).'],
    ['no options', misuse(layer, undefined), 'adapter must be what lora() or ia3() returns, received undefined'],
    ['settings', misuse(layer, { adapter: { rank: 8 } }), 'received an object with the keys rank'],
    ['a graph', misuse(twoProducts(), { adapter: lora() }), 'takes a layer, received a graph'],
    ['nothing', misuse(undefined, { adapter: lora() }), 'takes a layer, received undefined'],
    ['settings for a graph', () => adaptGraph(twoProducts(), { rank: 8 } as never), 'an adapter must be what lora()'],
  ])('%s', (_, run, message) => {
    const error = (() => {
      try {
        run()
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(QuernError)
    expect(`${(error as QuernError).message} ${(error as QuernError).hint}`).toContain(message)
  })
})
