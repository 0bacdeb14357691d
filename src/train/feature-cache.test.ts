import { describe, expect, it } from 'vitest'
import { createRandom } from '../core/random.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { createDataset, subset } from '../data/dataset.ts'
import { GraphBuilder } from '../graph/builder.ts'
import * as nn from '../nn/index.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createOptimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createMemoryBlobs } from '../store/memory-blobs.ts'
import { cacheFeatures } from './feature-cache.ts'
import { frozenPrefix } from './frozen-prefix.ts'
import { createTrainingStep } from './step.ts'

const backend = createNodeBackend()

function wave(shape: readonly number[], speed = 0.37): Tensor<Float32Array> {
  const size = shape.reduce((a, b) => a * b, 1)
  return float32(
    shape,
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * speed)),
  )
}

/** Two dense layers as a file would hold them. */
function file() {
  const g = new Emitter(table, new GraphBuilder('file'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 6] })
  const h = g.relu(g.matMul(x, g.constant(wave([6, 8]), 'first.weight')))
  return g.builder.finish([g.tanh(g.matMul(h, g.constant(wave([8, 5]), 'second.weight')))])
}

const inputs = [{ name: 'x', dtype: 'float32', shape: [6] }] as const
const target = { name: 'label', dtype: 'int32', shape: [] } as const
const data = createDataset({
  columns: {
    x: wave([50, 6], 0.91),
    label: { dtype: 'int32', shape: [50], data: Int32Array.from({ length: 50 }, (_, i) => i % 3) },
  },
  labels: ['a', 'b', 'c'],
})

const net = (train: nn.WeightSelection) =>
  nn.sequential([
    nn.rescaling({ scale: 0.5 }),
    nn.importedModel(file(), { train, name: 'base' }),
    nn.dropout({ rate: 0.2 }),
    nn.dense({ units: 3, activation: 'softmax', name: 'head' }),
  ])

describe('frozenPrefix', () => {
  it('ends where training begins', () => {
    expect(frozenPrefix(net('none'), inputs, table)!.features.map(({ shape }) => shape)).toEqual([[5]])
    expect(frozenPrefix(net({ last: 1 }), inputs, table)!.features.map(({ shape }) => shape)).toEqual([[8]])
    expect(frozenPrefix(net('all'), inputs, table)).toBeUndefined()
  })

  it('ends before what mixes the examples of a batch while training', () => {
    const normalized = nn.sequential([
      nn.importedModel(file(), { train: 'none' }),
      nn.batchNormalization(),
      nn.dense({ units: 1 }),
    ])
    expect(frozenPrefix(normalized, inputs, table)!.features.map(({ shape }) => shape)).toEqual([[5]])
    const early = nn.sequential([
      nn.batchNormalization(),
      nn.importedModel(file(), { train: 'none' }),
      nn.dense({ units: 1 }),
    ])
    expect(frozenPrefix(early, inputs, table)).toBeUndefined()
  })
})

/** Loss of some steps on batches in order, dropout included. */
async function losses(cached: boolean): Promise<number[]> {
  const model = net('none')
  const prefix = frozenPrefix(model, inputs, table)!
  const random = createRandom(3)
  const train = cached ? (await cacheFeatures({ train: data }, { prefix, inputs, backend })).datasets.train : data
  const step = await createTrainingStep({
    network: {
      model: cached ? prefix.suffix : model,
      loss: nn.sparseCategoricalCrossentropy(),
      inputs: cached ? prefix.features : inputs,
      ...{ target, table },
    },
    ...{ optimizer: createOptimizer('adam'), backend, random, batchSize: 8, rules: gradientRules() },
  })
  const found: number[] = []
  const names = cached ? ['feature_0', 'label'] : ['x', 'label']
  for (let i = 0; i < 6; i++) {
    for (const name of names) {
      const column = train.columns[name]!
      const size = column.data.length / column.shape[0]!
      const rows = (column.data as Float32Array).subarray(i * 8 * size, (i + 1) * 8 * size)
      ;(step.batch[name]!.data as Float32Array).set(rows)
    }
    found.push((await step.run(8, i + 1, 0.01)).loss, await step.evaluate(5, i))
  }
  expect([...step.parameters.keys()]).toEqual(['head/kernel', 'head/bias'])
  await step.release()
  return found
}

describe('cacheFeatures', () => {
  it('trains as without it', async () => {
    const [plain, cached] = [await losses(false), await losses(true)]
    for (const [i, loss] of plain.entries()) expect(cached[i]).toBeCloseTo(loss, 5)
  })

  it('computes what datasets share once, and keeps rows and labels together', async () => {
    const prefix = frozenPrefix(net('none'), inputs, table)!
    const whole = (await cacheFeatures({ all: data }, { prefix, inputs, backend })).datasets.all
    const parts = { train: subset(data, [40, 3, 7]), test: subset(data, [3, 49]) }
    const { datasets, bytes } = await cacheFeatures(parts, { prefix, inputs, backend })
    expect(bytes).toBe(4 * 5 * 4)
    expect(datasets.train.columns).toBe(datasets.test.columns)
    const row = (dataset: typeof data, i: number) => {
      const at = dataset.rows[i]!
      const features = (dataset.columns.feature_0!.data as Float32Array).slice(at * 5, at * 5 + 5)
      return [...features.map((x) => Math.round(x * 1e5)), dataset.columns.label!.data[at], dataset.nameOfRow(at)]
    }
    expect(row(datasets.train, 0)).toEqual(row(whole, 40))
    expect(row(datasets.train, 1)).toEqual(row(whole, 3))
    expect(row(datasets.test, 1)).toEqual(row(whole, 49))
  })

  it('is found again by its content, and by no other', async () => {
    const store = createMemoryBlobs()
    const prefix = frozenPrefix(net('none'), inputs, table)!
    const first = await cacheFeatures({ data }, { prefix, inputs, backend, store })
    const again = await cacheFeatures({ data }, { prefix, inputs, backend, store })
    expect([first.found, again.found]).toEqual([false, true])
    expect(again.datasets.data.columns.feature_0!.data).toEqual(first.datasets.data.columns.feature_0!.data)
    const other = await cacheFeatures({ data: subset(data, [1, 2]) }, { prefix, inputs, backend, store })
    expect(other.found).toBe(false)
    expect(await store.list('features/')).toHaveLength(2)
  })
})
