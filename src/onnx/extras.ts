/**
 * What an ONNX file holds and a graph has no place for: functions of the model, documentation, types that are not tensors.
 * Reading keeps it, writing puts it back, nothing else looks at it.
 */
import type { Value } from '../graph/graph.ts'
import type { ModelProto, TypeProto } from './generated/onnx_pb.ts'

export interface ModelExtras {
  /** types of values that are sequences, optionals, maps or sparse tensors */
  readonly types: ReadonlyMap<Value, TypeProto>
  /** sets the fields of the file that are not made from the graph */
  restore(model: ModelProto): void
}
