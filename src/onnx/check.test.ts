import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../graph/builder.ts'
import type { Attributes, Graph, Value } from '../graph/graph.ts'
import { createTable } from '../ops/index.ts'
import type { Op } from '../ops/op.ts'
import { checkOperators } from './check.ts'

const record: Pick<Op, 'infer' | 'grad' | 'samples'> = { infer: (c) => [c.input(0)], grad: { none: '' }, samples: [] }
const table = createTable([
  { name: 'Softmax', since: 13, inputs: [1, 1], attributes: { axis: { kind: 'int', default: -1 } }, ...record },
  { name: 'GroupNormalization', since: 18, inputs: [1, 1], ...record },
  { name: 'If', since: 19, inputs: [1, 1], attributes: { then_branch: { kind: 'graph' } }, ...record },
])

function graphOf(op: string, attributes: Attributes = {}, domain = ''): Graph {
  const b = new GraphBuilder('g')
  const x = b.input('x', { dtype: 'float32', shape: [2] })
  const [y] = b.node({ op, domain, inputs: [x], attributes, outputs: [{ dtype: 'float32', shape: [2] }] })
  return b.finish([y as Value])
}

describe('checkOperators', () => {
  it('passes known operators', () => {
    checkOperators(graphOf('Softmax', { axis: { kind: 'int', value: 0 } }), { '': 20 }, table)
  })

  it('names the node, the operator, its opset and the nearest known name', () => {
    const check = () => checkOperators(graphOf('SoftMax'), { '': 17 }, table)
    expect(check).toThrow("operator SoftMax of opset 17 is not supported; at node 'SoftMax'")
    try {
      check()
    } catch (error) {
      expect(error).toMatchObject({ kind: 'unsupported', hint: 'The nearest known operator is Softmax.' })
    }
  })

  it('names the domain', () => {
    const graph = graphOf('Softmax', {}, 'com.microsoft')
    expect(() => checkOperators(graph, { 'com.microsoft': 1 }, table)).toThrow('com.microsoft.Softmax of opset 1')
  })

  it('refuses the form of an older opset, or of a newer one', () => {
    expect(() => checkOperators(graphOf('Softmax'), { '': 11 }, table)).toThrow(
      'form of opset 11, which is not the one that Quern knows',
    )
  })

  it('refuses attributes that the record does not have, and other kinds', () => {
    const unknown = graphOf('Softmax', { axes: { kind: 'int', value: 0 } })
    expect(() => checkOperators(unknown, { '': 20 }, table)).toThrow(
      "no attribute 'axes'; at node 'Softmax'. Did you mean 'axis'",
    )
    const kind = graphOf('Softmax', { axis: { kind: 'float', value: 0 } })
    expect(() => checkOperators(kind, { '': 20 }, table)).toThrow('must be int, received float')
  })

  it('looks into sub-graphs', () => {
    const graph = graphOf('If', { then_branch: { kind: 'graph', value: graphOf('Unheard') } })
    expect(() => checkOperators(graph, { '': 20 }, table)).toThrow('operator Unheard of opset 20')
  })
})
