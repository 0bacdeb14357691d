/** Passes around convolutions keep values and gradients: each on graphs that it changes, against the runtime. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { float32, numbersOf } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { rowsFirst } from '../src/passes/rows-first.ts'
import { winograd } from '../src/passes/winograd.ts'
import { operators, run, start } from './run-graph.ts'

/** A graph and, behind its output y, the gradients of the sum of y sin(y / 32). */
function differentiated(graph: Graph, inputs: readonly Value[]): Graph {
  const again = new Emitter(table, GraphBuilder.resume(graph))
  const out = graph.outputs[0]!
  const loss = again.sum(again.mul(out, again.op('Sin', [again.div(out, 32)])))
  return again.builder.finish([...graph.outputs, ...backward(again, loss, inputs).map((v) => v!)])
}

/** Runs both and compares by the largest element of each result. */
async function expectClose(expected: Graph, received: Graph, tolerance: number): Promise<void> {
  const [before, after] = [await run(expected), await run(received)]
  for (const [i, tensor] of before.entries()) {
    const [a, b] = [numbersOf(tensor), numbersOf(after[i]!)]
    let [largest, difference] = [0, 0]
    for (const [j, value] of a.entries()) {
      largest = Math.max(largest, Math.abs(value))
      difference = Math.max(difference, Math.abs(value - b[j]!))
    }
    expect(largest).toBeGreaterThan(0)
    expect(difference / largest, `result ${i}`).toBeLessThan(tolerance)
  }
}

it.each([
  ['same padding and a bias', [1, 1, 1, 1], [16, 128, 8, 8], [128, 128], true, 6],
  ['no padding', [0, 0, 0, 0], [12, 64, 18, 14], [64, 64], false, 6],
  ['odd outputs, padding that differs from side to side', [2, 0, 0, 1], [12, 128, 9, 11], [96, 128], false, 6],
  ['channels of odd counts', [1, 1, 1, 1], [11, 71, 11, 12], [93, 71], true, 6],
  ['padding of a whole tile', [5, 0, 0, 4], [12, 96, 8, 8], [96, 96], false, 6],
  ['outputs of 2 x 2', [1, 1, 1, 1], [32, 128, 2, 2], [128, 128], true, 4],
  ['rows in blocks', [0, 1, 1, 2], [11, 64, 33, 9], [64, 64], false, 6],
] as const)(
  'computes 3 x 3 convolutions with many channels by tiles, and their gradients: %s',
  async (title, pads, x, [m, channels], hasBias, places) => {
    const { g, values } = start({ x, w: [m, channels, 3, 3], b: [m] })
    const inputs = [values.x!, values.w!, ...(hasBias ? [values.b!] : [])]
    const graph = g.builder.finish([g.op('Conv', inputs, { kernel_shape: [3, 3], pads })])
    const forward = winograd(graph, table)
    expect(operators(forward)).not.toContain('Conv')
    const ofKernel = forward.nodes.find(({ op }) => op === 'Gemm')!
    expect(shapeOf(ofKernel.outputs[0]!)).toEqual([places ** 2, m * channels])
    const blocks = shapeOf(
      forward.nodes.find(({ op, outputs }) => op === 'MatMul' && shapeOf(outputs[0]!).length === 6)!.outputs[0]!,
    )[0]
    expect(blocks).toBe(title === 'rows in blocks' ? 4 : 1)
    await expectClose(differentiated(graph, inputs), differentiated(forward, inputs), 2e-5)
  },
)

it.each([
  ['same padding', [1, 1, 1, 1], [16, 64, 16, 16], 64, 3],
  ['padding behind alone, a bias', [0, 0, 1, 1], [32, 96, 8, 8], 64, 3],
  ['odd inputs', [1, 0, 0, 1], [16, 128, 13, 11], 96, 3],
  ['one tap', [0, 0, 0, 0], [16, 64, 18, 12], 64, 1],
  ['one tap, odd inputs', [0, 0, 0, 0], [32, 64, 7, 5], 96, 1],
] as const)(
  'computes convolutions with a stride of 2 and their gradients by products: %s',
  async (title, pads, x, m, taps) => {
    const { g, values } = start({ x, w: [m, x[1], taps, taps], b: [m] })
    const inputs = [values.x!, values.w!, ...(title.includes('bias') ? [values.b!] : [])]
    const graph = g.builder.finish([g.op('Conv', inputs, { kernel_shape: [taps, taps], pads, strides: [2, 2] })])
    const forward = winograd(graph, table)
    expect(operators(forward)).not.toContain('Conv')
    await expectClose(differentiated(graph, inputs), differentiated(forward, inputs), 2e-5)
  },
)

it('keeps rows in front between convolutions: batch normalisation, activations, biases and shortcuts', async () => {
  const kernel = [64, 64, 3, 3]
  const { g, values } = start({ x: [16, 64, 16, 12], v: kernel, w: kernel, a: [64], b: [64], c: [64], d: [64] })
  const inputs = Object.values(values)
  const [x, v, w, a, b, c, d] = inputs as [Value, Value, Value, Value, Value, Value, Value]
  // The runtime writes statistics over those that go in: values that nobody else reads.
  const normal = (y: Value, scale: Value, bias: Value): Value[] =>
    g.ops('BatchNormalization', [y, scale, bias, g.mul(scale, 0), g.mul(bias, 0)], { training_mode: 1, momentum: 0 }, 3)
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
  const [first, mean] = normal(g.op('Conv', [x, v, a], attributes), a, b)
  const [second] = normal(g.op('Conv', [g.sigmoid(first!), w], attributes), c, d)
  const y = g.op('Conv', [g.tanh(g.add(x, second!)), v], attributes)
  const graph = g.builder.finish([y, g.mul(mean!, 2)])
  const tiled = winograd(graph, table)
  const turns = (of: Graph) => of.nodes.filter(({ attributes: { perm } }) => perm?.value?.toString() === '1,0,2').length
  expect(turns(tiled)).toBe(6)
  const forward = rowsFirst(tiled, table)
  expect(turns(forward)).toBe(2)
  await expectClose(differentiated(graph, inputs), differentiated(forward, inputs), 1e-4)
})

it('leaves pictures as they are where rows are not what is asked for', () => {
  const { g, values } = start({ x: [16, 64, 16, 12], w: [64, 64, 3, 3], wide: [16, 64, 16, 1] })
  const y = g.op('Conv', [values.x!, values.w!], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })
  const tiled = winograd(g.builder.finish([g.relu(y), g.add(y, values.wide!)]), table)
  expect(rowsFirst(tiled, table)).toBe(tiled)
})

it('leaves other convolutions alone: few channels, few examples, strides, dilations, groups, a kernel that is not trained, tiles that fill the memory', () => {
  const { g, values } = start({
    x: [16, 128, 8, 8],
    one: [1, 128, 8, 8],
    w: [128, 128, 3, 3],
    thin: [16, 8, 8, 8],
    few: [64, 8, 3, 3],
    halves: [128, 64, 3, 3],
    five: [128, 128, 5, 5],
    large: [64, 512, 20, 20],
    many: [512, 512, 3, 3],
    wide: [4, 64, 96, 96],
    same: [64, 64, 3, 3],
  })
  const conv = (x: string, w: string | Value, attributes: Record<string, string | number | number[]> = {}) =>
    g.op('Conv', [values[x], typeof w === 'string' ? values[w] : w], { pads: [1, 1, 1, 1], ...attributes })
  const others = [
    conv('thin', 'few'),
    conv('one', 'w'),
    conv('x', 'w', { strides: [3, 3] }),
    conv('x', 'w', { strides: [1, 2] }),
    conv('wide', 'same', { strides: [2, 2] }),
    conv('x', 'w', { dilations: [2, 2], pads: [2, 2, 2, 2] }),
    conv('x', 'halves', { group: 2 }),
    conv('x', 'five', { pads: [2, 2, 2, 2] }),
    conv('x', g.constant(float32([128, 128, 3, 3], new Float32Array(128 * 128 * 9)))),
    conv('large', 'many'),
    // An axis as long as this makes its matrices dearer than the taps.
    conv('wide', 'same'),
  ]
  const graph = g.builder.finish(others)
  expect(winograd(graph, table)).toBe(graph)
})
