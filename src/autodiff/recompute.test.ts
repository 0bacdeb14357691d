import { expect, test } from 'vitest'
import { float32, numbersOf, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, reachable, valuesUsedBy } from '../graph/graph.ts'
import { validate } from '../graph/validate.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { backward } from './backward.ts'
import { recompute } from './recompute.ts'

const [layers, width] = [9, 8]
const wave = (count: number, by: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(by * (i + 1)) / 3)

/** A chain of x = x + tanh(sigmoid(x W)), its loss and the gradients of every W. */
function chain(): { graph: Graph; feeds: Record<string, Tensor> } {
  const g = new Emitter(table, new GraphBuilder('step'))
  let x = g.builder.input('x', { dtype: 'float32', shape: [16, width] })
  const feeds: Record<string, Tensor> = { x: float32([16, width], wave(16 * width, 1.3)) }
  const weights = Array.from({ length: layers }, (_, i) => {
    const w = g.builder.parameter(`w${i}`, { dtype: 'float32', shape: [width, width] })
    feeds[w.name] = float32([width, width], wave(width * width, 0.7 + i))
    x = g.add(x, g.tanh(g.sigmoid(g.matMul(x, w))))
    return w
  })
  const loss = g.mean(g.mul(x, x))
  return { graph: g.builder.finish([loss, ...backward(g, loss, weights)]), feeds }
}

const again = (graph: Graph, keeps: (node: Node) => boolean = () => false, segments?: number) =>
  recompute(graph, { table, forward: [graph.outputs[0]!], keeps, segments })

async function run(graph: Graph, feeds: Record<string, Tensor>): Promise<number[][]> {
  const session = await createNodeBackend({ threads: 1 }).createSession(writeModel(graph).model)
  try {
    const results = await session.run(feeds)
    return graph.outputs.map(({ name }) => numbersOf(results[name]!))
  } finally {
    await session.release()
  }
}

/** Values of the forward pass that stay in memory: those that a gradient reads, not a copy. */
function readByGradients(graph: Graph): Set<string> {
  const until = graph.nodes.findIndex(({ outputs }) => outputs[0] === graph.outputs[0])
  const made = new Set(graph.nodes.slice(0, until).flatMap(({ outputs }) => outputs))
  const read = graph.nodes.slice(until + 1).flatMap(valuesUsedBy)
  return new Set(read.filter((value) => made.has(value)).map(({ name }) => name))
}

test.each([2, 3, 9])(
  'gradients with %i segments are the same, bit for bit, and read fewer values',
  async (segments) => {
    const { graph, feeds } = chain()
    const made = again(graph, undefined, segments)
    validate(made)
    expect(await run(made, feeds)).toEqual(await run(graph, feeds))
    expect(readByGradients(made).size).toBeLessThan(readByGradients(graph).size)
  },
)

test('what is expensive can be kept: it is not computed a second time', async () => {
  const { graph, feeds } = chain()
  const count = ({ nodes }: Graph, op: string) => nodes.filter((node) => node.op === op).length
  const [all, some] = [again(graph), again(graph, (node) => node.op === 'MatMul')]
  expect(count(all, 'MatMul')).toBeGreaterThan(count(graph, 'MatMul'))
  expect(count(some, 'MatMul')).toBe(count(graph, 'MatMul'))
  expect(count(some, 'Sigmoid')).toBeGreaterThan(count(graph, 'Sigmoid'))
  expect(await run(some, feeds)).toEqual(await run(graph, feeds))
})

test('a copy waits for the gradients of the segment behind its own', () => {
  const { graph } = chain()
  const made = again(graph, undefined, 3)
  const behind = (node: Node, seen = new Set<Node>()): Set<Node> => {
    for (const value of valuesUsedBy(node)) {
      const before = made.nodes.find(({ outputs }) => outputs.includes(value))
      if (before && !seen.has(before)) behind(before, seen.add(before))
    }
    return seen
  }
  // The first layer is computed again behind the gradient of the last, which nothing but the gates says.
  const first = made.nodes.find(
    ({ op, inputs, name }) => op === 'MatMul' && inputs[1]?.name === 'w0' && name.includes('_'),
  )
  const last = made.nodes.find(({ outputs }) => outputs[0] === made.outputs.at(-1))
  expect(first && last && behind(first).has(last)).toBe(true)
})

test('a graph without gradients stays as it is', () => {
  const { graph } = chain()
  const forward = reachable({ ...graph, outputs: graph.outputs.slice(0, 1) })
  expect(again(forward)).toBe(forward)
})
