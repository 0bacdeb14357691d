/**
 * A first output that onnxruntime-node cannot hand to JavaScript: an empty sequence. Behind a run the binding copies every output into a new array, even
 * those that the runtime wrote to memory that was given to it; it does so in the order of the outputs, and stops with an error at one that it has no
 * value for. So whoever asks for this output as well gets that error, and no copies: all results are where they were to go.
 *
 * A binding that copies nothing, or knows sequences, runs such a model too: then there is no error.
 */
import { protoField } from './proto-field.ts'

const name = 'quern:nothing-returned'

/** Asked for beside the results of a run: its memory is the runtime's own. */
export const refusedOutput: Readonly<Record<typeof name, null>> = { [name]: null }

export const isRefusedOutput = (output: string): boolean => output === name

/** Whether an error of a run is that of this output. Errors of the run itself come before, and speak of something else. */
export const isRefusal = (message: string): boolean => message.includes('Non tensor type is temporarily not supported')

const utf8 = new TextEncoder()

/** onnx.proto: ModelProto.graph = 7, GraphProto.node = 1 and .output = 12, NodeProto.output = 2, .name = 3 and .op_type = 4. */
function prefix(): Uint8Array {
  const own = utf8.encode(name)
  const node = protoField(1, protoField(2, own), protoField(3, own), protoField(4, utf8.encode('SequenceEmpty')))
  // ValueInfoProto.name = 1, .type = 2; TypeProto.sequence_type = 4, .elem_type = 1, .tensor_type = 1, whose elem_type = 1 is FLOAT, 1
  const output = protoField(12, protoField(1, own), protoField(2, protoField(4, protoField(1, protoField(1, [8, 1])))))
  return Uint8Array.from(protoField(7, node, output))
}

/**
 * The bytes of a model with that output in front of its own. Protocol buffers merge a message that occurs twice and append its lists, so that the graph of
 * the prefix and the graph of the model become one.
 */
export function withRefusedOutput(model: Uint8Array): Uint8Array {
  const before = prefix()
  const bytes = new Uint8Array(before.length + model.length)
  bytes.set(before)
  bytes.set(model, before.length)
  return bytes
}
