/**
 * What an ONNX file holds and a graph has no place for: functions of the model and documentation.
 * Reading keeps it, writing puts it back, nothing else looks at it.
 */
import type { ModelProto } from './generated/onnx_pb.ts'

export interface ModelExtras {
  /** sets the fields of the file that are not made from the graph */
  restore(model: ModelProto): void
}

/** Keeps the message's functions, training information and texts; its weights are not held on to. */
export function extrasFrom(message: ModelProto): ModelExtras {
  const { functions, trainingInfo, docString, domain, modelVersion } = message
  const graphText = message.graph?.docString ?? ''
  const graphMetadata = message.graph?.metadataProps ?? []
  return {
    restore(model) {
      model.functions = functions
      model.trainingInfo = trainingInfo
      if (docString !== '') model.docString = docString
      if (domain !== '') model.domain = domain
      if (modelVersion !== 0n) model.modelVersion = modelVersion
      if (!model.graph) return
      if (graphText !== '') model.graph.docString = graphText
      model.graph.metadataProps = graphMetadata
    },
  }
}
