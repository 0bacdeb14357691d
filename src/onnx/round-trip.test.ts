/** Random graphs, written and read: the text must be the same. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { DType } from '../core/dtype.ts'
import { zeros } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Attributes, Graph, TensorType, Value } from '../graph/graph.ts'
import { printGraph } from '../graph/print.ts'
import { validate } from '../graph/validate.ts'
import { readModel } from './read.ts'
import { writeModel } from './write.ts'

const dtypes: readonly DType[] = ['float32', 'int64', 'bool', 'float16', 'string', 'int4', 'bfloat16']
const dims = fc.oneof(fc.nat(3), fc.constantFrom('batch', 'time', '?'))
const types = fc.record({
  dtype: fc.constantFrom(...dtypes),
  shape: fc.option(fc.array(dims, { maxLength: 3 }), { nil: undefined }),
})

/** One node: picks of its inputs (0 leaves one out), the type of its output, and what it has besides. */
const steps = fc.record({
  picks: fc.array(fc.nat(20), { maxLength: 3 }),
  type: types,
  extra: fc.constantFrom('nothing', 'constant', 'number', 'sub-graph'),
})

function graphOf(steps: readonly { picks: number[]; type: TensorType; extra: string }[]): Graph {
  const b = new GraphBuilder('random')
  const values: Value[] = [b.input('x', { dtype: 'float32', shape: ['batch', 2] })]
  const pick = (n: number): Value | undefined => (n === 0 ? undefined : values[n % values.length])
  for (const { picks, type, extra } of steps) {
    // A left-out input at the end is not written apart from none at all.
    const inputs: (Value | undefined)[] = [...picks.map(pick), values[0]]
    let attributes: Attributes = {}
    if (extra === 'constant') inputs.push(b.constant(zeros(type.dtype, [2])))
    if (extra === 'number') attributes = { alpha: { kind: 'float', value: 0.5 }, k: { kind: 'int', value: -1 } }
    if (extra === 'sub-graph') {
      const inner = new GraphBuilder('body')
      const [out] = inner.node({
        op: 'Inner',
        domain: 'test',
        inputs: [values.at(-1)],
        outputs: [type],
        names: [`${b.nodes.length}`],
      })
      attributes = { body: { kind: 'graph', value: inner.finish([out as Value]) } }
    }
    const [out] = b.node({ op: 'Outer', domain: 'test', inputs, attributes, outputs: [type] })
    values.push(out as Value)
  }
  return b.finish(values.slice(-1))
}

it('reads what it wrote', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async (list) => {
      const graph = graphOf(list)
      const { model } = writeModel(graph, { intermediateTypes: true })
      const read = await readModel(model)
      validate(read.graph)
      expect(printGraph(read.graph)).toBe(printGraph(graph))
    }),
  )
})
