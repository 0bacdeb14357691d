/** Recurrences that keep their gates give the numbers and the gradients of the operators that they replace. */
import { describe, expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { createRandom } from '../src/core/random.ts'
import { sizeOf } from '../src/core/shape.ts'
import { float32, numbersOf, type Tensor, tensorFromNumbers } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import type { Sample } from '../src/ops/op.ts'
import { optimizeStep } from '../src/passes/index.ts'
import { keepGates } from '../src/passes/keep-gates.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const backend = createNodeBackend({ threads: 1 })

/** The node of a sample, and a loss that weights each of its outputs by random numbers. */
function forwardOf(op: string, sample: Sample): { graph: Graph; wrt: Value[] } {
  const g = new Emitter(table, new GraphBuilder('sample'))
  const inputs = sample.inputs.map((input, i) => {
    if (!input) return undefined
    if (input.dtype === 'int32') return g.constant(tensorFromNumbers('int32', input.shape, input.values ?? []))
    return g.builder.input(`in${i}`, { dtype: 'float32', shape: input.shape })
  })
  const outputs = g.ops(op, inputs, sample.attributes, sample.outputs ?? 1)
  const chosen = sample.differentiate?.map((i) => outputs[i]!) ?? outputs
  const terms = chosen.map((value, i) => {
    const weights = g.builder.input(`weights${i}`, { dtype: 'float32', shape: shapeOf(value) })
    return g.sum(g.mul(g.mul(value, value), weights))
  })
  const loss = terms.reduce((a, b) => g.add(a, b))
  const results = chosen.map((value) => g.op('Identity', [value]))
  return { graph: g.builder.finish([loss, ...results]), wrt: inputs.filter((v) => v && !v.constant) as Value[] }
}

async function run(graph: Graph): Promise<Tensor[]> {
  validate(graph)
  const session = await backend.createSession(writeModel(graph).model)
  const feeds = graph.inputs.map((value) => {
    const shape = shapeOf(value) as number[]
    const random = createRandom(5).fork(value.name)
    const numbers = Array.from({ length: sizeOf(shape) }, () => random.normal())
    return [value.name, float32(shape, numbers)]
  })
  const results = await session.run(Object.fromEntries(feeds))
  await session.release()
  return graph.outputs.map((value) => results[value.name]!)
}

function step(op: string, sample: Sample, keep: boolean): Graph {
  const { graph, wrt } = forwardOf(op, sample)
  const kept = keep ? keepGates(graph, table) : { graph, table, finish: (done: Graph) => done }
  const g = new Emitter(kept.table, GraphBuilder.resume(kept.graph))
  const gradients = backward(g, kept.graph.outputs[0]!, wrt)
  return optimizeStep(kept.finish(g.builder.finish([...kept.graph.outputs, ...gradients])), table)
}

describe.each(['LSTM', 'GRU'])('%s', (op) => {
  const samples = table.get('', op)!.samples
  it.each(samples.map((sample) => [sample.title, sample] as const))('%s', async (_, sample) => {
    const [plain, kept] = [step(op, sample, false), step(op, sample, true)]
    expect(plain.nodes.some((node) => node.op === op)).toBe(true)
    expect(kept.nodes.some((node) => node.op === op)).toBe(false)
    const [expected, received] = [await run(plain), await run(kept)]
    expected.forEach((tensor, i) => {
      expect(received[i]!.shape).toEqual(tensor.shape)
      numbersOf(tensor).forEach((v, j) => {
        expect(numbersOf(received[i]!)[j], `output ${i}, element ${j}`).toBeCloseTo(v, 4)
      })
    })
  })
})

it('leaves alone what has no gradient, or a form of its own', () => {
  const { graph } = forwardOf('LSTM', table.get('', 'LSTM')!.samples[0]!)
  expect(keepGates(graph, table).finish(graph)).toEqual(graph)
  const clipped = { ...table.get('', 'GRU')!.samples[0]!, attributes: { hidden_size: 2, clip: 3 } }
  const other = forwardOf('GRU', clipped).graph
  expect(keepGates(other, table).graph).toBe(other)
})
