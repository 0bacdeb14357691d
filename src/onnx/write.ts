/** A graph as the bytes of an ONNX file. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { QuernError } from '../core/errors.ts'
import { formatShape, type Shape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { type Attribute, constantsOf, type Graph, type Node, type Value } from '../graph/graph.ts'
import { table } from '../ops/index.ts'
import { opsetOf } from '../ops/opset-of.ts'
import { attributeCodes, domainName, externalLocation } from './codes.ts'
import { bytesOf, irVersionOf, storedBytes, tensorHeader, tensorToProto } from './encode-tensor.ts'
import { containerToProto, typeToProto } from './encode-type.ts'
import { type ExternalFile, type ExternalOptions, ExternalWriter } from './external.ts'
import type { ModelExtras } from './extras.ts'
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts'
import { Scope } from './names.ts'

export interface WriteOptions {
  /** elements of the graph's parameters by name: they become initializers. Without it, parameters are inputs (the training form). */
  readonly parameters?: ReadonlyMap<string, Tensor>
  /** metadata_props of the file */
  readonly metadata?: Readonly<Record<string, string>>
  /** versions of operator sets by domain; default: the oldest from 20 on that knows every node (ops/opset-of.ts), and 1 for any other domain that is used */
  readonly opsets?: Readonly<Record<string, number>>
  /** puts large tensors into a side file */
  readonly externalData?: ExternalOptions
  /** also write the types of intermediate values: all, or those 'unclear' to a runtime, whose shapes depend on numbers that are computed; it infers the others itself */
  readonly intermediateTypes?: boolean | 'unclear'
  readonly producer?: { readonly name: string; readonly version: string }
  /** what `readModel` found that a graph has no place for */
  readonly extras?: ModelExtras
}

export interface WrittenModel {
  readonly model: Uint8Array
  /** the side file, when one was asked for and a tensor went there */
  readonly external: ExternalFile | undefined
}

/** Protobuf readers refuse messages of 2 GiB. */
const messageLimit = 2 ** 31 - 1

/**
 * The bytes of an ONNX file for a graph. Names of the graph's inputs, parameters and outputs are kept; a name inside a
 * sub-graph that hides an outer one gets a number, since ONNX knows values by name.
 *
 * Errors: a parameter without elements or with others than its type says, two values of one name, more than 2 GiB.
 *
 * @example
 * const { model } = writeModel(graph, { parameters: new Map([['dense/weight', float32([2, 3], [1, 2, 3, 4, 5, 6])]]) })
 */
export function writeModel(graph: Graph, options: WriteOptions = {}): WrittenModel {
  return new ModelWriter(options).write(graph)
}

class ModelWriter {
  readonly options: WriteOptions
  readonly external: ExternalWriter | undefined
  readonly domains = new Set<string>([''])
  #inlineBytes = 0
  #irVersion = 9

  constructor(options: WriteOptions) {
    this.options = options
    this.external = options.externalData && new ExternalWriter(options.externalData)
  }

  write(graph: Graph): WrittenModel {
    const { options } = this
    const { parameters, extras } = options
    const initializers = parameters ? graph.parameters.map((value) => this.#parameter(value, parameters)) : []
    const scope = new Scope(graph.name)
    for (const value of [...graph.inputs, ...graph.parameters]) scope.keep(value)
    for (const value of graph.outputs) if (!scope.has(value)) scope.keep(value)
    const body = this.#graph(graph, scope)
    body.initializer.unshift(...initializers)
    const inputs = parameters ? graph.inputs : [...graph.inputs, ...graph.parameters]
    body.input = inputs.map((value) => this.#info(value, scope))
    if (this.#inlineBytes > messageLimit) {
      throw new QuernError(
        'input',
        `the model holds ${this.#inlineBytes} bytes, an ONNX file at most ${messageLimit}`,
        {
          hint: 'Write with external data: the large tensors then go to a file beside it.',
        },
      )
    }
    const message = create(ModelProtoSchema, {
      irVersion: BigInt(this.#irVersion),
      opsetImport: this.#opsets(graph),
      producerName: options.producer?.name ?? 'quern',
      producerVersion: options.producer?.version ?? '',
      graph: body,
      metadataProps: Object.entries(options.metadata ?? {}).map(entry),
    })
    extras?.restore(message)
    const side = this.external?.finish()
    return { model: toBinary(ModelProtoSchema, message), external: side && side.byteLength > 0 ? side : undefined }
  }

  #opsets(graph: Graph) {
    const versions: Record<string, number> = { '': opsetOf(graph, table) }
    for (const domain of this.domains) versions[domain] ??= 1
    for (const [domain, version] of Object.entries(this.options.opsets ?? {})) versions[domainName(domain)] = version
    return Object.entries(versions).map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
    )
  }

  #parameter(value: Value, parameters: ReadonlyMap<string, Tensor>): TensorProto {
    const elements = parameters.get(value.name)
    if (!elements) throw new QuernError('input', `parameter '${value.name}' has no elements to write`)
    const { type } = value
    if (type && (type.dtype !== elements.dtype || !fits(type.shape, elements.shape))) {
      throw new QuernError(
        'input',
        `parameter '${value.name}' must be ${type.dtype}${type.shape ? formatShape(type.shape) : ''}, received ` +
          `${elements.dtype}${formatShape(elements.shape)}`,
      )
    }
    return this.#tensor(value.name, elements)
  }

  #tensor(name: string, tensor: Tensor): TensorProto {
    this.#irVersion = Math.max(this.#irVersion, irVersionOf(tensor.dtype))
    const size = storedBytes(tensor)
    const { external } = this
    if (!external || size < external.threshold || Array.isArray(tensor.data)) {
      this.#inlineBytes += size
      return tensorToProto(name, tensor)
    }
    const message = tensorHeader(name, tensor)
    const offset = external.add(bytesOf(tensor as Parameters<typeof bytesOf>[0]))
    message.dataLocation = externalLocation
    const place: [string, string][] = [
      ['location', external.location],
      ['offset', String(offset)],
      ['length', String(size)],
    ]
    message.externalData = place.map(entry)
    return message
  }

  /** A graph without its inputs, whose names are in the scope already. */
  #graph(graph: Graph, scope: Scope): GraphProto {
    const own = constantsOf(graph).filter((value) => !scope.isOuter(value))
    const initializer = own.map((value) => this.#tensor(scope.declare(value), value.constant as Tensor))
    for (const node of graph.nodes) for (const value of node.outputs) if (value) scope.declare(value)
    const message = create(GraphProtoSchema, {
      name: graph.name === '' ? 'graph' : graph.name,
      initializer,
      node: graph.nodes.map((node) => this.#node(node, scope)),
    })
    message.output = graph.outputs.map((value) => this.#info(value, scope))
    const { intermediateTypes } = this.options
    if (intermediateTypes) {
      const outputs = new Set(graph.outputs)
      const written = graph.nodes.filter((node) => intermediateTypes === true || isUnclear(node))
      const inner = written.flatMap((node) => node.outputs).filter((value) => value !== undefined)
      message.valueInfo = inner
        .filter((v) => (v.type ?? v.container) && !outputs.has(v))
        .map((v) => this.#info(v, scope))
    }
    return message
  }

  #node(node: Node, scope: Scope): NodeProto {
    const domain = domainName(node.domain)
    this.domains.add(domain)
    const message = create(NodeProtoSchema, {
      name: node.name,
      opType: node.op,
      input: node.inputs.map((value) => (value ? scope.nameOf(value, node) : '')),
      output: node.outputs.map((value) => (value ? scope.nameOf(value, node) : '')),
      attribute: Object.entries(node.attributes).map(([name, value]) => this.#attribute(name, value, scope, node)),
    })
    if (domain !== '') message.domain = domain
    return message
  }

  #attribute(name: string, attribute: Attribute, scope: Scope, node: Node): AttributeProto {
    if (attribute.kind === 'opaque') return fromBinary(AttributeProtoSchema, attribute.value)
    const message = create(AttributeProtoSchema, { name, type: attributeCodes[attribute.kind] })
    switch (attribute.kind) {
      case 'int':
        message.i = toInt64(attribute.value)
        break
      case 'float':
        message.f = attribute.value
        break
      case 'string':
        message.s = new TextEncoder().encode(attribute.value)
        break
      case 'tensor':
        message.t = this.#tensor(name, attribute.value)
        break
      case 'graph':
        message.g = this.#subGraph(attribute.value, scope, node)
        break
      case 'ints':
        message.ints = attribute.value.map(toInt64)
        break
      case 'floats':
        message.floats = [...attribute.value]
        break
      case 'strings':
        message.strings = attribute.value.map((text) => new TextEncoder().encode(text))
        break
    }
    return message
  }

  #subGraph(graph: Graph, outer: Scope, node: Node): GraphProto {
    const scope = new Scope(`${outer.title}/${node.name}`, outer)
    for (const value of [...graph.inputs, ...graph.parameters]) scope.declare(value)
    const message = this.#graph(withOwnOutputs(graph, outer), scope)
    message.input = [...graph.inputs, ...graph.parameters].map((value) => this.#info(value, scope))
    return message
  }

  #info(value: Value, scope: Scope): ValueInfoProto {
    const message = create(ValueInfoProtoSchema, { name: scope.nameOf(value) })
    if (value.type) {
      message.type = typeToProto(value.type)
      this.#irVersion = Math.max(this.#irVersion, irVersionOf(value.type.dtype))
    } else if (value.container) message.type = containerToProto(value.container)
    return message
  }
}

/**
 * The graph with an Identity behind each output that it neither computes nor holds as a constant: ONNX Runtime refuses
 * sub-graphs that return their inputs or captured values.
 */
function withOwnOutputs(graph: Graph, outer: Scope): Graph {
  const own = new Set(graph.nodes.flatMap((node) => node.outputs))
  const added: Node[] = []
  const outputs = graph.outputs.map((value) => {
    if (own.has(value) || (value.constant && !outer.has(value))) return value
    const name = `${value.name}:copy`
    const copy: Value = { name, type: value.type, constant: undefined }
    added.push({ op: 'Identity', domain: '', name, inputs: [value], outputs: [copy], attributes: {} })
    return copy
  })
  return { ...graph, nodes: [...graph.nodes, ...added], outputs }
}

/** A node that reads whole numbers which are computed, such as the shape of a Reshape, and one that is not of ONNX. */
function isUnclear({ domain, inputs }: Node): boolean {
  return domain !== '' || inputs.some((value) => value && !value.constant && value.type?.dtype !== 'float32')
}

function fits(shape: Shape | undefined, sizes: readonly number[]): boolean {
  if (!shape) return true
  return shape.length === sizes.length && shape.every((dim, i) => typeof dim === 'string' || dim === sizes[i])
}

/** Numbers beyond the safe range stand for "to the end" (core/tensor.ts): ONNX writes that as the extremes of int64. */
function toInt64(value: number): bigint {
  if (value >= Number.MAX_SAFE_INTEGER) return 2n ** 63n - 1n
  return value <= Number.MIN_SAFE_INTEGER ? -(2n ** 63n) : BigInt(value)
}

function entry([key, value]: [string, string]) {
  return create(StringStringEntryProtoSchema, { key, value })
}
