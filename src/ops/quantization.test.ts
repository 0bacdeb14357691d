import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { backward } from '../autodiff/backward.ts'
import type { DType } from '../core/dtype.ts'
import { float32, numbersOf, tensorFromNumbers } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Value } from '../graph/graph.ts'
import { writeModel } from '../onnx/write.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { Emitter } from './emitter.ts'
import { table } from './index.ts'

interface Case {
  readonly name: string
  readonly shape: number[]
  readonly axis: number | null
  readonly dtype: DType
  readonly x: number[]
  readonly scale: number[]
  readonly zero: number[]
  readonly dy: number[]
  readonly y: number[]
  readonly dx: number[]
  readonly dscale: number[]
}

const golden = new URL('../../test/golden/quantization.json', import.meta.url)
const cases = JSON.parse(readFileSync(golden, 'utf8')) as Case[]
const backend = createNodeBackend({ threads: 1 })

/** Quantises and dequantises; `between` stands on the integers. */
function fakeQuantize(g: Emitter, c: Case, between = (_: Emitter, q: Value) => q) {
  const x = g.builder.input('x', { dtype: 'float32', shape: c.shape })
  const size = c.axis === null ? [] : [c.scale.length]
  const scale = g.builder.input('scale', { dtype: 'float32', shape: size })
  const zero = g.constant(tensorFromNumbers(c.dtype, size, c.zero))
  const axis = { axis: c.axis ?? 1 }
  const q = between(g, g.op('QuantizeLinear', [x, scale, zero], axis))
  return { x, scale, y: g.op('DequantizeLinear', [q, scale, zero], axis) }
}

describe('fake quantisation', () => {
  it.each(cases)('$name: as PyTorch', async (c) => {
    const g = new Emitter(table, new GraphBuilder('fake'))
    const { x, scale, y } = fakeQuantize(g, c)
    const seed = g.constant(float32(c.shape, c.dy))
    const [dx, dScale] = backward(g, y, [x, scale], seed)
    const session = await backend.createSession(writeModel(g.builder.finish([y, dx!, dScale!])).model)
    const results = await session.run({
      x: float32(c.shape, c.x),
      scale: float32(c.axis === null ? [] : [c.scale.length], c.scale),
    })
    await session.release()
    for (const [value, expected] of [
      [y, c.y],
      [dx!, c.dx],
      [dScale!, c.dscale],
    ] as const) {
      numbersOf(results[value.name]!).forEach((received, i) => {
        expect(received).toBeCloseTo(expected[i]!, 3)
      })
    }
  })

  it('passes what only moves the integers', () => {
    const g = new Emitter(table, new GraphBuilder('moved'))
    const { x, y } = fakeQuantize(g, cases[0]!, (on, q) => on.transpose(q, [1, 0]))
    const [dx] = backward(g, g.sum(y), [x])
    expect(g.builder.finish([dx!]).nodes.map(({ op }) => op)).toContain('Round')
  })

  it('refuses what computes with the integers', () => {
    const g = new Emitter(table, new GraphBuilder('refused'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [2] })
    const q = g.op('QuantizeLinear', [x, g.scalar(0.1)])
    const cast = g.sum(g.cast(q, 'float32'))
    expect(() => backward(g, cast, [x])).toThrow("no gradient through Cast at 'Cast'")
    const product = g.op('MatMulInteger', [g.reshape(q, [1, 2]), g.reshape(q, [2, 1])])
    const loss = g.sum(g.op('DequantizeLinear', [product, g.scalar(0.01)]))
    expect(() => backward(g, loss, [x])).toThrow("no gradient through MatMulInteger at 'MatMulInteger'")
  })
})
