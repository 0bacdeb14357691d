import { describe, expect, it } from 'vitest'
import { float32 } from '../core/tensor.ts'
import type { Attributes, Graph, Node, Value } from './graph.ts'
import { validate } from './validate.ts'

const value = (name: string, constant?: Value['constant']): Value => ({ name, type: undefined, constant })
const node = (name: string, inputs: Node['inputs'], outputs: Node['outputs'], attributes: Attributes = {}): Node => {
  return { op: 'Op', domain: '', name, inputs, outputs, attributes }
}
const graph = (parts: Partial<Graph>): Graph => {
  return { name: 'g', inputs: [], parameters: [], nodes: [], outputs: [], ...parts }
}

describe('validate', () => {
  const [x, y, z] = [value('x'), value('y'), value('z')]

  it('passes a graph in order, with left-out inputs and outputs', () => {
    const c = value('c', float32([], [1]))
    const nodes = [node('a', [x, undefined, c], [undefined, y]), node('b', [y, c], [z])]
    validate(graph({ inputs: [x], nodes, outputs: [z, c] }))
  })

  it('refuses a value that is read before it is computed', () => {
    const nodes = [node('b', [y], [z]), node('a', [x], [y])]
    expect(() => validate(graph({ inputs: [x], nodes, outputs: [z] }))).toThrow(
      "graph 'g' is not valid: node 'b' (Op) reads 'y' before it is computed",
    )
  })

  it('refuses a second producer', () => {
    const nodes = [node('a', [x], [y]), node('b', [x], [y])]
    expect(() => validate(graph({ inputs: [x], nodes }))).toThrow("node 'b' (Op) computes 'y' a second time")
    expect(() => validate(graph({ inputs: [x], nodes: [node('a', [], [x])] }))).toThrow('a second time')
  })

  it('refuses two values of one name: identity is the object', () => {
    expect(() => validate(graph({ inputs: [x, value('x')] }))).toThrow("two values are named 'x'")
    const constants = [value('c', float32([], [1])), value('c', float32([], [2]))]
    expect(() => validate(graph({ nodes: [node('a', constants, [y])] }))).toThrow("two values are named 'c'")
  })

  it('refuses an output that is never computed', () => {
    expect(() => validate(graph({ outputs: [y] }))).toThrow("output 'y' is never computed")
  })

  it('lets sub-graphs read what is known at their node, and nothing later', () => {
    const inner = (read: Value): Attributes => {
      const out = value('inner')
      return {
        body: { kind: 'graph', value: graph({ name: 'body', nodes: [node('i', [read], [out])], outputs: [out] }) },
      }
    }
    validate(graph({ inputs: [x], nodes: [node('a', [x], [y]), node('b', [], [z], inner(y))] }))
    const early = [node('b', [], [z], inner(y)), node('a', [x], [y])]
    expect(() => validate(graph({ inputs: [x], nodes: early }))).toThrow(
      "graph 'body' is not valid: node 'i' (Op) reads 'y'",
    )
  })
})
