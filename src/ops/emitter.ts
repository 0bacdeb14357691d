/**
 * Writes operators into a graph. Layers, losses and gradient rules all speak to this class; it looks the record up
 * in the table, infers the output types and adds the node. A number where a value is expected becomes a
 * scalar constant of the other operand's type.
 *
 * Emits standard operators only, so that what it writes runs anywhere and can be differentiated again.
 */
import { type DType, dtypes, isFloat } from '../core/dtype.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { isStatic, requireStatic, type Shape, sameShape } from '../core/shape.ts'
import { int64, type Tensor, tensorFromNumbers } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import { tagAttributes } from './attributes.ts'
import { inferContainers, inferTypes } from './infer.ts'
import type { Op, OpTable, PlainAttributes } from './op.ts'

export type Operand = Value | number

export class Emitter {
  readonly builder: GraphBuilder
  readonly table: OpTable
  readonly #scalars = new Map<string, Value>()

  constructor(table: OpTable, builder: GraphBuilder = new GraphBuilder('graph')) {
    this.table = table
    this.builder = builder
  }

  /** The record of an operator, or an error with the nearest known name. */
  record(name: string, domain = ''): Op {
    const op = this.table.get(domain, name)
    if (op) return op
    throw new QuernError('unsupported', `operator '${name}' is not known. ${suggestion(name, this.table.names())}`)
  }

  /** Adds a node and returns its outputs. */
  ops(
    name: string,
    inputs: readonly (Value | undefined)[],
    attributes: PlainAttributes = {},
    outputCount = 1,
    domain = '',
  ): Value[] {
    const op = this.record(name, domain)
    let count = inputs.length
    while (count > op.inputs[0] && inputs[count - 1] === undefined) count--
    const given = inputs.slice(0, count)
    const tagged = tagAttributes(op, attributes)
    const where = [...this.builder.scope, name].join('/')
    const outputs = inferTypes(op, given, tagged, outputCount, where, this.table)
    const containers = inferContainers(op, given, tagged, outputCount, where, this.table)
    known(
      outputs.map((type, i) => type ?? containers[i]),
      outputCount,
      name,
      where,
    )
    return this.builder.node({ op: name, domain, inputs: given, attributes: tagged, outputs, containers }) as Value[]
  }

  /** Adds a node with one output. */
  op(name: string, inputs: readonly (Value | undefined)[], attributes: PlainAttributes = {}, domain = ''): Value {
    return this.ops(name, inputs, attributes, 1, domain)[0]!
  }

  /** Repeats a node of any graph on other inputs; types are inferred anew. */
  repeat(
    node: Node,
    inputs: readonly (Value | undefined)[],
    names?: readonly (string | undefined)[],
  ): readonly (Value | undefined)[] {
    const op = this.record(node.op, node.domain)
    const types = inferTypes(op, inputs, node.attributes, node.outputs.length, node.name, this.table)
    const outputs = node.outputs.map((value, i) => value && (types[i] ?? value.type))
    known(
      outputs.filter((_, i) => node.outputs[i]),
      node.outputs.filter(Boolean).length,
      node.op,
      node.name,
    )
    return this.builder.node({ ...node, inputs, outputs, ...(names ? { names } : {}) })
  }

  // Constants

  constant(value: Tensor, name?: string): Value {
    return this.builder.constant(value, name)
  }

  /** A scalar constant; equal scalars are one value. A fraction is refused where the dtype has only whole numbers. */
  scalar(value: number, dtype: DType = 'float32'): Value {
    if (!isFloat(dtype) && !Number.isInteger(value)) {
      throw new QuernError('input', `the number ${value} cannot be combined with ${dtype} values`, {
        hint: 'Cast the values to a float type first.',
      })
    }
    const key = `${dtype}:${Object.is(value, -0) ? '-0' : value}`
    let found = this.#scalars.get(key)
    if (!found) {
      found = this.constant(tensorFromNumbers(dtype, [], [value]), 'scalar')
      this.#scalars.set(key, found)
    }
    return found
  }

  /** A one-dimensional int64 constant: axes, shapes, indices. Equal lists are one value. */
  integers(values: readonly number[]): Value {
    const key = `int64[]:${values.join(',')}`
    let found = this.#scalars.get(key)
    if (!found) {
      found = this.constant(int64([values.length], values), 'integers')
      this.#scalars.set(key, found)
    }
    return found
  }

  /** A constant with every element equal, broadcast by the runtime. */
  full(shape: Shape, value: number, dtype: DType = 'float32'): Value {
    return this.op('Expand', [this.scalar(value, dtype), this.integers(requireStatic(shape, 'full'))])
  }

  zerosLike(x: Value): Value {
    if (isStatic(shapeOf(x))) return this.full(shapeOf(x), 0, dtypeOf(x))
    return this.op('Expand', [this.scalar(0, dtypeOf(x)), this.op('Shape', [x])])
  }

  onesLike(x: Value): Value {
    return this.full(shapeOf(x), 1, dtypeOf(x))
  }

  // Element-wise

  #binary(name: string, a: Operand, b: Operand): Value {
    if (typeof a === 'number' && typeof b === 'number') {
      throw new QuernError(
        'input',
        `${name} of the two numbers ${a} and ${b} needs no operator: compute it, or use scalar()`,
      )
    }
    const left = typeof a === 'number' ? this.scalar(a, dtypeOf(b as Value)) : a
    const right = typeof b === 'number' ? this.scalar(b, dtypeOf(left)) : b
    return this.op(name, [left, right])
  }

  add(a: Operand, b: Operand): Value {
    return this.#binary('Add', a, b)
  }

  sub(a: Operand, b: Operand): Value {
    return this.#binary('Sub', a, b)
  }

  mul(a: Operand, b: Operand): Value {
    return this.#binary('Mul', a, b)
  }

  div(a: Operand, b: Operand): Value {
    return this.#binary('Div', a, b)
  }

  pow(a: Operand, b: Operand): Value {
    return this.#binary('Pow', a, b)
  }

  max(a: Operand, b: Operand): Value {
    return this.#binary('Max', a, b)
  }

  min(a: Operand, b: Operand): Value {
    return this.#binary('Min', a, b)
  }

  equal(a: Operand, b: Operand): Value {
    return this.#binary('Equal', a, b)
  }

  less(a: Operand, b: Operand): Value {
    return this.#binary('Less', a, b)
  }

  greater(a: Operand, b: Operand): Value {
    return this.#binary('Greater', a, b)
  }

  greaterOrEqual(a: Operand, b: Operand): Value {
    return this.#binary('GreaterOrEqual', a, b)
  }

  neg(x: Value): Value {
    return this.op('Neg', [x])
  }

  abs(x: Value): Value {
    return this.op('Abs', [x])
  }

  sign(x: Value): Value {
    return this.op('Sign', [x])
  }

  exp(x: Value): Value {
    return this.op('Exp', [x])
  }

  log(x: Value): Value {
    return this.op('Log', [x])
  }

  sqrt(x: Value): Value {
    return this.op('Sqrt', [x])
  }

  reciprocal(x: Value): Value {
    return this.op('Reciprocal', [x])
  }

  sigmoid(x: Value): Value {
    return this.op('Sigmoid', [x])
  }

  tanh(x: Value): Value {
    return this.op('Tanh', [x])
  }

  relu(x: Value): Value {
    return this.op('Relu', [x])
  }

  /** `condition ? a : b`, element-wise with broadcasting. */
  where(condition: Value, a: Operand, b: Operand): Value {
    // Two numbers have no type of their own: float32, as everywhere.
    const typed = typeof a === 'number' ? b : a
    const dtype = typeof typed === 'number' ? 'float32' : dtypeOf(typed)
    const value = (x: Operand) => (typeof x === 'number' ? this.scalar(x, dtype) : x)
    return this.op('Where', [condition, value(a), value(b)])
  }

  cast(x: Value, dtype: DType): Value {
    return dtypeOf(x) === dtype ? x : this.op('Cast', [x], { to: dtypes[dtype].code })
  }

  // Shapes

  reshape(x: Value, shape: Shape): Value {
    if (sameShape(shapeOf(x), shape)) return x
    // One symbolic dimension can be left to the runtime as -1; a reshape with more cannot be said in ONNX constants.
    const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : -1))
    if (sizes.filter((size) => size === -1).length > 1) requireStatic(shape, 'reshape')
    return this.op('Reshape', [x, this.integers(sizes)], sizes.includes(0) ? { allowzero: 1 } : {})
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, i) => axis === i)) return x
    return this.op('Transpose', [x], { perm: permutation })
  }

  /** Swaps the last two axes. */
  swapLast(x: Value): Value {
    const rank = shapeOf(x).length
    const axes = Array.from({ length: rank }, (_, i) => i)
    return this.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2])
  }

  unsqueeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Unsqueeze', [x, this.integers(axes)])
  }

  squeeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Squeeze', [x, this.integers(axes)])
  }

  expand(x: Value, shape: Shape): Value {
    if (sameShape(shapeOf(x), shape)) return x
    // The runtime folds a constant with an axis of 1 wrongly when it is expanded to 0 elements: expand a scalar instead.
    if (shape.includes(0) && shapeOf(x).length > 0) return this.full(shape, 0, dtypeOf(x))
    return this.op('Expand', [x, this.integers(requireStatic(shape, 'expand'))])
  }

  concat(values: readonly Value[], axis: number): Value {
    return values.length === 1 ? values[0]! : this.op('Concat', values, { axis })
  }

  /** Elements from `starts` to `ends` (exclusive) along `axes`. */
  slice(
    x: Value,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps?: readonly number[],
  ): Value {
    const inputs = [x, this.integers(starts), this.integers(ends), this.integers(axes)]
    return this.op('Slice', steps ? [...inputs, this.integers(steps)] : inputs)
  }

  // Reductions

  #reduce(name: string, x: Value, axes: readonly number[] | undefined, keepDims: boolean): Value {
    if (axes?.length === 0) return x
    return this.op(name, [x, axes ? this.integers(axes) : undefined], { keepdims: keepDims ? 1 : 0 })
  }

  /** Sum over axes (all of them when none are named). */
  sum(x: Value, axes?: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceSum', x, axes, keepDims)
  }

  mean(x: Value, axes?: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceMean', x, axes, keepDims)
  }

  /**
   * The gradient of broadcasting: sums `x` over the axes along which a value of `shape` was broadcast, so that the result has
   * `shape`.
   */
  sumTo(x: Value, shape: Shape): Value {
    const from = shapeOf(x)
    if (sameShape(from, shape)) return x
    const lead = from.length - shape.length
    const kept = shape.flatMap((dim, i) => (dim === 1 && from[i + lead] !== 1 ? [i + lead] : []))
    const axes = [...Array.from({ length: lead }, (_, i) => i), ...kept]
    return this.reshape(this.sum(x, axes, true), shape)
  }

  // Linear algebra

  matMul(a: Value, b: Value): Value {
    return this.op('MatMul', [a, b])
  }

  /** alpha A' B' + C for matrices, where ' is an optional transposition. */
  gemm(a: Value, b: Value, c?: Value, options: { transA?: boolean; transB?: boolean; alpha?: number } = {}): Value {
    const attributes: Record<string, number> = {}
    if (options.transA) attributes.transA = 1
    if (options.transB) attributes.transB = 1
    if (options.alpha !== undefined) attributes.alpha = options.alpha
    return this.op('Gemm', [a, b, c], attributes)
  }

  softmax(x: Value, axis = -1): Value {
    return this.op('Softmax', [x], { axis })
  }

  logSoftmax(x: Value, axis = -1): Value {
    return this.op('LogSoftmax', [x], { axis })
  }
}

/**
 * Types of all outputs, or an error: the builder would take an unknown type for an output that nobody asked for, and rules need
 * ranks. Only values of imported models can lack them.
 */
function known(types: readonly unknown[], count: number, op: string, where: string): void {
  if (types.length === count && types.every((type) => type !== undefined)) return
  if (types.length < count) {
    throw new QuernError('input', `${op} at '${where}' has ${types.length} outputs, ${count} were asked for`)
  }
  throw new QuernError(
    'unsupported',
    `${op} at '${where}' cannot be written: the rank of one of its inputs is not known`,
    {
      hint: 'Give the shapes of the graph inputs so that the rest can be inferred.',
    },
  )
}
