/** Tensors as messages. */
import { create } from '@bufbuild/protobuf'
import { byteLength, type DType, dtypes } from '../core/dtype.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { type TensorProto, TensorProtoSchema } from './generated/onnx_pb.ts'

const utf8 = new TextEncoder()

/** The elements as ONNX lays them out, little endian as every machine that Node's runtime supports. A view, no copy. */
export function bytesOf({ data }: Tensor<Exclude<Tensor['data'], string[]>>): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Bytes that a tensor takes in a file. */
export function storedBytes({ dtype, shape, data }: Tensor): number {
  if (!Array.isArray(data)) return byteLength(dtype, sizeOf(shape))
  return data.reduce((sum, text) => sum + text.length, 0)
}

/** The message without its elements. */
export function tensorHeader(name: string, { dtype, shape }: Tensor): TensorProto {
  return create(TensorProtoSchema, { name, dataType: dtypes[dtype].code, dims: shape.map(BigInt) })
}

/** The message with its elements in `raw_data`, strings in `string_data`. */
export function tensorToProto(name: string, tensor: Tensor): TensorProto {
  const message = tensorHeader(name, tensor)
  if (Array.isArray(tensor.data)) message.stringData = tensor.data.map((text) => utf8.encode(text))
  else message.rawData = bytesOf(tensor as Parameters<typeof bytesOf>[0])
  return message
}

/** The IR version that first knew an element type; 9 is what Quern writes otherwise. */
export function irVersionOf(dtype: DType): number {
  if (dtype === 'float4e2m1') return 11
  return dtype === 'int4' || dtype === 'uint4' ? 10 : 9
}
