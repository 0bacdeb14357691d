/**
 * Back-propagation through time in standard operators: what the gradients of RNN, LSTM and GRU (recurrent-gradient.ts) share.
 *
 * The node's own output Y holds every hidden state, so that nothing is unrolled forwards: with all H_{t-1} known, the gates of all
 * steps come from one product. What is left of the loop is one small product a step, dH_{t-1} = dgates_t R, and a few element-wise
 * operators, since all factors that do not hold dH are computed for all steps at once. The products for X, W and R come after
 * the loop, one each.
 *
 * Matrices here are `[time * batch, ...]`, cut into steps of `[batch, ...]`. Behind the end of a sequence the state stands still: its
 * factors are 0, and what keeps the state is 1.
 */
import { QuernError } from '../core/errors.ts'
import { requireStatic } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { GradientContext, GradientRule, PlainAttributes } from './op.ts'

/** One direction of a node. */
export interface Run {
  readonly g: Emitter
  /** 0, or 1 for the second direction */
  readonly direction: number
  /** `[time * batch, features]` */
  readonly x: Value
  /** `[gates * hidden, features]` */
  readonly w: Value
  /** `[gates * hidden, hidden]` */
  readonly r: Value
  /** biases of W and of R, `[1, gates * hidden]` */
  readonly bias: readonly [Value, Value] | undefined
  /** state before each step, `[time * batch, hidden]` */
  readonly before: Value
  /** outputs, `[time * batch, hidden]` */
  readonly y: Value
  /** first states: hidden, and for LSTM the cell; `[batch, hidden]` */
  readonly initial: readonly Value[]
  /** steps in the order in which the recurrence takes them */
  readonly order: readonly number[]
  /** steps that lie within their sequence, bool `[time * batch, 1]`; undefined when all do */
  readonly valid: Value | undefined
  /** gradient of the output at each step */
  readonly dy: readonly Value[] | undefined
  /** gradients of the last states */
  readonly dLast: readonly (Value | undefined)[]
}

/** Gradients of one direction, without its axis. `bias`: of the biases of W and R. */
export interface RunGradients {
  readonly x: Value
  readonly w: Value
  readonly r: Value
  readonly bias: readonly [Value, Value]
  readonly initial: readonly Value[]
}

/** Applies a cell's rule to each direction and puts the results together. */
export function overDirections(cell: (run: Run, context: GradientContext) => RunGradients): GradientRule {
  return (context) => {
    const { g, input, optional, node } = context
    refuse(context)
    const [x, w, r] = [input(0), input(1), input(2)]
    const [time, batch, features] = requireStatic(shapeOf(x), `the gradient of ${node.op}`) as [number, number, number]
    const [directions, , hidden] = requireStatic(shapeOf(r), `the gradient of ${node.op}`) as [number, number, number]
    const states = node.op === 'LSTM' ? [0, 1] : [0]
    // A node that returns the last states alone is written again for its Y.
    const plain = Object.fromEntries(Object.entries(node.attributes).map(([name, { value }]) => [name, value]))
    const y = node.outputs[0] ?? g.op(node.op, node.inputs, plain as PlainAttributes)
    const rows = (value: Value) => g.reshape(value, [time * batch, shapeOf(value).at(-1)!])
    const cut = (value: Value, d: number, axis: number) =>
      directions === 1 ? g.squeeze(value, [axis]) : g.squeeze(g.slice(value, [d], [d + 1], [axis]), [axis])
    const valid = optional(4) && validSteps(g, optional(4)!, time, batch)
    const outer = context.gradient(0)

    const runs = Array.from({ length: directions }, (_, d) => {
      const order = Array.from({ length: time }, (_, t) => (reversed(context, d) ? time - 1 - t : t))
      const zeros = g.full([batch, hidden], 0, dtypeOf(x))
      const initial = states.map((i) => {
        const given = optional(5 + i)
        return given ? cut(given, d, 0) : zeros
      })
      const own = rows(cut(y, d, 1))
      const biases = optional(3) && g.reshape(cut(optional(3)!, d, 0), [2, shapeOf(w)[1]!])
      const dy = outer && rows(cut(outer, d, 1))
      const run: Run = {
        g,
        direction: d,
        x: rows(x),
        w: cut(w, d, 0),
        r: cut(r, d, 0),
        bias: biases && [g.slice(biases, [0], [1], [0]), g.slice(biases, [1], [2], [0])],
        before: statesBefore(g, own, initial[0]!, valid, time, batch, reversed(context, d)),
        y: own,
        initial,
        order,
        valid,
        dy: dy && steps(g, valid ? g.where(valid, dy, 0) : dy, time),
        dLast: states.map((i) => {
          const gradient = context.gradient(1 + i)
          return gradient && cut(gradient, d, 0)
        }),
      }
      return cell(run, context)
    })

    const join = (part: (run: RunGradients) => Value) =>
      g.concat(
        runs.map((run) => g.unsqueeze(part(run), [0])),
        0,
      )
    const dx = runs.map((run) => run.x).reduce((a, b) => g.add(a, b))
    return [
      g.reshape(dx, [time, batch, features]),
      join((run) => run.w),
      join((run) => run.r),
      join((run) => g.concat(run.bias, 0)),
      undefined,
      ...states.map((i) => join((run) => run.initial[i]!)),
    ]
  }
}

function reversed({ attributes }: GradientContext, direction: number): boolean {
  return direction === 1 || attributes.string('direction') === 'reverse'
}

const defaults: Readonly<Record<string, readonly string[]>> = {
  RNN: ['Tanh'],
  LSTM: ['Sigmoid', 'Tanh', 'Tanh'],
  GRU: ['Sigmoid', 'Tanh'],
}

/** Forms of the operators that the rules do not know. */
function refuse({ node, attributes, optional }: GradientContext): void {
  const no = (what: string): never => {
    throw new QuernError('unsupported', `no gradient through ${node.op} at '${node.name}' with ${what}`)
  }
  if (attributes.int('layout') !== 0) no('layout 1: the runtime does not compute it')
  if (attributes.has('clip')) no('clip: the clipped sums are not kept')
  if (node.op === 'LSTM' && attributes.int('input_forget') !== 0) no('input_forget: its gates are coupled')
  if (node.op === 'LSTM' && optional(7)) no('peepholes: no framework of today trains them')
  const given = (attributes.raw('activations')?.value ?? []) as readonly string[]
  const known = defaults[node.op]!
  given.forEach((name, i) => {
    if (name === known[i % known.length] || (node.op === 'RNN' && name === 'Relu')) return
    no(`the activation ${name}: only ${known.join(', ')} are known there${node.op === 'RNN' ? ', and Relu' : ''}`)
  })
  if (shapeOf(node.inputs[0]!)[0] === 0) no('no time steps')
}

/** t < length, bool `[time * batch, 1]`. */
function validSteps(g: Emitter, lengths: Value, time: number, batch: number): Value {
  const t = g.constant(int64([time, 1], [...Array(time).keys()]))
  return g.reshape(g.less(t, g.cast(g.unsqueeze(lengths, [0]), 'int64')), [time * batch, 1])
}

/** The hidden state that each step starts from: the output of the step taken before it, the initial one at first. */
function statesBefore(
  g: Emitter,
  y: Value,
  initial: Value,
  valid: Value | undefined,
  time: number,
  batch: number,
  reverse: boolean,
): Value {
  if (time === 1) return initial
  if (!reverse) return g.concat([initial, g.slice(y, [0], [(time - 1) * batch], [0])], 0)
  const following = g.slice(y, [batch], [time * batch], [0])
  if (!valid) return g.concat([following, initial], 0)
  // Backwards, a sequence starts at its own end.
  const first = g.op('Tile', [initial, g.integers([time - 1, 1])])
  const started = g.slice(valid, [batch], [time * batch], [0])
  return g.concat([g.where(started, following, first), initial], 0)
}

/** `[time * batch, n]` as `time` values `[batch, n]`. */
export function steps(g: Emitter, x: Value, time: number): readonly Value[] {
  return time === 1 ? [x] : g.ops('Split', [x], { axis: 0, num_outputs: time }, time)
}

/** `[rows, parts * n]` as `parts` values `[rows, n]`. */
export function gatesOf(g: Emitter, x: Value, parts: number): readonly Value[] {
  return parts === 1 ? [x] : g.ops('Split', [x], { axis: 1, num_outputs: parts }, parts)
}

export function plus(g: Emitter, a: Value | undefined, b: Value | undefined): Value | undefined {
  return a && b ? g.add(a, b) : (a ?? b)
}

/** x where the step is valid, `otherwise` elsewhere. */
export function masked({ g, valid }: Run, x: Value, otherwise = 0): Value {
  return valid ? g.where(valid, x, otherwise) : x
}

/**
 * The loop over time, last step first. `step` gets the gradient of the state after step t and returns that of the state before,
 * where `next` (the gradient of the output that is that state) is to be added; undefined when there is none.
 */
export function backwardsInTime(run: Run, step: (t: number, dh: Value, next: Value | undefined) => Value): Value {
  const { g, order, dy, dLast, initial } = run
  let dh = plus(g, dLast[0], dy?.[order.at(-1)!]) ?? g.zerosLike(initial[0]!)
  for (let i = order.length - 1; i >= 0; i--) dh = step(order[i]!, dh, i > 0 ? dy?.[order[i - 1]!] : undefined)
  return dh
}

/** Gradients of what all steps share, from those of the sums in the gates: of W's side and of R's. */
export function shared(run: Run, ofX: Value, ofH: Value, r: Value): Omit<RunGradients, 'initial'> {
  const { g, x, w } = run
  const sumX = g.sum(ofX, [0])
  return {
    x: g.gemm(ofX, w),
    w: g.gemm(ofX, x, undefined, { transA: true }),
    r,
    bias: [sumX, ofX === ofH ? sumX : g.sum(ofH, [0])],
  }
}
