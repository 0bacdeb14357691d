/** Recurrent layers and operators against PyTorch: test/golden/recurrent.py made the numbers. */
import { describe, expect, test } from 'vitest'
import { messageFrom } from '../../test/check-layer.ts'
import golden from '../../test/golden/recurrent.json' with { type: 'json' }
import { noise, runGraph, runLayer } from '../../test/run-layer.ts'
import { backward } from '../autodiff/backward.ts'
import { createRandom } from '../core/random.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import type { PlainAttributes } from '../ops/op.ts'
import * as nn from './index.ts'
import { trace } from './trace.ts'

interface Case {
  readonly y: number[]
  readonly shape: number[]
  readonly dx: number[]
  readonly gradients: Record<string, number[]>
}

interface OperatorCase {
  readonly lengths: number[]
  readonly shapes: number[][]
  readonly outputs: number[][]
  readonly gradients: number[][]
}

/** Largest difference, relative to the largest expected element. */
function expectClose(received: Tensor, expected: readonly number[], what: string): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0.1)
  const error = expected.reduce((most, x, i) => Math.max(most, Math.abs(data[i]! - x)), 0) / size
  expect(error, what).toBeLessThan(3e-6)
}

const units = 5
const all = { units, returnSequences: true }
const layers: Record<string, nn.Layer> = {
  simpleRNN: nn.simpleRNN({ units }),
  'simpleRNN relu, all outputs, no bias': nn.simpleRNN({ ...all, activation: 'relu', useBias: false }),
  lstm: nn.lstm({ units }),
  'lstm, all outputs': nn.lstm(all),
  'lstm backwards': nn.lstm({ units, goBackwards: true }),
  'lstm backwards, all outputs': nn.lstm({ ...all, goBackwards: true }),
  gru: nn.gru({ units }),
  'gru, all outputs, no bias': nn.gru({ ...all, useBias: false }),
  'gru reset first, all outputs': nn.gru({ ...all, resetAfter: false }),
  'bidirectional lstm': nn.bidirectional({ layer: nn.lstm({ units }) }),
  'bidirectional lstm, sequences multiplied': nn.bidirectional({ layer: nn.lstm(all), mergeMode: 'mul' }),
}

describe('layers', () => {
  test('every golden case has its layer', () => {
    expect(Object.keys(layers).sort()).toEqual(Object.keys(golden.cases).sort())
  })

  for (const [name, expected] of Object.entries(golden.cases as Record<string, Case>)) {
    test(`${name}: output and gradients`, async () => {
      let count = 0
      const run = await runLayer(layers[name]!, {
        inputs: [noise(0, [2, 4, 3], 2)],
        parameter: (_, shape) => noise(++count, shape, 0.5),
      })
      expect(run.y.shape).toEqual(expected.shape)
      expectClose(run.y, expected.y, 'y')
      expectClose(run.inputGradients[0]!, expected.dx, 'dx')
      expect([...run.gradients.keys()]).toEqual(Object.keys(expected.gradients))
      for (const [path, gradient] of run.gradients) expectClose(gradient, expected.gradients[path]!, path)
    })
  }

  test('inference gives the bits of training', async () => {
    const options = {
      inputs: [noise(0, [2, 4, 3], 2)],
      parameter: (_: string, shape: readonly number[]) => noise(1, shape),
    }
    const training = await runLayer(layers['bidirectional lstm']!, options)
    const inference = await runLayer(layers['bidirectional lstm']!, { ...options, training: false })
    expect(inference.y.data).toEqual(training.y.data)
  })
})

describe('operators, bidirectional with lengths and initial states', () => {
  const forms: Record<string, PlainAttributes> = { RNN: {}, LSTM: {}, GRU: { linear_before_reset: 1 } }
  for (const [name, expected] of Object.entries(golden.operators as Record<string, OperatorCase>)) {
    test(name, async () => {
      const g = new Emitter(table, new GraphBuilder(name))
      const tensors = expected.shapes.map((shape, i) => noise(i, shape, 0.5))
      const values = tensors.map((given, i) => g.builder.input(`x${i}`, given))
      const lengths = g.constant(tensor('int32', [3], Int32Array.from(expected.lengths)))
      const inputs = [...values.slice(0, 4), lengths, ...values.slice(4)]
      const attributes = { hidden_size: units, direction: 'bidirectional', ...forms[name] }
      const outputs = g.ops(name, inputs, attributes, expected.outputs.length)
      const terms = outputs.map((y, i) => g.sum(g.mul(y, g.constant(noise(90 + i, y.type!.shape as number[])))))
      const gradients = backward(
        g,
        terms.reduce((a, b) => g.add(a, b)),
        values,
      )
      const feeds = Object.fromEntries(tensors.map((given, i) => [`x${i}`, given]))
      const results = await runGraph(g, [...outputs, ...gradients], feeds)
      expected.outputs.forEach((numbers, i) => {
        expectClose(results[i]!, numbers, `output ${i}`)
      })
      expected.gradients.forEach((numbers, i) => {
        expectClose(results[outputs.length + i]!, numbers, `gradient ${i}`)
      })
    })
  }
})

describe('what the gradients do not know is refused with the reason', () => {
  const gradient = (name: string, attributes: PlainAttributes, peepholes = false) => {
    const g = new Emitter(table, new GraphBuilder(name))
    const rows = { RNN: 1, LSTM: 4, GRU: 3 }[name]! * 2
    const x = g.builder.input('x', { dtype: 'float32', shape: [3, 1, 2] })
    const [w, r, p] = [noise(1, [1, rows, 2]), noise(2, [1, rows, 2]), noise(3, [1, 6])].map((t) => g.constant(t))
    const more = peepholes ? [undefined, undefined, undefined, undefined, p] : []
    const y = g.op(name, [x, w, r, ...more], { hidden_size: 2, ...attributes })
    return () => backward(g, g.sum(y), [x])
  }
  for (const [name, attributes, peepholes, message] of [
    ['LSTM', {}, true, "no gradient through LSTM at 'LSTM' with peepholes"],
    ['LSTM', { input_forget: 1 }, false, 'with input_forget'],
    ['LSTM', { activations: ['Sigmoid', 'Relu', 'Tanh'] }, false, 'with the activation Relu: only Sigmoid, Tanh, Tanh'],
    ['GRU', { clip: 1 }, false, 'with clip'],
    ['RNN', { activations: ['Softsign'] }, false, 'with the activation Softsign: only Tanh are known there, and Relu'],
  ] as const) {
    test(`${name}: ${message}`, () => {
      expect(messageFrom(gradient(name, attributes as PlainAttributes, peepholes))).toContain(message)
    })
  }
})

test('initial values: orthonormal columns, and forget gates that are open', () => {
  const one = { table, training: true }
  const traced = trace(nn.lstm({ units: 3 }), [{ name: 'x', type: { dtype: 'float32', shape: [2, 4, 3] } }], one)
  const values = nn.initialParameters(traced.parameters, createRandom(1))
  expect([...(values.get('bias')!.data as Float32Array)]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0])
  const kernel = values.get('recurrentKernel')!.data as Float32Array
  for (const [a, b] of [
    [0, 0],
    [0, 1],
    [2, 2],
  ] as const) {
    const product = Array.from({ length: 12 }, (_, row) => kernel[3 * row + a]! * kernel[3 * row + b]!)
    expect(product.reduce((sum, v) => sum + v, 0)).toBeCloseTo(a === b ? 1 : 0, 5)
  }
})

test('options that cannot be are refused', () => {
  const inner = nn.gru({ units: 2 })
  for (const [make, message] of [
    [() => nn.lstm({ units: 0 }), 'lstm: units must be a positive integer, received 0'],
    [() => nn.simpleRNN({ units: 2, activation: 'gelu' as 'relu' }), "must be 'tanh' or 'relu', received 'gelu'"],
    [() => nn.bidirectional({ layer: nn.dense({ units: 2 }) }), 'takes simpleRNN, lstm or gru, received dense'],
    [() => nn.bidirectional(inner as unknown as nn.BidirectionalOptions), 'received a layer in place of options'],
    [() => nn.bidirectional({} as nn.BidirectionalOptions), 'takes simpleRNN, lstm or gru, received none'],
    [() => nn.bidirectional({ layer: inner, mergeMode: 'max' as 'sum' }), "mergeMode must be 'concat', 'sum'"],
  ] as const) {
    expect(messageFrom(make)).toContain(message)
  }
})
