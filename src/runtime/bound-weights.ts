/** A session whose weights are inputs that are always the same: nobody who runs it needs to know. */
import type { Tensor } from '../core/tensor.ts'
import type { Session } from './backend.ts'

export function withWeights(session: Session, weights: ReadonlyMap<string, Tensor>): Session {
  if (weights.size === 0) return session
  const fixed = Object.fromEntries(weights)
  return {
    inputs: session.inputs.filter(({ name }) => !weights.has(name)),
    outputs: session.outputs,
    run: (feeds, outputs) => session.run({ ...feeds, ...fixed }, outputs),
    bind: (feeds, results) => session.bind({ ...feeds, ...fixed }, results),
    release: () => session.release(),
  }
}
