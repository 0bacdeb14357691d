/** Generated from the table: what a fused operator computes, its lowering computes too, at every sample. */
import { describe, expect, it } from 'vitest'
import { isFloat } from '../src/core/dtype.ts'
import { createRandom } from '../src/core/random.ts'
import { numbersOf, type Tensor } from '../src/core/tensor.ts'
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
