/**
 * Gradients of RNN, LSTM and GRU: the formulas of one direction. recurrent-time.ts has the loop over time and the frame.
 *
 * A cell's rule brings everything that does not hold dH into factors of all steps at once, `[time * batch, ...]`; in the loop, a step
 * multiplies them with its dH, `[batch, hidden]`.
 */
import { dtypeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { GradientRule } from './op.ts'
import { backwardsInTime, gatesOf, masked, overDirections, plus, type Run, shared, steps } from './recurrent-time.ts'

/** slope of a sigmoid and of a tanh, from the value */
const sigmoidSlope = (g: Emitter, s: Value): Value => g.mul(s, g.sub(1, s))
const tanhSlope = (g: Emitter, t: Value): Value => g.sub(1, g.mul(t, t))

/** x W^T + H R^T + Wb + Rb of all steps, or of some rows of the weights. */
function sums(run: Run): Value {
  const { g, x, w, r, bias, before } = run
  const ofX = g.gemm(x, w, bias && g.add(...bias), { transB: true })
  return g.gemm(before, r, ofX, { transB: true })
}

/** 1 at steps behind the end, `[batch, 1]` each: there the state stands still and its gradient passes. */
function standing({ g, valid, y, order }: Run): readonly Value[] | undefined {
  return valid && steps(g, g.cast(g.op('Not', [valid]), dtypeOf(y)), order.length)
}

const turned = { transA: true }

/** dsum = dH f'(sum), dH_{t-1} = dsum R; f' comes from Y. */
export const rnnGradient: GradientRule = overDirections((run, { attributes }) => {
  const { g, y, r, order, before } = run
  const names = (attributes.raw('activations')?.value ?? []) as readonly string[]
  const relu = names[run.direction] === 'Relu'
  const slopes = steps(g, masked(run, relu ? g.cast(g.greater(y, 0), dtypeOf(y)) : tanhSlope(g, y)), order.length)
  const still = standing(run)
  const parts: Value[] = []
  const dh0 = backwardsInTime(run, (t, dh, next) => {
    const part = g.mul(dh, slopes[t]!)
    parts[t] = part
    return g.gemm(part, r, plus(g, still && g.mul(dh, still[t]!), next))
  })
  const all = g.concat(parts, 0)
  return { ...shared(run, all, all, g.gemm(all, before, undefined, turned)), initial: [dh0] }
})

/**
 * dC = dC' + dH o (1 - tanh(C)^2); the sums of the gates i, o, f, c get
 * [dC c i(1 - i), dH tanh(C) o(1 - o), dC C_{t-1} f(1 - f), dC i (1 - c^2)]; dC_{t-1} = dC f, dH_{t-1} = dsums R.
 */
export const lstmGradient: GradientRule = overDirections((run) => {
  const { g, r, order, before, initial, dLast } = run
  const count = order.length
  const [si, so, sf, sc] = gatesOf(g, sums(run), 4) as [Value, Value, Value, Value]
  const [i, o, f, c] = [g.sigmoid(si), g.sigmoid(so), g.sigmoid(sf), g.tanh(sc)]
  const kept = steps(g, masked(run, f, 1), count)
  const added = steps(g, masked(run, g.mul(i, c)), count)
  const [cellBefore, cellAfter]: [Value[], Value[]] = [[], []]
  let cell = initial[1]!
  for (const t of order) {
    cellBefore[t] = cell
    cell = g.add(g.mul(kept[t]!, cell), added[t]!)
    cellAfter[t] = cell
  }
  const tanh = g.tanh(g.concat(cellAfter, 0))
  const toCell = steps(g, masked(run, g.mul(o, tanhSlope(g, tanh))), count)
  const factors = [
    g.mul(c, sigmoidSlope(g, i)),
    g.mul(tanh, sigmoidSlope(g, o)),
    g.mul(g.concat(cellBefore, 0), sigmoidSlope(g, f)),
    g.mul(i, tanhSlope(g, c)),
  ]
  const toSums = steps(g, masked(run, g.concat(factors, 1)), count)
  const still = standing(run)
  const parts: Value[] = []
  let dc = dLast[1]
  const dh0 = backwardsInTime(run, (t, dh, next) => {
    const slope = plus(g, g.mul(dh, toCell[t]!), dc)!
    dc = g.mul(slope, kept[t]!)
    const part = g.mul(g.concat([slope, dh, slope, slope], 1), toSums[t]!)
    parts[t] = part
    return g.gemm(part, r, plus(g, still && g.mul(dh, still[t]!), next))
  })
  const all = g.concat(parts, 0)
  return { ...shared(run, all, all, g.gemm(all, before, undefined, turned)), initial: [dh0, dc!] }
})

/**
 * H' = (1 - z) h + z H, so that dh = dH (1 - z), dz = dH (H - h), and dH_{t-1} has dH z and what comes through the gates.
 * The sums of z, r, h get dz z(1 - z), dr r(1 - r), dh (1 - h^2). Behind the end (1 - z) is 0: z is 1 there.
 */
export const gruGradient: GradientRule = overDirections((run, { attributes }) =>
  attributes.int('linear_before_reset') === 0 ? resetFirst(run) : resetLast(run),
)

/** Weights and biases of the gates z and r together, and of h. */
function gruWeights({ g, w, r, bias, initial }: Run) {
  const hidden = initial[0]!.type!.shape![1] as number
  const cut = (value: Value, axis: number): [Value, Value] => [
    g.slice(value, [0], [2 * hidden], [axis]),
    g.slice(value, [2 * hidden], [3 * hidden], [axis]),
  ]
  return { w: cut(w, 0), r: cut(r, 0), ofW: bias && cut(bias[0], 1), ofR: bias && cut(bias[1], 1) }
}

/** h = tanh(x W^T + Wb + r q) with q = H R^T + Rb: all that meets dH is known before the loop. */
function resetLast(run: Run) {
  const { g, x, w, r, bias, before, order } = run
  const [xz, xr, xh] = gatesOf(g, g.gemm(x, w, bias?.[0], { transB: true }), 3) as [Value, Value, Value]
  const [hz, hr, q] = gatesOf(g, g.gemm(before, r, bias?.[1], { transB: true }), 3) as [Value, Value, Value]
  const [z, reset] = [g.sigmoid(g.add(xz, hz)), g.sigmoid(g.add(xr, hr))]
  const h = g.tanh(g.add(xh, g.mul(reset, q)))
  const open = masked(run, g.sub(1, z))
  const toH = g.mul(open, tanhSlope(g, h))
  const toZ = g.mul(g.mul(open, z), g.sub(before, h))
  const toR = g.mul(g.mul(toH, q), sigmoidSlope(g, reset))
  const factors = steps(g, g.concat([toZ, toR, g.mul(toH, reset)], 1), order.length)
  const kept = steps(g, masked(run, z, 1), order.length)
  const [parts, slopes]: [Value[], Value[]] = [[], []]
  const dh0 = backwardsInTime(run, (t, dh, next) => {
    const part = g.mul(g.concat([dh, dh, dh], 1), factors[t]!)
    parts[t] = part
    slopes[t] = dh
    return g.gemm(part, r, plus(g, g.mul(dh, kept[t]!), next))
  })
  const ofH = g.concat(parts, 0)
  const dh = g.concat(slopes, 0)
  const ofX = g.concat([g.mul(dh, toZ), g.mul(dh, toR), g.mul(dh, toH)], 1)
  return { ...shared(run, ofX, ofH, g.gemm(ofH, before, undefined, turned)), initial: [dh0] }
}

/** h = tanh(x W^T + Wb + (r H) R^T + Rb): what r gets needs a product of its own in each step. */
function resetFirst(run: Run) {
  const { g, x, before, order } = run
  const weights = gruWeights(run)
  const [rGates, rH] = weights.r
  const { ofW, ofR } = weights
  const ofX = (part: 0 | 1) => g.gemm(x, weights.w[part], ofW && ofR && g.add(ofW[part], ofR[part]), { transB: true })
  const gates = g.sigmoid(g.gemm(before, rGates, ofX(0), { transB: true }))
  const [z, reset] = gatesOf(g, gates, 2) as [Value, Value]
  const held = g.mul(reset, before)
  const h = g.tanh(g.gemm(held, rH, ofX(1), { transB: true }))
  const open = masked(run, g.sub(1, z))
  const toH = steps(g, g.mul(open, tanhSlope(g, h)), order.length)
  const toZ = steps(g, g.mul(g.mul(open, z), g.sub(before, h)), order.length)
  const toR = steps(g, g.mul(before, sigmoidSlope(g, reset)), order.length)
  const resets = steps(g, reset, order.length)
  const kept = steps(g, masked(run, z, 1), order.length)
  const [gateParts, hParts]: [Value[], Value[]] = [[], []]
  const dh0 = backwardsInTime(run, (t, dh, next) => {
    const part = g.mul(dh, toH[t]!)
    const ofHeld = g.gemm(part, rH)
    const gatePart = g.concat([g.mul(dh, toZ[t]!), g.mul(ofHeld, toR[t]!)], 1)
    hParts[t] = part
    gateParts[t] = gatePart
    const through = g.add(g.mul(ofHeld, resets[t]!), g.mul(dh, kept[t]!))
    return g.gemm(gatePart, rGates, plus(g, through, next))
  })
  const [ofGates, ofH] = [g.concat(gateParts, 0), g.concat(hParts, 0)]
  const all = g.concat([ofGates, ofH], 1)
  const dr = g.concat([g.gemm(ofGates, before, undefined, turned), g.gemm(ofH, held, undefined, turned)], 0)
  return { ...shared(run, all, all, dr), initial: [dh0] }
}
