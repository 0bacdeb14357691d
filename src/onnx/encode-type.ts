/** Types of values as messages. */
import { create } from '@bufbuild/protobuf'
import { dtypes } from '../core/dtype.ts'
import { type Dim, type Shape, unknownDim } from '../core/shape.ts'
import type { ContainerType, TensorType } from '../graph/graph.ts'
import {
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type TypeProto,
  TypeProto_MapSchema,
  TypeProto_OpaqueSchema,
  TypeProto_OptionalSchema,
  TypeProto_SequenceSchema,
  TypeProto_SparseTensorSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
} from './generated/onnx_pb.ts'

export function typeToProto({ dtype, shape }: TensorType): TypeProto {
  const value = create(TypeProto_TensorSchema, { elemType: dtypes[dtype].code, ...shapeField(shape) })
  return create(TypeProtoSchema, { value: { case: 'tensorType', value } })
}

export function containerToProto(type: ContainerType): TypeProto {
  return create(TypeProtoSchema, { value: containerValue(type) })
}

function containerValue(type: ContainerType): TypeProto['value'] {
  const inner = (of: TensorType | ContainerType | undefined) =>
    of && ('kind' in of ? containerToProto(of) : typeToProto(of))
  switch (type.kind) {
    case 'sequence': {
      const elemType = inner(type.element)
      return { case: 'sequenceType', value: create(TypeProto_SequenceSchema, elemType ? { elemType } : {}) }
    }
    case 'optional': {
      const elemType = inner(type.element)
      return { case: 'optionalType', value: create(TypeProto_OptionalSchema, elemType ? { elemType } : {}) }
    }
    case 'map': {
      const valueType = inner(type.value)
      const keyType = dtypes[type.key].code
      return {
        case: 'mapType',
        value: create(TypeProto_MapSchema, { keyType, ...(valueType ? { valueType } : {}) }),
      }
    }
    case 'sparse': {
      const elemType = dtypes[type.dtype].code
      const value = create(TypeProto_SparseTensorSchema, { elemType, ...shapeField(type.shape) })
      return { case: 'sparseTensorType', value }
    }
    case 'opaque':
      return {
        case: 'opaqueType',
        value: create(TypeProto_OpaqueSchema, { domain: type.domain, name: type.name }),
      }
  }
}

function shapeField(shape: Shape | undefined): { shape?: TensorShapeProto } {
  return shape ? { shape: create(TensorShapeProtoSchema, { dim: shape.map(dimToProto) }) } : {}
}

/** A number stands for itself, a name for a size known later, '?' for no statement at all. */
function dimToProto(dim: Dim): TensorShapeProto_Dimension {
  if (dim === unknownDim) return create(TensorShapeProto_DimensionSchema)
  return create(TensorShapeProto_DimensionSchema, {
    value: typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
  })
}
