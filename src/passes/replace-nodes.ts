/** Nodes of a graph replaced by others that are written with an emitter, each under the value that it computed. */
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, reachable } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'

export interface Replacement<Match> {
  /** part of the names of new nodes, behind the name of the old one */
  readonly suffix: string
  /** what is replaced, read; undefined for nodes that stay */
  match(node: Node): Match | undefined
  /** the last node that it writes computes what the old one did */
  emit(g: Emitter, match: Match): void
}

export function replaceNodes<Match>(graph: Graph, table: OpTable, { suffix, match, emit }: Replacement<Match>): Graph {
  const builder = GraphBuilder.resume(graph)
  const g = new Emitter(table, builder)
  let changed = false
  const nodes = graph.nodes.flatMap((node) => {
    const found = match(node)
    if (!found) return [node]
    changed = true
    const from = builder.nodes.length
    builder.within(`${node.name}/${suffix}`, () => emit(g, found))
    const emitted = builder.nodes.slice(from)
    return emitted.map((last, i) => (i === emitted.length - 1 ? { ...last, outputs: node.outputs } : last))
  })
  return changed ? reachable({ ...graph, nodes }) : graph
}
