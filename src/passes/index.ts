/** The order in which passes run. A pass is a pure function from graph to graph; each stands in a file of its own. */
import { type Graph, reachable } from '../graph/graph.ts'
import { fuseMatMul } from './fuse-matmul.ts'
import { removeIdentity } from './remove-identity.ts'
import { share } from './share.ts'

/** Rewrites the forward graph of a training step, before its gradient is taken: what is cheaper forward is cheaper backward. */
export function optimizeForward(graph: Graph): Graph {
  return reachable(graph)
}

/** Rewrites the whole step: forward pass, loss and gradients. */
export function optimizeStep(graph: Graph): Graph {
  return fuseMatMul(share(removeIdentity(reachable(graph))))
}
