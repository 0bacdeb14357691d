/**
 * What tells one network from another, whatever functions it was written with: a hash over the operators that they wrote. A function has no
 * name and its source text does not say what it closes over; the graph of the forward pass and the losses holds all of it.
 */
import { sha256, sha256OfText } from '../core/hash.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { printGraph } from '../graph/print.ts'
import { traceJoint } from './joint-trace.ts'
import { type JointNetwork, jointFrom, type Network } from './network.ts'

/** Elements of a constant that are looked at; of larger ones, which are the frozen weights of a file, name and shape count. */
const mostElements = 2 ** 16

/** The hash of operators, attributes and constants in training mode, for a batch of some size; how parameters are drawn at first is not in it. */
export async function networkDigest(given: Network | JointNetwork, batch: number): Promise<string> {
  const network = jointFrom(given)
  const { g, tracer, losses, reports, outputs } = traceJoint(network, {
    ...{ batch, training: true, objectives: network.objectives },
  })
  const ends = [losses, reports, outputs, tracer.updates].flatMap((named) => [...named.entries()])
  const graph = g.builder.finish(ends.map(([, value]) => value))
  const draws = tracer.draws.map(({ site, distribution, value }) => [site, distribution, value.type?.shape])
  const names = ends.map(([name]) => name)
  return sha256OfText(JSON.stringify([printGraph(graph), names, draws, await digestsOf(constantsOf(graph))]))
}

async function digestsOf(tensors: Iterable<Tensor>): Promise<string[]> {
  const found: string[] = []
  for (const { data } of tensors) {
    if (data.length > mostElements) continue
    const bytes = ArrayBuffer.isView(data) && new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    found.push(bytes ? await sha256(bytes) : await sha256OfText(JSON.stringify(data)))
  }
  return found
}

/** Each once, in the order of the nodes that read them; those in attributes and sub-graphs included. */
function constantsOf(graph: Graph): Set<Tensor> {
  const found = new Set<Tensor>()
  const take = (value: Value | undefined) => value?.constant && found.add(value.constant)
  const visit = ({ inputs, attributes }: Node): void => {
    for (const value of inputs) take(value)
    for (const attribute of Object.values(attributes)) {
      if (attribute.kind === 'tensor') found.add(attribute.value)
      if (attribute.kind === 'graph') {
        for (const node of attribute.value.nodes) visit(node)
        for (const value of attribute.value.outputs) take(value)
      }
    }
  }
  for (const node of graph.nodes) visit(node)
  for (const value of graph.outputs) take(value)
  return found
}
