/**
 * The graph that everything is made of: values and nodes, as in ONNX. A graph knows no operator by name; what a
 * node means is said by its record in ops/.
 *
 * Invariants, checked by validate.ts: nodes stand in an order in which every input is known before it is used;
 * each value has one producer; names of values are unique within a graph.
 */
import { byteLength, type DType } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { isStatic, type Shape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

/** Element type and shape of a value; `undefined` where an imported file does not say and inference cannot. */
export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape | undefined
}

/** What a value is that is no tensor; `element` and `value` are undefined where a file does not say. */
export type ContainerType =
  | { readonly kind: 'sequence' | 'optional'; readonly element: TensorType | ContainerType | undefined }
  | { readonly kind: 'map'; readonly key: DType; readonly value: TensorType | ContainerType | undefined }
  | { readonly kind: 'sparse'; readonly dtype: DType; readonly shape: Shape | undefined }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string }

/** An edge of the graph. Identity is the object: two values are the same only when they are the same object. */
export interface Value {
  /** unique in its graph; '' only while a builder has not named it */
  readonly name: string
  readonly type: TensorType | undefined
  /** set when the value is a sequence or the like; then `type` is undefined, and shape rules and gradients pass it by */
  readonly container?: ContainerType
  /** the elements, when the value is a constant of the graph (an ONNX initializer) */
  readonly constant: Tensor | undefined
}

/** An attribute with its ONNX kind, since a file tells 1 from 1.0 and JavaScript does not. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** a kind that no operator of the table uses (lists of graphs, sparse tensors, types): the file's own bytes, kept for the runtime */
  | { readonly kind: 'opaque'; readonly value: Uint8Array }

export type AttributeKind = Attribute['kind']
export type Attributes = Readonly<Record<string, Attribute>>

export interface Node {
  /** operator name, such as 'Conv' */
  readonly op: string
  /** '' for the standard operators, such as 'com.microsoft' for the runtime's own */
  readonly domain: string
  /** unique in the graph, for error messages and profiles: 'cnn/conv2d/Conv_3' */
  readonly name: string
  /** undefined marks an optional input that is left out */
  readonly inputs: readonly (Value | undefined)[]
  /** undefined marks an optional output that nobody asked for */
  readonly outputs: readonly (Value | undefined)[]
  readonly attributes: Attributes
}

export interface Graph {
  readonly name: string
  /** fed at each run */
  readonly inputs: readonly Value[]
  /** trained values: inputs while training, constants once exported. The name is the path in the parameter tree. */
  readonly parameters: readonly Value[]
  readonly nodes: readonly Node[]
  readonly outputs: readonly Value[]
}

/** Bytes of a value; those of unknown size count as nothing. */
export function bytesOf({ type }: Value): number {
  return type?.shape && isStatic(type.shape) ? byteLength(type.dtype, sizeOf(type.shape)) : 0
}

/** True for a node with sub-graphs, such as those of If and Scan. */
export function hasGraph({ attributes }: Node): boolean {
  return Object.values(attributes).some(({ kind }) => kind === 'graph')
}

/** A new graph with the nodes that the outputs need, in the same order. */
export function reachable(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs)
  const kept: Node[] = []
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!
    if (!node.outputs.some((value) => value && needed.has(value))) continue
    for (const value of valuesUsedBy(node)) needed.add(value)
    kept.push(node)
  }
  return { ...graph, nodes: kept.reverse() }
}

/** Values that a node reads, those that its sub-graphs read from outside included. */
export function valuesUsedBy(node: Node): Value[] {
  const used = node.inputs.filter((value) => value !== undefined)
  for (const attribute of Object.values(node.attributes)) {
    if (attribute.kind === 'graph') used.push(...capturedBy(attribute.value))
  }
  return used
}

/** Values of outer graphs that a sub-graph reads by name. */
export function capturedBy(graph: Graph): Value[] {
  const own = new Set<Value>([...graph.inputs, ...graph.parameters])
  for (const node of graph.nodes) for (const value of node.outputs) if (value) own.add(value)
  const captured = new Set<Value>()
  const read = [...graph.nodes.flatMap(valuesUsedBy), ...graph.outputs]
  for (const value of read) if (!own.has(value) && !value.constant) captured.add(value)
  return [...captured]
}

/** Constants that the nodes or the outputs use, each once, in order of first use. */
export function constantsOf(graph: Graph): Value[] {
  const found = new Set<Value>()
  for (const node of graph.nodes) for (const value of node.inputs) if (value?.constant) found.add(value)
  for (const value of graph.outputs) if (value.constant) found.add(value)
  return [...found]
}

/** Shape of a value, or an error that names it: only imported values can lack one. */
export function shapeOf(value: Value): Shape {
  if (value.type?.shape) return value.type.shape
  throw new QuernError('unsupported', `the shape of '${value.name}' is not known`, {
    hint: 'Give the shapes of the graph inputs so that the rest can be inferred.',
  })
}

/** Element type of a value, or an error that names it. */
export function dtypeOf(value: Value): DType {
  if (value.type) return value.type.dtype
  throw new QuernError('unsupported', `the element type of '${value.name}' is not known`)
}
