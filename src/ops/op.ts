/**
 * The operator record: everything Quern knows of one ONNX operator stands in one record in one file. Shape
 * inference, autodiff, import checks, the gradient tests and docs/operators.md are generic code over the table
 * of these records (index.ts). To add an operator, write its record and add it to its family's list.
 *
 * Records describe the operator as of the newest opset that the runtime knows; what opset 20 lacks of it says `since`. Graphs are
 * written in opset 20 unless something in them is newer (opset-of.ts). The importer upgrades older forms.
 */
import type { DType } from '../core/dtype.ts'
import type { Dim, Shape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Attribute, AttributeKind, ContainerType, Graph, Node, TensorType, Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/** The opset that graphs are written in, when nothing in them is newer. */
export const opset = 20

/** The newest opset that the runtime knows: onnxruntime 1.30 refuses 27 as under development. */
export const newestOpset = 26

/** Kind and default of an attribute. Without a default it is required, unless it is marked optional. */
export interface AttributeSpec {
  readonly kind: AttributeKind
  readonly default?: number | string | readonly number[]
  readonly optional?: true
  /** opset that brought the attribute, when it is later than the operator's own */
  readonly since?: number
}

/** Reads attributes with the record's defaults filled in. */
export interface AttributeReader {
  has(name: string): boolean
  int(name: string): number
  float(name: string): number
  string(name: string): string
  ints(name: string): readonly number[]
  graph(name: string): Graph
  /** the attribute as written in the node, or undefined */
  raw(name: string): Attribute | undefined
}

/** A type whose rank is known. Inference rules run only when the ranks of all inputs are. */
export interface RankedType {
  readonly dtype: DType
  readonly shape: Shape
}

export interface InferContext {
  /** type of an input; an error when it is left out */
  input(index: number): RankedType
  /** type of an input that may be left out */
  optional(index: number): RankedType | undefined
  /** what is known of the type of an input: for rules that are `lenient` */
  type(index: number): TensorType | undefined
  /** what an input is that is no tensor */
  container(index: number): ContainerType | undefined
  /** number of inputs, trailing left-out ones not counted */
  readonly inputCount: number
  /** number of outputs that the node has */
  readonly outputCount: number
  /** elements of an input that is a constant of the graph, such as the axes of a reduction */
  constant(index: number): Tensor | undefined
  readonly attributes: AttributeReader
  /** types of the outputs of a sub-graph for inputs of these types */
  subGraph(name: string, inputs: readonly (TensorType | undefined)[]): readonly (TensorType | undefined)[]
  /** throws an error that names the operator and its inputs */
  fail(message: string): never
}

export interface GradientContext {
  readonly g: Emitter
  readonly node: Node
  /** first input */
  readonly x: Value
  /** first output */
  readonly y: Value
  /** gradient with respect to the first output; zeros when only other outputs have one */
  readonly dy: Value
  input(index: number): Value
  optional(index: number): Value | undefined
  output(index: number): Value
  /** gradient with respect to an output, or undefined when nothing depends on it */
  gradient(index: number): Value | undefined
  readonly attributes: AttributeReader
  /** values of outer graphs that the sub-graphs of the node read */
  readonly captured: readonly Value[]
  /** whether a gradient with respect to a value is asked for */
  wanted(value: Value): boolean
  /** gradients of sum_i sum(outputs[i] seeds[i]) in a graph that is being written, undefined where nothing depends: for rules of sub-graphs */
  differentiate(
    g: Emitter,
    outputs: readonly Value[],
    seeds: readonly Value[],
    wrt: readonly Value[],
  ): readonly (Value | undefined)[]
}

/**
 * Gradients with respect to the inputs, in order, then the captured values; undefined where there is none (indices, shapes, masks). Missing
 * entries count as undefined.
 */
export type GradientRule = (context: GradientContext) => readonly (Value | undefined)[]

/** What a lowering sees of a node. */
export interface LowerContext {
  readonly g: Emitter
  /** an input; an error when it is left out */
  input(index: number): Value
  optional(index: number): Value | undefined
  readonly inputCount: number
  readonly outputCount: number
  readonly attributes: AttributeReader
  /** throws an error that names the operator and the node: it has a form that is not covered */
  fail(message: string): never
}

/** The outputs of a node written in standard operators; undefined for one that has no equivalent. */
export type LowerRule = (context: LowerContext) => readonly (Value | undefined)[]

/** One input of a sample: random elements in [from, to], or given ones. */
export interface SampleInput {
  readonly shape: readonly number[]
  /** default: the float type under test */
  readonly dtype?: DType
  /** bounds of the random elements; default -2 and 2 */
  readonly from?: number
  readonly to?: number
  /** random elements keep this distance from the values at which the function has a kink or a pole */
  readonly away?: { readonly from: readonly number[]; readonly by: number }
  /** elements given instead of drawn; also what makes ties */
  readonly values?: readonly number[]
  /** the input is a constant of the graph, such as axes */
  readonly constant?: true
}

/** An example call of an operator, for the generated tests. `undefined` leaves an optional input out. */
export interface Sample {
  readonly title?: string
  readonly inputs: readonly (SampleInput | undefined)[]
  readonly attributes?: PlainAttributes
  /** more inputs of the graph, which sub-graphs capture */
  readonly captured?: readonly SampleInput[]
  /** attributes that are sub-graphs, given the values of `captured` */
  readonly graphs?: (g: Emitter, captured: readonly Value[], inputs: readonly (Value | undefined)[]) => PlainAttributes
  /** makes the inputs of the operator from those of the sample: sequences from tensors */
  readonly before?: (g: Emitter, inputs: readonly (Value | undefined)[]) => readonly (Value | undefined)[]
  /** what is compared instead of the outputs: tensors read from sequences */
  readonly read?: (g: Emitter, outputs: readonly Value[]) => readonly Value[]
  /** number of outputs asked for; default 1 */
  readonly outputs?: number
  /** outputs that the loss of the gradient test is made of; default all floating-point ones */
  readonly differentiate?: readonly number[]
  /** no finite differences here: the function has a kink or a jump at this point on purpose, `gradients` says what must come */
  readonly gradients?: readonly (readonly number[] | undefined)[]
}

export type PlainAttributes = Readonly<
  Record<string, number | string | readonly number[] | readonly string[] | Tensor | Graph>
>

export interface Op {
  readonly name: string
  /** '' (default) for the standard operators */
  readonly domain?: string
  /** opset from which the operator has the form described here */
  readonly since: number
  /** least and greatest number of inputs */
  readonly inputs: readonly [least: number, most: number]
  readonly attributes?: Readonly<Record<string, AttributeSpec>>
  /** it multiplies matrices, or as costly: its results are worth their memory where activations are computed again */
  readonly costly?: true
  /** types of the outputs (at least as many as the node has) */
  readonly infer: (context: InferContext) => readonly (TensorType | undefined)[]
  /** what the outputs are that are no tensors; `infer` leaves them undefined */
  readonly containers?: (context: InferContext) => readonly (ContainerType | undefined)[]
  /** `infer` runs also when the types or ranks of inputs are not known; it asks for them by `type` */
  readonly lenient?: true
  /** the rule, or why there is none: it is the error message when a gradient is asked for */
  readonly grad: GradientRule | { readonly none: string }
  /** writes standard operators that compute the same, for fused operators; passes/lower.ts puts them in its place */
  readonly lower?: LowerRule
  /** forms of the inputs for which the runtime's build for processors has no kernel: a graph that is to run there has their lowering */
  readonly lacksKernel?: (inputs: readonly (Value | undefined)[]) => boolean
  /** integers that come out stand for real numbers: they carry a gradient, of a floating-point type, to whatever computes with them */
  readonly quantizes?: true
  /** the function has a second derivative worth testing */
  readonly smooth?: true
  readonly samples: readonly Sample[]
}

/** Every operator by domain and name. */
export interface OpTable {
  get(domain: string, name: string): Op | undefined
  names(): string[]
}

/** Types of outputs that are alike but for the shape. */
export function typed(dtype: DType, shape: readonly Dim[]): TensorType[] {
  return [{ dtype, shape }]
}
