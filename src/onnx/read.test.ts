import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { float32, int64 } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, TensorType, Value } from '../graph/graph.ts'
import { printGraph } from '../graph/print.ts'
import { validate } from '../graph/validate.ts'
import { type ModelProto, ModelProtoSchema } from './generated/onnx_pb.ts'
import { type ReadOptions, readModel } from './read.ts'
import { writeModel } from './write.ts'

const vector: TensorType = { dtype: 'float32', shape: [2] }
const plain = { opsetImport: [{ domain: '', version: 20n }], irVersion: 9n }

function bytesOf(model: object): Uint8Array {
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { ...plain, ...model } as object))
}

async function roundTrip(graph: Graph): Promise<Graph> {
  const read = await readModel(writeModel(graph).model)
  validate(read.graph)
  return read.graph
}

function tensorType(...sizes: (number | string | undefined)[]) {
  const dim = sizes.map((size) => {
    if (size === undefined) return {}
    if (typeof size === 'number') return { value: { case: 'dimValue', value: BigInt(size) } }
    return { value: { case: 'dimParam', value: size } }
  })
  return { value: { case: 'tensorType', value: { elemType: 1, shape: { dim } } } }
}

describe('readModel', () => {
  it('keeps symbolic and unknown dimensions, left-out inputs, all kinds of attributes', async () => {
    const b = new GraphBuilder('kinds')
    const x = b.input('x', { dtype: 'float32', shape: ['batch', '?', 3] })
    const attributes = {
      int: { kind: 'int', value: -3 },
      end: { kind: 'int', value: Number.MAX_SAFE_INTEGER },
      float: { kind: 'float', value: 0.5 },
      zero: { kind: 'float', value: 0 },
      string: { kind: 'string', value: 'ü' },
      tensor: { kind: 'tensor', value: int64([2], [1, 2]) },
      ints: { kind: 'ints', value: [1, 2] },
      none: { kind: 'ints', value: [] },
      floats: { kind: 'floats', value: [0.25, -1] },
      strings: { kind: 'strings', value: ['a', ''] },
    } as const
    const outputs = [undefined, { dtype: 'float32' as const, shape: undefined }]
    const [, y] = b.node({
      op: 'Kinds',
      domain: 'my.domain',
      inputs: [x, undefined, x],
      attributes,
      outputs,
      names: [undefined, 'y'],
    })
    const back = await roundTrip(b.finish([y as Value]))
    expect(printGraph(back)).toMatchInlineSnapshot(`
      "graph kinds
        input x: float32[batch, ?, 3]
        _, y: float32[...] = my.domain.Kinds(x, _, x, int=-3, end=9007199254740991, float=0.5, zero=0, string="ü", tensor=int64[2], ints=[1,2], none=[], floats=[0.25,-1], strings=["a",""])
        return y"
    `)
    expect(back.nodes[0]?.attributes).toEqual(attributes)
  })

  it('shares captured values with sub-graphs', async () => {
    const b = new GraphBuilder('outer')
    const condition = b.input('condition', { dtype: 'bool', shape: [] })
    const x = b.input('x', vector)
    const [h] = b.node({ op: 'Tanh', inputs: [x], outputs: [vector] })
    const branch = (name: string) => {
      const inner = new GraphBuilder(name)
      // Tanh:out would hide the outer value: it is given a number.
      const [own] = inner.node({ op: 'Tanh', inputs: [h], outputs: [vector] })
      const [y] = inner.node({ op: 'Mul', inputs: [own, inner.constant(float32([], [2]))], outputs: [vector] })
      return { kind: 'graph', value: inner.finish([y as Value]) } as const
    }
    const attributes = { then_branch: branch('then'), else_branch: branch('else') }
    const [y] = b.node({ op: 'If', inputs: [condition], attributes, outputs: [vector], names: ['y'] })
    const back = await roundTrip(b.finish([y as Value]))
    const outerTanh = back.nodes.find((node) => node.op === 'Tanh')?.outputs[0]
    const then = back.nodes.find((node) => node.op === 'If')?.attributes.then_branch
    if (then?.kind !== 'graph') throw new Error('no branch')
    expect(then.value.nodes[0]?.inputs[0]).toBe(outerTanh)
    expect(then.value.nodes[0]?.outputs[0]?.name).not.toBe(outerTanh?.name)
  })

  it('infers types where the operator is known and takes the stated ones elsewhere', async () => {
    const model = bytesOf({
      graph: {
        name: 'g',
        input: [{ name: 'x', type: tensorType('n', 2) }],
        node: [
          { opType: 'Tanh', input: ['x'], output: ['h'] },
          { opType: 'Unheard', domain: 'd', input: ['h'], output: ['y'] },
        ],
        output: [{ name: 'y', type: tensorType(undefined, 4) }],
      },
      opsetImport: [{ version: 20n }, { domain: 'd', version: 1n }],
    })
    const { graph } = await readModel(model)
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "graph g
        input x: float32[n, 2]
        h: float32[n, 2] = Tanh(x)
        y: float32[?, 4] = d.Unheard(h)
        return y"
    `)
  })

  it('makes Constant nodes constants, or keeps them', async () => {
    const attribute = [{ name: 'value_floats', type: 6, floats: [1, 2] }]
    const node = [
      { opType: 'Constant', output: ['c'], attribute },
      { opType: 'Tanh', input: ['c'], output: ['y'] },
    ]
    const model = bytesOf({ graph: { name: 'g', node, output: [{ name: 'y' }] } })
    const constants = (await readModel(model)).graph
    expect(constants.nodes.map((n) => n.op)).toEqual(['Tanh'])
    expect(constants.nodes[0]?.inputs[0]?.constant).toEqual(float32([2], [1, 2]))
    const { graph } = await readModel(model, { keepConstantNodes: true })
    expect(graph.nodes.map((n) => n.op)).toEqual(['Constant', 'Tanh'])
  })

  it('takes initializers that are inputs too as constants, and the chosen ones as parameters', async () => {
    const model = bytesOf({
      irVersion: 3n,
      graph: {
        name: 'g',
        input: [
          { name: 'x', type: tensorType(2) },
          { name: 'w', type: tensorType(2) },
        ],
        initializer: [{ name: 'w', dataType: 1, dims: [2n], floatData: [3, 4] }],
        node: [{ opType: 'Mul', input: ['x', 'w'], output: ['y'] }],
        output: [{ name: 'y', type: tensorType(2) }],
      },
    })
    const fixed = await readModel(model)
    expect(fixed.graph.inputs.map((v) => v.name)).toEqual(['x'])
    expect(fixed.defaults).toEqual(['w'])
    const trained = await readModel(model, { parameters: 'floats' })
    expect(trained.graph.parameters.map((v) => v.name)).toEqual(['w'])
    expect(trained.parameters.get('w')).toEqual(float32([2], [3, 4]))
    const written = writeModel(trained.graph, { parameters: trained.parameters })
    const session = await ort.InferenceSession.create(written.model)
    const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]) })
    expect(Array.from(y?.data as Float32Array)).toEqual([3, 8])
  })

  it('does not lose what a graph has no place for', async () => {
    const sequence = { value: { case: 'sequenceType', value: { elemType: tensorType(2) } } }
    const attribute = [{ name: 'type', type: 13, tp: tensorType(7) }]
    const original = {
      producerName: 'someone',
      producerVersion: '2',
      docString: 'doc',
      domain: 'org',
      modelVersion: 4n,
      metadataProps: [{ key: 'k', value: 'v' }],
      functions: [{ name: 'Twice', domain: 'f', input: ['a'], output: ['b'], opsetImport: [{ version: 20n }] }],
      opsetImport: [
        { domain: '', version: 20n },
        { domain: 'f', version: 1n },
      ],
      graph: {
        name: 'g',
        input: [{ name: 's', type: sequence }],
        node: [
          { name: 'a', opType: 'Twice', domain: 'f', input: ['s'], output: ['t'] },
          { name: 'b', opType: 'Optional', input: ['t'], output: ['y'], attribute },
        ],
        output: [{ name: 'y', type: { value: { case: 'optionalType', value: { elemType: sequence } } } }],
      },
    }
    const read = await readModel(bytesOf(original), { upgrade: false })
    const { producer, metadata, opsets, extras } = read
    expect(producer).toEqual({ name: 'someone', version: '2' })
    const { model } = writeModel(read.graph, { producer, metadata, opsets, extras })
    const back = fromBinary(ModelProtoSchema, model) as ModelProto
    expect(back).toEqual(fromBinary(ModelProtoSchema, bytesOf(original)))
  })

  it('reads side files once each, and says which one is missing', async () => {
    const b = new GraphBuilder('g')
    const [u, v] = [b.constant(float32([2], [1, 2]), 'u'), b.constant(float32([2], [3, 4]), 'v')]
    const [y] = b.node({ op: 'Mul', inputs: [u, v], outputs: [vector], names: ['y'] })
    const externalData = { location: 'w.data', threshold: 0, alignment: 4096 } as const
    const { model, external } = writeModel(b.finish([y as Value]), { externalData })
    expect(external?.byteLength).toBe(4096 + 8)
    const data = new Uint8Array(Buffer.concat([...(external?.chunks ?? [])]))
    const asked: string[] = []
    const options: ReadOptions = {
      external: async (location) => {
        asked.push(location)
        return data
      },
    }
    const { graph } = await readModel(model, options)
    expect(asked).toEqual(['w.data'])
    expect(graph.nodes[0]?.inputs.map((value) => value?.constant)).toEqual([u?.constant, v?.constant])
    await expect(readModel(model)).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringContaining("'w.data'"),
    })
  })
})
