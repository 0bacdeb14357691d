/**
 * Frozen weights in few bits, so that adapters can be trained beside them on less memory (QLoRA, Dettmers et al. 2023, arXiv:2305.14314): blocks of
 * equal size along the inputs of each output, each with a scale of its own.
 */
import { QuernError } from '../core/errors.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import { table as everyOperator } from '../ops/index.ts'
import type { OpTable } from '../ops/op.ts'
import { isDirect } from './method.ts'
import { findSites, type Site } from './sites.ts'
import { selectSites, type Targets } from './targets.ts'

export interface QuantizeOptions {
  /** weights by name or pattern, as for lora(); default: all of MatMul and Gemm that are large enough for a block */
  readonly targets?: Targets
  /** of a weight; default 4 */
  readonly bits?: 4 | 8
  /** inputs that share a scale: a power of two of at least 16; default 32 */
  readonly blockSize?: number
  /**
   * 'MatMulNBits' (default): the runtime's own operator, which multiplies by packed weights as they are. 'DequantizeLinear': standard operators of opset 21,
   * which every runtime knows, and which unpack the whole weight at each run
   */
  readonly as?: 'MatMulNBits' | 'DequantizeLinear'
  /** default: all operators that Quern knows */
  readonly table?: OpTable
}

/**
 * The graph with the chosen float32 weights of products in 4 or 8 bits. Names are those of the weights with '_Q4' or '_Q8' behind, so that adapters of
 * either model have the same modules.
 *
 * @throws QuernError 'config' for sizes that cannot be and patterns that mean nothing, 'unsupported' when a pattern means weights of other operators
 * @example quantizeWeights(graph, { targets: ['query', 'value'] })
 */
export function quantizeWeights(graph: Graph, options: QuantizeOptions = {}): Graph {
  const { targets, bits = 4, blockSize = 32, as = 'MatMulNBits', table = everyOperator } = options
  if (!(Number.isInteger(Math.log2(blockSize)) && blockSize >= 16)) {
    throw new QuernError(
      'config',
      `quantizeWeights: blockSize must be a power of two of at least 16, received ${blockSize}`,
    )
  }
  if (bits !== 4 && bits !== 8) throw new QuernError('config', `quantizeWeights: bits must be 4 or 8, received ${bits}`)
  const chosen = new Map(
    selectSites(findSites(graph.nodes), targets, 'quantizeWeights.targets')
      .filter((site) => isProduct(site, blockSize, targets !== undefined))
      .map((site) => [site.node, site]),
  )
  const builder = GraphBuilder.resume(graph)
  builder.nodes.length = 0
  const g = new Emitter(table, builder)
  const made = new Map<Value, Packed>()
  for (const node of graph.nodes) {
    const site = chosen.get(node)
    if (!site) {
      builder.nodes.push(node)
      continue
    }
    const packed = made.get(site.weight) ?? pack(site, { bits, blockSize })
    made.set(site.weight, packed)
    if (as === 'MatMulNBits') pushPacked(g, node, site, packed)
    else pushDequantized(g, node, site, packed)
  }
  return builder.finish(graph.outputs)
}

function isProduct(
  { rule, weight, laid, isQuantized, name, node }: Site,
  blockSize: number,
  isNamed: boolean,
): boolean {
  const isFit = rule.form === 'product' && !isQuantized && weight.constant?.dtype === 'float32'
  const isPlain = !node.attributes.transA && laid.factor === 1
  if (isFit && isPlain && laid.inputs >= blockSize) return true
  if (!isNamed) return false
  const why = isFit
    ? `it has ${laid.inputs} inputs, less than a block of ${blockSize}, or is turned`
    : `${node.op} has no packed form`
  throw new QuernError('unsupported', `quantizeWeights: '${name}' stays as it is: ${why}`, {
    hint: "Leave it out of 'targets'.",
  })
}

interface Packed {
  readonly bits: 4 | 8
  readonly blockSize: number
  readonly blocks: number
  /** [out, blocks * blockSize], numbers from 0 to 2^bits - 1 with the zero in the middle */
  readonly numbers: Uint8Array
  /** [out, blocks] */
  readonly scales: Float32Array
}

/** Each block is spread over -2^(bits-1) .. 2^(bits-1) - 1 so that the number that is farthest from 0 is met at the lower end. */
function pack(site: Site, { bits, blockSize }: { bits: 4 | 8; blockSize: number }): Packed {
  const { inputs, outputs } = site.laid
  const data = site.weight.constant!.data as Float32Array
  const direct = isDirect(site)
  const blocks = Math.ceil(inputs / blockSize)
  const half = 2 ** (bits - 1)
  const numbers = new Uint8Array(outputs * blocks * blockSize).fill(half)
  const scales = new Float32Array(outputs * blocks)
  for (let o = 0; o < outputs; o++) {
    const at = (i: number): number => data[direct ? i * outputs + o : o * inputs + i]!
    for (let block = 0; block < blocks; block++) {
      const [from, to] = [block * blockSize, Math.min(inputs, (block + 1) * blockSize)]
      let farthest = 0
      for (let i = from; i < to; i++) if (Math.abs(at(i)) > Math.abs(farthest)) farthest = at(i)
      const scale = Math.fround(farthest / -half)
      scales[o * blocks + block] = scale
      if (scale === 0) continue
      for (let i = from; i < to; i++) {
        const number = Math.min(2 * half - 1, Math.max(0, Math.round(at(i) / scale) + half))
        numbers[o * blocks * blockSize + i] = number
      }
    }
  }
  return { bits, blockSize, blocks, numbers, scales }
}

/** Two numbers a byte, the first one in the lower half. */
function nibbles(numbers: Uint8Array): Uint8Array {
  return Uint8Array.from(
    { length: Math.ceil(numbers.length / 2) },
    (_, i) => numbers[2 * i]! | ((numbers[2 * i + 1] ?? 0) << 4),
  )
}

function pushPacked(g: Emitter, node: Node, site: Site, packed: Packed): void {
  const { bits, blockSize, blocks, numbers, scales } = packed
  const { inputs, outputs } = site.laid
  const name = `${site.name}_Q${bits}`
  const shape = [outputs, blocks, (blockSize * bits) / 8]
  const weight = g.constant(tensor('uint8', shape, bits === 4 ? nibbles(numbers) : numbers), name)
  const scale = g.constant(float32([outputs * blocks], scales), `${name}_scales`)
  const bias = node.inputs[2]
  const product = { K: inputs, N: outputs, bits, block_size: blockSize }
  const isBiased = node.op === 'Gemm' && bias !== undefined
  const attributes = Object.fromEntries(
    Object.entries(product).map(([key, value]) => [key, { kind: 'int', value } as const]),
  )
  if (!isBiased) {
    g.builder.nodes.push({
      ...node,
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      inputs: [node.inputs[0], weight, scale],
      attributes,
    })
    return
  }
  const beta = node.attributes.beta?.kind === 'float' ? node.attributes.beta.value : 1
  const y = g.op('MatMulNBits', [node.inputs[0], weight, scale], product, 'com.microsoft')
  const added = beta === 1 ? bias : g.mul(bias, beta)
  g.builder.nodes.push({ ...node, op: 'Add', domain: '', inputs: [y, added], attributes: {} })
}

function pushDequantized(g: Emitter, node: Node, site: Site, packed: Packed): void {
  const { laid, rule, name } = site
  const { inputs, outputs } = laid
  const { bits, blockSize, blocks, numbers, scales } = packed
  const half = 2 ** (bits - 1)
  const isInOut = laid.order === 'in-out'
  // In the layout of the operator's input, without the padding of the last block.
  const whole = new Uint8Array(inputs * outputs)
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      const number = (numbers[o * blocks * blockSize + i]! - half) & (2 * half - 1)
      whole[isInOut ? i * outputs + o : o * inputs + i] = number
    }
  }
  const spread = Float32Array.from(scales, (_, i) =>
    isInOut ? scales[(i % outputs) * blocks + Math.floor(i / outputs)]! : scales[i]!,
  )
  const shape = isInOut ? [inputs, outputs] : [outputs, inputs]
  const constant: Tensor =
    bits === 4 ? tensor('int4', shape, nibbles(whole)) : tensor('int8', shape, new Int8Array(whole.buffer))
  const weight = g.op(
    'DequantizeLinear',
    [
      g.constant(constant, `${name}_Q${bits}`),
      g.constant(float32(isInOut ? [blocks, outputs] : [outputs, blocks], spread), `${name}_Q${bits}_scales`),
    ],
    { axis: isInOut ? 0 : 1, block_size: blockSize },
  )
  g.builder.nodes.push({ ...node, inputs: node.inputs.map((value, i) => (i === rule.slot ? weight : value)) })
}
