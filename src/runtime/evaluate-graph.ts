/** Runs a graph once: for constant folding and for comparisons. */
import type { Tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import { writeModel } from '../onnx/write.ts'
import type { Backend, NamedTensors } from './backend.ts'

/** A function that runs a graph on the backend and returns its outputs in their order; it makes a session for each call. */
export function graphEvaluator(backend: Backend): (graph: Graph, feeds?: NamedTensors) => Promise<readonly Tensor[]> {
  return async (graph, feeds = {}) => {
    const session = await backend.createSession(writeModel(graph).model)
    try {
      const results = await session.run(feeds)
      return graph.outputs.map(({ name }) => results[name]!)
    } finally {
      await session.release()
    }
  }
}
