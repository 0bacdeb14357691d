/**
 * Convolutions of 3 x 3 with many channels by Winograd: a tile of 4 x 4 outputs costs 36 multiplications a pair of channels, where the sum over taps costs
 * 144 (of 2 x 2: 16 for 36; with a stride of 2: 81 for 144, and 25 for 36). With X the inputs of a tile and K the kernel, Y = A' [(G K G') * (B' X B)] A.
 * Gradients follow from these operators.
 *
 * Everything is a matrix product: B' and A' of a whole axis are one matrix, which holds the overlap of tiles, the stride, the padding and the cut at the end.
 * With rows in front, [height, n * channels, width], the matrix of columns multiplies each row turned, which the runtime's product does by itself, and that of
 * rows what follows as it is; places then come first, examples and channels last. Of small pictures one matrix holds both axes. So pictures need not be
 * turned but where rows-first.ts ends. Kernels of one tap with a stride of 2 are computed in the same way: the matrices pick inputs.
 *
 * ResNet-18 on 32x32, batch 32, two threads with AVX-512, ms a step: tiles of 2 x 2 cut out, from 128 channels, 684 to 772; as products 569 and 576; tiles of
 * 4 x 4 502 and 517; also for 64 channels 480 and 492. On another machine that took 508 to 636; with strides of 2 and rows in front 447 and 463, without the first 494,
 * without the second 517.
 *
 * For the forward graph of a training step, before its gradient is taken; results differ in rounding (1e-5 of the largest) from those of the
 * original, so that evaluation and export keep the original.
 */
import { isStatic, type StaticShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { type Graph, type Node, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { replaceNodes } from './replace-nodes.ts'
import { picturesOf, rowsOf } from './rows-first.ts'
import {
  type AxisTransforms,
  axisTransforms,
  type Form,
  forms,
  kernelTransform,
  kronecker,
  type Matrix,
  placesOf,
  turned,
} from './winograd-matrices.ts'

/**
 * Multiplications for each of the sum over taps up to which products of tiles are faster, by taps and stride: with a stride the runtime's convolution and its
 * gradients copy and put together what they see. 64 -> 128 channels, 32x32, need 1.1 times as many with a stride of 2, and 2 times with one tap; without tiles the step
 * above took 30 and 9 ms longer.
 */
const mostMultiplications: Readonly<Record<string, number>> = { '3/1': 0.75, '3/2': 1.25, '1/2': 2.5 }

/** What an element of the transformed kernel costs, in multiplications: it is computed from few, and passes through memory. */
const costOfKernel = 16

/** Rows of the products from which they are not thin. */
const leastRows = 32

/** Elements of the tiles up to which they are worth their memory: they are kept for the gradient. */
const mostElements = 2 ** 24

/** Sizes of a convolution. */
interface Sizes {
  readonly n: number
  readonly channels: number
  readonly m: number
  readonly taps: number
  readonly stride: number
  /** height and width of the inputs */
  readonly from: readonly [number, number]
  /** and of the outputs */
  readonly space: readonly [number, number]
}

/** Elements of the matrix of both axes up to which one product with it is cheaper than two and a transposition. */
const mostOfBoth = 10_000

/**
 * Tiles of rows that stand together, where there are at least so many blocks of them: the matrix from their products to outputs is that of the axis without
 * most of its zeros. 64 channels, 32x32: 2.7 + 2.2 ms forwards and backwards, in blocks of two tiles 1.2 + 0.9 (of four 1.8 + 1.3); with fewer blocks, summing the
 * kernel's gradient over them costs what they save.
 */
const tilesOfBlock = 2
const leastBlocks = 4

interface Match extends Sizes {
  /** [n, channels, ...from] */
  readonly x: Value
  /** [m, channels, taps, taps] */
  readonly kernel: Value
  readonly bias: Value | undefined
  /** [top, left, bottom, right] */
  readonly pads: readonly number[]
  readonly form: Form
}

export function winograd(graph: Graph, table: OpTable): Graph {
  return replaceNodes(graph, table, { suffix: 'winograd', match: matchConv, emit: emitTiles })
}

/** A plain convolution whose kernel is trained and which tiles make cheaper. */
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
  const [stride = 1, ...strides] = ints('strides', [1, 1])
  const isPlain = strides.every((step) => step === stride) && ints('dilations', [1]).every((step) => step === 1)
  const isPadded = attributes.auto_pad !== undefined && attributes.auto_pad.value !== 'NOTSET'
  if (!isPlain || isPadded || inGroup !== channels || window[0] !== window[1]) return undefined
  if (x.type!.dtype !== 'float32' || kernel.constant) return undefined
  const sizes = { n, channels, m, taps: window[0], stride, from, space } as unknown as Sizes
  const form = formOf(sizes)
  return form && { ...sizes, x, kernel, bias, pads: ints('pads', [0, 0, 0, 0]), form }
}

/** The form of tiles with which a convolution takes the fewest multiplications; undefined where the runtime's own is the better way. */
function formOf(sizes: Sizes): Form | undefined {
  const { n, channels, m, taps, stride, space } = sizes
  const direct = taps ** 2 * n * channels * m * space[0] * space[1]
  const [best] = forms
    .filter((form) => form.taps === taps && form.stride === stride)
    .map((form) => ({ form, ...costOf(sizes, form) }))
    .sort((a, b) => a.multiplications - b.multiplications)
  if (!best) return undefined
  const { form, multiplications, elements, rows } = best
  const most = direct * (mostMultiplications[`${taps}/${stride}`] ?? 0)
  return multiplications <= most && rows >= leastRows && elements <= mostElements ? form : undefined
}

function costOf({ n, channels, m, from, space }: Sizes, form: Form) {
  const places = placesOf(form)
  const [down, across] = space.map((outputs) => Math.ceil(outputs / form.size)) as [number, number]
  const [high, wide] = [places * down, places * across]
  const ofKernel = costOfKernel * places ** 2 * channels * m
  const ofInputs = channels * (high * from[0] * from[1] + high * wide * from[1])
  const ofOutputs = m * (high * wide * space[1] + high * space[0] * space[1])
  return {
    multiplications: ofKernel + n * (ofInputs + high * wide * channels * m + ofOutputs),
    elements: n * channels * high * wide,
    rows: n * across,
  }
}

function emitTiles(g: Emitter, match: Match): void {
  const { x, kernel, bias, form, n, channels, m, taps, space } = match
  const axes = axesOf(match)
  const [{ blocks, tiles: down }, { tiles: across }] = axes
  const places = placesOf(form)
  const seen = g.reshape(toPlaces(g, x, axes), [blocks, places, down, places, across * n, channels])
  const flat = g.reshape(kernel, [m * channels, taps ** 2])
  const weights = taps === 1 ? flat : g.gemm(constant(g, kernelTransform(form)), flat, undefined, { transB: true })
  const products = g.matMul(seen, g.swapLast(g.reshape(weights, [1, places, 1, places, m, channels])))
  const y = fromPlaces(g, products, axes, [n, m, ...space])
  if (bias) g.add(y, g.reshape(bias, [m, 1, 1]))
}

/** The transforms of rows, in blocks where that is possible, and of columns. */
function axesOf({ form, from, space, pads }: Match): readonly [AxisTransforms, AxisTransforms] {
  const [rows, columns] = [0, 1].map((i) => ({ inputs: from[i]!, outputs: space[i]!, before: pads[i]! }))
  const whole = [axisTransforms(form, rows!, 1), axisTransforms(form, columns!, 1)] as const
  const blocks = space[0] / (form.size * tilesOfBlock)
  if (!Number.isInteger(blocks) || blocks < leastBlocks || isSmall(whole[0].outputs, whole[1].outputs)) return whole
  return [axisTransforms(form, rows!, blocks), whole[1]]
}

/** Inputs [n, channels, height, width] as those of places, [places * down, places * across, n * channels]. */
function toPlaces(g: Emitter, x: Value, [rows, columns]: readonly [AxisTransforms, AxisTransforms]): Value {
  const [n, channels, height, width] = shapeOf(x) as [number, number, number, number]
  const all = n * channels
  if (isSmall(rows.inputs, columns.inputs)) {
    const flat = g.reshape(x, [all, height * width])
    return g.matMul(constant(g, kronecker(rows.inputs, columns.inputs)), g.swapLast(flat))
  }
  const wide = g.matMul(constant(g, columns.inputs), g.swapLast(g.reshape(rowsOf(g, x), [1, height, all, width])))
  return g.matMul(constant(g, rows.inputs), g.reshape(wide, [height, columns.inputs.length * all]))
}

/** The products of places as outputs [n, m, height, width]. */
function fromPlaces(
  g: Emitter,
  products: Value,
  [rows, columns]: readonly [AxisTransforms, AxisTransforms],
  shape: readonly [number, number, number, number],
): Value {
  const [n, m, height, width] = shape
  const [high, wide] = [rows.inputs.length, columns.inputs.length]
  if (rows.blocks === 1 && isSmall(rows.outputs, columns.outputs)) {
    const tiles = g.reshape(products, [high * wide, n * m])
    const y = g.matMul(g.swapLast(tiles), constant(g, turned(kronecker(rows.outputs, columns.outputs))))
    return g.reshape(y, shape)
  }
  const blocks = g.reshape(products, [rows.blocks, high / rows.blocks, wide * n * m])
  const low = g.matMul(constant(g, rows.outputs), blocks)
  const y = g.matMul(g.swapLast(g.reshape(low, [1, height, wide, n * m])), constant(g, turned(columns.outputs), 4))
  return picturesOf(g, g.reshape(y, [height, n * m, width]), shape)
}

function isSmall(rows: Matrix, columns: Matrix): boolean {
  return rows.length * rows[0]!.length * columns.length * columns[0]!.length <= mostOfBoth
}

function constant(g: Emitter, rows: Matrix, rank = 2): Value {
  const ones = Array.from({ length: rank - 2 }, () => 1)
  return g.constant(float32([...ones, rows.length, rows[0]!.length], rows.flat()))
}
