import { describe, expect, it } from 'vitest'
import { float32 } from '../core/tensor.ts'
import { GraphBuilder } from './builder.ts'
import type { TensorType, Value } from './graph.ts'
import { validate } from './validate.ts'

const vector: TensorType = { dtype: 'float32', shape: [2] }

describe('GraphBuilder', () => {
  it('gives every value a name of its own', () => {
    const b = new GraphBuilder('g')
    const names = [b.input('x', vector), b.input('x', vector), b.input('x_1', vector), b.parameter('x', vector)]
    expect(new Set(names.map((value) => value.name)).size).toBe(4)
    expect(names[0]?.name).toBe('x')
  })

  it('puts the names of the layers in front of node names, also after an error', () => {
    const b = new GraphBuilder('g')
    const x = b.input('x', vector)
    b.within('cnn', () => b.within('conv', () => b.node({ op: 'Tanh', inputs: [x], outputs: [vector] })))
    expect(() =>
      b.within('broken', () => {
        throw new Error('stop')
      }),
    ).toThrow('stop')
    b.node({ op: 'Tanh', inputs: [x], outputs: [vector] })
    expect(b.nodes.map((node) => node.name)).toEqual(['cnn/conv/Tanh', 'Tanh'])
  })

  it('names outputs as asked, leaves out those that nobody wants', () => {
    const b = new GraphBuilder('g')
    const x = b.input('x', vector)
    const [first, second] = b.node({
      op: 'Split',
      inputs: [x],
      outputs: [undefined, vector],
      names: [undefined, 'tail'],
    })
    expect(first).toBeUndefined()
    expect(second).toEqual({ name: 'tail', type: vector, constant: undefined })
    expect(b.nodes[0]).toMatchObject({ domain: '', attributes: {} })
  })

  it('finishes with the nodes that the outputs need and every input', () => {
    const b = new GraphBuilder('g')
    const x = b.input('x', vector)
    const unused = b.input('unused', vector)
    const w = b.parameter('w', vector)
    const [h] = b.node({ op: 'Mul', inputs: [x, w], outputs: [vector] })
    b.node({ op: 'Tanh', inputs: [h], outputs: [vector] })
    const graph = b.finish([h as Value])
    expect(graph.inputs).toEqual([x, unused])
    expect(graph.parameters).toEqual([w])
    expect(graph.nodes.map((node) => node.op)).toEqual(['Mul'])
    validate(graph)
  })

  it('gives constants the type of their elements', () => {
    const c = new GraphBuilder('g').constant(float32([2], [1, 2]))
    expect(c).toMatchObject({ name: 'constant', type: vector, constant: { data: Float32Array.of(1, 2) } })
  })
})
