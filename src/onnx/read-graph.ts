/** Graphs from messages: names become values, in the order in which the file computes them. */
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Attribute, Attributes, ContainerType, Graph, Node, TensorType, Value } from '../graph/graph.ts'
import { mergeTypes } from '../graph/merge-types.ts'
import { inferContainers } from '../ops/infer.ts'
import { inferOpenTypes } from '../ops/infer-open.ts'
import { newestOpset, type OpTable } from '../ops/op.ts'
import { domainName } from './codes.ts'
import { constantFromAttributes } from './constant-node.ts'
import { attributeFromProto } from './decode-attribute.ts'
import { denseFromSparse, type SideFiles, tensorFromProto } from './decode-tensor.ts'
import { containerFromProto, typeFromProto } from './decode-type.ts'
import type { GraphProto, NodeProto, TypeProto, ValueInfoProto } from './generated/onnx_pb.ts'
import type { NodeForm } from './node-form.ts'
import { isCurrentForm, upgradeNode } from './upgrade.ts'

/** What holds for every graph of a file. */
export interface ReadContext {
  readonly files: SideFiles
  readonly opsets: Readonly<Record<string, number>>
  readonly table: OpTable
  readonly upgrade: boolean
  readonly keepConstantNodes: boolean
  /** which initializers of the outermost graph become parameters */
  readonly isParameter: (name: string, elements: Tensor) => boolean
  readonly parameters: Map<string, Tensor>
  /** whether types that the file states for what its nodes compute are passed over */
  readonly ignoreStated: boolean
  /** names of inputs that are initializers too: their elements are defaults */
  readonly defaults: string[]
}

/** Names that are visible in a graph: its own, then those of the graphs around it. */
class Symbols {
  readonly own: Map<string, Value> = new Map()
  readonly outer: Symbols | undefined

  constructor(outer: Symbols | undefined) {
    this.outer = outer
  }

  find(name: string): Value | undefined {
    return this.own.get(name) ?? this.outer?.find(name)
  }
}

/** Reads the outermost graph; its sub-graphs see the symbols of the graphs around them and share their values. */
export function readGraph(message: GraphProto, context: ReadContext): Graph {
  return new GraphReader(message, context, undefined).read()
}

class GraphReader {
  readonly message: GraphProto
  readonly context: ReadContext
  readonly symbols: Symbols
  readonly where: string
  readonly #stated = new Map<string, TypeProto>()
  /** every name of the graph, also of what is computed later */
  readonly #names = new Set<string>()
  readonly #initialized = new Set<string>()
  readonly #nodeNames = new Map<string, number>()
  readonly #nodes: Node[] = []
  readonly #parameters: Value[] = []
  readonly #isOutermost: boolean

  constructor(message: GraphProto, context: ReadContext, outer: GraphReader | undefined) {
    this.message = message
    this.context = context
    this.symbols = new Symbols(outer?.symbols)
    this.#isOutermost = outer === undefined
    this.where = `graph '${message.name}'`
  }

  read(): Graph {
    const { message } = this
    const computed = this.context.ignoreStated ? [] : [...message.valueInfo, ...message.output]
    for (const info of [...computed, ...message.input]) {
      if (info.type) this.#stated.set(info.name, info.type)
    }
    for (const node of message.node) for (const name of node.output) this.#names.add(name)
    this.#initializers()
    const inputs = message.input.flatMap((info) => this.#input(info))
    message.node.forEach((node, i) => {
      this.#node(node, i)
    })
    const outputs = message.output.map(({ name }) => {
      const value = this.symbols.find(name)
      return value ?? this.#fail(`its output '${name}' is never computed`)
    })
    return { name: message.name, inputs, parameters: this.#parameters, nodes: this.#nodes, outputs }
  }

  #initializers(): void {
    for (const tensor of this.message.initializer) {
      this.#initializer(tensor.name, tensorFromProto(tensor, this.context.files, `initializer '${tensor.name}'`))
    }
    for (const sparse of this.message.sparseInitializer) {
      const name = sparse.values?.name ?? ''
      this.#initializer(name, denseFromSparse(sparse, this.context.files, `initializer '${name}'`))
    }
  }

  #initializer(name: string, elements: Tensor): void {
    if (name === '') this.#fail('an initializer has no name')
    this.#initialized.add(name)
    const type = typeOf(elements)
    if (this.#isOutermost && this.context.isParameter(name, elements)) {
      const value: Value = { name, type, constant: undefined }
      this.context.parameters.set(name, elements)
      this.#parameters.push(value)
      this.#define(value)
    } else this.#define({ name, type, constant: elements })
  }

  /** A graph input; none when an initializer has its name (before IR version 4 every initializer was an input too). */
  #input({ name }: ValueInfoProto): Value[] {
    if (this.symbols.own.has(name)) {
      if (this.#initialized.has(name)) {
        this.context.defaults.push(name)
        return []
      }
      this.#fail(`it has two inputs named '${name}'`)
    }
    const value = this.#value(name, undefined)
    this.#define(value)
    return [value]
  }

  #value(name: string, inferred: TensorType | undefined, held?: ContainerType): Value {
    const stated = this.#stated.get(name)
    const what = `value '${name}' of ${this.where}`
    const type = mergeTypes(inferred, typeFromProto(stated, what))
    const container = type ? undefined : (containerFromProto(stated, what) ?? held)
    return { name, type, constant: undefined, ...(container ? { container } : {}) }
  }

  #define(value: Value): void {
    if (value.name === '') this.#fail('an input has no name')
    if (this.symbols.own.has(value.name)) this.#fail(`two values are named '${value.name}'`)
    this.#names.add(value.name)
    this.symbols.own.set(value.name, value)
  }

  #node(message: NodeProto, index: number): void {
    const domain = domainName(message.domain)
    const op = message.opType
    const name = this.#nodeName(message.name || `${op}_${index}`)
    const where = `node '${name}' (${op})`
    if (op === '') this.#fail(`node '${name}' has no operator`)
    const version = this.context.opsets[domain]
    if (version === undefined) this.#fail(`${where} is of the domain '${domain}', which the file does not import`)
    const inputs = message.input.map((input) => (input === '' ? undefined : this.#operand(input, where)))
    const attributes = this.#attributes(message, where)
    if (domain === '' && op === 'Constant' && !this.context.keepConstantNodes) {
      const elements = constantFromAttributes(attributes)
      const output = message.output[0] ?? ''
      if (elements) {
        this.#define({ name: output, type: typeOf(elements), constant: elements })
        return
      }
    }
    const form: NodeForm = { op, inputs, attributes, outputCount: message.output.length }
    const current = this.#upgraded(form, domain, version ?? 0, name)
    const upgraded = this.context.upgrade && (version ?? 0) <= newestOpset
    const isCurrent = domain !== '' || upgraded || isCurrentForm(op, version ?? 0)
    const types = isCurrent ? this.#infer(current, domain, name) : []
    const containers = isCurrent ? this.#inferContainers(current, domain, name) : []
    const outputs = message.output.slice(0, current.outputCount).map((output, i) => {
      if (output === '') return undefined
      if (this.symbols.own.has(output)) this.#fail(`${where} computes '${output}', which exists already`)
      const value = this.#value(output, types[i], containers[i])
      this.#define(value)
      return value
    })
    this.#nodes.push({ op: current.op, domain, name, inputs: current.inputs, outputs, attributes: current.attributes })
  }

  #operand(name: string, where: string): Value {
    const value = this.symbols.find(name)
    if (value) return value
    const later = this.#names.has(name)
    return this.#fail(
      later
        ? `${where} reads '${name}' before it is computed: the nodes are out of order or form a cycle`
        : `${where} reads '${name}', which nothing computes`,
    )
  }

  #attributes(message: NodeProto, where: string): Attributes {
    const attributes: Record<string, Attribute> = Object.create(null)
    for (const attribute of message.attribute) {
      const what = `attribute '${attribute.name}' of ${where}`
      if (attributes[attribute.name]) this.#fail(`${what} is given twice`)
      attributes[attribute.name] = attributeFromProto(
        attribute,
        {
          tensor: (tensor) => tensorFromProto(tensor, this.context.files, what),
          graph: (graph) => new GraphReader(graph, this.context, this).read(),
        },
        what,
      )
    }
    return { ...attributes }
  }

  /** The node in its present form; what it needs in front of it is added to the graph. */
  #upgraded(form: NodeForm, domain: string, version: number, name: string): NodeForm {
    if (domain !== '' || !this.context.upgrade) return form
    return upgradeNode(form, version, {
      constant: (constant, suffix) => ({ name: this.#fresh(`${name}:${suffix}`), type: typeOf(constant), constant }),
      before: (op, inputs, attributes = {}) => {
        const [type] = this.#infer({ op, inputs, attributes, outputCount: 1 }, '', name)
        const output: Value = { name: this.#fresh(`${name}:${op}`), type, constant: undefined }
        this.#nodes.push({
          op,
          domain: '',
          name: this.#nodeName(`${name}/${op}`),
          inputs,
          outputs: [output],
          attributes,
        })
        return output
      },
      fail: (reason) => {
        throw new QuernError(
          'unsupported',
          `operator ${form.op} of opset ${version} cannot be brought to its present form at node '${name}': ${reason}`,
          { hint: 'Read the model without upgrades to run it as it is, or export it with a newer opset.' },
        )
      },
    })
  }

  #infer({ op, inputs, attributes, outputCount }: NodeForm, domain: string, where: string) {
    const record = this.context.table.get(domain, op)
    return record ? inferOpenTypes(record, trimmed(inputs), attributes, outputCount, where, this.context.table) : []
  }

  #inferContainers({ op, inputs, attributes, outputCount }: NodeForm, domain: string, where: string) {
    const record = this.context.table.get(domain, op)
    return record ? inferContainers(record, inputs, attributes, outputCount, where, this.context.table) : []
  }

  #fresh(wanted: string): string {
    let name = wanted
    for (let i = 1; this.#names.has(name); i++) name = `${wanted}_${i}`
    this.#names.add(name)
    return name
  }

  #nodeName(wanted: string): string {
    const taken = this.#nodeNames.get(wanted)
    this.#nodeNames.set(wanted, (taken ?? 0) + 1)
    return taken === undefined ? wanted : this.#nodeName(`${wanted}_${taken}`)
  }

  #fail(problem: string): never {
    throw new QuernError('input', `${this.where} of the ONNX file is not valid: ${problem}`)
  }
}

/** Inputs without the left-out ones at the end. */
function trimmed(inputs: NodeForm['inputs']): NodeForm['inputs'] {
  let count = inputs.length
  while (count > 0 && inputs[count - 1] === undefined) count--
  return inputs.slice(0, count)
}

function typeOf({ dtype, shape }: Tensor): TensorType {
  return { dtype, shape }
}
