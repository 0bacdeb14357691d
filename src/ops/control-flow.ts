/**
 * If, Loop and Scan: operators whose attributes are graphs. Gradients: control-flow-gradient.ts.
 * Source: ONNX operators If, Loop, Scan.
 */
import { type Dim, normalizeAxis, unknownDim } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import type { Graph, TensorType } from '../graph/graph.ts'
import { ifGradient, loopGradient, scanGradient } from './control-flow-gradient.ts'
import { ifSamples, loopSamples, scanSamples } from './control-flow-samples.ts'
import type { InferContext, Op } from './op.ts'
import { agree, joinTypes } from './shape-rules.ts'

type Type = TensorType | undefined

const sameType = (a: Type, b: Type): boolean =>
  a?.dtype === b?.dtype &&
  a?.shape?.length === b?.shape?.length &&
  (a?.shape ?? []).every((dim, i) => dim === b?.shape?.[i])

const ifOp: Op = {
  name: 'If',
  since: 19,
  inputs: [1, 1],
  attributes: { then_branch: { kind: 'graph' }, else_branch: { kind: 'graph' } },
  lenient: true,
  infer: (c) => {
    const condition = c.type(0)
    if (condition && condition.dtype !== 'bool') c.fail(`the condition must be bool, received ${condition.dtype}`)
    const [then, otherwise] = [c.subGraph('then_branch', []), c.subGraph('else_branch', [])]
    if (then.length !== otherwise.length)
      c.fail(`both branches must have as many outputs, received ${then.length} and ${otherwise.length}`)
    return then.map((type, i) => joinTypes(type, otherwise[i], `output ${i}`, c.fail))
  },
  grad: ifGradient,
  smooth: true,
  samples: ifSamples,
}

/** Types of the carried values: what holds before the first turn and after any other. */
function carriedTypes(initial: readonly Type[], after: (types: readonly Type[]) => readonly Type[], c: InferContext) {
  let types = initial
  // Each turn can only forget sizes: at most one a dimension, then a rank, then all.
  for (let turn = 0; turn < 10; turn++) {
    const next = after(types)
    const joined = types.map((type, i) => joinTypes(type, next[i], `carried value ${i}`, c.fail))
    if (joined.every((type, i) => sameType(type, types[i]))) return { types, outputs: next }
    types = joined
  }
  return { types: initial.map(() => undefined), outputs: after(initial.map(() => undefined)) }
}

const stacked = (type: Type, count: Dim): Type => type && { ...type, shape: type.shape && [count, ...type.shape] }

/** Whether the body returns its condition as it came, or true: then only the count ends the loop. */
function goesOn(body: Graph): boolean {
  for (let value = body.outputs[0]; value; ) {
    if (value === body.inputs[1]) return true
    if (value.constant) return numbersOf(value.constant)[0] === 1
    const current = value
    const node = body.nodes.find(({ outputs }) => outputs.includes(current))
    value = node?.op === 'Identity' ? node.inputs[0] : undefined
  }
  return false
}

/** Loop(count, condition, carried...): outputs the carried values, then what each turn yields, stacked. */
const loop: Op = {
  name: 'Loop',
  since: 19,
  inputs: [2, Number.MAX_SAFE_INTEGER],
  attributes: { body: { kind: 'graph' } },
  lenient: true,
  infer: (c) => {
    const carried = Array.from({ length: Math.max(0, c.inputCount - 2) }, (_, i) => c.type(i + 2))
    const turn: TensorType = { dtype: 'int64', shape: [] }
    const go: TensorType = { dtype: 'bool', shape: [] }
    const { types, outputs } = carriedTypes(
      carried,
      (now) => c.subGraph('body', [turn, go, ...now]).slice(1, 1 + carried.length),
      c,
    )
    if (outputs.length !== carried.length)
      c.fail(`the body must return a condition and ${carried.length} carried values`)
    const results = c.subGraph('body', [turn, go, ...types]).slice(1 + carried.length)
    const count = c.constant(0)
    const starts = c.constant(1)
    const runsAll =
      (c.type(1) === undefined || (starts && numbersOf(starts)[0] === 1)) && goesOn(c.attributes.graph('body'))
    const turns: Dim = count && runsAll ? Math.max(0, numbersOf(count)[0]!) : unknownDim
    return [...types, ...results.map((type) => stacked(type, turns))]
  },
  grad: loopGradient,
  smooth: true,
  samples: loopSamples,
}

const axesOf = (c: InferContext, name: string, count: number): readonly number[] =>
  c.attributes.has(name) ? c.attributes.ints(name) : new Array<number>(count).fill(0)

/** Scan(states..., sequences...): outputs the last states, then what each turn yields, stacked. */
const scan: Op = {
  name: 'Scan',
  since: 19,
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: {
    body: { kind: 'graph' },
    num_scan_inputs: { kind: 'int' },
    scan_input_axes: { kind: 'ints', optional: true },
    scan_input_directions: { kind: 'ints', optional: true },
    scan_output_axes: { kind: 'ints', optional: true },
    scan_output_directions: { kind: 'ints', optional: true },
  },
  lenient: true,
  infer: (c) => {
    const sequences = c.attributes.int('num_scan_inputs')
    const states = c.inputCount - sequences
    if (sequences < 1 || states < 0) c.fail(`num_scan_inputs is ${sequences}, received ${c.inputCount} inputs`)
    const axes = axesOf(c, 'scan_input_axes', sequences)
    let turns: Dim = unknownDim
    const elements = axes.map((axis, i): Type => {
      const type = c.type(states + i)
      if (!type?.shape) return type
      const at = normalizeAxis(axis, type.shape.length)
      turns = agree(turns, type.shape[at]!, 'the lengths of the sequences', c.fail)
      return { dtype: type.dtype, shape: type.shape.filter((_, j) => j !== at) }
    })
    const initial = Array.from({ length: states }, (_, i) => c.type(i))
    const outputs = c.subGraph('body', [...initial, ...elements])
    const last = initial.map((type, i) => {
      const joined = joinTypes(type, outputs[i], `state ${i}`, c.fail)
      // The runtime insists that a state keeps its shape.
      return joined && type
    })
    const results = outputs.slice(states)
    const places = axesOf(c, 'scan_output_axes', results.length)
    return [
      ...last,
      ...results.map((type, i): Type => {
        if (!type?.shape) return type
        const at = normalizeAxis(places[i] ?? 0, type.shape.length + 1)
        return { ...type, shape: [...type.shape.slice(0, at), turns, ...type.shape.slice(at)] }
      }),
    ]
  },
  grad: scanGradient,
  smooth: true,
  samples: scanSamples,
}

export const controlFlow: readonly Op[] = [ifOp, loop, scan]
