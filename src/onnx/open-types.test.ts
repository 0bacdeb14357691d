/** What is known of values when ranks are not, and of values that are no tensors. */
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { float32 } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { ContainerType, Value } from '../graph/graph.ts'
import { table } from '../ops/index.ts'
import { inferOpenTypes } from '../ops/infer-open.ts'
import { removeIdentity } from '../passes/remove-identity.ts'
import { share } from '../passes/share.ts'
import { tensorToProto } from './encode-tensor.ts'
import { ModelProtoSchema, TensorProtoSchema } from './generated/onnx_pb.ts'
import { readModel } from './read.ts'
import { readTensor } from './read-tensor.ts'
import { writeModel } from './write.ts'

const open: Value = { name: 'x', type: { dtype: 'float32', shape: undefined }, constant: undefined }
const matrix: Value = { name: 'm', type: { dtype: 'float32', shape: ['n', 4] }, constant: undefined }

function inferred(op: string, inputs: readonly Value[], attributes = {}) {
  return inferOpenTypes(table.get('', op)!, inputs, attributes, 1, op, table)[0]
}

describe('inferOpenTypes', () => {
  it('keeps the element type where the rank is not known', () => {
    expect(inferred('Relu', [open])).toEqual({ dtype: 'float32', shape: undefined })
    expect(inferred('Greater', [open, matrix])).toEqual({ dtype: 'bool', shape: undefined })
    expect(inferred('Concat', [open, open, open], { axis: { kind: 'int', value: 0 } })).toEqual({
      dtype: 'float32',
      shape: undefined,
    })
  })

  it('keeps the rank where it does not depend on the unknown one', () => {
    expect(inferred('Shape', [open])).toEqual({ dtype: 'int64', shape: ['?'] })
    expect(inferred('Size', [open])).toEqual({ dtype: 'int64', shape: [] })
    expect(inferred('Gemm', [open, matrix])).toEqual({ dtype: 'float32', shape: ['?', 4] })
    // A vector, a matrix or a batch of them: the result has another rank each time.
    expect(inferred('MatMul', [open, matrix])).toEqual({ dtype: 'float32', shape: undefined })
  })

  it('knows nothing of an operator that no rank fits', () => {
    expect(inferred('Gemm', [{ ...open, type: { dtype: 'bool', shape: undefined } }, matrix])).toBeDefined()
    expect(inferred('Relu', [{ ...open, type: undefined }])).toBeUndefined()
  })
})

describe('values that are no tensors', () => {
  const types: ContainerType[] = [
    { kind: 'sequence', element: { dtype: 'float32', shape: ['n', '?'] } },
    { kind: 'optional', element: { kind: 'sequence', element: { dtype: 'int64', shape: undefined } } },
    { kind: 'map', key: 'int64', value: { dtype: 'float32', shape: [2] } },
    { kind: 'sparse', dtype: 'float32', shape: [3, 4] },
    { kind: 'opaque', domain: 'test', name: 'handle' },
    { kind: 'sequence', element: undefined },
  ]

  it.each(types)('$kind is read as it was written, passes included', async (container) => {
    const b = new GraphBuilder('g')
    const input: Value = { name: 'x', type: undefined, constant: undefined, container }
    const output: Value = { name: 'y', type: undefined, constant: undefined, container }
    const node = { op: 'Keep', domain: 'test', name: 'keep', inputs: [input], outputs: [output], attributes: {} }
    const graph = { ...b.finish([]), inputs: [input], nodes: [node], outputs: [output] }
    const passed = removeIdentity(share(graph))
    const { graph: read } = await readModel(writeModel(passed).model)
    expect(read.inputs[0]?.container).toEqual(container)
    expect(read.outputs[0]?.container).toEqual(container)
    expect(read.inputs[0]?.type).toBeUndefined()
  })
})

describe('readTensor', () => {
  it('reads a tensor and its name', () => {
    const bytes = toBinary(TensorProtoSchema, tensorToProto('x', float32([2], [1, 2])))
    expect(readTensor(bytes)).toEqual({ name: 'x', tensor: float32([2], [1, 2]) })
  })

  it('says what is wrong', () => {
    expect(() => readTensor(new Uint8Array([255, 255]))).toThrow("not a tensor in ONNX' form")
  })
})

describe('the opset of what is written', () => {
  it('is that of the newest operator, unless the file says another', async () => {
    const b = new GraphBuilder('g')
    const x = b.input('x', { dtype: 'float32', shape: [2, 4] })
    const scale = b.constant(float32([4], [1, 1, 1, 1]))
    const [y] = b.node({ op: 'RMSNormalization', inputs: [x, scale], outputs: [x.type!] })
    const { model } = writeModel(b.finish([y!]))
    expect(fromBinary(ModelProtoSchema, model).opsetImport).toMatchObject([{ version: 23n }])
    expect((await readModel(model)).opsets).toEqual({ '': 23 })
  })

  it('keeps files of opset 21 to 26 in their own', async () => {
    const b = new GraphBuilder('g')
    const [y] = b.node({
      op: 'Relu',
      inputs: [b.input('x', { dtype: 'float32', shape: [2] })],
      outputs: [{ dtype: 'float32', shape: [2] }],
    })
    const { model } = writeModel(b.finish([y!]), { opsets: { '': 26 } })
    const read = await readModel(model, { ignoreStatedTypes: true })
    expect(read.opsets).toEqual({ '': 26 })
    expect(read.graph.outputs[0]?.type).toEqual({ dtype: 'float32', shape: [2] })
  })
})
