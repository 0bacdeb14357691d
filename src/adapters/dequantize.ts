/** The numbers that weights of few bits stand for: (q - zero point) scale, a scale for the whole, each slice along an axis, or each block of one. */
import { QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Node } from '../graph/graph.ts'
import { chainNumbers, elementsOf } from './constant-chain.ts'
import { numberAttribute } from './rules.ts'
import { singles } from './singles.ts'
import type { Site } from './sites.ts'

/** In the layout of the weight's input, before transpositions; of packed products `[out, in]`. Elements of other weights as they are. */
export function dequantize({ weight, parts, dequantizer, chain, node, rule }: Site): ArrayLike<number> {
  const constant = weight.constant!
  if (rule.packed) return unpackedProduct(node)
  if (chain) return chainNumbers(chain)
  return dequantizer ? unpackedSlices(dequantizer, constant, parts) : singles(constant)
}

/** DequantizeLinear. */
function unpackedSlices(node: Node, constant: Tensor, parts: Site['parts']): Float32Array {
  const [scale, zero] = parts.map((value) => value.constant!)
  if (!scale) {
    throw new QuernError('unsupported', `the scale of the weight of DequantizeLinear at '${node.name}' is no constant`)
  }
  const { shape } = constant
  const [numbers, scales, points] = [elementsOf(constant), singles(scale), zero && elementsOf(zero)]
  const axis = (numberAttribute(node, 'axis', 1) + shape.length) % Math.max(1, shape.length)
  const inner = sizeOf(shape.slice(axis + 1))
  const size = shape[axis] ?? 1
  const block = numberAttribute(node, 'block_size', 0)
  const blocks = block === 0 ? 1 : Math.ceil(size / block)
  const place = (i: number): number => {
    if (scales.length === 1) return 0
    const along = Math.floor(i / inner) % size
    if (block === 0) return along
    return (Math.floor(i / (inner * size)) * blocks + Math.floor(along / block)) * inner + (i % inner)
  }
  return Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const at = place(i)
    return (numbers[i]! - (points?.[at] ?? 0)) * scales[at]!
  })
}

/** MatMulNBits: blocks along the inputs of each output; without zero points zero lies in the middle. */
function unpackedProduct(node: Node): Float32Array {
  const [, packed, scale, zero] = node.inputs.map((value) => value?.constant)
  const [inputs, outputs, bits, block] = ['K', 'N', 'bits', 'block_size'].map((name) =>
    numberAttribute(node, name, name === 'bits' ? 4 : 0),
  ) as [number, number, number, number]
  if (!packed || !scale) {
    throw new QuernError('unsupported', `weights and scales of MatMulNBits at '${node.name}' are no constants`)
  }
  const blocks = Math.ceil(inputs / block)
  const at = (bytes: Uint8Array, i: number): number => (bytes[(i * bits) >> 3]! >> ((i * bits) & 7)) & (2 ** bits - 1)
  const scales = singles(scale)
  const zeroBytes = Math.ceil((blocks * bits) / 8)
  const pointOf = (o: number, b: number): number => {
    if (!zero) return 2 ** (bits - 1)
    if (zero.dtype !== 'uint8') return singles(zero)[o * blocks + b]!
    return at((zero.data as Uint8Array).subarray(o * zeroBytes, (o + 1) * zeroBytes), b)
  }
  const numbers = new Float32Array(outputs * inputs)
  for (let o = 0; o < outputs; o++) {
    for (let b = 0; b < blocks; b++) {
      const [point, factor] = [pointOf(o, b), scales[o * blocks + b]!]
      const end = Math.min(inputs, (b + 1) * block)
      for (let i = b * block; i < end; i++) {
        numbers[o * inputs + i] = (at(packed.data as Uint8Array, o * blocks * block + i) - point) * factor
      }
    }
  }
  return numbers
}
