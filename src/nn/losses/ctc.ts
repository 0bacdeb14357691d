/**
 * Connectionist temporal classification: a loss for sequences whose alignment with the input is not known.
 *
 * Source: Graves et al. 2006, "Connectionist Temporal Classification", sections 3.1 to 4.2, equations 5 to 16.
 *
 * The labels l_1 .. l_L of an example become the S = 2 L + 1 states blank, l_1, blank, .., l_L, blank. Both recursions run in log
 * space, over all examples and states at once, one step of the graph a time step; the backward one is the same recursion on states and
 * times read from their ends, so the two are one recursion over `[states, 2 batch]`. A start state in front stands for "not begun yet":
 * shorter inputs wait in it, and no step has a case of its own.
 *
 * The gradient is written in closed form, d loss / d logits = softmax - occupancy (equation 16), as that of -sum(occupancy * log p)
 * with the occupancy held constant: automatic differentiation does not walk back through the recursion.
 */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { tensorFromNumbers } from '../../core/tensor.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { held } from './held.ts'
import { type Loss, meanLoss, requireForm, requireNumber } from './loss.ts'
import { oneHot } from './probabilities.ts'

export interface CtcOptions {
  /** class that stands for no label; default 0 */
  readonly blank?: number
  /** an example that no alignment fits (fewer steps than labels and repetitions) has the loss 0 and no gradient, not Infinity */
  readonly zeroInfinity?: boolean
}

export interface CtcLossOptions extends CtcOptions {
  /** the first number of each row of targets is the number of time steps of that example; default: all have all */
  readonly inputLengths?: boolean
}

/** log 0, with room below for sums of it. */
const never = -1e30

/**
 * CTC of scores `[batch, time, classes]` before the softmax, against labels `[batch, most labels]`: rows of class numbers, filled up with -1.
 * An example may have no label at all, and may repeat one. The loss is the mean of the examples' -log p(labels).
 *
 * With `inputLengths` the targets are `[batch, 1 + most labels]`, the number of time steps first.
 *
 * @example
 * ctc().apply(g, logits, labels)   // [32, 100, 28] against [32, 20]
 */
export function ctc(options: CtcLossOptions = {}): Loss {
  const { inputLengths = false, ...rest } = options
  return meanLoss('ctc', { ...options }, (g, predictions, targets) => {
    const [first, width] = shapeOf(targets)
    const batch = shapeOf(predictions)[0]
    if (shapeOf(targets).length !== 2 || first !== batch) {
      throw new QuernError(
        'input',
        `ctc: predictions ${formatShape(shapeOf(predictions))} need targets [${String(batch)}, ${inputLengths ? '1 + ' : ''}labels], received ${formatShape(shapeOf(targets))}`,
      )
    }
    if (!inputLengths) return ctcLosses(g, predictions, targets, rest)
    const columns = requireNumber('ctc', 'the number of labels', width)
    const lengths = g.squeeze(g.slice(targets, [0], [1], [1]), [1])
    return ctcLosses(g, predictions, g.slice(targets, [1], [columns], [1]), { ...rest, inputLengths: lengths })
  })
}

/**
 * CTC losses `[batch]` of scores `[batch, time, classes]` against labels `[batch, most labels]`.
 * `inputLengths` and `labelLengths` are `[batch]`, of any integer type; without `labelLengths` a negative number ends a row of labels.
 * The second derivative is not that of CTC: the gradient's weights are constants.
 */
export function ctcLosses(
  g: Emitter,
  predictions: Value,
  labels: Value,
  options: CtcOptions & { readonly inputLengths?: Value; readonly labelLengths?: Value } = {},
): Value {
  const { blank = 0, zeroInfinity = false } = options
  requireForm(
    'ctc',
    '[batch, time, classes]',
    predictions,
    (s) => s.length === 3 && s.every((n) => typeof n === 'number'),
  )
  const [batch, steps, classes] = shapeOf(predictions) as [number, number, number]
  if (!(Number.isInteger(blank) && blank >= 0 && blank < classes)) {
    throw new QuernError('config', `ctc: blank must be a class from 0 to ${classes - 1}, received ${blank}`)
  }
  const most = requireNumber('ctc', 'the number of labels', shapeOf(labels)[1])
  const plan: Plan = { g, batch, steps, classes, most, blank, states: 2 * most + 1 }
  const sequence = extended(plan, g.cast(labels, 'int64'), options.labelLengths)
  const logP = g.logSoftmax(predictions)
  const emitted = emissions(plan, g.matMul(logP, g.swapLast(sequence.oneHot)), options.inputLengths)
  const { logAlpha, logBeta } = recursion(plan, emitted, sequence)

  // beta holds the emission of its own step, so at step 0 it is already the probability of all that follows
  const begin = g.slice(logBeta, [0, 0], [1, Math.min(2, plan.states)], [0, 1])
  const loss = g.neg(logSumExp(g, begin, 1))
  const total = g.reshape(loss, [batch])
  const impossible = g.greater(total, -never / 2)
  const finite = g.where(impossible, 0, total)
  // probability of being in a state at a step, given the labels: one of them is, so a softmax loses fewer digits than adding the loss
  const occupied = g.softmax(g.transpose(g.sub(g.add(logAlpha, logBeta), emitted.states), [2, 0, 1]))
  const inStates = g.mul(occupied, counted(plan, impossible, emitted.inside))
  const inClasses = held(g, g.matMul(inStates, sequence.oneHot))
  const slope = g.neg(g.sum(g.mul(inClasses, logP), [1, 2]))
  // the value of the loss with the gradient of `slope`
  const value = g.add(slope, g.sub(held(g, finite), held(g, slope)))
  return g.where(impossible, zeroInfinity ? 0 : Infinity, value)
}

/** 1 for the steps of an input that has an alignment, 0 for the rest: `[batch, time or 1, 1]` */
function counted({ g, batch, steps }: Plan, impossible: Value, inside: Value | undefined): Value {
  const possible = g.reshape(g.op('Not', [impossible]), [batch, 1, 1])
  const both = inside ? g.op('And', [g.reshape(g.transpose(inside, [2, 0, 1]), [batch, steps, 1]), possible]) : possible
  return g.cast(both, 'float32')
}

interface Plan {
  readonly g: Emitter
  readonly batch: number
  readonly steps: number
  readonly classes: number
  /** labels of the longest row */
  readonly most: number
  readonly blank: number
  readonly states: number
}

interface Sequence {
  /** class of each state, `[batch, states, classes]` */
  readonly oneHot: Value
  /** 0 where a state can be reached from two before it, `never` elsewhere: `[states, batch]` */
  readonly skip: Value
  /** 0 for the last state of a row and the label in front of it, `never` elsewhere: `[states, batch]` */
  readonly last: Value
}

const allowed = (g: Emitter, condition: Value): Value => g.where(condition, 0, never)

/** Labels with blanks between and around them. */
function extended(
  { g, batch, classes, most, blank, states }: Plan,
  labels: Value,
  lengths: Value | undefined,
): Sequence {
  const given = lengths ? g.cast(lengths, 'int64') : g.sum(g.cast(g.greaterOrEqual(labels, 0), 'int64'), [1])
  const blanks = g.expand(g.scalar(blank, 'int64'), [batch, most + 1, 1])
  const between = g.slice(blanks, [0], [most], [1])
  const pairs = g.reshape(g.concat([between, g.unsqueeze(labels, [2])], 2), [batch, 2 * most])
  const sequence = g.concat([pairs, g.slice(g.squeeze(blanks, [2]), [0], [1], [1])], 1)
  // a label may follow another one without a blank between them, unless they are the same
  const before = g.concat(
    [g.expand(g.scalar(blank, 'int64'), [batch, 2]), g.slice(sequence, [0], [states - 2], [1])],
    1,
  )
  const isLabel = g.constant(
    tensorFromNumbers(
      'bool',
      [1, states],
      Array.from({ length: states }, (_, s) => (s >= 3 ? s % 2 : 0)),
    ),
  )
  const differs = g.op('And', [g.op('Not', [g.equal(sequence, before)]), isLabel])
  const numbers = g.constant(
    tensorFromNumbers(
      'int64',
      [states, 1],
      Array.from({ length: states }, (_, s) => s),
    ),
  )
  const end = g.mul(g.reshape(given, [1, batch]), 2)
  const isLast = g.op('Or', [g.equal(numbers, end), g.equal(numbers, g.sub(end, 1))])
  return {
    oneHot: oneHot(g, sequence, classes),
    skip: allowed(g, g.transpose(differs, [1, 0])),
    last: allowed(g, isLast),
  }
}

interface Emissions {
  /** log p of the class of each state, `never` behind the end of an input: `[time, states, batch]` */
  readonly states: Value
  /** 0 behind the end of an input, `never` before: a recursion from the end waits there. `[time, 1, batch]` */
  readonly waiting: Value
  /** true before the end of an input, `[time, 1, batch]`; undefined when all are of the same length */
  readonly inside?: Value
}

function emissions({ g, batch, steps }: Plan, scores: Value, lengths: Value | undefined): Emissions {
  const byTime = g.transpose(scores, [1, 2, 0])
  if (!lengths) return { states: byTime, waiting: g.full([steps, 1, batch], never) }
  const times = g.constant(
    tensorFromNumbers(
      'int64',
      [steps, 1, 1],
      Array.from({ length: steps }, (_, t) => t),
    ),
  )
  const inside = g.less(times, g.reshape(g.cast(lengths, 'int64'), [1, 1, batch]))
  return { states: g.where(inside, byTime, never), waiting: g.where(inside, never, 0), inside }
}

/** Both recursions at once: alpha from the first step on, beta from the last. `[time, states, batch]` each, emissions included. */
function recursion(plan: Plan, emitted: Emissions, { skip, last }: Sequence): { logAlpha: Value; logBeta: Value } {
  const { g, batch, steps, states } = plan
  const reversed = (x: Value, axes: readonly number[]) =>
    g.slice(
      x,
      axes.map(() => -1),
      axes.map(() => -(2 ** 31)),
      axes,
      axes.map(() => -1),
    )
  const none = g.full([steps, 1, batch], never)
  const forward = g.concat([none, emitted.states], 1)
  const backward = g.concat([reversed(emitted.waiting, [0]), reversed(emitted.states, [0, 1])], 1)
  const rows = g.ops('Split', [g.concat([forward, backward], 2)], { axis: 0, num_outputs: steps }, steps)
  const { from, mask } = transitions(plan, skip, last)
  // before the first step every example is in the start state
  const start = Array.from({ length: states + 1 }, (_, s) => (s === 0 ? 0 : never))
  let state = g.expand(g.constant(tensorFromNumbers('float32', [states + 1, 1], start)), [states + 1, 2 * batch])
  const found: Value[] = []
  for (const row of rows) {
    const arriving = g.add(g.op('Gather', [state, from], { axis: 0 }), mask)
    const reached = g.add(logSumExp(g, arriving, 0), row)
    found.push(reached)
    state = g.squeeze(reached, [0])
  }
  const all = g.slice(g.concat(found, 0), [1], [states + 1], [1])
  return {
    logAlpha: g.slice(all, [0], [batch], [2]),
    logBeta: reversed(g.slice(all, [batch], [2 * batch], [2]), [0, 1]),
  }
}

/**
 * Where a state is reached from: itself, the one before, the one before that, and the start. Gather takes the four from the states,
 * the mask `[4, 1 + states, 2 batch]` forbids what is not allowed.
 */
function transitions({ g, batch, states }: Plan, skip: Value, last: Value): { from: Value; mask: Value } {
  const numbers = Array.from({ length: states + 1 }, (_, s) => s)
  const from = [
    numbers,
    numbers.map((s) => Math.max(s - 1, 0)),
    numbers.map((s) => Math.max(s - 2, 0)),
    numbers.map(() => 0),
  ]
  const row = (test: (s: number) => boolean) =>
    g.expand(
      g.constant(
        tensorFromNumbers(
          'float32',
          [1, states + 1, 1],
          numbers.map((s) => (test(s) ? 0 : never)),
        ),
      ),
      [1, states + 1, 2 * batch],
    )
  const flipped = (x: Value) => g.slice(x, [-1], [-(2 ** 31)], [0], [-1])
  const noStart = g.full([1, batch], never)
  const both = (a: Value, b: Value) =>
    g.unsqueeze(g.concat([g.concat([noStart, a], 0), g.concat([noStart, b], 0)], 1), [0])
  // read from the end, state s is reached from s + 2 when s + 2 may be reached from s
  const padding = g.full([Math.min(2, states), batch], never)
  const skipBack = g.concat([padding, g.slice(flipped(skip), [0], [Math.max(states - 2, 0)], [0])], 0)
  const first = g.expand(
    g.constant(
      tensorFromNumbers(
        'float32',
        [states, 1],
        Array.from({ length: states }, (_, s) => (s < 2 ? 0 : never)),
      ),
    ),
    [states, batch],
  )
  const mask = g.concat([row(() => true), row((s) => s > 1), both(skip, skipBack), both(first, flipped(last))], 0)
  return { from: g.constant(tensorFromNumbers('int64', [4, states + 1], from.flat())), mask }
}

/** log of the sum of exp along an axis, which stays with the size 1. */
function logSumExp(g: Emitter, x: Value, axis: number): Value {
  const most = g.op('ReduceMax', [x, g.integers([axis])], { keepdims: 1 })
  return g.add(g.log(g.sum(g.exp(g.sub(x, most)), [axis], true)), most)
}
