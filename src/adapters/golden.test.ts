/** Adapters against PyTorch: test/golden/adapters.py made the numbers. */
import { describe, expect, test } from 'vitest'
import golden from '../../test/golden/adapters.json' with { type: 'json' }
import { noise, runGraph } from '../../test/run-layer.ts'
import { backward } from '../autodiff/backward.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../graph/graph.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { adaptGraph } from './adapt-graph.ts'
import { adapterFrom, mergeAdapter } from './adapter.ts'
import { ia3 } from './ia3.ts'
import { lora } from './lora.ts'
import type { AdapterMethod } from './method.ts'

interface Case {
  readonly y: readonly number[]
  readonly shape: readonly number[]
  readonly dx: readonly number[] | null
  readonly gradients: Readonly<Record<string, readonly number[]>>
}

interface Made {
  readonly x: Tensor
  readonly method: AdapterMethod
  readonly write: (g: Emitter, x: Value) => Value
}

const constant = (g: Emitter, salt: number, shape: StaticShape, name: string) =>
  g.constant(noise(salt, shape, 0.5), name)
const w = (g: Emitter) => constant(g, 1, [5, 4], 'w')
const bias = (g: Emitter) => constant(g, 2, [4], 'b')
const kernel = (g: Emitter) => constant(g, 1, [4, 3, 3, 2], 'w')
const window = { strides: [2, 2], pads: [1, 1, 1, 1], dilations: [1, 2], kernel_shape: [3, 2] }
const convolution = (g: Emitter, x: Value) => g.op('Conv', [x, kernel(g), bias(g)], window)
const product = (g: Emitter, x: Value) => g.matMul(x, w(g))
const gemm = (g: Emitter, x: Value) => g.op('Gemm', [x, w(g), bias(g)], { alpha: 0.5, beta: 2 })
const low = (more = {}) => lora({ rank: 2, alpha: 3, targets: 'w', ...more })
const transposed = (group: number) => (g: Emitter, x: Value) =>
  g.op('ConvTranspose', [x, constant(g, 1, [4, 3, 3, 2], 'w')], { strides: [2, 2], pads: [1, 1, 1, 1], group })
/** Gates of both directions; the state of the GRU is multiplied before it is reset, as in PyTorch. */
const recurrent = (op: string, gates: number) => (g: Emitter, x: Value) =>
  g.op(op, [x, constant(g, 1, [2, gates, 4], 'w'), constant(g, 2, [2, gates, 3], 'r')], {
    ...{ hidden_size: 3, direction: 'bidirectional' },
    ...(op === 'GRU' ? { linear_before_reset: 1 } : {}),
  })
const picture = noise(100, [2, 3, 6, 5])
const tokens = tensor('int32', [2, 3], Int32Array.of(0, 6, 2, 2, 2, 5))
const scaled = (more = {}) => ia3({ targets: 'w', ...more })

const made: Readonly<Record<string, Made>> = {
  product: { x: noise(100, [2, 3, 5]), method: low(), write: product },
  'rank stabilised': { x: noise(100, [2, 3, 5]), method: low({ rankStabilized: true }), write: product },
  decomposed: { x: noise(100, [2, 3, 5]), method: low({ decomposed: true }), write: product },
  gemm: { x: noise(100, [3, 5]), method: low(), write: gemm },
  'gemm, decomposed': { x: noise(100, [3, 5]), method: low({ decomposed: true }), write: gemm },
  convolution: { x: picture, method: low(), write: convolution },
  'convolution, decomposed': { x: picture, method: low({ decomposed: true }), write: convolution },
  'convolution 1x1': {
    x: noise(100, [2, 3, 4, 4]),
    method: low(),
    write: (g, x) => g.op('Conv', [x, constant(g, 1, [4, 3, 1, 1], 'w')]),
  },
  lookup: {
    x: tokens,
    method: low(),
    write: (g, x) => g.op('Gather', [constant(g, 1, [7, 4], 'w'), x], { axis: 0 }),
  },
  'fused attention': {
    x: noise(100, [2, 3, 4], 0.5),
    method: low(),
    write: (g, x) =>
      g.op(
        'Attention',
        [x, constant(g, 1, [4, 12], 'w'), constant(g, 2, [12], 'b')],
        { num_heads: 2 },
        'com.microsoft',
      ),
  },
  'convolution, groups': {
    x: noise(100, [2, 4, 6, 5]),
    method: low(),
    write: (g, x) => g.op('Conv', [x, constant(g, 1, [6, 2, 3, 2], 'w')], { ...window, group: 2 }),
  },
  'transposed convolution': { x: noise(100, [2, 4, 3, 4]), method: low(), write: transposed(1) },
  'transposed convolution, groups': { x: noise(100, [2, 4, 3, 4]), method: low(), write: transposed(2) },
  'transposed convolution, decomposed': {
    x: noise(100, [2, 4, 3, 4]),
    method: low({ decomposed: true }),
    write: transposed(1),
  },
  LSTM: { x: noise(100, [5, 2, 4]), method: low({ targets: ['w', 'r'] }), write: recurrent('LSTM', 12) },
  GRU: { x: noise(100, [5, 2, 4]), method: low({ targets: ['w', 'r'] }), write: recurrent('GRU', 9) },
  ia3: { x: noise(100, [2, 3, 5]), method: scaled(), write: (g, x) => g.add(product(g, x), bias(g)) },
  'ia3, input': {
    x: noise(100, [2, 3, 5]),
    method: scaled({ feedForward: 'w' }),
    write: (g, x) => g.add(product(g, x), bias(g)),
  },
  'ia3, convolution': { x: picture, method: scaled(), write: convolution },
}

const salts: Readonly<Record<string, (shape: StaticShape) => Tensor<Float32Array>>> = {
  'w/lora_A': (shape) => noise(5, shape, 0.5),
  'w/lora_B': (shape) => noise(6, shape, 0.5),
  'w/lora_magnitude': (shape) => shifted(noise(7, shape), 2),
  'r/lora_A': (shape) => noise(7, shape, 0.5),
  'r/lora_B': (shape) => noise(8, shape, 0.5),
  'w/ia3_l': (shape) => shifted(noise(8, shape), 1),
}

function shifted(t: Tensor<Float32Array>, by: number): Tensor<Float32Array> {
  return float32(
    t.shape,
    t.data.map((x) => x + by),
  )
}

function baseGraph({ x, write }: Made): Graph {
  const g = new Emitter(table, new GraphBuilder('base'))
  return g.builder.finish([write(g, g.builder.input('x', x))])
}

function expectClose(received: Tensor | undefined, expected: readonly number[], what: string, tolerance = 5e-6): void {
  const data = received!.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0.1)
  for (const [i, x] of expected.entries()) {
    const error = Math.abs(data[i]! - x) / size
    if (!(error <= tolerance)) expect.fail(`${what}[${i}]: expected ${x}, received ${data[i]} (error ${error})`)
  }
}

const backend = createNodeBackend({ threads: 1 })

async function outputOf(graph: Graph, x: Tensor, parameters: ReadonlyMap<string, Tensor>): Promise<Tensor> {
  const session = await backend.createSession(writeModel(graph, { parameters }).model)
  const results = await session.run({ x })
  await session.release()
  return results[graph.outputs[0]!.name]!
}

describe.each(Object.entries(golden as Readonly<Record<string, Case>>))('%s', (name, expected) => {
  const one = made[name]!
  const adapted = adaptGraph(baseGraph(one), one.method)
  const parameters = new Map(adapted.parameters.map(({ path, spec }) => [path, salts[path]!(spec.shape)]))

  test('output and gradients are those of PyTorch', async () => {
    const g = new Emitter(table, GraphBuilder.resume(adapted.graph))
    const [y] = adapted.graph.outputs as readonly [Value]
    const loss = g.sum(g.mul(y, g.constant(noise(90, shapeOf(y) as StaticShape))))
    const { inputs, parameters: own } = adapted.graph
    const wanted = [...(expected.dx ? inputs : []), ...own]
    // Lengths count as constants while training: the formula of the paper, which the graph in inference form does not hold.
    if (!name.includes('decomposed')) {
      const [found, ...gradients] = await runGraph(g, [y, ...backward(g, loss, wanted)], {
        x: one.x,
        ...Object.fromEntries(parameters),
      })
      expect(found!.shape).toEqual(expected.shape)
      expectClose(found, expected.y, 'y')
      if (expected.dx) expectClose(gradients.shift(), expected.dx, 'dx', 2e-5)
      for (const [i, { name: path }] of own.entries()) expectClose(gradients[i], expected.gradients[path]!, path, 2e-5)
      return
    }
    const [found] = await runGraph(g, [y], { x: one.x, ...Object.fromEntries(parameters) })
    expectClose(found, expected.y, 'y')
  })

  test('the merged model computes the same', async () => {
    const base = baseGraph(one)
    const merged = await mergeAdapter(base, await adapterFrom(base, one.method, parameters))
    expect(merged.nodes.map(({ op }) => op)).toEqual(base.nodes.map(({ op }) => op))
    expectClose(await outputOf(merged, one.x, new Map()), expected.y, 'y')
  })
})
