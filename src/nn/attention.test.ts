/** Attention against PyTorch (test/golden/attention.py made the numbers), and what must hold without any numbers. */
import { describe, expect, test } from 'vitest'
import { messageFrom } from '../../test/check-layer.ts'
import golden from '../../test/golden/attention.json' with { type: 'json' }
import { noise, runGraph, runLayer } from '../../test/run-layer.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import * as nn from './index.ts'
import { rotate } from './positions.ts'

interface Case {
  readonly y: number[]
  readonly dx: number[][]
  readonly gradients: Record<string, number[]>
}

/** Largest difference, relative to the largest expected element. */
function expectClose(received: Tensor, expected: ArrayLike<number>, what: string, tolerance = 1e-5): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = Array.from(expected).reduce((most, x) => Math.max(most, Math.abs(x)), 0.1)
  const errors = Array.from(expected, (x, i) => Math.abs(data[i]! - x) / size)
  const worst = errors.findIndex((error) => !(error <= tolerance))
  if (worst >= 0) expect.fail(`${what}[${worst}]: expected ${expected[worst]}, received ${data[worst]}`)
}

const block = { numHeads: 2, intermediateDim: 8 }
const layers: Record<string, [layer: nn.Layer, ...inputs: StaticShape[]]> = {
  self: [nn.multiHeadAttention({ numHeads: 2 }), [2, 4, 6]],
  causal: [nn.multiHeadAttention({ numHeads: 2, causal: true }), [2, 4, 6]],
  cross: [nn.multiHeadAttention({ numHeads: 2, useBias: false }), [2, 4, 6], [2, 3, 5], [2, 3, 7]],
  encoder: [nn.transformerEncoder(block), [2, 4, 6]],
  'encoder, normalised last, relu': [
    nn.transformerEncoder({ ...block, normalizeFirst: false, activation: 'relu' }),
    [2, 4, 6],
  ],
  'decoder block of a GPT': [nn.transformerDecoder(block), [2, 4, 6]],
  'causal, rotary, grouped': [
    nn.multiHeadAttention({ numHeads: 4, numKeyValueHeads: 2, keyDim: 2, causal: true, rotary: true, useBias: false }),
    [2, 4, 6],
  ],
  'decoder with an encoder, normalised last, SwiGLU': [
    nn.transformerDecoder({ ...block, activation: 'swiglu', normalizeFirst: false, useBias: false }),
    [2, 4, 6],
    [2, 3, 5],
  ],
  'learned positions': [nn.positionEmbedding(), [2, 4, 6]],
  groupNormalization: [nn.groupNormalization({ groups: 2 }), [2, 4, 3, 2]],
  rmsNormalization: [nn.rmsNormalization(), [2, 4, 6]],
}

describe('PyTorch', () => {
  test('every golden case has its layer', () => {
    expect(Object.keys(layers)).toEqual(Object.keys(golden.cases))
  })
  for (const [name, expected] of Object.entries(golden.cases as Record<string, Case>)) {
    test(`${name}: output and gradients`, async () => {
      const [layer, ...shapes] = layers[name]!
      const inputs = shapes.map((shape, i) => noise(100 + i, shape))
      let count = 0
      const run = await runLayer(layer, { inputs, parameter: (_, shape) => noise(++count, shape, 0.5) })
      expectClose(run.y, expected.y, 'y')
      for (const [i, dx] of expected.dx.entries()) expectClose(run.inputGradients[i]!, dx, `dx${i}`)
      expect([...run.gradients.keys()]).toEqual(Object.keys(expected.gradients))
      for (const [path, gradient] of run.gradients) expectClose(gradient, expected.gradients[path]!, path)
    })
  }
})

test('rmsNormalization adds epsilon to the mean of the squares', async () => {
  const layer = nn.rmsNormalization({ epsilon: 0.5 })
  const x = float32([1, 2], [3, 4])
  const { y } = await runLayer(layer, { inputs: [x], parameter: (_, shape) => float32(shape, [1, 2]) })
  expectClose(y, [3 / Math.sqrt(13), 8 / Math.sqrt(13)], 'y')
})

const data = (tensor: Tensor): Float32Array => tensor.data as Float32Array
/** The same elements for a parameter wherever it stands. */
const drawn = (path: string, shape: StaticShape): Tensor => noise(path.length, shape, 0.5)

test('grouped queries are attention whose keys and values are repeated', async () => {
  const options = { numHeads: 4, keyDim: 2, causal: true, rotary: true, useBias: false }
  const inputs = [noise(1, [2, 3, 8])]
  const narrow = noise(5, [8, 16], 0.5)
  // heads of queries 0 to 3, keys 0 and 1, values 0 and 1: the last two become 0 0 1 1
  const heads = [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7]
  const wide = float32(
    [8, 24],
    Array.from({ length: 8 }, (_, row) =>
      heads.flatMap((head) => [0, 1].map((i) => data(narrow)[row * 16 + head * 2 + i]!)),
    ).flat(),
  )
  const run = (layer: nn.Layer, kernel: Tensor) =>
    runLayer(layer, { inputs, parameter: (path, shape) => (path.startsWith('q') ? kernel : drawn(path, shape)) })
  const grouped = await run(nn.multiHeadAttention({ ...options, numKeyValueHeads: 2 }), narrow)
  const repeated = await run(nn.multiHeadAttention(options), wide)
  expectClose(grouped.y, data(repeated.y), 'y', 2e-6)
  expectClose(grouped.inputGradients[0]!, data(repeated.inputGradients[0]!), 'dx', 5e-6)
})

test('a causal position does not see what comes later', async () => {
  const layer = nn.transformerDecoder({ numHeads: 3, rotary: true })
  const first = noise(1, [1, 4, 6])
  const changed = float32([1, 4, 6], [...data(first).subarray(0, 18), 9, 8, 7, 6, 5, 4])
  const [a, b] = [
    await runLayer(layer, { inputs: [first], parameter: drawn }),
    await runLayer(layer, { inputs: [changed], parameter: drawn }),
  ]
  expect(data(b.y).subarray(0, 18)).toEqual(data(a.y).subarray(0, 18))
  expect(data(b.y).subarray(18)).not.toEqual(data(a.y).subarray(18))
})

test('products of turned queries and keys depend on their distance alone', async () => {
  const g = new Emitter(table, new GraphBuilder('rotary'))
  const repeated = (salt: number) =>
    float32([4, 6], Array.from({ length: 4 }, () => [...data(noise(salt, [6]))]).flat())
  const [q, k] = [rotate(g, g.constant(repeated(1))), rotate(g, g.constant(repeated(2)))]
  const [scores] = await runGraph(g, [g.matMul(q, g.swapLast(k))], {})
  const at = (row: number, column: number) => data(scores!)[row * 4 + column]!
  expect(at(3, 2)).toBeCloseTo(at(1, 0), 5)
  expect(at(0, 2)).toBeCloseTo(at(1, 3), 5)
  expect(Math.abs(at(0, 2) - at(2, 0))).toBeGreaterThan(1e-3)
})

test('sines and cosines of the position', async () => {
  const { y } = await runLayer(nn.sinusoidalPositions(), {
    inputs: [float32([1, 3, 4], new Float32Array(12))],
    parameter: drawn,
  })
  const row = (p: number) => [Math.sin(p), Math.cos(p), Math.sin(p / 100), Math.cos(p / 100)]
  expectClose(y, [...row(0), ...row(1), ...row(2)], 'y', 1e-6)
})

test('options that cannot be are refused', () => {
  for (const [make, message] of [
    [() => nn.multiHeadAttention({ numHeads: 0 }), 'multiHeadAttention: numHeads must be a positive integer'],
    [
      () => nn.multiHeadAttention({ numHeads: 4, numKeyValueHeads: 3 }),
      'numKeyValueHeads (3) must divide numHeads (4)',
    ],
    [() => nn.multiHeadAttention({ numHeads: 4, dropout: 1 }), 'dropout must be at least 0 and below 1, received 1'],
    [() => nn.transformerEncoder({ numHeads: 2, intermediateDim: 0 }), 'transformerEncoder: intermediateDim must be'],
    [() => nn.positionEmbedding({ maxLength: -1 }), 'positionEmbedding: maxLength must be a positive integer'],
  ] as const) {
    expect(messageFrom(make)).toContain(message)
  }
})
