/**
 * LSTM and GRU in a training step. Their operators do not give out their gates, so that their gradient rules compute all gates a second time. Here
 * the recurrence is written as a Scan that keeps what the gradient needs, with a gradient of its own.
 *
 * While gradients are taken the node stays where it is, and the table that comes with the graph answers with the other rule; afterwards
 * `finish` lets the readers of the node read the Scan. The exported model is traced anew and has the operator.
 */
import { isStatic } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, reachable, shapeOf, type Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { readAttributes } from '../ops/attributes.ts'
import { Emitter } from '../ops/emitter.ts'
import type { AttributeReader, GradientContext, GradientRule, OpTable } from '../ops/op.ts'
import type { Kept, Steps } from './gate-steps.ts'
import { keepGru } from './gru-steps.ts'
import { keepLstm } from './lstm-steps.ts'

export interface KeptGates {
  /** the forward graph, with the Scans in front of the nodes whose place they take */
  readonly graph: Graph
  /** to differentiate with */
  readonly table: OpTable
  /** puts the Scans in place, where a gradient was taken */
  readonly finish: (graph: Graph) => Graph
}

/** The Scans that compute what a node does, one for each direction, and its outputs from them. */
interface Recurrences {
  readonly runs: readonly Kept[]
  readonly outputs: readonly Value[]
  readonly valid: Value | undefined
}

interface Written extends Recurrences {
  readonly nodes: readonly Node[]
  /** how many gradients were taken */
  differentiated: number
}

export function keepGates(graph: Graph, table: OpTable): KeptGates {
  const builder = GraphBuilder.resume(graph)
  const g = new Emitter(table, builder)
  const written = new Map<Value, Written>()
  const nodes = graph.nodes.flatMap((node) => {
    if (!isKnown(node, graph, table)) return [node]
    const from = builder.nodes.length
    const made = builder.within(node.name, () => write(g, node, readerOf(node, table)))
    const own = builder.nodes.slice(from)
    written.set(firstOutput(node), { ...made, nodes: own, differentiated: 0 })
    return [...own, node]
  })
  if (written.size === 0) return { graph, table, finish: (done) => done }
  const ruleOf = (otherwise: GradientRule): GradientRule => {
    return (context) => {
      const found = written.get(firstOutput(context.node))
      return found ? gradient(found, context) : otherwise(context)
    }
  }
  return {
    graph: { ...graph, nodes },
    table: {
      names: () => table.names(),
      get: (domain, name) => {
        const op = table.get(domain, name)
        if (!op || !isGated(name, domain) || typeof op.grad !== 'function') return op
        return { ...op, grad: ruleOf(op.grad) }
      },
    },
    finish: (done) => replaceNodes(done, written),
  }
}

const isGated = (name: string, domain: string): boolean => domain === '' && (name === 'LSTM' || name === 'GRU')
const firstOutput = (node: Node): Value => node.outputs.find((value) => value !== undefined)!
const readerOf = (node: Node, table: OpTable): AttributeReader =>
  readAttributes(table.get(node.domain, node.op)!, node.attributes)

/** The forms that the Scans compute; the operators' own rules know or refuse the others. */
function isKnown(node: Node, graph: Graph, table: OpTable): boolean {
  if (!isGated(node.op, node.domain)) return false
  const attributes = readerOf(node, table)
  const usual = node.op === 'LSTM' ? ['Sigmoid', 'Tanh', 'Tanh'] : ['Sigmoid', 'Tanh']
  const activations = (attributes.raw('activations')?.value ?? []) as readonly string[]
  const [x, w, r] = node.inputs
  const known = [x, w, r].every((value) => value?.type?.shape && isStatic(value.type.shape))
  return (
    known &&
    x!.type!.dtype === 'float32' &&
    shapeOf(x!)[0] !== 0 &&
    activations.every((name, i) => name === usual[i % usual.length]) &&
    attributes.int('layout') === 0 &&
    !attributes.has('clip') &&
    (node.op === 'GRU' || (attributes.int('input_forget') === 0 && !node.inputs[7])) &&
    // Outputs of the graph keep their names, and so their nodes.
    !node.outputs.some((value) => value && graph.outputs.includes(value))
  )
}

function write(g: Emitter, node: Node, attributes: AttributeReader): Recurrences {
  const [x, w, r, bias, lengths, ...states] = node.inputs as [Value, Value, Value, ...(Value | undefined)[]]
  const [time, batch, features] = shapeOf(x) as [number, number, number]
  const [directions, rows, hidden] = shapeOf(r) as [number, number, number]
  const valid = lengths && validSteps(g, lengths, time, batch)
  const zeros = g.full([hidden, batch], 0)
  const runs = Array.from({ length: directions }, (_, d) => {
    const own = (value: Value) => g.squeeze(directions === 1 ? value : g.slice(value, [d], [d + 1], [0]), [0])
    const half = (value: Value, i: number) => g.reshape(g.slice(value, [i * rows], [(i + 1) * rows], [0]), [rows, 1])
    const initial = (i: number) => (states[i] ? g.swapLast(own(states[i])) : zeros)
    const biases = bias && own(bias)
    const steps: Steps = {
      g,
      name: `${node.name}/${d}`,
      backwards: d === 1 || attributes.string('direction') === 'reverse',
      x: g.transpose(x, [0, 2, 1]),
      rows: g.reshape(x, [time * batch, features]),
      w: own(w),
      r: own(r),
      bias: biases && [half(biases, 0), half(biases, 1)],
      initial: node.op === 'LSTM' ? [initial(0), initial(1)] : [initial(0)],
      valid,
    }
    return node.op === 'LSTM' ? keepLstm(steps) : keepGru(steps, attributes.int('linear_before_reset') === 0)
  })
  const stacked = (values: readonly Value[], axis: number) =>
    g.concat(
      values.map((value) => g.unsqueeze(value, [axis])),
      axis,
    )
  const ys = runs.map(({ y }) => g.transpose(valid ? g.where(valid, y, 0) : y, [0, 2, 1]))
  const last = runs[0]!.last.map((_, i) =>
    stacked(
      runs.map((run) => g.swapLast(run.last[i]!)),
      0,
    ),
  )
  return { runs, outputs: [stacked(ys, 1), ...last], valid }
}

/** t < length, bool `[time, 1, batch]`. */
function validSteps(g: Emitter, lengths: Value, time: number, batch: number): Value {
  const t = g.integers([...Array(time).keys()])
  return g.less(g.reshape(t, [time, 1, 1]), g.reshape(g.cast(lengths, 'int64'), [1, 1, batch]))
}

function gradient(written: Written, context: GradientContext): readonly (Value | undefined)[] {
  const { g, node } = context
  const { runs, valid } = written
  const count = written.differentiated++
  const outer = context.gradient(0)
  const own = (value: Value, d: number, axis: number) =>
    g.squeeze(runs.length === 1 ? value : g.slice(value, [d], [d + 1], [axis]), [axis])
  const parts = runs.map((run, d) => {
    const dy = outer && g.swapLast(own(outer, d, 1))
    const dLast = run.last.map((_, i) => {
      const arriving = context.gradient(1 + i)
      return arriving && g.swapLast(own(arriving, d, 0))
    })
    const masked = dy && valid ? g.where(valid, dy, 0) : dy
    return run.gradient(g, `${node.name}/${d}/gradient${count || ''}`, { dy: masked, dLast })
  })
  const join = (part: (gradients: (typeof parts)[number]) => Value) =>
    g.concat(
      parts.map((gradients) => g.unsqueeze(part(gradients), [0])),
      0,
    )
  return [
    parts.map(({ x }) => x).reduce((a, b) => g.add(a, b)),
    join(({ w }) => w),
    join(({ r }) => r),
    join(({ bias }) => g.concat(bias, 0)),
    undefined,
    ...runs[0]!.last.map((_, i) => join(({ initial }) => g.swapLast(initial[i]!))),
  ]
}

/** What nobody had asked for when the gradients were taken, such as the outputs, is written at the node's place. */
function replaceNodes(graph: Graph, written: ReadonlyMap<Value, Written>): Graph {
  const present = new Set(graph.nodes)
  const replaced = new Map<Value, Value>()
  const nodes = graph.nodes.flatMap((node) => {
    const found = isGated(node.op, node.domain) ? written.get(firstOutput(node)) : undefined
    if (!found || found.differentiated === 0) return [node]
    node.outputs.forEach((value, i) => {
      if (value) replaced.set(value, found.outputs[i]!)
    })
    return found.nodes.filter((own) => !present.has(own))
  })
  return reachable({ ...graph, nodes: nodes.map((node) => substitute(node, replaced)) })
}
