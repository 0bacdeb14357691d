/** The bytes of a file in which no Dropout drops. Only that input of the nodes is left out, the rest stays as it is. */
import { toBinary } from '@bufbuild/protobuf'
import { domainName } from './codes.ts'
import { decodeModel } from './decode-model.ts'
import { ModelProtoSchema } from './generated/onnx_pb.ts'

export function dropoutOffBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = decodeModel(bytes)
  for (const node of message.graph?.node ?? []) {
    // ratio and training_mode are inputs since opset 12.
    if (node.opType === 'Dropout' && domainName(node.domain) === '') node.input = node.input.slice(0, 2)
  }
  return toBinary(ModelProtoSchema, message)
}
