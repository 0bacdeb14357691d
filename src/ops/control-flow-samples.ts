/** Calls of If, Loop and Scan for the generated tests: captured values, states that meet, jumps that depend on the data. */
import { dtypeOf, type Graph, shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { Sample, SampleInput } from './op.ts'
import { subGraph } from './sub-graph.ts'

type Body = (g: Emitter, values: readonly Value[], captured: readonly Value[]) => readonly Value[]

const typeOf = (value: Value): TensorType => ({ dtype: dtypeOf(value), shape: shapeOf(value) })

// If

function branches(then: Body, otherwise: Body): Pick<Sample, 'graphs'> {
  return {
    graphs: (g, captured) => ({
      then_branch: subGraph(g, 'then', [], (inner) => then(inner, [], captured)),
      else_branch: subGraph(g, 'else', [], (inner) => otherwise(inner, [], captured)),
    }),
  }
}

/** One branch returns a captured value itself; the other lacks one of the two. */
const product: Body = (g, _, [a, b]) => [g.mul(a!, b!), a!]
const roots: Body = (g, _, [a]) => [g.tanh(a!), g.mul(g.mul(a!, a!), 0.5)]

const nested: Body = (g, _, [a, b]) => {
  const deep = (name: string, body: (inner: Emitter) => Value): Graph => subGraph(g, name, [], (i) => [body(i)])
  const sum = g.add(a!, b!)
  const then_branch = deep('inner_then', (i) => i.mul(sum, sum))
  const else_branch = deep('inner_else', (i) => i.neg(b!))
  const condition = g.greater(g.sum(g.abs(a!)), -1)
  return [g.op('If', [condition], { then_branch, else_branch }), a!]
}

const bit = (value: boolean): SampleInput => ({ shape: [], dtype: 'bool', values: [value ? 1 : 0] })

export const ifSamples: readonly Sample[] = [true, false].flatMap((value): Sample[] => [
  {
    title: `condition ${value}`,
    inputs: [bit(value)],
    captured: [{ shape: [2, 3] }, { shape: [3] }],
    outputs: 2,
    ...branches(product, roots),
  },
  {
    title: `a branch in a branch, condition ${value}`,
    inputs: [bit(value)],
    captured: [{ shape: [2] }, { shape: [2] }],
    outputs: 2,
    ...branches(nested, product),
  },
  {
    title: `a branch that reads nothing, condition ${value}`,
    inputs: [bit(value)],
    captured: [{ shape: [2] }],
    ...branches(
      (g, __, [a]) => [g.exp(a!)],
      (g, __, [a]) => [g.onesLike(a!)],
    ),
  },
])

// Loop

function loopOf(body: Body): Pick<Sample, 'graphs'> {
  return {
    graphs: (g, captured, [, , ...carried]) => {
      const types: TensorType[] = [
        { dtype: 'int64', shape: [] },
        { dtype: 'bool', shape: [] },
        ...carried.map((value) => typeOf(value!)),
      ]
      return { body: subGraph(g, 'body', types, (inner, values) => body(inner, values, captured)) }
    },
  }
}

const count = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value] })
const fixed = (value: number): SampleInput => ({ ...count(value), constant: true })

/** x -> tanh(w x), yields x times the number of the turn. */
const decay: Body = (g, [turn, go, x], [w]) => [
  go!,
  g.tanh(g.mul(x!, w!)),
  g.mul(x!, g.add(g.cast(turn!, dtypeOf(x!)), 1)),
]

/** Two carried values that feed each other; the second is a whole number and has no gradient. */
const mixed: Body = (g, [, go, x, n], [w]) => [
  go!,
  g.mul(x!, g.add(w!, g.cast(n!, dtypeOf(x!)))),
  g.add(n!, 1),
  g.mul(x!, x!),
]

/** Grows until the sum is over 10: the number of turns depends on the data. */
const whileSmall: Body = (g, [, , x], [w]) => {
  const next = g.mul(x!, g.add(g.mul(w!, w!), 1.5))
  return [g.less(g.sum(next), 10), next]
}

export const loopSamples: readonly Sample[] = [
  {
    title: 'three turns',
    inputs: [fixed(3), undefined, { shape: [2] }],
    captured: [{ shape: [2] }],
    outputs: 2,
    ...loopOf(decay),
  },
  {
    title: 'the count is an input',
    inputs: [count(3), bit(true), { shape: [2] }],
    captured: [{ shape: [2] }],
    outputs: 1,
    ...loopOf((...all) => decay(...all).slice(0, 2)),
  },
  {
    title: 'no turn',
    inputs: [fixed(0), undefined, { shape: [2] }],
    captured: [{ shape: [2] }],
    outputs: 2,
    ...loopOf(decay),
  },
  {
    title: 'never begins',
    inputs: [fixed(3), bit(false), { shape: [2] }],
    captured: [{ shape: [2] }],
    ...loopOf((...all) => decay(...all).slice(0, 2)),
  },
  {
    title: 'a whole number is carried',
    inputs: [fixed(3), undefined, { shape: [2] }, { shape: [], dtype: 'int64', values: [2] }],
    captured: [{ shape: [] }],
    outputs: 3,
    ...loopOf(mixed),
  },
  {
    title: 'while a condition holds',
    inputs: [undefined, bit(true), { shape: [2], from: 0.5, to: 1 }],
    captured: [{ shape: [], from: 0.2, to: 0.8 }],
    ...loopOf(whileSmall),
  },
  {
    title: 'carries nothing',
    inputs: [fixed(2), undefined],
    captured: [{ shape: [2] }],
    ...loopOf((g, [turn, go], [w]) => [go!, g.mul(w!, g.cast(turn!, dtypeOf(w!)))]),
  },
]

// Scan

function scanOf(body: Body, types: (like: Value) => readonly TensorType[]): Pick<Sample, 'graphs'> {
  return {
    graphs: (g, captured, inputs) => ({
      body: subGraph(g, 'body', types(inputs.find((value) => value)!), (inner, values) =>
        body(inner, values, captured),
      ),
    }),
  }
}

const floats =
  (...shapes: (readonly number[])[]) =>
  (like: Value): TensorType[] =>
    shapes.map((shape) => ({ dtype: dtypeOf(like), shape }))

/** h -> tanh(h w + x), yields h x: a small recurrent layer. */
const recurrent: Body = (g, [h, x], [w]) => {
  const next = g.tanh(g.add(g.matMul(h!, w!), x!))
  return [next, g.mul(next, x!)]
}

export const scanSamples: readonly Sample[] = [
  {
    title: 'recurrence',
    inputs: [{ shape: [2, 3] }, { shape: [4, 2, 3] }],
    captured: [{ shape: [3, 3], from: -1, to: 1 }],
    attributes: { num_scan_inputs: 1 },
    outputs: 2,
    ...scanOf(recurrent, floats([2, 3], [2, 3])),
  },
  {
    title: 'backwards, other axes',
    inputs: [{ shape: [2, 3] }, { shape: [2, 4, 3] }],
    captured: [{ shape: [3, 3], from: -1, to: 1 }],
    attributes: {
      num_scan_inputs: 1,
      scan_input_axes: [1],
      scan_input_directions: [1],
      scan_output_axes: [-1],
      scan_output_directions: [1],
    },
    outputs: 2,
    ...scanOf(recurrent, floats([2, 3], [2, 3])),
  },
  {
    title: 'only what is yielded',
    inputs: [{ shape: [2] }, { shape: [3, 2] }],
    captured: [{ shape: [2] }],
    attributes: { num_scan_inputs: 1 },
    outputs: 2,
    differentiate: [1],
    ...scanOf((g, [s, x], [w]) => [g.add(s!, g.mul(x!, w!)), g.mul(s!, s!)], floats([2], [2])),
  },
  {
    title: 'no state, two sequences',
    inputs: [{ shape: [3, 2] }, { shape: [2, 3] }],
    captured: [],
    attributes: { num_scan_inputs: 2, scan_input_axes: [0, 1], scan_input_directions: [0, 1] },
    ...scanOf((g, [a, b]) => [g.mul(a!, g.exp(b!))], floats([2], [2])),
  },
  {
    title: 'a state that only the captured value reaches',
    inputs: [
      { shape: [2], values: [0, 0], constant: true },
      { shape: [3], dtype: 'int64', values: [1, 2, 3] },
    ],
    captured: [{ shape: [2] }],
    attributes: { num_scan_inputs: 1 },
    ...scanOf(
      (g, [s, n], [w]) => [g.add(g.mul(s!, s!), g.mul(w!, g.cast(n!, dtypeOf(w!))))],
      (like) => [typeOf(like), { dtype: 'int64', shape: [] }],
    ),
  },
]
