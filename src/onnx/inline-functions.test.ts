import { create, toBinary } from '@bufbuild/protobuf'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { ModelProtoSchema } from './generated/onnx_pb.ts'
import { readModel } from './read.ts'
import { writeModel } from './write.ts'

const vector = {
  value: {
    case: 'tensorType',
    value: { elemType: 1, shape: { dim: [{ value: { case: 'dimValue', value: 3n } }] } },
  },
}
const standard = { domain: '', version: 20n }

/** Leaky(x; slope) = LeakyRelu(x, alpha = slope); Both(x; slope) = (Leaky(x) + x, x), with an If around a captured value */
const leaky = {
  name: 'Leaky',
  domain: 'f',
  input: ['a'],
  output: ['b'],
  attribute: ['slope'],
  opsetImport: [standard],
  node: [
    { opType: 'LeakyRelu', input: ['a'], output: ['b'], attribute: [{ name: 'alpha', type: 1, refAttrName: 'slope' }] },
  ],
}
const branch = {
  name: 'branch',
  node: [{ opType: 'Add', input: ['h', 'a'], output: ['s'] }],
  output: [{ name: 's', type: vector }],
}
const both = {
  name: 'Both',
  domain: 'f',
  input: ['a'],
  output: ['c', 'a'],
  attributeProto: [{ name: 'slope', type: 1, f: 0.5 }],
  opsetImport: [standard, { domain: 'f', version: 1n }],
  node: [
    {
      opType: 'Leaky',
      domain: 'f',
      input: ['a'],
      output: ['h'],
      attribute: [{ name: 'slope', type: 1, refAttrName: 'slope' }],
    },
    {
      opType: 'Constant',
      output: ['yes'],
      attribute: [{ name: 'value', type: 4, t: { dataType: 9, int32Data: [1] } }],
    },
    {
      opType: 'If',
      input: ['yes'],
      output: ['c'],
      attribute: [
        { name: 'then_branch', type: 5, g: branch },
        { name: 'else_branch', type: 5, g: branch },
      ],
    },
  ],
}

function model(parts: object = {}): Uint8Array {
  const init = {
    irVersion: 9n,
    opsetImport: [standard, { domain: 'f', version: 1n }],
    functions: [leaky, both],
    graph: {
      name: 'g',
      input: [{ name: 'a', type: vector }],
      node: [
        { name: 'first', opType: 'Both', domain: 'f', input: ['a'], output: ['p', 'q'] },
        {
          name: 'second',
          opType: 'Both',
          domain: 'f',
          input: ['p'],
          output: ['y', 'unused'],
          attribute: [{ name: 'slope', type: 1, f: 2 }],
        },
      ],
      output: [
        { name: 'y', type: vector },
        { name: 'q', type: vector },
      ],
    },
    ...parts,
  }
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, init as object))
}

async function run(bytes: Uint8Array) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 })
  const { y, q } = await session.run({ a: new ort.Tensor('float32', [-1, 0, 2], [3]) })
  return [y, q].map((t) => Array.from(t?.data as Float32Array))
}

describe('inlineFunctions', () => {
  it('computes what the functions do, with attributes, defaults, sub-graphs and calls of calls', async () => {
    const { graph, opsets, extras } = await readModel(model())
    expect(new Set(graph.nodes.map((node) => node.op))).toEqual(new Set(['LeakyRelu', 'If', 'Identity']))
    const inlined = await run(writeModel(graph, { opsets, extras }).model)
    // ONNX Runtime wants each output of a function to be computed in it; files that pass an input through exist.
    const copied = { opType: 'Identity', input: ['a'], output: ['d'] }
    const forRuntime = { ...both, output: ['c', 'd'], node: [...both.node, copied] }
    expect(inlined).toEqual(await run(model({ functions: [leaky, forRuntime] })))
    // -1: first leaky(0.5) gives -0.5 - 1 = -1.5, then leaky(2) gives -3 - 1.5
    expect(inlined).toEqual([
      [-4.5, 0, 8],
      [-1, 0, 2],
    ])
  })

  it('leaves calls in a graph that is read as it is, or whose functions are of another opset', async () => {
    const kept = await readModel(model(), { upgrade: false })
    expect(kept.graph.nodes.map((node) => node.op)).toEqual(['Both', 'Both'])
    const other = { functions: [{ ...leaky, opsetImport: [{ domain: '', version: 17n }] }, both] }
    const { graph } = await readModel(model(other))
    expect(graph.nodes.map((node) => node.op)).toContain('Leaky')
  })

  it('refuses functions that call themselves or expand without end', async () => {
    const itself = { ...leaky, node: [{ opType: 'Leaky', domain: 'f', input: ['a'], output: ['b'] }] }
    await expect(readModel(model({ functions: [itself, both] }))).rejects.toThrow(
      "function 'Leaky' of the ONNX file calls itself",
    )
    // 2^31 nodes from 31 functions, called twice
    const bomb = Array.from({ length: 31 }, (_, i) => ({
      ...leaky,
      name: i === 0 ? 'Both' : `F${i}`,
      node: ['b', 'c'].map((b) => ({
        opType: i === 30 ? 'Tanh' : `F${i + 1}`,
        domain: i === 30 ? '' : 'f',
        input: ['a'],
        output: [b],
      })),
      opsetImport: both.opsetImport,
    }))
    await expect(readModel(model({ functions: bomb }))).rejects.toThrow('expand to 4294967296 nodes')
  })
})
