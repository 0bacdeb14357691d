/** Grows a graph node by node, gives names, and hands out the finished graph. Knows no operator by name. */
import type { Tensor } from '../core/tensor.ts'
import {
  type Attributes,
  type ContainerType,
  constantsOf,
  type Graph,
  type Node,
  reachable,
  type TensorType,
  type Value,
} from './graph.ts'

export interface NewNode {
  readonly op: string
  readonly domain?: string
  readonly inputs: readonly (Value | undefined)[]
  readonly attributes?: Attributes
  /** types of the outputs; undefined for an output that nobody asked for */
  readonly outputs: readonly (TensorType | undefined)[]
  /** what outputs are that are no tensors; they have no type */
  readonly containers?: readonly (ContainerType | undefined)[]
  /** names of the outputs, where they matter; otherwise they are numbered */
  readonly names?: readonly (string | undefined)[]
}

export class GraphBuilder {
  readonly name: string
  readonly inputs: Value[] = []
  readonly parameters: Value[] = []
  readonly nodes: Node[] = []
  /** names of the layers that are being applied, outermost first: they prefix node names */
  readonly scope: string[] = []
  readonly #names: Map<string, number>

  /** `outer`: the builder of the graph in which this one is a sub-graph; no name is then used twice in the two. */
  constructor(name: string, outer?: GraphBuilder) {
    this.name = name
    this.#names = outer ? outer.#names : new Map()
  }

  /** A builder that goes on where a finished graph (that passes have rewritten, say) ends. */
  static resume(graph: Graph): GraphBuilder {
    const builder = new GraphBuilder(graph.name)
    builder.inputs.push(...graph.inputs)
    builder.parameters.push(...graph.parameters)
    builder.nodes.push(...graph.nodes)
    const values = [...graph.inputs, ...graph.parameters, ...constantsOf(graph)]
    for (const node of graph.nodes) {
      builder.#unique(node.name)
      for (const value of node.outputs) if (value) values.push(value)
    }
    for (const value of values) builder.#unique(value.name)
    return builder
  }

  /** `wanted`, or with a number behind it when the name is taken. */
  #unique(wanted: string): string {
    const taken = this.#names.get(wanted)
    this.#names.set(wanted, (taken ?? 0) + 1)
    return taken === undefined ? wanted : this.#unique(`${wanted}_${taken}`)
  }

  input(name: string, type: TensorType): Value {
    const value = { name: this.#unique(name), type, constant: undefined }
    this.inputs.push(value)
    return value
  }

  parameter(path: string, type: TensorType): Value {
    const value = { name: this.#unique(path), type, constant: undefined }
    this.parameters.push(value)
    return value
  }

  constant(constant: Tensor, name = 'constant'): Value {
    return { name: this.#unique(name), type: { dtype: constant.dtype, shape: constant.shape }, constant }
  }

  node(spec: NewNode): readonly (Value | undefined)[] {
    const name = this.#unique([...this.scope, spec.op].join('/'))
    const outputs = spec.outputs.map((type, i) => {
      const container = spec.containers?.[i]
      if (!type && !container) return undefined
      const wanted = spec.names?.[i] ?? (spec.outputs.length === 1 ? `${name}:out` : `${name}:out${i}`)
      return { name: this.#unique(wanted), type, constant: undefined, ...(container ? { container } : {}) }
    })
    this.nodes.push({
      op: spec.op,
      domain: spec.domain ?? '',
      name,
      inputs: spec.inputs,
      outputs,
      attributes: spec.attributes ?? {},
    })
    return outputs
  }

  /** Runs `body` with a layer's name in front of every node name. */
  within<T>(name: string, body: () => T): T {
    this.scope.push(name)
    try {
      return body()
    } finally {
      this.scope.pop()
    }
  }

  /** The graph of the nodes that these outputs need. Inputs and parameters stay, also the unused ones. */
  finish(outputs: readonly Value[]): Graph {
    return reachable({
      name: this.name,
      inputs: [...this.inputs],
      parameters: [...this.parameters],
      nodes: [...this.nodes],
      outputs,
    })
  }
}
