/**
 * Arithmetic on sizes: exporters write Reshape(x, Concat(Shape(x)[0], -1, 64)). The elements of such integer vectors are known one by one, as
 * numbers or as names of dimensions, long before the vector is a constant. PyTorch's x.expand(-1, ...) is Expand(x, Where(Equal(sizes, -1), ones, sizes)).
 */
import type { DType } from '../core/dtype.ts'
import { type Dim, isStatic, type Shape, unknownDim } from '../core/shape.ts'
import { int64, numbersOf, type Tensor } from '../core/tensor.ts'
import type { Node, TensorType, Value } from '../graph/graph.ts'

/** Vectors of sizes are short; longer integer constants are data. */
const longest = 64

/** Elements of scalars and vectors of integers, or of truths as 0 and 1; a scalar has one. */
type Elements = readonly Dim[]

const counting: ReadonlySet<DType> = new Set<DType>(['int64', 'int32', 'bool'])

export class ShapeElements {
  readonly #known = new Map<Value, Elements>()

  /** Follows one node; returns its result as a constant when every element is a number. */
  visit(node: Node): Tensor | undefined {
    const [result] = node.outputs
    const rule = node.domain === '' && Object.hasOwn(rules, node.op) ? rules[node.op] : undefined
    const { dtype, shape } = result?.type ?? {}
    const rank = shape?.length
    if (!result || !rule || node.outputs.length !== 1 || rank === undefined || rank > 1) return undefined
    if (!dtype || !counting.has(dtype)) return undefined
    const elements = rule(node, (index) => this.#elements(node.inputs[index]))
    if (!elements || elements.length > longest) return undefined
    this.#known.set(result, elements)
    if (dtype !== 'int64' || !isStatic(elements)) return undefined
    return int64(rank === 0 ? [] : [elements.length], elements)
  }

  /** The shape of a Reshape or an Expand whose sizes are known one by one; undefined when the rules of the operator know more. */
  shapeOfResult(node: Node, inferred: TensorType | undefined): TensorType | undefined {
    const isSized = node.domain === '' && (node.op === 'Reshape' || node.op === 'ConstantOfShape')
    const at = node.op === 'Reshape' ? 1 : 0
    if (!isSized || !inferred || node.inputs[at]?.constant) return undefined
    const sizes = this.#elements(node.inputs[at])
    if (!sizes || (node.attributes.allowzero?.value ?? 0) !== 0) return undefined
    const from = node.inputs[0]?.type?.shape
    const shape = sizes.map((dim, axis) => {
      if (node.op !== 'Reshape' || typeof dim === 'string' || dim > 0) return dim
      return dim === 0 ? (from?.[axis] ?? unknownDim) : (inferred.shape?.[axis] ?? unknownDim)
    })
    return { dtype: inferred.dtype, shape }
  }

  #elements(value: Value | undefined): Elements | undefined {
    if (!value) return undefined
    const { constant } = value
    if (!constant) return this.#known.get(value)
    const isShort = constant.shape.length < 2 && constant.data.length <= longest
    return isShort && counting.has(constant.dtype) ? numbersOf(constant) : undefined
  }
}

type Rule = (node: Node, input: (index: number) => Elements | undefined) => Elements | undefined

const whole = (node: Node, name: string, fallback: number): number => {
  const attribute = node.attributes[name]
  return attribute?.kind === 'int' ? attribute.value : fallback
}

const same: Rule = (_, input) => input(0)

const arithmetic =
  (apply: (a: number, b: number) => number): Rule =>
  (_, input) =>
    aligned([input(0), input(1)])?.map(([x, y]) =>
      typeof x === 'number' && typeof y === 'number' ? apply(x, y) : neutral(x!, y!, apply),
    )

/** Elements that stand at the same places; one alone stands at each. */
function aligned(operands: readonly (Elements | undefined)[]): readonly (readonly Dim[])[] | undefined {
  const length = Math.max(...operands.map((elements) => elements?.length ?? 0))
  if (!operands.every((elements) => elements && (elements.length === length || elements.length === 1))) return undefined
  return Array.from({ length }, (_, i) => operands.map((elements) => elements![elements!.length === 1 ? 0 : i]!))
}

/** 1 and 0; a size is no negative number, whatever it is. */
function isEqual(x: Dim, y: Dim): Dim {
  if (typeof x === 'number' && typeof y === 'number') return x === y ? 1 : 0
  if (x === y && x !== unknownDim) return 1
  return [x, y].some((dim) => typeof dim === 'number' && dim < 0) ? 0 : unknownDim
}

/** batch x 1, batch + 0, batch / 1: the name survives. */
function neutral(x: Dim, y: Dim, apply: (a: number, b: number) => number): Dim {
  if (typeof y === 'number' && apply(7, y) === 7 && apply(8, y) === 8) return x
  if (typeof x === 'number' && apply(x, 7) === 7 && apply(x, 8) === 8) return y
  return unknownDim
}

const rules: Readonly<Record<string, Rule>> = {
  Shape: (node) => {
    const shape: Shape | undefined = node.inputs[0]?.type?.shape
    return shape?.slice(whole(node, 'start', 0), whole(node, 'end', shape.length))
  },
  Size: (node) => {
    const shape = node.inputs[0]?.type?.shape
    return shape && isStatic(shape) ? [shape.reduce((size, dim) => size * dim, 1)] : undefined
  },
  Gather: (_, input) => {
    const [data, indices] = [input(0), input(1)]
    if (!data || !indices || !isStatic(indices)) return undefined
    return indices.map((index) => data[index < 0 ? index + data.length : index] ?? unknownDim)
  },
  Slice: (_, input) => {
    const [data, starts, ends, steps = [1]] = [input(0), input(1), input(2), input(4)]
    const [start, end, step] = [starts?.[0], ends?.[0], steps[0]]
    if (!data || typeof start !== 'number' || typeof end !== 'number' || step !== 1) return undefined
    return data.slice(start, end)
  },
  Concat: (node, input) => {
    const parts = node.inputs.map((_, i) => input(i))
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined
  },
  Unsqueeze: same,
  Squeeze: same,
  Identity: same,
  Cast: same,
  Reshape: same,
  Add: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  // Integers are divided towards zero.
  Div: arithmetic((a, b) => Math.trunc(a / b)),
  Equal: (_, input) => aligned([input(0), input(1)])?.map(([x, y]) => isEqual(x!, y!)),
  Where: (_, input) =>
    aligned([input(0), input(1), input(2)])?.map(([is, then, otherwise]) =>
      typeof is === 'number' ? (is !== 0 ? then! : otherwise!) : unknownDim,
    ),
  ConstantOfShape: ({ attributes: { value } }, input) => {
    const [count] = input(0) ?? []
    if (value?.kind !== 'tensor' || typeof count !== 'number' || count > longest) return undefined
    return Array.from({ length: count }, () => numbersOf(value.value)[0]!)
  },
}
