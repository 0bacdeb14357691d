import { fromBinary } from '@bufbuild/protobuf'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { float32, int64 } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, TensorType, Value } from '../graph/graph.ts'
import { ModelProtoSchema } from './generated/onnx_pb.ts'
import { writeModel } from './write.ts'

const vector: TensorType = { dtype: 'float32', shape: [2] }

/** y = (x + w) * 2 */
function affine(): Graph {
  const b = new GraphBuilder('affine')
  const x = b.input('x', { dtype: 'float32', shape: ['batch', 2] })
  const w = b.parameter('dense/weight', vector)
  const [sum] = b.node({ op: 'Add', inputs: [x, w], outputs: [{ dtype: 'float32', shape: ['batch', 2] }] })
  const two = b.constant(float32([], [2]))
  const outputs = [{ dtype: 'float32' as const, shape: ['batch', 2] }]
  const [y] = b.node({ op: 'Mul', inputs: [sum, two], outputs, names: ['y'] })
  return b.finish([y as Value])
}

/** y = condition ? x * 2 : x, with a captured value, a constant inside and an output that is captured. */
function branches(): Graph {
  const b = new GraphBuilder('branches')
  const condition = b.input('condition', { dtype: 'bool', shape: [] })
  const x = b.input('x', vector)
  const inner = new GraphBuilder('then')
  const [twice] = inner.node({ op: 'Mul', inputs: [x, inner.constant(float32([], [2]))], outputs: [vector] })
  const attributes = {
    then_branch: { kind: 'graph', value: inner.finish([twice as Value]) },
    else_branch: { kind: 'graph', value: new GraphBuilder('else').finish([x]) },
  } as const
  const [y] = b.node({ op: 'If', inputs: [condition], attributes, outputs: [vector], names: ['y'] })
  return b.finish([y as Value])
}

async function run(
  model: Uint8Array,
  feeds: Record<string, ort.Tensor>,
  options?: ort.InferenceSession.SessionOptions,
) {
  const session = await ort.InferenceSession.create(model, options)
  try {
    const { y } = await session.run(feeds)
    return Array.from(y?.data as Float32Array)
  } finally {
    await session.release()
  }
}

describe('writeModel', () => {
  const parameters = new Map([['dense/weight', float32([2], [10, 20])]])

  it('makes parameters initializers when their elements are given', async () => {
    const { model, external } = writeModel(affine(), { parameters, metadata: { task: 'test' } })
    expect(external).toBeUndefined()
    expect(await run(model, { x: new ort.Tensor('float32', [1, 2], [1, 2]) })).toEqual([22, 44])
    const message = fromBinary(ModelProtoSchema, model)
    expect(message.metadataProps.map(({ key, value }) => [key, value])).toEqual([['task', 'test']])
    expect(message.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 20n]])
  })

  it('makes parameters inputs after the graph inputs when they are not', async () => {
    const { model } = writeModel(affine())
    expect(fromBinary(ModelProtoSchema, model).graph?.input.map((i) => i.name)).toEqual(['x', 'dense/weight'])
    const feeds = {
      x: new ort.Tensor('float32', [1, 2], [1, 2]),
      'dense/weight': new ort.Tensor('float32', [1, 1], [2]),
    }
    expect(await run(model, feeds)).toEqual([4, 6])
  })

  it('refuses a parameter without elements or with a wrong shape', () => {
    expect(() => writeModel(affine(), { parameters: new Map() })).toThrow("parameter 'dense/weight' has no elements")
    const wrong = new Map([['dense/weight', float32([3], [1, 2, 3])]])
    expect(() => writeModel(affine(), { parameters: wrong })).toThrow('must be float32[2], received float32[3]')
    const integers = new Map([['dense/weight', int64([2], [1, 2])]])
    expect(() => writeModel(affine(), { parameters: integers })).toThrow('received int64[2]')
  })

  it('writes sub-graphs that capture values and return captured ones', async () => {
    const { model } = writeModel(branches())
    const x = new ort.Tensor('float32', [1, 2], [2])
    expect(await run(model, { x, condition: new ort.Tensor('bool', [true], []) })).toEqual([2, 4])
    expect(await run(model, { x, condition: new ort.Tensor('bool', [false], []) })).toEqual([1, 2])
  })

  it('imports the operator sets that are used', async () => {
    const b = new GraphBuilder('g')
    const x = b.input('x', vector)
    const [y] = b.node({ op: 'Gelu', domain: 'com.microsoft', inputs: [x], outputs: [vector], names: ['y'] })
    const { model } = writeModel(b.finish([y as Value]))
    expect(fromBinary(ModelProtoSchema, model).opsetImport.map((o) => o.domain)).toEqual(['', 'com.microsoft'])
    expect(await run(model, { x: new ort.Tensor('float32', [0, 0], [2]) })).toEqual([0, 0])
  })

  it('writes a constant that is an output', async () => {
    const b = new GraphBuilder('g')
    const [y] = b.node({ op: 'Identity', inputs: [b.constant(float32([2], [1, 2]))], outputs: [vector], names: ['y'] })
    const c = b.constant(float32([1], [7]), 'c')
    const { model } = writeModel(b.finish([y as Value, c]))
    const session = await ort.InferenceSession.create(model)
    expect(Array.from((await session.run({})).c?.data as Float32Array)).toEqual([7])
  })

  it('puts large tensors into a side file at aligned offsets', async () => {
    const { model, external } = writeModel(affine(), {
      parameters,
      externalData: { location: 'model.onnx.data', threshold: 0, alignment: 64 },
    })
    expect(external?.location).toBe('model.onnx.data')
    const data = new Uint8Array(external?.byteLength ?? 0)
    let at = 0
    for (const chunk of external?.chunks ?? []) {
      data.set(chunk, at)
      at += chunk.length
    }
    const offsets = fromBinary(ModelProtoSchema, model).graph?.initializer.map((t) => t.externalData[1]?.value)
    expect(offsets).toEqual(['0', '64'])
    const options = { externalData: [{ path: 'model.onnx.data', data }] }
    expect(await run(model, { x: new ort.Tensor('float32', [1, 2], [1, 2]) }, options)).toEqual([22, 44])
  })

  it('refuses a file beyond 2 GiB before it encodes anything', () => {
    const b = new GraphBuilder('g')
    const type: TensorType = { dtype: 'float32', shape: [2 ** 28] }
    const outputs = [b.parameter('v', type), b.parameter('w', type)]
    const elements = float32([2 ** 28], new Float32Array(2 ** 28))
    const options = {
      parameters: new Map([
        ['v', elements],
        ['w', elements],
      ]),
    }
    expect(() => writeModel(b.finish(outputs), options)).toThrow('an ONNX file at most 2147483647')
    const { external } = writeModel(b.finish(outputs), { ...options, externalData: { location: 'w.data' } })
    expect(external?.byteLength).toBe(2 ** 31)
  })

  it('passes the bytes of large weights through without work per element', () => {
    const b = new GraphBuilder('g')
    const w = b.parameter('w', { dtype: 'float32', shape: [500_000] })
    const elements = new Map([['w', float32([500_000], new Float32Array(500_000))]])
    const graph = b.finish([w])
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now()
      writeModel(graph, { parameters: elements })
      return performance.now() - start
    })
    // A few ms on a quiet machine; the bound only catches work per element.
    expect(Math.min(...times)).toBeLessThan(50)
  })
})

it.each([
  [true, ['late', 'sum']],
  ['unclear', ['late']],
  [false, []],
] as const)('writes types of intermediate values: %j', (intermediateTypes, expected) => {
  const b = new GraphBuilder('types')
  const [x, shape] = [b.input('x', vector), b.input('shape', { dtype: 'int64', shape: [1] })]
  const [late] = b.node({ op: 'Reshape', inputs: [x, shape], outputs: [vector], names: ['late'] })
  const [sum] = b.node({ op: 'Add', inputs: [late, x], outputs: [vector], names: ['sum'] })
  const [y] = b.node({ op: 'Exp', inputs: [sum], outputs: [vector], names: ['y'] })
  const { graph } = fromBinary(ModelProtoSchema, writeModel(b.finish([y as Value]), { intermediateTypes }).model)
  expect(graph!.valueInfo.map(({ name }) => name).sort()).toEqual([...expected])
})
