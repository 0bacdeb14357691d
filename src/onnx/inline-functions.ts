/**
 * Functions of a model (operators that the file itself defines) replaced by their bodies, so that what remains are
 * operators of the table. Works on messages: bodies know values by name alone. Source: ONNX IR, "Functions".
 */
import { clone, create } from '@bufbuild/protobuf'
import { QuernError } from '../core/errors.ts'
import { domainName } from './codes.ts'
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
} from './generated/onnx_pb.ts'

/** A file of a kilobyte can call functions that call functions: more nodes than this are refused. */
const nodeLimit = 1_000_000

/**
 * Replaces calls of functions in the model's graph, in place. A function written for another opset than the model's
 * stays a call, and then all functions stay in the model.
 */
export function inlineFunctions(model: ModelProto, opsets: Record<string, number>): void {
  if (model.functions.length === 0 || !model.graph) return
  const inliner = new Inliner(model.functions, opsets)
  const nodes = inliner.count(model.graph.node)
  if (nodes > nodeLimit) {
    throw new QuernError(
      'input',
      `the functions of the ONNX file expand to ${nodes} nodes, expected at most ${nodeLimit}`,
    )
  }
  inliner.expandGraph(model.graph)
  if (!inliner.callsRemain) model.functions = []
}

class Inliner {
  callsRemain = false
  readonly #functions = new Map<string, FunctionProto>()
  /** nodes that a function expands to; undefined while they are being counted */
  readonly #sizes = new Map<FunctionProto, number | undefined>()
  readonly #opsets: Record<string, number>
  #calls = 0

  constructor(functions: readonly FunctionProto[], opsets: Record<string, number>) {
    this.#opsets = opsets
    for (const f of functions) this.#functions.set(key(f.domain, f.name, f.overload), f)
  }

  #called({ domain, opType, overload }: NodeProto): FunctionProto | undefined {
    return this.#functions.get(key(domain, opType, overload))
  }

  /** Nodes that a list expands to, counted before anything is copied; refuses functions that call themselves. */
  count(nodes: readonly NodeProto[]): number {
    let count = 0
    for (const node of nodes) {
      const called = this.#called(node)
      count += called ? this.#size(called) : 1
      for (const { g } of node.attribute) if (g) count += this.count(g.node)
    }
    return count
  }

  #size(called: FunctionProto): number {
    const known = this.#sizes.get(called)
    if (known !== undefined) return known
    if (this.#sizes.has(called)) {
      throw new QuernError('input', `function '${called.name}' of the ONNX file calls itself`)
    }
    this.#sizes.set(called, undefined)
    const size = this.count(called.node)
    this.#sizes.set(called, size)
    return size
  }

  expandGraph(graph: GraphProto): void {
    graph.node = this.#expand(graph.node)
  }

  #expand(nodes: readonly NodeProto[]): NodeProto[] {
    return nodes.flatMap((node) => {
      for (const { g } of node.attribute) if (g) this.expandGraph(g)
      const called = this.#called(node)
      if (!called) return [node]
      if (!this.#agrees(called)) {
        this.callsRemain = true
        return [node]
      }
      return this.#expand(bodyOf(called, node, `${node.name || called.name}#${this.#calls++}`))
    })
  }

  /** Whether the body means the same in the model's opsets; domains that only the body uses are added to them. */
  #agrees({ opsetImport }: FunctionProto): boolean {
    const versions = opsetImport.map(({ domain, version }) => [domainName(domain), Number(version)] as const)
    if (versions.some(([domain, version]) => (this.#opsets[domain] ?? version) !== version)) return false
    for (const [domain, version] of versions) this.#opsets[domain] = version
    return true
  }
}

function key(domain: string, name: string, overload: string): string {
  return JSON.stringify([domainName(domain), name, overload])
}

/** The nodes of a function with the values and attributes of one call. */
function bodyOf(called: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>([['', '']])
  called.input.forEach((name, i) => {
    names.set(name, call.input[i] ?? '')
  })
  const passed: NodeProto[] = []
  called.output.forEach((name, i) => {
    const wanted = call.output[i] ?? ''
    if (wanted === '') return
    // An output that is an input as it came, or that is given twice, has a name already.
    if (!names.has(name)) names.set(name, wanted)
    else passed.push(create(NodeProtoSchema, { opType: 'Identity', input: [names.get(name) ?? ''], output: [wanted] }))
  })
  const rename = (name: string): string => names.get(name) ?? `${prefix}/${name}`
  const given = new Map([...called.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]))
  return [...called.node.map((node) => renamed(clone(NodeProtoSchema, node), rename, given)), ...passed]
}

type Given = ReadonlyMap<string, AttributeProto>

/** Renames the values of a node and of its sub-graphs, and puts the call's attributes in the place of references. */
function renamed(node: NodeProto, rename: (name: string) => string, given: Given): NodeProto {
  node.input = node.input.map(rename)
  node.output = node.output.map(rename)
  node.name = rename(node.name || node.opType)
  node.attribute = node.attribute.flatMap((attribute) => {
    if (attribute.refAttrName === '') return [attribute]
    const value = given.get(attribute.refAttrName)
    // A reference to an attribute that the call leaves out leaves this one out.
    return value ? [Object.assign(clone(AttributeProtoSchema, value), { name: attribute.name })] : []
  })
  for (const { g } of node.attribute) {
    if (!g) continue
    for (const named of [...g.input, ...g.output, ...g.valueInfo, ...g.initializer]) named.name = rename(named.name)
    for (const { values } of g.sparseInitializer) if (values) values.name = rename(values.name)
    for (const inner of g.node) renamed(inner, rename, given)
  }
  return node
}
