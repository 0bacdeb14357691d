/**
 * Gradients of If, Loop and Scan, made of the same operators, so that they can be differentiated again
 * (docs/decisions/009-gradients-of-sub-graphs.md).
 *
 * - If: an If whose branches repeat the forward branch and then go back through it.
 * - Scan: a Scan that runs the other way. Its sequences are the states that each turn started from, which a repeated Scan collects, and the
 *   gradients of what each turn yielded; its states are the gradients of the states, and sums for captured values.
 * - Loop: the same, once its states are collected; so the number of turns may depend on the data.
 */
import { isFloat } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, normalizeAxis, sameShape } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, type Graph, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { GradientContext } from './op.ts'
import { dependents, replay, subGraph } from './sub-graph.ts'

type Gradients = readonly (Value | undefined)[]

/** Gradients go to what the branches read; the condition jumps. */
export function ifGradient(c: GradientContext): Gradients {
  const { g, node } = c
  const wrt = c.captured.filter(c.wanted)
  const used = node.outputs.flatMap((value, i) => (value && c.gradient(i) ? [i] : []))
  const back = (name: string): Graph =>
    subGraph(g, `${name}_gradient`, [], (inner) => {
      const outputs = replay(inner, c.attributes.graph(name), [])
      // The branches may differ in sizes; a gradient that runs in one has the sizes of that one.
      const seeds = used.map((i) => inner.reshape(c.gradient(i)!, shapeOf(outputs[i]!)))
      const found = c.differentiate(
        inner,
        used.map((i) => outputs[i]!),
        seeds,
        wrt,
      )
      return wrt.map((value, i) => found[i] ?? inner.zerosLike(value))
    })
  const attributes = { then_branch: back('then_branch'), else_branch: back('else_branch') }
  const results = g.ops('If', [c.input(0)], attributes, wrt.length)
  return [undefined, ...c.captured.map((value) => results[wrt.indexOf(value)])]
}

/** A value of each turn, stacked along an axis; direction 1 is from the end. */
interface Sequence {
  readonly stack: Value
  readonly axis: number
  readonly direction: number
}

/** A body that was run turn after turn, and what is known of each of its inputs and outputs. */
interface Repetition {
  readonly body: Graph
  /** of each input of the body its value in every turn: one of its own, or always the same */
  readonly turns: readonly (Sequence | Value)[]
  /** sequences whose gradient is asked for, as numbers of inputs of the body */
  readonly wanted: readonly number[]
  /** inputs of the body that outputs of the turn before fed */
  readonly states: readonly { input: number; output: number; initial: Value; gradient: Value | undefined }[]
  /** outputs of the body that were stacked, with the gradient of the stack */
  readonly yields: readonly { output: number; gradient: Sequence }[]
  /** there may have been no turn */
  readonly mayBeEmpty: boolean
}

/** Gradients by the input of the body: of the initial states and of the wanted sequences; and those of captured values. */
interface Result {
  readonly inputs: ReadonlyMap<number, Value>
  readonly captured: Gradients
}

const isSequence = (turn: Sequence | Value): turn is Sequence => 'stack' in turn

const elementType = ({ stack, axis }: Sequence): TensorType => ({
  dtype: dtypeOf(stack),
  shape: shapeOf(stack).filter((_, i) => i !== axis),
})

/** States through which a gradient passes: their initial value is wanted, or a turn makes them depend on what is. */
function activeStates(c: GradientContext, { body, states, wanted }: Repetition): Repetition['states'] {
  const sources = new Set<Value>([...c.captured.filter(c.wanted), ...wanted.map((i) => body.inputs[i]!)])
  for (const { input, initial } of states) if (c.wanted(initial)) sources.add(body.inputs[input]!)
  for (let before = -1; before !== sources.size; ) {
    before = sources.size
    const reached = dependents(body, sources)
    for (const { input, output, initial } of states) {
      if (isFloat(dtypeOf(initial)) && reached.has(body.outputs[output]!)) sources.add(body.inputs[input]!)
    }
  }
  return states.filter(({ input }) => sources.has(body.inputs[input]!))
}

/** Goes through the turns from the last to the first. */
function backThroughTurns(c: GradientContext, repetition: Repetition): Result {
  const { g } = c
  const { body, turns, wanted, yields } = repetition
  const states = activeStates(c, repetition)
  const captured = c.captured.filter(c.wanted)
  const read = turns.filter(isSequence)
  const sequences = [...read, ...yields.map(({ gradient }) => gradient)]
  const carried = [...states.map(({ initial }) => initial), ...captured]
  const types = [
    ...carried.map((value): TensorType => ({ dtype: dtypeOf(value), shape: shapeOf(value) })),
    ...sequences.map(elementType),
  ]
  const back = subGraph(g, 'back', types, (inner, inputs) => {
    const dStates = inputs.slice(0, states.length)
    const sums = inputs.slice(states.length, carried.length)
    const elements = inputs.slice(carried.length)
    const own = turns.map((turn) => (isSequence(turn) ? elements[read.indexOf(turn)]! : turn))
    const outputs = replay(inner, body, own)
    const found = c.differentiate(
      inner,
      [...states, ...yields].map(({ output }) => outputs[output]!),
      [...dStates, ...elements.slice(read.length)],
      [...states.map(({ input }) => own[input]!), ...wanted.map((i) => own[i]!), ...captured],
    )
    const gradient = (i: number, like: Value): Value => found[i] ?? inner.zerosLike(like)
    const shared = found.slice(states.length + wanted.length)
    return [
      ...states.map(({ initial }, i) => gradient(i, initial)),
      ...sums.map((sum, i) => (shared[i] ? inner.add(sum, shared[i]) : sum)),
      ...wanted.map((input, i) => gradient(states.length + i, own[input]!)),
    ]
  })
  const initial = [
    ...states.map((state) => state.gradient ?? g.zerosLike(state.initial)),
    ...captured.map((value) => g.zerosLike(value)),
  ]
  const attributes = {
    body: back,
    num_scan_inputs: sequences.length,
    scan_input_axes: sequences.map(({ axis }) => axis),
    scan_input_directions: sequences.map(({ direction }) => 1 - direction),
    scan_output_axes: wanted.map((i) => (turns[i] as Sequence).axis),
    scan_output_directions: wanted.map((i) => 1 - (turns[i] as Sequence).direction),
  }
  const operands = [...initial, ...sequences.map(({ stack }) => stack)]
  const run = (on: Emitter): Value[] => on.ops('Scan', operands, attributes, carried.length + wanted.length)
  const results = repetition.mayBeEmpty ? unlessEmpty(g, sequences[0]!, initial, run) : run(g)
  const inputs = new Map(states.map(({ input }, i) => [input, results[i]!]))
  for (const [i, input] of wanted.entries()) inputs.set(input, results[carried.length + i]!)
  return { inputs, captured: c.captured.map((value) => results[states.length + captured.indexOf(value)]) }
}

/** The runtime refuses a Scan over nothing, and a loop may have had no turn: then its carried values are what they were. */
function unlessEmpty(
  g: Emitter,
  { stack, axis }: Sequence,
  initial: readonly Value[],
  run: (on: Emitter) => Value[],
): readonly Value[] {
  const turns = shapeOf(stack)[axis]!
  if (typeof turns === 'number') return turns > 0 ? run(g) : initial
  const some = g.greater(g.op('Size', [stack]), 0)
  return g.ops(
    'If',
    [some],
    {
      then_branch: subGraph(g, 'some_turns', [], run),
      else_branch: subGraph(g, 'no_turn', [], () => initial),
    },
    initial.length,
  )
}

/** Gradients of the initial states, the sequences and the captured values. */
export function scanGradient(c: GradientContext): Gradients {
  const { g, node, attributes } = c
  const body = attributes.graph('body')
  const sequenceCount = attributes.int('num_scan_inputs')
  const count = node.inputs.length - sequenceCount
  const listed = (name: string, i: number): number => (attributes.has(name) ? attributes.ints(name)[i]! : 0)
  const sequences = node.inputs.slice(count).map(
    (stack, i): Sequence => ({
      stack: stack!,
      axis: normalizeAxis(listed('scan_input_axes', i), shapeOf(stack!).length),
      direction: listed('scan_input_directions', i),
    }),
  )
  const collect = subGraph(g, 'collect', inputTypes(node.inputs.slice(0, count), sequences), (inner, inputs) => [
    ...replay(inner, body, inputs).slice(0, count),
    ...inputs.slice(0, count),
  ])
  const again = { body: collect, num_scan_inputs: sequenceCount, ...orders(sequences) }
  const stacks = count === 0 ? [] : g.ops('Scan', node.inputs, again, 2 * count).slice(count)
  const result = backThroughTurns(c, {
    body,
    turns: [...stacks.map((stack): Sequence => ({ stack, axis: 0, direction: 0 })), ...sequences],
    mayBeEmpty: false,
    wanted: sequences.flatMap(({ stack }, i) => (c.wanted(stack) ? [count + i] : [])),
    states: stacks.map((_, i) => ({ input: i, output: i, initial: c.input(i), gradient: c.gradient(i) })),
    yields: node.outputs.slice(count).flatMap((_, i) => {
      const stack = c.gradient(count + i)
      if (!stack) return []
      const axis = normalizeAxis(listed('scan_output_axes', i), shapeOf(stack).length)
      return [
        { output: count + i, gradient: { stack, axis, direction: listed('scan_output_directions', i) } as Sequence },
      ]
    }),
  })
  return [...node.inputs.map((_, i) => result.inputs.get(i)), ...result.captured]
}

function inputTypes(states: readonly (Value | undefined)[], sequences: readonly Sequence[]): TensorType[] {
  const stated = states.map((value): TensorType => ({ dtype: dtypeOf(value!), shape: shapeOf(value!) }))
  return [...stated, ...sequences.map(elementType)]
}

function orders(sequences: readonly Sequence[]) {
  return {
    scan_input_axes: sequences.map(({ axis }) => axis),
    scan_input_directions: sequences.map(({ direction }) => direction),
  }
}

/** Gradients of the carried and the captured values; the number of turns and the condition jump. */
export function loopGradient(c: GradientContext): Gradients {
  const { g, node, attributes } = c
  const body = attributes.graph('body')
  const carried = node.inputs.slice(2).map((_, i) => c.input(2 + i))
  carried.forEach((value, i) => {
    const after = shapeOf(node.outputs[i] ?? value)
    if (sameShape(after, shapeOf(value))) return
    throw new QuernError(
      'unsupported',
      `no gradient through Loop at '${node.name}': its carried value '${value.name}' changes its shape from ` +
        `${formatShape(shapeOf(value))} to ${formatShape(after)}`,
      { hint: 'Yield what grows as an output that the loop stacks, or give it its full size from the start.' },
    )
  })
  const types = [
    { dtype: 'int64', shape: [] } as TensorType,
    { dtype: 'bool', shape: [] } as TensorType,
    ...carried.map((value): TensorType => ({ dtype: dtypeOf(value), shape: shapeOf(value) })),
  ]
  const collect = subGraph(g, 'collect', types, (inner, inputs) => [
    ...replay(inner, body, inputs).slice(0, 1 + carried.length),
    inputs[0]!,
    ...inputs.slice(2),
  ])
  const stacks = g.ops('Loop', node.inputs, { body: collect }, 2 * carried.length + 1).slice(carried.length)
  const [turn, ...states] = stacks.map((stack): Sequence => ({ stack, axis: 0, direction: 0 }))
  // While the body runs, its condition holds.
  const holds = g.constant(tensorFromNumbers('bool', [], [1]), 'holds')
  const result = backThroughTurns(c, {
    body,
    turns: [turn!, holds, ...states],
    wanted: [],
    mayBeEmpty: true,
    states: carried.map((initial, i) => ({ input: 2 + i, output: 1 + i, initial, gradient: c.gradient(i) })),
    yields: node.outputs.slice(carried.length).flatMap((_, i) => {
      const stack = c.gradient(carried.length + i)
      return stack ? [{ output: 1 + carried.length + i, gradient: { stack, axis: 0, direction: 0 } }] : []
    }),
  })
  return [...node.inputs.map((_, i) => result.inputs.get(i)), ...result.captured]
}
