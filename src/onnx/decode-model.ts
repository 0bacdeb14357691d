/** The message of a file, or an error that says what the bytes are instead. */
import { fromBinary } from '@bufbuild/protobuf'
import { messageOf, QuernError } from '../core/errors.ts'
import { type ModelProto, ModelProtoSchema } from './generated/onnx_pb.ts'

/** First bytes of files that people mistake for ONNX models. */
const signatures: readonly (readonly [start: string, what: string])[] = [
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['PK\x03\x04', 'a zip archive (a PyTorch checkpoint, a Keras model or a bundle)'],
  ['GGUF', 'a GGUF model'],
  ['\x89HDF', 'an HDF5 file (a Keras model)'],
  ['version https://git-lfs', 'a Git LFS pointer, not the file itself'],
  ['\x80\x02', 'a Python pickle (a PyTorch checkpoint)'],
  ['\x80\x04', 'a Python pickle'],
  ['\x1f\x8b', 'a gzip archive'],
  ['{', 'text (JSON?)'],
  ['<', 'text (a web page?)'],
]

export function decodeModel(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw new QuernError('input', 'the ONNX file is empty (0 bytes)')
  let message: ModelProto
  try {
    message = fromBinary(ModelProtoSchema, bytes)
  } catch (error) {
    throw notAModel(bytes, messageOf(error), error)
  }
  if (!message.graph) throw notAModel(bytes, 'it holds no graph')
  return message
}

function notAModel(bytes: Uint8Array, reason: string, cause?: unknown): QuernError {
  const start = Array.from(bytes.subarray(0, 32), (byte) => String.fromCharCode(byte)).join('')
  const found = signatures.find(([signature]) => start.startsWith(signature))
  const what = found
    ? `the bytes are ${found[1]}`
    : `the ${bytes.length} bytes are damaged, cut short or another format`
  return new QuernError('input', `not an ONNX model: ${what} (${reason})`, { cause })
}
