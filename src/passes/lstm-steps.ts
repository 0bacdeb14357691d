/**
 * LSTM forwards with what its gradient needs, and that gradient. The factors that do not hold dH are computed in the forward loop, while the
 * gates of the step are in the cache.
 *
 * All four gates are one sigmoid: tanh(x) = 2 sigmoid(2 x) - 1, so the rows of c in W, R and the bias are doubled.
 */
import { float32 } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import {
  type Arriving,
  arrivingAt,
  asRows,
  biasFor,
  type Kept,
  ofInput,
  type StepGradients,
  type Steps,
  sideBySide,
  withBias,
  within,
} from './gate-steps.ts'
import { scanOverTime } from './scan-over-time.ts'

export function keepLstm(steps: Steps): Kept {
  const { g, name, backwards, x, bias, initial, valid } = steps
  const hidden = shapeOf(initial[0]!)[0] as number
  const scale = g.constant(float32([4 * hidden, 1], doubledLast(hidden)), 'doubled')
  const [w, r] = [g.mul(steps.w, scale), g.mul(steps.r, scale)]
  const sums = g.matMul(w, x)
  const both = bias && biasFor(g, g.mul(g.add(...bias), scale), initial[0]!)
  const scan = scanOverTime(g, {
    name: `${name}/steps`,
    states: initial,
    sequences: valid ? [sums, valid] : [sums],
    backwards,
    turn: (e, [h, c], [sum, m]) => step(e, r, h!, c!, withBias(e, sum!, both), m),
  })
  const [y, ...kept] = scan.yields as [Value, ...Value[]]
  const weights = { ...steps, w, r }
  const gradient: Kept['gradient'] = (e, label, arriving) => gradientOf(e, label, weights, scale, kept, arriving)
  return { y, last: scan.states, gradient }
}

/** 1 for the rows of i, o, f and 2 for those of c. */
function doubledLast(hidden: number): number[] {
  return Array.from({ length: 4 * hidden }, (_, i) => (i < 3 * hidden ? 1 : 2))
}

function step(g: Emitter, r: Value, h: Value, c: Value, sum: Value, valid: Value | undefined) {
  const gates = g.sigmoid(g.gemm(r, h, sum))
  const [i, o, f, s] = g.ops('Split', [gates], { axis: 0, num_outputs: 4 }, 4) as [Value, Value, Value, Value]
  const proposed = g.sub(g.add(s, s), 1)
  const cell = g.add(g.mul(f, c), g.mul(i, proposed))
  const tanh = g.tanh(cell)
  const y = g.mul(o, tanh)
  // dC = dH o (1 - tanh^2); the sums get [c, tanh, C_{t-1}, 2 i] gates (1 - gates), with s as the gate of c: dc/dsum = 2 s (1 - s).
  const toCell = g.sub(o, g.mul(y, tanh))
  const slopes = g.sub(gates, g.mul(gates, gates))
  const toSums = g.mul(g.concat([proposed, tanh, c, g.add(i, i)], 0), slopes)
  return {
    states: [within(g, valid, y, h), within(g, valid, cell, c)],
    yields: [y, h, within(g, valid, toCell, 0), within(g, valid, f, 1), within(g, valid, toSums, 0)],
  }
}

function gradientOf(
  g: Emitter,
  name: string,
  steps: Steps,
  scale: Value,
  [before, toCell, forget, toSums]: readonly Value[],
  { dy, dLast }: Arriving,
): StepGradients {
  const { r, valid, initial, backwards } = steps
  const turned = g.swapLast(r)
  const optional = [dy, valid].filter((value) => value !== undefined)
  const scan = scanOverTime(g, {
    name,
    states: initial.map((state, i) => dLast[i] ?? g.zerosLike(state)),
    sequences: [toCell!, forget!, toSums!, ...optional],
    backwards: !backwards,
    turn: (e, [last, dc], [cellSlope, keep, sumSlopes, ...more]) => {
      const dh = arrivingAt(e, last!, dy && more[0])
      const slope = e.add(e.mul(dh, cellSlope!), dc!)
      const sums = e.mul(e.concat([slope, dh, slope, slope], 0), sumSlopes!)
      const passing = valid && e.where(more.at(-1)!, 0, dh)
      return { states: [e.gemm(turned, sums, passing), e.mul(slope, keep!)], yields: [sums] }
    },
  })
  // Of the doubled sums; W, R and the bias were doubled with them.
  const sums = scan.yields[0]!
  const flat = sideBySide(g, sums)
  const doubled = (gradient: Value) => g.mul(gradient, scale)
  const bias = g.reshape(doubled(g.sum(flat, [1], true)), [shapeOf(flat)[0]!])
  return {
    x: ofInput(g, steps.w, sums),
    w: doubled(g.gemm(flat, steps.rows)),
    r: doubled(g.gemm(flat, asRows(g, before!))),
    bias: [bias, bias],
    initial: scan.states,
  }
}
