/**
 * What must come before what in a graph, whatever order a runtime chooses, and where ONNX Runtime keeps a result in the memory of what it is computed from.
 */
import { type Graph, hasGraph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'
import { isViewOperator, producersOf } from './node-queries.ts'

/** Operators that ONNX Runtime computes in the memory of their first input, as far as gradients use them; Add, Mul, Exp and their like it does not (1.30.0). */
const inPlace: ReadonlySet<string> = new Set([
  'Clip',
  'HardSigmoid',
  'LogSoftmax',
  'Relu',
  'ScatterElements',
  'Sigmoid',
  'Softmax',
  'Tanh',
])

/** Nodes are known by their place in the graph. */
export class ExecutionOrder {
  readonly #nodes: readonly Node[]
  readonly #producers: ReadonlyMap<Value, Node>
  readonly #places: ReadonlyMap<Node, number>
  readonly #readers = new Map<Value, number[]>()
  readonly #outputs: ReadonlySet<Value>
  /** by value, 1 at each node that must be done before the one that computes it */
  readonly #before = new Map<Value, Uint8Array>()
  readonly #users = new Map<Value, readonly number[] | undefined>()

  constructor(graph: Graph) {
    this.#nodes = graph.nodes
    this.#producers = producersOf(graph)
    this.#places = new Map(graph.nodes.map((node, i) => [node, i]))
    this.#outputs = new Set(graph.outputs)
    for (const [i, node] of graph.nodes.entries()) {
      for (const value of valuesUsedBy(node)) {
        const known = this.#readers.get(value)
        if (!known) this.#readers.set(value, [i])
        else if (known.at(-1) !== i) known.push(i)
      }
    }
  }

  isOutput(value: Value): boolean {
    return this.#outputs.has(value)
  }

  /** Place of the node that computes a value. */
  placeOf(value: Value): number {
    return this.#places.get(this.#producers.get(value)!)!
  }

  /** Place of the last node that reads a value, or of the one that computes it. */
  lastReader(value: Value): number {
    return this.#readers.get(value)?.at(-1) ?? this.placeOf(value)
  }

  /** The value whose memory the runtime gives to this one: of views always, else once nobody reads it any more. */
  sourceOf(value: Value): Value | undefined {
    const node = this.#producers.get(value)!
    return this.isView(value) || (node.domain === '' && inPlace.has(node.op)) ? node.inputs[0] : undefined
  }

  isView(value: Value): boolean {
    return isViewOperator(this.#producers.get(value)!)
  }

  /** True when nobody can read the memory of `value` any more once the node begins that computes `other`; false also for a `value` that has no memory of its own. */
  isDoneBefore(value: Value, other: Value): boolean {
    if (!this.#users.has(value)) this.#users.set(value, this.#usersOf(value))
    const before = this.#before.get(other) ?? this.#nodesBefore(other)
    this.#before.set(other, before)
    return this.#users.get(value)?.every((place) => before[place] === 1) ?? false
  }

  /** What computes a value, and whatever may read its memory; undefined for what is not to be moved. */
  #usersOf(value: Value): readonly number[] | undefined {
    const isFloat = value.type?.dtype === 'float32'
    if (!isFloat || !this.#producers.has(value) || this.isOutput(value) || this.isView(value)) return undefined
    const users = new Set([this.placeOf(value)])
    const waiting = [value]
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      for (const place of this.#readers.get(next) ?? []) {
        const node = this.#nodes[place]!
        if (hasGraph(node)) return undefined
        if (users.has(place)) continue
        users.add(place)
        if (mayBeAbsorbed(node)) waiting.push(...node.outputs.filter((output) => output !== undefined))
      }
    }
    return [...users]
  }

  #nodesBefore(value: Value): Uint8Array {
    const found = new Uint8Array(this.#nodes.length)
    const last = this.#producers.get(value)
    const waiting = last ? valuesUsedBy(last) : []
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const node = this.#producers.get(next)
      if (!node || found[this.#places.get(node)!] === 1) continue
      found[this.#places.get(node)!] = 1
      waiting.push(...valuesUsedBy(node))
    }
    return found
  }
}

/**
 * A node that reads one value, constants apart, such as Reshape, Transpose or Cast. A runtime may give its result the memory of that value, or make the node part
 * of those that read the result, which then read the value itself.
 */
function mayBeAbsorbed(node: Node): boolean {
  return new Set(valuesUsedBy(node).filter(({ constant }) => !constant)).size === 1
}
