/** The smallest end-to-end: a graph, its gradient, the runtime, and numbers worked out by hand. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { float32, numbersOf } from '../src/core/tensor.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

it('y = tanh(x W), loss = sum(y): value and gradients', async () => {
  const g = new Emitter(table)
  const x = g.builder.input('x', { dtype: 'float32', shape: [1, 2] })
  const w = g.builder.parameter('w', { dtype: 'float32', shape: [2, 2] })
  const loss = g.sum(g.tanh(g.matMul(x, w)))
  const [dx, dw] = backward(g, loss, [x, w])
  const graph = g.builder.finish([loss, dx!, dw!])

  const session = await createNodeBackend({ threads: 1 }).createSession(writeModel(graph).model)
  const results = await session.run({ x: float32([1, 2], [1, 2]), w: float32([2, 2], [0.5, -1, 0.25, 0.75]) })
  await session.release()
  const [value, gradientX, gradientW] = graph.outputs.map(({ name }) => numbersOf(results[name]!))

  // x W = [1 * 0.5 + 2 * 0.25, 1 * -1 + 2 * 0.75] = [1, 0.5]; d tanh = 1 - tanh^2
  const [a, b] = [1 - Math.tanh(1) ** 2, 1 - Math.tanh(0.5) ** 2]
  const close = (received: number[] | undefined, expected: number[]) => {
    expect(received?.length).toBe(expected.length)
    for (const [i, number] of expected.entries()) expect(received![i]).toBeCloseTo(number, 6)
  }
  close(value, [Math.tanh(1) + Math.tanh(0.5)]) // 1.2237
  close(gradientX, [0.5 * a - b, 0.25 * a + 0.75 * b]) // d W'
  close(gradientW, [a, b, 2 * a, 2 * b]) // x' d
})
