/**
 * Convolutions of 3 x 3 with many channels by Winograd: a tile of 4 x 4 outputs costs 36 multiplications a pair of channels, where the sum over taps costs
 * 144 (of 2 x 2: 16 for 36). With X the inputs of a tile and K the kernel, Y = A' [(G K G') * (B' X B)] A. Gradients follow from these operators.
 *
 * Everything is a matrix product: with space first, then examples, then channels, B' and A' of a whole axis are one matrix on the left, which holds the
 * overlap of tiles, the padding and the cut at the end; no value is moved but by the transposition from and to [batch, channels, ...]. Cutting tiles out by
 * SpaceToDepth, Slice and Concat, on one thread each, took as long as the products.
 *
 * ResNet-18 on 32x32, batch 32, two threads with AVX-512, ms a step: tiles of 2 x 2 cut out, from 128 channels, 684 to 772; as products 569 and 576; tiles of
 * 4 x 4 502 and 517; also for 64 channels 480 and 492.
 *
 * For the forward graph of a training step, before its gradient is taken; results differ in rounding (1e-5 of the largest) from those of the
 * original, so that evaluation and export keep the original.
 */
import { isStatic, type StaticShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { replaceNodes } from './replace-nodes.ts'
import { axisTransforms, kernelTransform, type Matrix, type TileSize, tileSizes } from './winograd-matrices.ts'

/** Share of the multiplications of the sum over taps up to which fewer of them outweigh the passes over memory. */
const mostMultiplications = 0.75

/** Rows of the products from which they are not thin. */
const leastRows = 32

/** Elements of the tiles up to which they are worth their memory: they are kept for the gradient. */
const mostElements = 2 ** 24

/** Sizes of a convolution of 3 x 3. */
interface Sizes {
  readonly n: number
  readonly channels: number
  readonly m: number
  /** height and width of the inputs */
  readonly from: readonly [number, number]
  /** and of the outputs */
  readonly space: readonly [number, number]
}

interface Match extends Sizes {
  /** [n, channels, ...from] */
  readonly x: Value
  /** [m, channels, 3, 3] */
  readonly kernel: Value
  readonly bias: Value | undefined
  /** [top, left, bottom, right] */
  readonly pads: readonly number[]
  readonly size: TileSize
}

export function winograd(graph: Graph, table: OpTable): Graph {
  return replaceNodes(graph, table, { suffix: 'winograd', match: matchConv, emit: emitTiles })
}

/** A plain 3 x 3 convolution whose kernel is trained and which tiles make cheaper. */
function matchConv(node: Node): Match | undefined {
  const { op, domain, inputs, outputs, attributes } = node
  if (op !== 'Conv' || domain !== '') return undefined
  const [x, kernel, bias] = inputs as [Value, Value, Value | undefined]
  const shapes = [x, kernel, outputs[0]!].map((value) => value.type?.shape)
  if (!shapes.every((shape): shape is StaticShape => shape?.length === 4 && isStatic(shape))) return undefined
  const [[n, channels, ...from], [m, inGroup, ...window], [, , ...space]] = shapes as [number[], number[], number[]]
  const ints = (name: string, otherwise: readonly number[]): readonly number[] => {
    const attribute = attributes[name]
    return attribute?.kind === 'ints' ? attribute.value : otherwise
  }
  const isPlain = [...ints('strides', [1]), ...ints('dilations', [1])].every((step) => step === 1)
  const isPadded = attributes.auto_pad !== undefined && attributes.auto_pad.value !== 'NOTSET'
  if (!isPlain || isPadded || inGroup !== channels || window.some((size) => size !== 3)) return undefined
  if (x.type!.dtype !== 'float32' || kernel.constant) return undefined
  const sizes = { n, channels, m, from, space } as unknown as Sizes
  const size = tileSizeOf(sizes)
  return size && { ...sizes, x, kernel, bias, pads: ints('pads', [0, 0, 0, 0]), size }
}

/** The outputs of a tile along an axis with which a convolution takes the fewest multiplications; undefined where the sum over taps is the better way. */
function tileSizeOf(sizes: Sizes): TileSize | undefined {
  const { n, channels, m, space } = sizes
  const direct = 9 * n * channels * m * space[0] * space[1]
  const [best] = tileSizes
    .map((size) => ({ size, ...costOf(sizes, size) }))
    .sort((a, b) => a.multiplications - b.multiplications)
  const { size, multiplications, elements, rows } = best!
  const pays = multiplications <= mostMultiplications * direct
  return pays && rows >= leastRows && elements <= mostElements ? size : undefined
}

function costOf({ n, channels, m, from, space }: Sizes, size: TileSize) {
  const places = size + 2
  const [down, across] = space.map((outputs) => Math.ceil(outputs / size)) as [number, number]
  const [high, wide] = [places * down, places * across]
  const ofKernel = 9 * places ** 2 * channels * m
  const ofInputs = channels * (high * from[0] * from[1] + high * wide * from[1])
  const ofOutputs = m * (high * wide * space[1] + high * space[0] * space[1])
  return {
    multiplications: ofKernel + n * (ofInputs + high * wide * channels * m + ofOutputs),
    elements: n * channels * high * wide,
    rows: n * across,
  }
}

function emitTiles(g: Emitter, { x, kernel, bias, pads, size, n, channels, m, from, space }: Match): void {
  const [rows, columns] = [0, 1].map((axis) => axisTransforms(size, from[axis]!, space[axis]!, pads[axis]!))
  const [{ tiles: down }, { tiles: across }, places] = [rows!, columns!, size + 2]
  const turned = turn(g, x, [n * channels, from[0] * from[1]])
  const high = g.matMul(constant(g, rows!.inputs), g.reshape(turned, [from[0], from[1] * n * channels]))
  const wide = g.matMul(constant(g, columns!.inputs), g.reshape(high, [places * down, from[1], n * channels]))
  const seen = g.reshape(wide, [places, down, places, across * n, channels])
  const flat = g.reshape(kernel, [m * channels, 9])
  const weights = g.gemm(constant(g, kernelTransform(size)), flat, undefined, { transB: true })
  const products = g.matMul(seen, g.swapLast(g.reshape(weights, [places, 1, places, m, channels])))
  const tiles = g.reshape(products, [places * down, places * across, n * m])
  const narrow = g.matMul(constant(g, columns!.outputs), tiles)
  const low = g.matMul(constant(g, rows!.outputs), g.reshape(narrow, [places * down, space[1] * n * m]))
  const y = g.reshape(turn(g, low, [space[0] * space[1], n * m]), [n, m, ...space])
  if (bias) g.add(y, g.reshape(bias, [m, 1, 1]))
}

/** A matrix turned, over three axes: the runtime would exchange a transposition of two with the Reshape behind it, 13.1 ms for 0.9 (2 M elements). */
function turn(g: Emitter, value: Value, [rows, columns]: readonly [number, number]): Value {
  return g.swapLast(g.reshape(value, [1, rows, columns]))
}

function constant(g: Emitter, rows: Matrix): Value {
  return g.constant(float32([rows.length, rows[0]!.length], rows.flat()))
}
