/** Generated from the table: what a fused operator computes, its lowering computes too, at every sample. */
import { describe, expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { isFloat } from '../src/core/dtype.ts'
import { createRandom } from '../src/core/random.ts'
import { float32, numbersOf, type Tensor } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import type { Graph } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { allOps, table } from '../src/ops/index.ts'
import type { Op, Sample } from '../src/ops/op.ts'
import { lower } from '../src/passes/lower.ts'
import { graphEvaluator } from '../src/runtime/evaluate-graph.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { drawInput } from './gradient-check.ts'

const evaluate = graphEvaluator(createNodeBackend({ threads: 1 }))

/** The sample as a graph in float32. Outputs that the lowering leaves out are not asked for. */
function graphOf(op: Op, sample: Sample): { graph: Graph; feeds: Record<string, Tensor> } {
  const g = new Emitter(table, new GraphBuilder(op.name))
  const feeds: Record<string, Tensor> = {}
  const inputs = sample.inputs.map((input, i) => {
    if (!input) return undefined
    const elements = drawInput(input, 'float32', createRandom(3).fork(i))
    if (input.constant) return g.constant(elements)
    const value = g.builder.input(`input${i}`, elements)
    feeds[value.name] = elements
    return value
  })
  const outputs = g.ops(op.name, inputs, sample.attributes ?? {}, sample.outputs ?? 1, op.domain ?? '')
  const compared = sample.differentiate ?? outputs.map((_, i) => i)
  return { graph: g.builder.finish(compared.map((i) => outputs[i]!)), feeds }
}

for (const op of allOps.filter((op) => op.lower)) {
  describe(`${op.domain ?? ''} ${op.name}`, () => {
    op.samples.forEach((sample, i) => {
      it(`${i}: ${sample.title ?? ''} ${JSON.stringify(sample.attributes ?? {})}`, async () => {
        const { graph, feeds } = graphOf(op, sample)
        const plain = lower(graph, table)
        validate(plain)
        expect(plain.nodes.every((node) => !table.get(node.domain, node.op)?.lower)).toBe(true)
        const [fused, standard] = [await evaluate(graph, feeds), await evaluate(plain, feeds)]
        fused.forEach((expected, at) => {
          const received = standard[at]!
          expect([received.dtype, ...received.shape]).toEqual([expected.dtype, ...expected.shape])
          const digits = isFloat(expected.dtype) ? 4 : 9
          const [a, b] = [numbersOf(expected), numbersOf(received)]
          for (const [j, value] of a.entries()) expect(b[j], `output ${at}[${j}]`).toBeCloseTo(value, digits)
        })
      })
    })
  })
}

describe('the gradient by a lowering', () => {
  it('does not walk a path from one input to another twice', async () => {
    const gradient = async (rewrite: boolean) => {
      const g = new Emitter(table, new GraphBuilder('g'))
      const x = g.builder.input('x', { dtype: 'float32', shape: [1, 2, 4] })
      const scale = g.constant(float32([4], [1, 2, 0.5, -1]))
      const y = g.op('SkipLayerNormalization', [x, g.tanh(x), scale], {}, 'com.microsoft')
      const loss = g.sum(g.mul(y, y))
      const own = g.builder.finish([loss])
      const graph = rewrite ? lower(own, table) : own
      const again = new Emitter(table, GraphBuilder.resume(graph))
      const [dx] = backward(again, graph.outputs[0]!, [graph.inputs[0]!])
      const feeds = { x: float32([1, 2, 4], [0.1, -0.5, 0.9, 1.3, -1, 0.2, 0.4, -0.7]) }
      return numbersOf((await evaluate(again.builder.finish([dx!]), feeds))[0]!)
    }
    const [fused, standard] = [await gradient(false), await gradient(true)]
    expect(Math.max(...standard.map(Math.abs))).toBeGreaterThan(0.1)
    for (const [i, value] of standard.entries()) expect(fused[i]).toBeCloseTo(value, 5)
  })

  it('keeps names of outputs, and nodes that are not chosen', () => {
    const g = new Emitter(table, new GraphBuilder('g'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [2, 4] })
    const y = g.op('QuickGelu', [g.op('FastGelu', [x], {}, 'com.microsoft')], {}, 'com.microsoft')
    const graph = g.builder.finish([y])
    const some = lower(graph, table, (node) => node.op === 'QuickGelu')
    expect(some.nodes.map((node) => node.op)).toEqual(['FastGelu', 'Mul', 'Sigmoid', 'Mul', 'Identity'])
    expect(some.outputs[0]).toBe(graph.outputs[0])
    validate(some)
  })
})
