/**
 * Pictures with their rows in front, [height, n * channels, width]: the order in which winograd.ts multiplies by the matrices of an axis. Between two of its
 * convolutions, operators that see each element or each channel by itself compute in that order, so that nothing is turned there and back.
 */
import { sameShape } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, reachable, shapeOf, type Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'

export type Pictures = readonly [n: number, channels: number, height: number, width: number]

/** [n, channels, height, width] as [height, n * channels, width]. */
export function rowsOf(g: Emitter, x: Value): Value {
  const [n, channels, height, width] = shapeOf(x) as Pictures
  return g.transpose(g.reshape(x, [n * channels, height, width]), rowsInFront)
}

/** And back. */
export function picturesOf(g: Emitter, rows: Value, shape: Pictures): Value {
  return g.reshape(g.transpose(rows, rowsInFront), shape)
}

const rowsInFront = [1, 0, 2]

/** Operators that see each element by itself, or with one number for each channel. */
const elementwise = new Set(['Add', 'LeakyRelu', 'Mul', 'Relu', 'Sigmoid', 'Sub', 'Tanh'])

export function rowsFirst(graph: Graph, table: OpTable): Graph {
  const builder = GraphBuilder.resume(graph)
  const walk = new Walk(new Emitter(table, builder), new Set(graph.outputs))
  const nodes = graph.nodes.flatMap((node) => {
    const from = builder.nodes.length
    const kept = builder.within(node.name, () => walk.see(node))
    return [...builder.nodes.slice(from), ...kept]
  })
  return walk.replaced.size > 0 ? reachable({ ...graph, nodes }) : graph
}

class Walk {
  readonly #g: Emitter
  readonly #outputs: ReadonlySet<Value>
  readonly #producers = new Map<Value, Node>()
  /** of values [n, channels, height, width] the same as [height * n, channels, width] */
  readonly #rows = new Map<Value, Value>()
  /** of such values [height, n * channels, width], where a node computes that */
  readonly #turned = new Map<Value, Value>()
  /** values that are read no more, and what is read in their place */
  readonly replaced = new Map<Value, Value>()

  constructor(g: Emitter, outputs: ReadonlySet<Value>) {
    this.#g = g
    this.#outputs = outputs
  }

  /** Writes what is new in front of a node, and returns what stays of the node. */
  see(original: Node): Node[] {
    const node = substitute(original, this.replaced)
    for (const value of node.outputs) if (value) this.#producers.set(value, node)
    if (node.domain !== '') return [node]
    if (node.op === 'Reshape') this.#seeReshape(node)
    if (node.op === 'Transpose') return this.#seeTranspose(node)
    if (elementwise.has(node.op) || node.op === 'BatchNormalization') return this.#seeChannels(node)
    return [node]
  }

  /** What rows become pictures of. */
  #seeReshape({ inputs, outputs: [pictures] }: Node): void {
    const before = this.#producers.get(inputs[0]!)
    if (!before || !isTurn(before) || shapeOf(pictures!).length !== 4) return
    const [n, channels, height, width] = shapeOf(pictures!) as Pictures
    if (!sameShape(shapeOf(inputs[0]!), [n * channels, height, width])) return
    this.#rows.set(pictures!, this.#g.reshape(before.inputs[0]!, [height * n, channels, width]))
  }

  /** Pictures that become rows, which may be at hand. */
  #seeTranspose(node: Node): Node[] {
    const [turned] = node.outputs as [Value]
    const before = this.#producers.get(node.inputs[0]!)
    const pictures = before?.op === 'Reshape' ? before.inputs[0]! : undefined
    if (!pictures || !isTurn(node) || shapeOf(pictures).length !== 4) return [node]
    const [n, channels, height, width] = shapeOf(pictures) as Pictures
    if (!sameShape(shapeOf(node.inputs[0]!), [n * channels, height, width])) return [node]
    const rows = this.#rows.get(pictures)
    if (rows && !this.#outputs.has(turned)) {
      this.replaced.set(turned, this.#g.reshape(rows, shapeOf(turned)))
      return []
    }
    this.#turned.set(pictures, turned)
    return [node]
  }

  #seeChannels(node: Node): Node[] {
    const [y, ...others] = node.outputs
    const inputs = node.inputs.map((value) => value!)
    if (!inputs.some((value) => this.#rows.has(value)) || others.some((value) => value && this.#outputs.has(value)))
      return [node]
    const shape = shapeOf(y!) as Pictures
    const isBatch = node.op === 'BatchNormalization'
    const operands = inputs.map((value, i) => (isBatch && i > 0 ? value : this.#operand(value, shape)))
    if (!operands.every((value) => value !== undefined)) return [node]
    const [rows, ...rest] = this.#g.repeat(node, operands)
    for (const [i, value] of rest.entries()) if (value) this.replaced.set(others[i]!, value)
    this.#rows.set(y!, rows!)
    const [n, channels, height, width] = shape
    picturesOf(this.#g, this.#g.reshape(rows!, [height, n * channels, width]), shape)
    const last = this.#g.builder.nodes.pop()!
    return [{ ...last, outputs: [y!] }]
  }

  /** An operand of an element-wise node in the order of rows; undefined where it has another shape. */
  #operand(value: Value, shape: Pictures): Value | undefined {
    const known = this.#rows.get(value)
    if (known) return known
    const own = shapeOf(value)
    const [n, channels, height, width] = shape
    if (own.every((size) => size === 1)) return this.#g.reshape(value, [])
    if (sameShape(own.slice(-3), [channels, 1, 1]) && own.slice(0, -3).every((size) => size === 1))
      return this.#g.reshape(value, [channels, 1])
    if (!sameShape(own, shape)) return undefined
    const turned = this.#turned.get(value) ?? rowsOf(this.#g, value)
    const rows = this.#g.reshape(turned, [height * n, channels, width])
    this.#rows.set(value, rows)
    return rows
  }
}

function isTurn({ op, attributes: { perm } }: Node): boolean {
  return op === 'Transpose' && perm?.kind === 'ints' && perm.value.join() === rowsInFront.join()
}
