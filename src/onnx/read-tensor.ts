/** One tensor in ONNX' bytes: the files `input_0.pb` and `output_0.pb` of ONNX' test data, and what other tools save beside a model. */
import { fromBinary } from '@bufbuild/protobuf'
import { messageOf, QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import { tensorFromProto } from './decode-tensor.ts'
import { TensorProtoSchema } from './generated/onnx_pb.ts'

/** The tensor of a TensorProto message and its name ('' when it has none); an error of the kind 'input' when the bytes are something else. */
export function readTensor(bytes: Uint8Array): { readonly name: string; readonly tensor: Tensor } {
  let message: ReturnType<typeof decode>
  try {
    message = decode(bytes)
  } catch (cause) {
    throw new QuernError('input', `not a tensor in ONNX' form: ${messageOf(cause)}`, { cause })
  }
  const what = message.name === '' ? 'the tensor' : `tensor '${message.name}'`
  return { name: message.name, tensor: tensorFromProto(message, new Map(), what) }
}

function decode(bytes: Uint8Array) {
  return fromBinary(TensorProtoSchema, bytes)
}
