import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { backward } from '../autodiff/backward.ts'
import { float32, numbersOf } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { shapeOf } from '../graph/graph.ts'
import { writeModel } from '../onnx/write.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { adaptiveAveragePool, adaptiveBins, adaptiveMaxPool } from './adaptive-pool.ts'
import { Emitter } from './emitter.ts'
import { table } from './index.ts'

interface Case {
  readonly kind: 'avg' | 'max'
  readonly shape: number[]
  readonly outputs: number[]
  readonly x: number[]
  readonly dy: number[]
  readonly y: number[]
  readonly dx: number[]
}

const cases = JSON.parse(
  readFileSync(new URL('../../test/golden/adaptive-pool.json', import.meta.url), 'utf8'),
) as Case[]
const backend = createNodeBackend({ threads: 1 })

describe('adaptive pooling', () => {
  it.each(cases)('$kind $shape to $outputs: as PyTorch', async ({ kind, shape, outputs, ...c }) => {
    const g = new Emitter(table, new GraphBuilder('adaptive'))
    const x = g.builder.input('x', { dtype: 'float32', shape })
    const y = (kind === 'avg' ? adaptiveAveragePool : adaptiveMaxPool)(g, x, outputs)
    expect(shapeOf(y)).toEqual([...shape.slice(0, 2), ...outputs])
    const [dx] = backward(g, y, [x], g.constant(float32(shapeOf(y) as number[], c.dy)))
    const session = await backend.createSession(writeModel(g.builder.finish([y, dx!])).model)
    const results = await session.run({ x: float32(shape, c.x) })
    await session.release()
    const close = (received: number[], expected: number[]) => {
      expect(received.length).toBe(expected.length)
      for (const [i, value] of received.entries()) expect(value).toBeCloseTo(expected[i]!, 5)
    }
    close(numbersOf(results[y.name]!), c.y)
    close(numbersOf(results[dx!.name]!), c.dx)
  })

  it('overlaps bins where the sizes do not divide', () => {
    expect(adaptiveBins(5, 3)).toEqual([
      { start: 0, end: 2 },
      { start: 1, end: 4 },
      { start: 3, end: 5 },
    ])
  })

  it('names what it expects', () => {
    const g = new Emitter(table, new GraphBuilder('adaptive'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [1, 1, 4, 4] })
    expect(() => adaptiveMaxPool(g, x, [2])).toThrow('one size > 0 for each of the 2 spatial axes, received [2]')
  })
})
