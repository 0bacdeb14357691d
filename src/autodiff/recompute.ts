/**
 * Recomputation of activations (Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174, 2016; what to compute again: Korthikanti et
 * al., "Reducing activation recomputation in large transformer models", arXiv:2205.05198, 2022). A step graph keeps every forward value that a
 * gradient reads until that gradient is computed. Here the forward pass is cut into segments; only what crosses a cut is kept, and the backward part
 * reads copies that are computed again, a segment at a time, once the gradients of all later segments are there.
 *
 * Knows no operator. The same operators run on the same numbers, masks of dropout are inputs: the gradients are the same.
 */
import { GraphBuilder } from '../graph/builder.ts'
import { bytesOf, type Graph, hasGraph, type Node, reachable, type Value, valuesUsedBy } from '../graph/graph.ts'
import { after } from '../ops/after.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'

export interface RecomputeOptions {
  readonly table: OpTable
  /** outputs of the graph that belong to the forward pass: the loss, predictions, new states; all other outputs are gradients */
  readonly forward: readonly Value[]
  /** nodes whose results are kept although they could be computed again: those that draw random numbers; products of matrices, to save time */
  readonly keeps: (node: Node) => boolean
  /** number of segments; default: the number that keeps least */
  readonly segments?: number | undefined
}

/** The graph with copies of forward nodes in front of the gradients that read them; the graph itself where nothing is won. */
export function recompute(graph: Graph, options: RecomputeOptions): Graph {
  const forward = forwardNodes(graph, options.forward)
  const plan = planSegments(graph, forward, options)
  return plan ? new Rewriter(graph, forward, plan, options.table).run() : graph
}

function forwardNodes(graph: Graph, outputs: readonly Value[]): Node[] {
  return reachable({ ...graph, outputs }).nodes as Node[]
}

interface Plan {
  /** of each forward node, from 0 */
  readonly segmentOf: ReadonlyMap<Node, number>
  /** values of forward nodes that stay in memory */
  readonly kept: ReadonlySet<Value>
  /** the last segment's gradients come right behind it: it is not computed again */
  readonly last: number
}

const mostSegments = 64

/** Cuts where least crosses; as few as make what is kept and the largest segment together smallest, or nearly so: each costs gates. */
function planSegments(graph: Graph, forward: readonly Node[], options: RecomputeOptions): Plan | undefined {
  const isForward = new Set(forward)
  const read = new Set(graph.nodes.flatMap((node) => (isForward.has(node) ? [] : valuesUsedBy(node))))
  const saved = forward.map((node) => sum(node.outputs.filter((v) => v !== undefined && read.has(v)) as Value[]))
  const crossing = crossings(forward)
  const total = saved.reduce((a, b) => a + b, 0)
  const counts = options.segments === undefined ? range(2, Math.min(mostSegments, forward.length)) : [options.segments]
  let best: { plan: Plan; bytes: number } | undefined
  for (const count of counts) {
    const cuts = chooseCuts(saved, crossing, total, count)
    const plan = planOf(forward, cuts, options.keeps)
    const bytes = bytesOfPlan(forward, read, plan)
    if (cuts.length > 0 && (!best || bytes < 0.97 * best.bytes)) best = { plan, bytes }
  }
  return best && (options.segments !== undefined || best.bytes < total) ? best.plan : undefined
}

const sum = (values: readonly Value[]): number => values.reduce((bytes, value) => bytes + bytesOf(value), 0)
const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

/** Bytes that cross in front of each forward node: made before it, read by it or later. */
function crossings(forward: readonly Node[]): number[] {
  const until = new Map<Value, number>()
  forward.forEach((node, i) => {
    for (const value of valuesUsedBy(node)) until.set(value, i)
  })
  const change = new Array<number>(forward.length + 1).fill(0)
  forward.forEach((node, i) => {
    for (const value of node.outputs) {
      const end = value && until.get(value)
      if (end === undefined || !value) continue
      change[i + 1]! += bytesOf(value)
      change[end + 1]! -= bytesOf(value)
    }
  })
  let bytes = 0
  return forward.map((_, i) => (bytes += change[i]!))
}

/** Positions (a cut stands in front of the node) that divide what is saved evenly, each where least crosses nearby. */
function chooseCuts(saved: readonly number[], crossing: readonly number[], total: number, count: number): number[] {
  const cuts = new Map<number, number>()
  let before = 0
  saved.forEach((bytes, i) => {
    const window = Math.round((before / total) * count)
    before += bytes
    if (i === 0 || window < 1 || window >= count) return
    const best = cuts.get(window)
    if (best === undefined || crossing[i]! < crossing[best]!) cuts.set(window, i)
  })
  return [...cuts.values()].sort((a, b) => a - b)
}

function planOf(forward: readonly Node[], cuts: readonly number[], keeps: (node: Node) => boolean): Plan {
  const segmentOf = new Map<Node, number>()
  const made = new Map<Value, number>()
  const kept = new Set<Value>()
  forward.forEach((node, i) => {
    const segment = cuts.filter((cut) => cut <= i).length
    segmentOf.set(node, segment)
    for (const value of valuesUsedBy(node)) if (made.has(value) && made.get(value) !== segment) kept.add(value)
    for (const value of node.outputs) {
      if (!value) continue
      made.set(value, segment)
      // What sub-graphs read from outside has no copy, so neither have they.
      if (segment === cuts.length || hasGraph(node) || keeps(node)) kept.add(value)
    }
  })
  return { segmentOf, kept, last: cuts.length }
}

/** What is kept until its gradient, and the largest of the segments that are computed again beside it. */
function bytesOfPlan(forward: readonly Node[], read: ReadonlySet<Value>, { segmentOf, kept, last }: Plan): number {
  const again = new Array<number>(last + 1).fill(0)
  let always = 0
  for (const node of forward) {
    const segment = segmentOf.get(node)!
    for (const value of node.outputs) {
      if (!value) continue
      if (segment < last && kept.has(value)) always += bytesOf(value)
      else if (read.has(value)) again[segment]! += bytesOf(value)
    }
  }
  return always + Math.max(...again)
}

/** Walks the backward part in order: each node that reads what is not kept gets a copy of the nodes that compute it. */
class Rewriter {
  readonly #graph: Graph
  readonly #forward: ReadonlySet<Node>
  readonly #plan: Plan
  readonly #g: Emitter
  readonly #producers = new Map<Value, Node>()
  /** copies of values, and kept values behind the gate of a segment */
  readonly #copies = new Map<Value, Value>()
  readonly #late = new Map<string, Value>()
  /** segment whose gradients a backward value belongs to */
  readonly #segments = new Map<Value, number>()
  /** what the copies of a segment wait for */
  readonly #gates = new Map<number, readonly Value[]>()

  constructor(graph: Graph, forward: readonly Node[], plan: Plan, table: OpTable) {
    this.#graph = graph
    this.#forward = new Set(forward)
    this.#plan = plan
    this.#g = new Emitter(table, GraphBuilder.resume(graph))
    for (const node of forward) for (const value of node.outputs) if (value) this.#producers.set(value, node)
  }

  run(): Graph {
    const { builder } = this.#g
    builder.nodes.length = 0
    builder.nodes.push(...this.#forward)
    for (const node of this.#graph.nodes) if (!this.#forward.has(node)) this.#backward(node)
    return reachable({ ...this.#graph, nodes: [...builder.nodes] })
  }

  #backward(node: Node): void {
    const used = valuesUsedBy(node)
    const gone = used.filter((value) => this.#isGone(value))
    const segment = Math.min(
      this.#plan.last,
      ...gone.map((value) => this.#plan.segmentOf.get(this.#producers.get(value)!)!),
      ...used.map((value) => this.#segments.get(value) ?? Infinity),
    )
    for (const value of node.outputs) if (value) this.#segments.set(value, segment)
    if (gone.length === 0) return void this.#g.builder.nodes.push(node)
    const arriving = node.inputs.filter((value) => value && (this.#segments.get(value) ?? -1) > segment) as Value[]
    if (!this.#gates.has(segment)) this.#gates.set(segment, this.#gate(segment, arriving))
    // A sub-graph reads values from outside by name: what it reads stays as it is.
    const inputs = node.inputs.map((value) => (value && this.#isGone(value) ? this.#copy(value) : value))
    this.#g.builder.nodes.push({ ...node, inputs })
  }

  #isGone(value: Value): boolean {
    return this.#producers.has(value) && !this.#plan.kept.has(value)
  }

  /** The gradients that come in, and those of parameters in the segment behind, so that what they read is free by then. */
  #gate(segment: number, arriving: readonly Value[]): readonly Value[] {
    const outputs = new Set(this.#graph.outputs)
    const finished = this.#g.builder.nodes.flatMap((node) =>
      node.outputs.filter((value) => value && outputs.has(value) && this.#segments.get(value) === segment + 1),
    ) as Value[]
    return [...new Set([...arriving, ...finished])]
  }

  #copy(value: Value): Value {
    const known = this.#copies.get(value)
    if (known) return known
    const node = this.#producers.get(value)!
    const gates = this.#gates.get(this.#plan.segmentOf.get(node)!) ?? []
    const inputs = node.inputs.map((input) => input && this.#inputOf(input, gates, this.#plan.segmentOf.get(node)!))
    const outputs = this.#g.builder.node({
      op: node.op,
      domain: node.domain,
      inputs,
      attributes: node.attributes,
      outputs: node.outputs.map((output) => output?.type),
      names: node.outputs.map((output) => output && `${output.name}:again`),
    })
    node.outputs.forEach((output, i) => {
      if (output && !this.#plan.kept.has(output)) this.#copies.set(output, outputs[i]!)
    })
    return this.#copies.get(value)!
  }

  #inputOf(input: Value, gates: readonly Value[], segment: number): Value {
    if (this.#isGone(input)) return this.#copy(input)
    if (input.constant || !this.#mustWait(input)) return input
    const key = `${segment}:${input.name}`
    const late = this.#late.get(key) ?? after(this.#g, input, gates)
    this.#late.set(key, late)
    return late
  }

  /** Parameters are read behind the gate through the other inputs of their nodes. */
  #mustWait(input: Value): boolean {
    return this.#producers.has(input) || this.#graph.inputs.includes(input)
  }
}
