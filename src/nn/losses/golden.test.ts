/** Every loss against PyTorch, or a formula written out in it: test/golden/losses.py made the numbers. */
import { describe, expect, test } from 'vitest'
import golden from '../../../test/golden/losses.json' with { type: 'json' }
import { runGraph } from '../../../test/run-layer.ts'
import { backward } from '../../autodiff/backward.ts'
import type { DType } from '../../core/dtype.ts'
import { type Tensor, tensorFromNumbers } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import * as nn from './index.ts'

interface Case {
  readonly p: number[]
  readonly shape: number[]
  readonly t: number[]
  readonly targetShape: number[]
  readonly targetType: string
  readonly value: number
  readonly gradient: number[]
  readonly each?: number[]
}

const zeroInfinity = true
const losses: Record<string, nn.Loss> = {
  ctc: nn.ctc(),
  'ctc, blank 4': nn.ctc({ blank: 4 }),
  'ctc, as short as can be': nn.ctc(),
  'ctc, impossible': nn.ctc({ zeroInfinity }),
  'ctc, far logits': nn.ctc(),
  'ctc, one step': nn.ctc(),
  'ctc, input lengths': nn.ctc({ inputLengths: true }),
}

/** Largest difference, relative to the largest expected element. */
function expectClose(received: Tensor, expected: readonly number[], what: string, tolerance: number): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3)
  for (const [i, x] of expected.entries()) {
    const error = Math.abs(data[i]! - x) / size
    if (!(error <= tolerance)) expect.fail(`${what}[${i}]: expected ${x}, received ${data[i]} (error ${error})`)
  }
}

describe('golden values', () => {
  test('every case has its loss', () => {
    expect(Object.keys(losses).sort()).toEqual(Object.keys(golden).sort())
  })

  for (const [name, expected] of Object.entries(golden as Record<string, Case>)) {
    test(`${name}: value, losses of the examples, gradient`, async () => {
      const loss = losses[name]!
      const predictions = tensorFromNumbers('float32', expected.shape, expected.p)
      const targets = tensorFromNumbers(expected.targetType as DType, expected.targetShape, expected.t)
      const g = new Emitter(table, new GraphBuilder('loss'))
      const p = g.builder.input('p', predictions)
      const t = g.builder.input('t', targets)
      const value = loss.apply(g, p, t)
      const each = expected.each && loss.each ? [loss.each(g, p, t)] : []
      const results = await runGraph(g, [value, ...backward(g, value, [p]), ...each], { p: predictions, t: targets })
      expect(results[0]!.shape).toEqual([])
      expectClose(results[0]!, [expected.value], 'value', 3e-6)
      expectClose(results[1]!, expected.gradient, 'gradient', 2e-5)
      if (expected.each) expectClose(results[2]!, expected.each, 'loss of example', 3e-6)
    })
  }
})
