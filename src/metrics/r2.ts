/**
 * The share of the targets' variance that the predictions explain: 1 - sum (y - p)^2 / sum (y - mean y)^2. 0 for who always answers the
 * mean, below it for who does worse. Of several outputs the plain mean, as scikit-learn's default; NaN when all targets are equal.
 */
import { checkMergeable, checkRegression, type Metric, type RegressionBatch } from './metric.ts'

/** By output: weight so far, mean of the targets, their summed squared distance to it (Welford 1962), summed squared errors. */
export interface R2State {
  readonly outputs: number
  readonly weight: number
  readonly mean: number[]
  readonly spread: number[]
  readonly error: number[]
}

const nothing: R2State = { outputs: 0, weight: 0, mean: [], spread: [], error: [] }

export const r2: Metric<R2State, RegressionBatch, number> = {
  name: 'r2',
  better: 'higher',
  start: () => nothing,
  add(state, batch) {
    const { predictions, targets, outputs = 1, weights } = batch
    const count = checkRegression(batch)
    if (state.outputs !== 0) checkMergeable('outputs', state.outputs, outputs)
    const zeros = () => new Array<number>(outputs).fill(0)
    const isFirst = state.outputs === 0
    const [mean, spread, error] = isFirst
      ? [zeros(), zeros(), zeros()]
      : [[...state.mean], [...state.spread], [...state.error]]
    let { weight } = state
    for (let row = 0; row < count; row++) {
      const w = weights?.[row] ?? 1
      if (w === 0) continue
      weight += w
      for (let o = 0; o < outputs; o++) {
        const y = targets[row * outputs + o]!
        const before = y - mean[o]!
        mean[o]! += (w / weight) * before
        spread[o]! += w * before * (y - mean[o]!)
        error[o]! += w * (y - predictions[row * outputs + o]!) ** 2
      }
    }
    return { outputs, weight, mean, spread, error }
  },
  merge(a, b) {
    if (a.weight === 0 || b.weight === 0) return a.weight === 0 ? b : a
    checkMergeable('outputs', a.outputs, b.outputs)
    const weight = a.weight + b.weight
    const gap = a.mean.map((mean, o) => b.mean[o]! - mean)
    return {
      outputs: a.outputs,
      weight,
      mean: a.mean.map((mean, o) => mean + (gap[o]! * b.weight) / weight),
      spread: a.spread.map((spread, o) => spread + b.spread[o]! + (gap[o]! ** 2 * a.weight * b.weight) / weight),
      error: a.error.map((error, o) => error + b.error[o]!),
    }
  },
  value({ outputs, spread, error }) {
    if (outputs === 0) return Number.NaN
    return spread.reduce((sum, s, o) => sum + (s > 0 ? 1 - error[o]! / s : Number.NaN) / outputs, 0)
  },
}
