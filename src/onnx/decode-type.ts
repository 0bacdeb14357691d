/** Types of values from messages. */
import { type Dim, unknownDim } from '../core/shape.ts'
import type { ContainerType, TensorType } from '../graph/graph.ts'
import { dtypeOfCode, sizesFromProto } from './decode-tensor.ts'
import type { TensorShapeProto, TypeProto } from './generated/onnx_pb.ts'

/** The tensor type of a message; undefined when it says nothing or something that is not a tensor. */
export function typeFromProto(message: TypeProto | undefined, what: string): TensorType | undefined {
  if (message?.value.case !== 'tensorType') return undefined
  const { elemType, shape } = message.value.value
  if (elemType === 0) return undefined
  return { dtype: dtypeOfCode(elemType, what), shape: shape && dimsFromProto(shape, what) }
}

function dimsFromProto(shape: TensorShapeProto, what: string): Dim[] {
  return shape.dim.map(({ value }): Dim => {
    // Some exporters write -1 for a size that is not known.
    if (value.case === 'dimValue')
      return value.value === -1n ? unknownDim : (sizesFromProto([value.value], what)[0] as Dim)
    return value.case === 'dimParam' && value.value !== '' ? value.value : unknownDim
  })
}

/** Sequences, optionals, maps and sparse tensors; undefined for tensors and for what the message does not say. */
export function containerFromProto(message: TypeProto | undefined, what: string): ContainerType | undefined {
  const of = (inner: TypeProto | undefined) => typeFromProto(inner, what) ?? containerFromProto(inner, what)
  const { value } = message ?? {}
  switch (value?.case) {
    case 'sequenceType':
      return { kind: 'sequence', element: of(value.value.elemType) }
    case 'optionalType':
      return { kind: 'optional', element: of(value.value.elemType) }
    case 'mapType':
      return { kind: 'map', key: dtypeOfCode(value.value.keyType, what), value: of(value.value.valueType) }
    case 'sparseTensorType': {
      const { elemType, shape } = value.value
      return { kind: 'sparse', dtype: dtypeOfCode(elemType, what), shape: shape && dimsFromProto(shape, what) }
    }
    case 'opaqueType':
      return { kind: 'opaque', domain: value.value.domain, name: value.value.name }
    default:
      return undefined
  }
}
