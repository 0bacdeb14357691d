/**
 * Convolutions of 3 x 3 with many channels as Winograd's F(2x2, 3x3): each tile of 2 x 2 outputs costs 16 multiplications a pair of channels, where
 * the sum over taps costs 36. With X the 4 x 4 inputs of a tile and K the kernel, Y = A' [(G K G') * (B' X B)] A: products with constant matrices around one
 * product over the channels for each of 16 places. Gradients follow from these operators, and need 16 multiplications in place of 36 as well.
 * Source: Lavin & Gray 2016, Fast Algorithms for Convolutional Neural Networks, section 4.1.
 *
 * Forward pass and both gradients, batch 32, one thread, CPU ms on a busy machine:
 *
 *   channels, size   taps   Winograd
 *    64, 32x32        156        164
 *   128, 16x16        122         95
 *   256, 8x8          111         86
 *   512, 4x4          131         95
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

/** Pairs of input and output channels from which fewer multiplications outweigh the passes over memory around them. */
const leastPairs = 128 * 128

/** Tiles of a batch from which the products are not thin. */
const leastTiles = 32

/** Elements of the tiles, 4 times the inputs, up to which they are worth their memory: they are kept for the gradient. */
const mostElements = 2 ** 24

type Matrix = readonly (readonly number[])[]

/** G, which takes a kernel along one axis to its four places. */
const ofKernel: Matrix = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
]

/** B', which takes four inputs along one axis to their places. */
const ofInputs: Matrix = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
]

/** A', which takes four places along one axis to two outputs. */
const toOutputs: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
]

interface Match {
  /** [n, channels, height, width] */
  readonly x: Value
  /** [m, channels, 3, 3] */
  readonly kernel: Value
  readonly bias: Value | undefined
  readonly pads: StaticShape
  /** [n, m, height, width] */
  readonly output: StaticShape
}

export function winograd(graph: Graph, table: OpTable): Graph {
  return replaceNodes(graph, table, { suffix: 'winograd', match: matchConv, emit: emitTiles })
}

/** A plain 3 x 3 convolution whose kernel is trained and whose outputs fill tiles. */
function matchConv({ op, domain, inputs, outputs, attributes }: Node): Match | undefined {
  if (op !== 'Conv' || domain !== '') return undefined
  const [x, kernel, bias] = inputs as [Value, Value, Value | undefined]
  const [from, sizes, output] = [x, kernel, outputs[0]!].map((value) => value.type?.shape)
  if (!from || !sizes || !output || !isStatic(from) || !isStatic(sizes) || !isStatic(output)) return undefined
  const [m, channels, ...window] = sizes
  const [n, , ...space] = output
  const ints = (name: string, otherwise: number): readonly number[] => {
    const attribute = attributes[name]
    return attribute?.kind === 'ints' ? attribute.value : new Array<number>(2 * window.length).fill(otherwise)
  }
  const isPlain = channels === from[1] && [...ints('strides', 1), ...ints('dilations', 1)].every((step) => step === 1)
  const isPadded = attributes.auto_pad !== undefined && attributes.auto_pad.value !== 'NOTSET'
  const fills = window.length === 2 && window.every((size) => size === 3) && space.every((size) => size % 2 === 0)
  if (!isPlain || isPadded || !fills || x.type!.dtype !== 'float32' || kernel.constant) return undefined
  const tiles = (n! * space[0]! * space[1]!) / 4
  return m! * channels! >= leastPairs && tiles >= leastTiles && 16 * channels! * tiles <= mostElements
    ? { x, kernel, bias, pads: ints('pads', 0), output }
    : undefined
}

function emitTiles(g: Emitter, { x, kernel, bias, pads, output }: Match): void {
  const [n, m, height, width] = output as [number, number, number, number]
  const channels = kernel.type!.shape![1] as number
  const [down, across] = [height / 2, width / 2]
  const tiles = n * down * across
  const { inputs, order } = tileInputs(g, x, pads, { n, channels, down, across })
  const byOrder = square(ofInputs).map((row) => order.map((place) => row[place]!))
  const seen = g.reshape(g.matMul(constant(g, byOrder), inputs), [16, channels, tiles])
  const flat = g.reshape(kernel, [m * channels, 9])
  const weights = g.reshape(g.gemm(constant(g, square(ofKernel)), flat, undefined, { transB: true }), [16, m, channels])
  const products = g.reshape(g.matMul(weights, seen), [16, m * tiles])
  const phases = g.reshape(g.matMul(constant(g, square(toOutputs)), products), [4 * m * down * across, n])
  const turned = g.reshape(g.swapLast(phases), [n, 4 * m, down, across])
  const y = g.op('DepthToSpace', [turned], { blocksize: 2, mode: 'DCR' })
  if (bias) g.add(y, g.reshape(bias, [m, 1, 1]))
}

/**
 * The 16 inputs of each tile, [16, channels * tiles], and which place of the tile each row is: tiles overlap by two, and phases make them blocks. Examples
 * come last, so that what is cut out, and put together for the gradient, are long rows: with space last, padding alone took a tenth of ResNet-18's step.
 */
function tileInputs(
  g: Emitter,
  x: Value,
  pads: StaticShape,
  { n, channels, down, across }: Readonly<Record<'n' | 'channels' | 'down' | 'across', number>>,
): { inputs: Value; order: number[] } {
  const [top, left, bottom, right] = pads as [number, number, number, number]
  const isPadded = pads.some((pad) => pad !== 0)
  const padded = isPadded ? g.op('Pad', [x, g.integers([0, 0, top, left, 0, 0, bottom, right])]) : x
  const apart = g.reshape(g.op('SpaceToDepth', [padded], { blocksize: 2 }), [n, -1])
  const phases = g.reshape(g.swapLast(apart), [4, channels, down + 1, across + 1, n])
  const parts: Value[] = []
  const order: number[] = []
  for (const [u, v] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const) {
    const part = g.slice(phases, [u, v], [u + down, v + across], [2, 3])
    parts.push(g.reshape(part, [4, channels * n * down * across]))
    for (let phase = 0; phase < 4; phase++) order.push((2 * u + Math.floor(phase / 2)) * 4 + 2 * v + (phase % 2))
  }
  return { inputs: g.concat(parts, 0), order }
}

/** What a matrix does along both axes of a tile whose places are numbered row by row: its Kronecker product with itself. */
function square(matrix: Matrix): number[][] {
  return matrix.flatMap((a) => matrix.map((b) => a.flatMap((x) => b.map((y) => x * y))))
}

function constant(g: Emitter, rows: Matrix): Value {
  return g.constant(float32([rows.length, rows[0]!.length], rows.flat()))
}
