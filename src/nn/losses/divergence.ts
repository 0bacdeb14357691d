/** Distances of distributions over classes, on the last axis. Targets are probabilities. */
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { type Loss, meanLoss, requireFit, requireForm } from './loss.ts'
import { logProbabilities, tiny } from './probabilities.ts'

export interface DivergenceOptions {
  /** the predictions are scores before the softmax; default: found out from the graph (isScore in loss.ts) */
  readonly fromLogits?: boolean
}

function divergence(
  name: string,
  { fromLogits, ...rest }: DivergenceOptions,
  of: (g: Emitter, logP: Value, q: Value) => Value,
): Loss {
  return meanLoss(name, fromLogits === undefined ? rest : { fromLogits, ...rest }, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., classes]', predictions, (s) => s.length >= 2)
    requireFit(name, shapeOf(predictions), predictions, targets)
    return of(g, logProbabilities(g, predictions, fromLogits), g.cast(targets, 'float32'))
  })
}

/** x log x, 0 at 0 */
function xLogX(g: Emitter, x: Value): Value {
  return g.mul(x, g.log(g.max(x, tiny)))
}

/** Kullback-Leibler divergence: mean over the batch of sum of q (log q - log p) with targets q and predictions p. */
export function klDivergence(options: DivergenceOptions = {}): Loss {
  return divergence('klDivergence', options, (g, logP, q) => g.sum(g.sub(xLogX(g, q), g.mul(q, logP)), [-1]))
}

/**
 * Jensen-Shannon divergence (Lin 1991): KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2. From 0 to log 2.
 */
export function jensenShannon(options: DivergenceOptions = {}): Loss {
  return divergence('jensenShannon', options, (g, logP, q) => {
    const p = g.exp(logP)
    const logM = g.log(g.max(g.mul(g.add(p, q), 0.5), tiny))
    const fromP = g.mul(p, g.sub(logP, logM))
    const fromQ = g.sub(xLogX(g, q), g.mul(q, logM))
    return g.mul(g.sum(g.add(fromP, fromQ), [-1]), 0.5)
  })
}
