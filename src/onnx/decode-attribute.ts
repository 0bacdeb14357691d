/** Attributes from messages. */
import { isFieldSet, toBinary } from '@bufbuild/protobuf'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Attribute, Graph } from '../graph/graph.ts'
import { attributeCodes } from './codes.ts'
import { type AttributeProto, AttributeProtoSchema, type GraphProto, type TensorProto } from './generated/onnx_pb.ts'

/** How the reader turns the larger parts of an attribute into values. */
export interface AttributeParts {
  tensor(message: TensorProto, what: string): Tensor
  graph(message: GraphProto, what: string): Graph
}

/** Which field holds the value of each type of attribute. */
const fields = {
  [attributeCodes.float]: 'f',
  [attributeCodes.int]: 'i',
  [attributeCodes.string]: 's',
  [attributeCodes.tensor]: 't',
  [attributeCodes.graph]: 'g',
  [attributeCodes.floats]: 'floats',
  [attributeCodes.ints]: 'ints',
  [attributeCodes.strings]: 'strings',
  [attributeCodes.tensors]: 'tensors',
  [attributeCodes.graphs]: 'graphs',
  [attributeCodes.sparseTensor]: 'sparseTensor',
  [attributeCodes.sparseTensors]: 'sparseTensors',
  [attributeCodes.type]: 'tp',
  [attributeCodes.types]: 'typeProtos',
} as const

/** `what` names the attribute and its node in errors. */
export function attributeFromProto(message: AttributeProto, parts: AttributeParts, what: string): Attribute {
  switch (codeOf(message, what)) {
    case attributeCodes.float:
      return { kind: 'float', value: message.f }
    case attributeCodes.int:
      return { kind: 'int', value: fromInt64(message.i) }
    case attributeCodes.floats:
      return { kind: 'floats', value: message.floats }
    case attributeCodes.ints:
      return { kind: 'ints', value: message.ints.map(fromInt64) }
    case attributeCodes.string: {
      const value = decodeText(message.s)
      return value === undefined ? opaque(message) : { kind: 'string', value }
    }
    case attributeCodes.strings: {
      const value = message.strings.map(decodeText)
      return value.every((text) => text !== undefined) ? { kind: 'strings', value } : opaque(message)
    }
    case attributeCodes.tensor:
      return { kind: 'tensor', value: parts.tensor(message.t ?? fail(what, 'is a tensor without one'), what) }
    case attributeCodes.graph:
      return { kind: 'graph', value: parts.graph(message.g ?? fail(what, 'is a graph without one'), what) }
    default:
      return opaque(message)
  }
}

/** The attribute's type, checked against the fields that are filled. Files of IR version 1 leave the type out. */
function codeOf(message: AttributeProto, what: string): number {
  if (message.refAttrName !== '')
    fail(what, `refers to the function attribute '${message.refAttrName}' outside of a function`)
  const filled = Object.entries(fields).filter(([, field]) => isFieldSet(message, AttributeProtoSchema.field[field]))
  if (message.type === 0) {
    const [first] = filled
    return first && filled.length === 1 ? Number(first[0]) : fail(what, 'has no type')
  }
  const wanted = (fields as Record<number, string>)[message.type]
  if (wanted === undefined) return fail(what, `has the type ${message.type}, expected a code from 1 to 14`)
  const other = filled.find(([, field]) => field !== wanted)
  // A zero, an empty string and an empty list may be left out of the file, but nothing else may stand in their place.
  if (other) fail(what, `is of the kind '${wanted}' by its type and holds '${other[1]}'`)
  return message.type
}

function opaque(message: AttributeProto): Attribute {
  return { kind: 'opaque', value: toBinary(AttributeProtoSchema, message) }
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** ONNX writes "to the end" as an extreme of int64: it stays beyond any size (as in core/tensor.ts). */
function fromInt64(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER)
  return Number(value > limit ? limit : value < -limit ? -limit : value)
}

function fail(what: string, problem: string): never {
  throw new QuernError('input', `${what} ${problem}`)
}
