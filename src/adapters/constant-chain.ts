/**
 * Weights that a file unpacks by arithmetic in place of DequantizeLinear: Cast of whole numbers, then Sub, Mul and the like by constants. What they come to is
 * computed here, on numbers; the graph keeps computing it by itself.
 */
import { isFloat } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import { numbersOf, type Tensor } from '../core/tensor.ts'
import type { Node, Value } from '../graph/graph.ts'
import { operatorName } from './rules.ts'
import { singles } from './singles.ts'

/** Nodes between constants and a weight, in order; the last one computes it. */
export interface ConstantChain {
  readonly nodes: readonly Node[]
  /** the constant of whole numbers that is unpacked; of a scale on its way to one, a floating-point one */
  readonly weight: Value
  /** scales, zero points */
  readonly parts: readonly Value[]
  /** the two axes of a matrix are swapped on the way */
  readonly isTurned: boolean
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
}

/** Operators that move elements or change their type, without a change of their order. */
const orderly: ReadonlySet<string> = new Set(['Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten'])

/**
 * What a node adds to the chains of the values that it reads; undefined when it reads anything but constants, computes with floating-point ones alone, or is an operator
 * that unpacks nothing.
 */
export function chainThrough(node: Node, chains: ReadonlyMap<Value, ConstantChain>): ConstantChain | undefined {
  const name = operatorName(node)
  const isArithmetic = Object.hasOwn(arithmetic, name)
  if (!isArithmetic && !orderly.has(name)) return undefined
  // The second input of Reshape and the like is a shape.
  const [first, second] = node.inputs.slice(0, isArithmetic ? 2 : 1).map((value) => value && partOf(value, chains))
  if (!first || (isArithmetic && !second)) return undefined
  if (!second) {
    const chain = first.chain ?? { nodes: [], weight: first.value, parts: [], isTurned: false }
    return { ...chain, nodes: [...chain.nodes, node] }
  }
  const main = sizeAt(first) >= sizeAt(second) ? first : second
  const other = main === first ? second : first
  if (!main.chain || !isUnpacked(main.chain)) return undefined
  const before = other.chain?.nodes.filter((each) => !main.chain!.nodes.includes(each)) ?? []
  const parts = other.chain ? [other.chain.weight, ...other.chain.parts] : [other.value]
  return {
    nodes: [...before, ...main.chain.nodes, node],
    weight: main.chain.weight,
    isTurned: main.chain.isTurned,
    parts: [...new Set([...main.chain.parts, ...parts])],
  }
}

/** The chain through a Transpose of a matrix. */
export function chainTurned(node: Node, chains: ReadonlyMap<Value, ConstantChain>): ConstantChain | undefined {
  const chain = node.inputs[0] && chains.get(node.inputs[0])
  return chain && { ...chain, nodes: [...chain.nodes, node], isTurned: !chain.isTurned }
}

/** A chain of whole numbers begins at a Cast of them. */
export function chainFrom(node: Node): ConstantChain | undefined {
  const [given] = node.inputs
  const isUnpacking = operatorName(node) === 'Cast' && given?.constant && isWhole(given.constant)
  const type = node.outputs[0]?.type?.dtype
  return isUnpacking && type && isFloat(type) ? { nodes: [node], weight: given, parts: [], isTurned: false } : undefined
}

/** Whether whole numbers are at its beginning. */
export const isUnpacked = ({ weight }: ConstantChain): boolean => isWhole(weight.constant!)

const isWhole = ({ dtype }: Tensor): boolean => /^u?int(4|8|16|32)$/.test(dtype)

function partOf(value: Value, chains: ReadonlyMap<Value, ConstantChain>) {
  const chain = chains.get(value)
  return chain || (value.constant && isFloat(value.constant.dtype)) ? { value, chain } : undefined
}

const sizeAt = ({ value, chain }: { readonly value: Value; readonly chain: ConstantChain | undefined }): number =>
  sizeOf((chain?.weight ?? value).constant!.shape)

/** Numbers in the order of a shape. */
interface Numbers {
  readonly shape: StaticShape
  readonly data: ArrayLike<number>
}

/** The weight in numbers, as it stands before its axes are swapped. */
export function chainNumbers({ nodes, isTurned }: ConstantChain): ArrayLike<number> {
  const known = new Map<Value, Numbers>()
  const at = (value: Value): Numbers => {
    const found = known.get(value)
    if (found) return found
    const { constant } = value
    if (constant) return { shape: constant.shape, data: elementsOf(constant) }
    throw new QuernError(
      'unsupported',
      `the weight that is unpacked from '${nodes[0]!.inputs[0]!.name}' is no constant`,
    )
  }
  for (const node of nodes) {
    const [output] = node.outputs
    const inputs = node.inputs.filter((value) => value !== undefined)
    const step = arithmetic[node.op]
    const first = at(inputs[0]!)
    if (step) known.set(output!, broadcast(step, first, at(inputs[1]!)))
    else known.set(output!, node.op === 'Transpose' ? turned(first) : reshaped(first, output!))
  }
  const last = known.get(nodes.at(-1)!.outputs[0]!)!
  return (isTurned ? turned(last) : last).data
}

function turned({ shape, data }: Numbers): Numbers {
  const [rows, columns] = shape as readonly [number, number]
  const moved = Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
  return { shape: [columns, rows], data: moved }
}

function reshaped({ shape, data }: Numbers, { type }: Value): Numbers {
  const known = type?.shape?.every((size) => typeof size === 'number') ? (type.shape as StaticShape) : shape
  return { shape: known, data }
}

/** Shapes aligned at their last axes, sizes of 1 repeated. */
function broadcast(step: (a: number, b: number) => number, a: Numbers, b: Numbers): Numbers {
  const rank = Math.max(a.shape.length, b.shape.length)
  const padded = (shape: StaticShape) => [...new Array<number>(rank - shape.length).fill(1), ...shape]
  const [left, right] = [padded(a.shape), padded(b.shape)]
  const shape = left.map((size, i) => Math.max(size, right[i]!))
  const placeIn = (sizes: readonly number[]) => {
    const strides = sizes.map((size, i) => (size === 1 ? 0 : sizes.slice(i + 1).reduce((product, n) => product * n, 1)))
    return (index: number): number => {
      let [rest, place] = [index, 0]
      for (let axis = rank - 1; axis >= 0; axis--) {
        place += (rest % shape[axis]!) * strides[axis]!
        rest = Math.floor(rest / shape[axis]!)
      }
      return place
    }
  }
  const [inLeft, inRight] = [placeIn(left), placeIn(right)]
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => step(a.data[inLeft(i)]!, b.data[inRight(i)]!))
  return { shape, data }
}

/** Whole numbers of a tensor of integers, of 4 bits two in a byte, the lower half first; floating-point ones as float32. */
export function elementsOf(tensor: Tensor): ArrayLike<number> {
  const { dtype, data, shape } = tensor
  if (isFloat(dtype)) return singles(tensor)
  if (dtype !== 'int4' && dtype !== 'uint4') return numbersOf(tensor)
  const bytes = data as Uint8Array
  const isSigned = dtype === 'int4'
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    const half = (bytes[i >> 1]! >> (4 * (i & 1))) & 15
    return isSigned && half > 7 ? half - 16 : half
  })
}
