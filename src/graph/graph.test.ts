import { describe, expect, it } from 'vitest'
import { float32 } from '../core/tensor.ts'
import { GraphBuilder } from './builder.ts'
import {
  capturedBy,
  constantsOf,
  dtypeOf,
  type Graph,
  reachable,
  shapeOf,
  type TensorType,
  type Value,
  valuesUsedBy,
} from './graph.ts'

const vector: TensorType = { dtype: 'float32', shape: [2] }

/** If(condition) { tanh(h) * 2 } else { h }, where h = tanh(x); one more node that nobody reads */
function branching() {
  const b = new GraphBuilder('g')
  const condition = b.input('condition', { dtype: 'bool', shape: [] })
  const x = b.input('x', vector)
  const [h] = b.node({ op: 'Tanh', inputs: [x], outputs: [vector], names: ['h'] }) as [Value]
  const inner = new GraphBuilder('then')
  const two = inner.constant(float32([], [2]), 'two')
  const [t] = inner.node({ op: 'Tanh', inputs: [h], outputs: [vector] })
  const [m] = inner.node({ op: 'Mul', inputs: [t, two], outputs: [vector] })
  const then = inner.finish([m as Value])
  const otherwise = new GraphBuilder('else').finish([h])
  const attributes = {
    then_branch: { kind: 'graph', value: then },
    else_branch: { kind: 'graph', value: otherwise },
  } as const
  const [y] = b.node({ op: 'If', inputs: [condition], attributes, outputs: [vector], names: ['y'] }) as [Value]
  b.node({ op: 'Neg', inputs: [h], outputs: [vector] })
  const graph: Graph = { name: 'g', inputs: b.inputs, parameters: [], nodes: b.nodes, outputs: [y] }
  return { graph, condition, h, two, then, otherwise }
}

describe('graph', () => {
  it('keeps what sub-graphs capture when it drops the rest', () => {
    const { graph } = branching()
    expect(reachable(graph).nodes.map((node) => node.op)).toEqual(['Tanh', 'If'])
  })

  it('finds the values that a node reads, captured ones included', () => {
    const { graph, condition, h } = branching()
    expect(new Set(valuesUsedBy(graph.nodes[1] as Graph['nodes'][number]))).toEqual(new Set([condition, h]))
  })

  it('finds captured values through several levels, not constants', () => {
    const { then, otherwise, h } = branching()
    expect(capturedBy(then)).toEqual([h])
    expect(capturedBy(otherwise)).toEqual([h])
    const b = new GraphBuilder('middle')
    b.node({ op: 'If', inputs: [], attributes: { then_branch: { kind: 'graph', value: then } }, outputs: [vector] })
    const middle: Graph = { name: 'm', inputs: [], parameters: [], nodes: b.nodes, outputs: [] }
    expect(capturedBy(middle)).toEqual([h])
  })

  it('lists each constant once, in order, outputs too', () => {
    const b = new GraphBuilder('g')
    const [p, q, r] = ['p', 'q', 'r'].map((name) => b.constant(float32([], [1]), name)) as [Value, Value, Value]
    const [y] = b.node({ op: 'Mul', inputs: [q, p], outputs: [vector] })
    const [z] = b.node({ op: 'Mul', inputs: [y, q], outputs: [vector] })
    expect(constantsOf(b.finish([z as Value, r]))).toEqual([q, p, r])
  })

  it('names the value whose type is not known', () => {
    const value: Value = { name: 'x', type: undefined, constant: undefined }
    expect(() => shapeOf(value)).toThrow("the shape of 'x' is not known")
    expect(() => dtypeOf(value)).toThrow("the element type of 'x' is not known")
    expect(() => shapeOf({ ...value, type: { dtype: 'int8', shape: undefined } })).toThrow("the shape of 'x'")
    expect(shapeOf({ ...value, type: vector })).toEqual([2])
  })
})
