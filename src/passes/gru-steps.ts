/**
 * GRU forwards with what its gradient needs, and that gradient, in both forms: H' = h + z (H - h), with h either tanh(X W' + Wb + r (H R' + Rb))
 * or, reset first, tanh(X W' + Wb + (r H) R' + Rb).
 */
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import {
  type Arriving,
  arrivingAt,
  asRows,
  biasFor,
  type Kept,
  ofInput,
  rowsOf,
  type StepGradients,
  type Steps,
  sideBySide,
  withBias,
  within,
} from './gate-steps.ts'
import { scanOverTime } from './scan-over-time.ts'

/** The parts of a matrix of three gates: of z and r, and of h. */
const cut = (g: Emitter, x: Value, hidden: number): [Value, Value] => [
  rowsOf(g, x, 0, 2 * hidden),
  rowsOf(g, x, 2 * hidden, 3 * hidden),
]

/** What a step makes, from the states and the sums of the input. */
interface Made {
  readonly gates: Value
  readonly z: Value
  readonly h: Value
  /** h's share of H' - H, before z */
  readonly y: Value
  readonly apart: Value
}

function gatesOf(g: Emitter, r: Value, before: Value, sum: Value) {
  const gates = g.sigmoid(g.gemm(r, before, sum))
  const [z, reset] = g.ops('Split', [gates], { axis: 0, num_outputs: 2 }, 2) as [Value, Value]
  return { gates, z, reset }
}

function blend(g: Emitter, gates: Value, z: Value, h: Value, before: Value): Made {
  const apart = g.sub(before, h)
  return { gates, z, h, apart, y: g.add(h, g.mul(z, apart)) }
}

/** [of z, of r] gates (1 - gates), and (1 - z) (1 - h^2): what dH gets on the way to the sums. */
function slopesOf(g: Emitter, { gates, z, h }: Made, ofReset: (toH: Value) => [Value, Value]) {
  const open = g.sub(1, z)
  const toH = g.sub(open, g.mul(open, g.mul(h, h)))
  const [ofZ, ofR] = ofReset(toH)
  return { toH, toGates: g.mul(g.concat([ofZ, ofR], 0), g.sub(gates, g.mul(gates, gates))) }
}

export function keepGru(steps: Steps, resetFirst: boolean): Kept {
  return resetFirst ? keepResetFirst(steps) : keepResetLast(steps)
}

/** The sums of the input in z and r, and in h, and their biases; that of R in h belongs there but for `apart`. */
function sumsOf({ g, x, w, bias, initial, valid }: Steps, apart: boolean) {
  const state = initial[0]!
  const hidden = shapeOf(state)[0] as number
  const [wGates, wH] = cut(g, w, hidden)
  const both = bias && cut(g, g.add(...bias), hidden)
  const ofW = bias && rowsOf(g, bias[0], 2 * hidden, 3 * hidden)
  const biasOfH = apart ? ofW : both?.[1]
  return {
    hidden,
    biasOfGates: both && biasFor(g, both[0], state),
    biasOfH: biasOfH && biasFor(g, biasOfH, state),
    sequences: [g.matMul(wGates, x), g.matMul(wH, x), ...(valid ? [valid] : [])],
  }
}

function keepResetLast(steps: Steps): Kept {
  const { g, name, r, bias, initial, backwards } = steps
  const { hidden, sequences, biasOfGates, biasOfH } = sumsOf(steps, true)
  const [rGates, rH] = cut(g, r, hidden)
  const ofR = bias && biasFor(g, rowsOf(g, bias[1], 2 * hidden, 3 * hidden), initial[0]!)
  const scan = scanOverTime(g, {
    name: `${name}/steps`,
    states: initial,
    sequences,
    backwards,
    turn: (e, [before], [ofGates, ofH, valid]) => {
      const { gates, z, reset } = gatesOf(e, rGates, before!, withBias(e, ofGates!, biasOfGates))
      const q = e.gemm(rH, before!, ofR)
      const made = blend(e, gates, z, e.tanh(e.add(withBias(e, ofH!, biasOfH), e.mul(reset, q))), before!)
      const { toH, toGates } = slopesOf(e, made, (slope) => [made.apart, e.mul(slope, q)])
      const toSums = e.concat([toGates, e.mul(toH, reset)], 0)
      return {
        states: [within(e, valid, made.y, before!)],
        yields: [made.y, before!, within(e, valid, z, 1), within(e, valid, toH, 0), within(e, valid, toSums, 0)],
      }
    },
  })
  const [y, ...kept] = scan.yields as [Value, ...Value[]]
  return { y, last: scan.states, gradient: (...given) => resetLastGradient(steps, kept, ...given) }
}

function resetLastGradient(
  { initial, w, rows, r, backwards }: Steps,
  [before, z, toH, toSums]: readonly Value[],
  g: Emitter,
  name: string,
  { dy, dLast }: Arriving,
): StepGradients {
  const turned = g.swapLast(r)
  const scan = scanOverTime(g, {
    name,
    states: [dLast[0] ?? g.zerosLike(initial[0]!)],
    sequences: [z!, toH!, toSums!, ...(dy ? [dy] : [])],
    backwards: !backwards,
    turn: (e, [last], [kept, slope, slopes, arriving]) => {
      const dh = arrivingAt(e, last!, arriving)
      const sums = e.mul(e.concat([dh, dh, dh], 0), slopes!)
      return { states: [e.gemm(turned, sums, e.mul(dh, kept!))], yields: [sums, e.mul(dh, slope!)] }
    },
  })
  const [ofR, ofH] = scan.yields as [Value, Value]
  const hidden = shapeOf(initial[0]!)[0] as number
  const ofX = g.concat([g.slice(ofR, [0], [2 * hidden], [1]), ofH], 1)
  const [flatX, flatR] = [sideBySide(g, ofX), sideBySide(g, ofR)]
  return {
    x: ofInput(g, w, ofX),
    w: g.gemm(flatX, rows),
    r: g.gemm(flatR, asRows(g, before!)),
    bias: [g.sum(flatX, [1]), g.sum(flatR, [1])],
    initial: scan.states,
  }
}

function keepResetFirst(steps: Steps): Kept {
  const { g, name, r, initial, backwards } = steps
  const { hidden, sequences, biasOfGates, biasOfH } = sumsOf(steps, false)
  const [rGates, rH] = cut(g, r, hidden)
  const scan = scanOverTime(g, {
    name: `${name}/steps`,
    states: initial,
    sequences,
    backwards,
    turn: (e, [before], [ofGates, ofH, valid]) => {
      const { gates, z, reset } = gatesOf(e, rGates, before!, withBias(e, ofGates!, biasOfGates))
      const held = e.mul(reset, before!)
      const made = blend(e, gates, z, e.tanh(e.gemm(rH, held, withBias(e, ofH!, biasOfH))), before!)
      const { toH, toGates } = slopesOf(e, made, () => [made.apart, before!])
      return {
        states: [within(e, valid, made.y, before!)],
        yields: [
          made.y,
          before!,
          held,
          reset,
          within(e, valid, z, 1),
          within(e, valid, toH, 0),
          within(e, valid, toGates, 0),
        ],
      }
    },
  })
  const [y, ...kept] = scan.yields as [Value, ...Value[]]
  return { y, last: scan.states, gradient: (...given) => resetFirstGradient(steps, kept, ...given) }
}

function resetFirstGradient(
  { initial, w, rows, r, backwards }: Steps,
  [before, held, reset, z, toH, toGates]: readonly Value[],
  g: Emitter,
  name: string,
  { dy, dLast }: Arriving,
): StepGradients {
  const hidden = shapeOf(initial[0]!)[0] as number
  const [turnedGates, turnedH] = cut(g, r, hidden).map((part) => g.swapLast(part)) as [Value, Value]
  const scan = scanOverTime(g, {
    name,
    states: [dLast[0] ?? g.zerosLike(initial[0]!)],
    sequences: [reset!, z!, toH!, toGates!, ...(dy ? [dy] : [])],
    backwards: !backwards,
    turn: (e, [last], [opened, kept, slope, slopes, arriving]) => {
      const dh = arrivingAt(e, last!, arriving)
      const ofH = e.mul(dh, slope!)
      const ofHeld = e.gemm(turnedH, ofH)
      const ofGates = e.mul(e.concat([dh, ofHeld], 0), slopes!)
      const passing = e.add(e.mul(ofHeld, opened!), e.mul(dh, kept!))
      return { states: [e.gemm(turnedGates, ofGates, passing)], yields: [ofGates, ofH] }
    },
  })
  const [ofGates, ofH] = scan.yields as [Value, Value]
  const sums = g.concat([ofGates, ofH], 1)
  const flat = sideBySide(g, sums)
  const [flatGates, flatH] = cut(g, flat, hidden)
  const dr = g.concat([g.gemm(flatGates, asRows(g, before!)), g.gemm(flatH, asRows(g, held!))], 0)
  const bias = g.sum(flat, [1])
  return { x: ofInput(g, w, sums), w: g.gemm(flat, rows), r: dr, bias: [bias, bias], initial: scan.states }
}
