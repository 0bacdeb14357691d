/** Files that were exported as they were while training, and weights that are joined: what PyTorch's exporter writes. */
import { expect, it } from 'vitest'
import { noise, runLayer } from '../../../test/run-layer.ts'
import { float32, type Tensor, tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Graph, Value } from '../../graph/graph.ts'
import { writeModel } from '../../onnx/write.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { trace } from '../trace.ts'
import { importedLayers } from './layers.ts'
import { importedModel } from './model.ts'

const backend = createNodeBackend({ threads: 1 })

function built(shape: readonly (number | string)[], body: (g: Emitter, x: Value) => readonly Value[]): Graph {
  const g = new Emitter(table, new GraphBuilder('net'))
  return g.builder.finish(body(g, g.builder.input('x', { dtype: 'float32', shape })))
}

/** Elements of the file by name. */
function elementsOf({ nodes }: Graph): (name: string) => Tensor {
  const values = nodes.flatMap(({ inputs }) => inputs).filter((value) => value?.constant)
  return (name) => values.find((value) => value!.name === name)!.constant!
}

const on = (g: Emitter) => g.constant(tensor('bool', [], Uint8Array.of(1)), 'on')

it('batch normalisation in training mode answers by the batch, and writes over nothing', async () => {
  // One constant of zeros for the shift and the running mean of two layers, as exporters write it.
  const graph = built(['N', 2, 3], (g, x) => {
    const [scale, zeros, ones] = [
      g.constant(float32([2], [2, 3]), 'scale'),
      g.constant(float32([2], [0, 0]), 'zeros'),
      g.constant(float32([2], [1, 1]), 'ones'),
    ]
    const normalized = (value: Value) =>
      g.ops('BatchNormalization', [value, scale, zeros, zeros, ones], { training_mode: 1, momentum: 0.25 }, 3)
    const [y, mean] = normalized(g.add(x, 5))
    const [again, second, spread] = normalized(g.add(y!, 7))
    return [g.add(again!, g.unsqueeze(g.add(g.add(mean!, second!), spread!), [0, 2]))]
  })
  const x = noise(3, [4, 2, 3])
  const answer = (k: number) => {
    // By hand: of each channel (x - mean) / deviation, twice; running statistics behind a quarter of the old ones.
    const own = [...x.data].map((v, i) => [v + 5, Math.floor(i / 3) % 2] as const)
    const of = (values: readonly number[]) => {
      const mean = values.reduce((a, b) => a + b) / values.length
      return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length }
    }
    const scale = [2, 3][k]!
    const first = own.filter(([, channel]) => channel === k).map(([v]) => v)
    const { mean, variance } = of(first)
    const middle = first.map((v) => (scale * (v - mean)) / Math.sqrt(variance + 1e-5) + 7)
    const then = of(middle)
    const moving = 0.75 * (mean + then.mean + then.variance) + 0.25
    return middle.map((v) => (scale * (v - then.mean)) / Math.sqrt(then.variance + 1e-5) + moving)
  }
  const model = importedModel(graph, { batchNormalization: 'batch' })
  const parameter = elementsOf(graph)
  for (const training of [false, true]) {
    const { y, gradients, states } = await runLayer(model, { inputs: [x], parameter, training })
    for (const k of [0, 1]) {
      const found = [...(y.data as Float32Array)].filter((_, i) => Math.floor(i / 3) % 2 === k)
      for (const [i, value] of answer(k).entries()) expect(found[i]).toBeCloseTo(value, 4)
    }
    expect([...gradients.keys()]).toEqual(['scale', 'zeros'])
    expect(states.size).toBe(0)
  }
  const made = trace(model, [{ name: 'x', type: x }], { table, training: true })
  expect(made.g.builder.nodes.map(({ op }) => op)).not.toContain('BatchNormalization')
})

it('Dropout in training mode answers without chance, and drops while a weight before it is trained', async () => {
  const graph = built(['N', 4], (g, x) => {
    const h = g.matMul(x, g.constant(noise(1, [4, 6]), 'first'))
    // The mask is an output that nobody reads.
    const [dropped] = g.ops('Dropout', [h, g.constant(float32([], [0.5])), on(g)], {}, 2)
    return [g.matMul(dropped!, g.constant(noise(2, [6, 2]), 'second'))]
  })
  const x = noise(3, [8, 4])
  const plain = built(['N', 4], (g, input) => {
    const h = g.matMul(input, g.constant(noise(1, [4, 6]), 'first'))
    return [g.matMul(h, g.constant(noise(2, [6, 2]), 'second'))]
  })
  const session = await backend.createSession(writeModel(plain).model)
  const expected = Object.values(await session.run({ x }))[0]!.data as Float32Array
  await session.release()
  const parameter = elementsOf(graph)
  const answers = async (options: Parameters<typeof importedModel>[1], training: boolean) =>
    (await runLayer(importedModel(graph, options), { inputs: [x], parameter, training, mask: 0 })).y
      .data as Float32Array
  for (const [options, training] of [
    [{}, false],
    [{ dropout: false }, true],
    [{ train: 'second' }, true],
  ] as const) {
    for (const [i, value] of (await answers(options, training)).entries()) expect(value).toBeCloseTo(expected[i]!, 5)
  }
  // The mask of the test is 0: all that lies behind it is.
  expect([...(await answers({}, true))].every((value) => value === 0)).toBe(true)
})

it('weights that are cut and joined are weights of what uses them', async () => {
  // Both directions of a recurrence, and the token of a class in front of the parts of a picture with their places.
  const graph = built(['N', 3, 4], (g, x) => {
    const token = g.expand(g.constant(noise(1, [1, 1, 4]), 'class_token'), [2, 1, 4])
    const padding = g.constant(float32([2, 1, 4], new Float32Array(8)), 'padding')
    const parts = g.add(g.concat([token, x, padding], 1), g.constant(noise(2, [1, 5, 4]), 'positions'))
    const [forth, back] = [noise(3, [6, 4]), noise(4, [6, 4])].map((w, i) => g.constant(w, `w_${i}`))
    const gates = g.slice(forth!, [3], [6], [0])
    const turned = g.concat([gates, g.slice(forth!, [0], [3], [0])], 0)
    const w = g.concat([g.unsqueeze(turned, [0]), g.unsqueeze(back!, [0])], 0)
    const r = g.constant(noise(5, [2, 6, 6]), 'r')
    const [, last] = g.ops(
      'RNN',
      [g.transpose(parts, [1, 0, 2]), w, r],
      { hidden_size: 6, direction: 'bidirectional' },
      2,
    )
    return [g.reshape(g.transpose(last!, [1, 0, 2]), [2, 12])]
  })
  expect(importedLayers(graph).map(({ op, weights }) => [op, weights.map(({ name }) => name)])).toEqual([
    ['Concat', ['class_token', 'positions']],
    ['RNN', ['w_0', 'w_1', 'r']],
  ])
  const x = noise(6, [2, 3, 4])
  const { gradients } = await runLayer(importedModel(graph), { inputs: [x], parameter: elementsOf(graph) })
  expect([...gradients.keys()].sort()).toEqual(['class_token', 'positions', 'r', 'w_0', 'w_1'])
  for (const { data } of gradients.values()) {
    expect([...(data as Float32Array)].filter((value) => value === 0).length).toBe(0)
  }
})
