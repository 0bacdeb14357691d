/** The order in which passes run. A pass is a pure function from graph to graph; each stands in a file of its own. */
import { type Graph, reachable } from '../graph/graph.ts'
import type { OpTable } from '../ops/op.ts'
import { dropExpand } from './drop-expand.ts'
import { fuseMatMul } from './fuse-matmul.ts'
import { joinOutputs } from './join-outputs.ts'
import { maskAtOnce } from './mask-at-once.ts'
import { pickedGradient } from './picked-gradient.ts'
import { poolAsPhases } from './pool-as-phases.ts'
import { poolBeforeActivation } from './pool-before-activation.ts'
import { reduceCoveringPool } from './reduce-covering-pool.ts'
import { removeIdentity } from './remove-identity.ts'
import { reuseGelu } from './reuse-gelu.ts'
import { rowsFirst } from './rows-first.ts'
import { share } from './share.ts'
import { softmaxByOutput } from './softmax-by-output.ts'
import { sumByProduct } from './sum-by-product.ts'
import { transposeApart } from './transpose-apart.ts'
import { transposeBeforeSum } from './transpose-before-sum.ts'
import { winograd } from './winograd.ts'

/** Rewrites a forward graph for inference. What comes out is made of standard operators and gives the same numbers. */
export function optimizeInference(graph: Graph): Graph {
  return poolBeforeActivation(reachable(graph))
}

/** Rewrites the forward graph of a training step, before its gradient is taken: what is cheaper forward is cheaper backward. */
export function optimizeForward(graph: Graph, table: OpTable): Graph {
  return rowsFirst(winograd(poolAsPhases(optimizeInference(graph), table), table), table)
}

/**
 * In this order: double transpositions must be gone before products take in single ones, so fuseMatMul comes late. The last writes nodes that are there
 * for the order of execution alone, which removeIdentity would take away.
 */
const stepPasses: readonly ((graph: Graph, table: OpTable) => Graph)[] = [
  reachable,
  joinOutputs,
  reduceCoveringPool,
  dropExpand,
  share,
  removeIdentity,
  reuseGelu,
  softmaxByOutput,
  maskAtOnce,
  sumByProduct,
  removeIdentity,
  transposeBeforeSum,
  fuseMatMul,
  transposeApart,
  pickedGradient,
]

/** Rewrites the whole step, forward pass, loss and gradients, for the runtime: the result is not meant for export. */
export function optimizeStep(graph: Graph, table: OpTable): Graph {
  return stepPasses.reduce((rewritten, pass) => pass(rewritten, table), graph)
}
