/** Gradients of reading the same rows many times, on two threads: a sum that several threads write must lose nothing. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { int64 } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const [count, width] = [2048, 256]

/** Which row each position reads: all rows, in no order, some counted from the end. */
const rowOf = (rows: number): number[] =>
  Array.from({ length: count }, (_, i) => ((i * 7919) % rows) - (i % 3 === 0 ? rows : 0))

it.each([
  ['Gather of 65 rows', 'Gather', 65],
  ['Gather of 300 rows', 'Gather', 300],
  ['GatherND of 65 rows', 'GatherND', 65],
] as const)('%s', async (_, op, rows) => {
  const g = new Emitter(table, new GraphBuilder('test'))
  const x = g.builder.input('x', { dtype: 'float32', shape: [rows, width] })
  const weights = g.builder.input('weights', { dtype: 'float32', shape: [count, width] })
  const numbers = rowOf(rows)
  const index = g.constant(int64(op === 'Gather' ? [count] : [count, 1], numbers))
  const [dx] = backward(g, g.sum(g.mul(g.op(op, [x, index]), weights)), [x])
  const session = await createNodeBackend({ threads: 2 }).createSession(writeModel(g.builder.finish([dx!])).model)
  const values = Float32Array.from({ length: count * width }, (_, i) => ((i * 31) % 17) - 8)
  const expected = new Float32Array(rows * width)
  values.forEach((value, i) => {
    const row = (numbers[Math.floor(i / width)]! + rows) % rows
    expected[row * width + (i % width)]! += value
  })
  for (let run = 0; run < 20; run++) {
    const feeds = {
      x: { dtype: 'float32', shape: [rows, width], data: new Float32Array(rows * width) },
      weights: { dtype: 'float32', shape: [count, width], data: values },
    } as const
    const { [dx!.name]: received } = await session.run(feeds)
    expect(received!.data).toEqual(expected)
  }
  await session.release()
})
