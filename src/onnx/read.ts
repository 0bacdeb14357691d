/** The graph of an ONNX file. */

import { isFloat } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import { table as everyOperator } from '../ops/index.ts'
import type { OpTable } from '../ops/op.ts'
import { opsetOf } from '../ops/opset-of.ts'
import { checkFinite } from './check-finite.ts'
import { domainName, externalLocation } from './codes.ts'
import { decodeModel } from './decode-model.ts'
import { externalPlace, type SideFiles } from './decode-tensor.ts'
import { extrasFrom, type ModelExtras } from './extras.ts'
import type { GraphProto, ModelProto, TensorProto } from './generated/onnx_pb.ts'
import { inlineFunctions } from './inline-functions.ts'
import { type ReadContext, readGraph } from './read-graph.ts'

export interface ReadOptions {
  /** bytes of a side file that holds large tensors, by its path relative to the model; tensors are views on them */
  readonly external?: (location: string) => Uint8Array | Promise<Uint8Array>
  /** called once before the first side file is asked for, with the bytes of all that the tensors lie in; every place was checked then */
  readonly beforeExternal?: (bytes: number) => Promise<void>
  /** operators whose output types are inferred; default: all of ops/ */
  readonly table?: OpTable
  /**
   * bring older operators to the form that ops/ describes and replace functions of the model by their bodies; default
   * true. Without it the graph is the file's own.
   */
  readonly upgrade?: boolean
  /** pass over the types that the file states for what its nodes compute: those of the result are inferred, or unknown; default false */
  readonly ignoreStatedTypes?: boolean
  /** leave Constant nodes as nodes; default false: they become constants */
  readonly keepConstantNodes?: boolean
  /**
   * initializers that become parameters of the graph, to be trained: 'floats' for every floating-point one of rank 1 or more. With it, weights that are
   * not numbers are refused.
   */
  readonly parameters?: 'floats' | ((name: string, elements: Tensor) => boolean)
}

export interface ReadModel {
  readonly graph: Graph
  /** elements of the graph's parameters by name; empty unless `parameters` asked for them */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** version of each operator set by domain, '' for the standard one: after upgrades, the one of the graph */
  readonly opsets: Readonly<Record<string, number>>
  /** version of the standard operators that the file imports */
  readonly fileOpset: number
  readonly irVersion: number
  readonly producer: { readonly name: string; readonly version: string }
  readonly metadata: Readonly<Record<string, string>>
  /** names of inputs of the file whose initializers were defaults; they are constants of the graph */
  readonly defaults: readonly string[]
  /** what the graph has no place for; give it to `writeModel` */
  readonly extras: ModelExtras
}

/**
 * Reads an ONNX file. Operators that the table does not know are kept (the runtime may run them); `checkOperators`
 * says whether a graph can be trained.
 *
 * Errors of the kind 'input' say what is wrong with which tensor or node; 'unsupported' that an old operator has no
 * present form; 'missing' that a side file was not given.
 *
 * @example
 * const { graph, parameters } = await readModel(bytes, { parameters: 'floats' })
 */
export async function readModel(bytes: Uint8Array, options: ReadOptions = {}): Promise<ReadModel> {
  const message = decodeModel(bytes)
  const files = await sideFiles(message, options)
  const fileOpsets = opsetsOf(message)
  const fileOpset = fileOpsets[''] ?? 1
  const upgrade = options.upgrade ?? true
  if (upgrade) inlineFunctions(message, fileOpsets)
  const { parameters: choice = () => false } = options
  const context: ReadContext = {
    files,
    opsets: fileOpsets,
    table: options.table ?? everyOperator,
    upgrade,
    keepConstantNodes: options.keepConstantNodes ?? false,
    isParameter: choice === 'floats' ? (_, elements) => isFloat(elements.dtype) && elements.shape.length > 0 : choice,
    parameters: new Map(),
    ignoreStated: options.ignoreStatedTypes ?? false,
    defaults: [],
  }
  const graph = readGraph(message.graph as GraphProto, context)
  if (options.parameters) checkFinite(graph, context.parameters)
  return {
    graph,
    parameters: context.parameters,
    opsets: upgrade ? { ...fileOpsets, '': Math.max(fileOpset, opsetOf(graph, context.table)) } : fileOpsets,
    fileOpset,
    irVersion: Number(message.irVersion),
    producer: { name: message.producerName, version: message.producerVersion },
    metadata: Object.fromEntries(message.metadataProps.map(({ key, value }) => [key, value])),
    defaults: context.defaults,
    extras: extrasFrom(message),
  }
}

/** Versions by domain. Files of IR version 1 and 2 import nothing and mean opset 1. */
function opsetsOf(message: ModelProto): Record<string, number> {
  // No prototype: a domain named 'constructor' must not be found by accident.
  const versions: Record<string, number> = Object.create(null)
  for (const { domain, version } of message.opsetImport) {
    const number = Number(version)
    if (number < 1 || number > 1000) {
      throw new QuernError('input', `the ONNX file imports opset ${version} of '${domain}', expected 1 or more`)
    }
    versions[domainName(domain)] = number
  }
  versions[''] ??= 1
  // Functions of the model have domains of their own, which old exporters do not import.
  for (const { domain } of message.functions) versions[domainName(domain)] ??= 1
  return versions
}

/** Bytes of every side file that a tensor of the model names, each asked for once. */
async function sideFiles(message: ModelProto, { external, beforeExternal }: ReadOptions): Promise<SideFiles> {
  const files = new Map<string, Uint8Array>()
  const ends = new Map<string, number>()
  for (const tensor of tensorsOf(message.graph as GraphProto)) {
    if (tensor.dataLocation !== externalLocation) continue
    const { location, offset, length = 0 } = externalPlace(tensor, `tensor '${tensor.name}'`)
    if (!external) {
      throw new QuernError(
        'missing',
        `tensor '${tensor.name}' lies in the side file '${location}', which was not given`,
        {
          hint: 'Keep the data file beside the model.',
        },
      )
    }
    ends.set(location, Math.max(ends.get(location) ?? 0, offset + length))
  }
  if (ends.size > 0) await beforeExternal?.([...ends.values()].reduce((sum, end) => sum + end, 0))
  for (const location of ends.keys()) files.set(location, await external!(location))
  return files
}

/** Tensors of a graph, its attributes and its sub-graphs. */
function* tensorsOf(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer
  for (const { values, indices } of graph.sparseInitializer) {
    if (values) yield values
    if (indices) yield indices
  }
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.t) yield attribute.t
      if (attribute.g) yield* tensorsOf(attribute.g)
    }
  }
}
