/**
 * A convolution with few values a window, then a max-pool without overlap: the pool's cells become output channels ("phases").
 *
 * For a pool of k x k cells the convolution runs with stride k and k k times the channels; the kernel of phase (r, c) is the old one shifted by
 * (r, c) inside a window of size K + k - 1. The maximum over phases runs along one axis of contiguous elements, and so does its gradient: no
 * strided reads, no repeating of pooled values. The bias is added behind the maximum, where it costs 1 / (k k).
 *
 * [32, 1, 28, 28], 32 kernels 3x3, pool 2: the zeros in the wider kernels cost (4 x 4) / (3 x 3) times the multiplications, which one input channel hides; with
 * many channels they do not pay (`widestWindow`).
 *
 * For the forward graph of a training step, before its gradient is taken; results differ in rounding from those of the original, so that
 * evaluation and export keep the original.
 */
import { isStatic, type StaticShape, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { type Graph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { replaceNodes } from './replace-nodes.ts'

/** Values that a widened window reads; beyond this the extra multiplications cost more than the pool's gradient. */
const widestWindow = 32

interface Match {
  readonly x: Value
  readonly weights: Value
  readonly bias: Value | undefined
  /** [m, channels, K, ...] */
  readonly kernel: StaticShape
  /** pool cells along each axis */
  readonly cells: StaticShape
  /** [n, m, ...] */
  readonly output: StaticShape
  readonly pads: readonly number[]
}

export function poolAsPhases(graph: Graph, table: OpTable): Graph {
  return replaceNodes(graph, table, {
    suffix: 'phases',
    match: (node) => matchPool(graph, node),
    emit: emitPhases,
  })
}

function matchPool(graph: Graph, pool: Node): Match | undefined {
  if (pool.op !== 'MaxPool' || pool.domain !== '' || pool.outputs.length !== 1) return undefined
  const between = pool.inputs[0]!
  const conv = graph.nodes.find((node) => node.outputs[0] === between)
  if (conv?.op !== 'Conv' || conv.domain !== '' || graph.outputs.includes(between)) return undefined
  if (graph.nodes.some((node) => node !== pool && valuesUsedBy(node).includes(between))) return undefined
  const [x, weights, bias] = conv.inputs as [Value, Value, Value | undefined]
  const [input, kernel, output] = [x, weights, pool.outputs[0]!].map((value) => value.type?.shape)
  if (!input || !kernel || !output || !isStatic(input) || !isStatic(kernel) || !isStatic(output)) return undefined
  const cells = ints(pool, 'kernel_shape', [])
  const ones = cells.map(() => 1)
  const none = [...ones, ...ones].map(() => 0)
  const pads = ints(conv, 'pads', none)
  const plainPool =
    same(ints(pool, 'strides', ones), cells) &&
    same(ints(pool, 'pads', none), none) &&
    same(ints(pool, 'dilations', ones), ones)
  const plainConv =
    same(ints(conv, 'strides', ones), ones) && same(ints(conv, 'dilations', ones), ones) && kernel[1] === input[1]
  const padded = [conv, pool].some((node) => node.attributes.auto_pad && node.attributes.auto_pad.value !== 'NOTSET')
  if (!plainPool || !plainConv || padded || sizeOf(cells) === 1) return undefined
  // Pools in ceil mode may end with a window that is not full.
  const full = cells.every(
    (k, i) => output[i + 2]! * k + kernel[i + 2]! - 1 <= input[i + 2]! + pads[i]! + pads[i + cells.length]!,
  )
  const window = kernel[1]! * sizeOf(cells.map((k, i) => kernel[i + 2]! + k - 1))
  return full && window <= widestWindow ? { x, weights, bias, kernel, cells, output, pads } : undefined
}

function emitPhases(g: Emitter, { x, weights, bias, kernel, cells, output, pads }: Match): Value {
  const [m, channels, ...sizes] = kernel as [number, number, ...number[]]
  const wide = sizes.map((size, i) => size + cells[i]! - 1)
  const [taps, places, phases] = [sizeOf(sizes), sizeOf(wide), sizeOf(cells)] as const
  // [m * channels, taps] [taps, phases * places] -> [phases, m, channels, ...wide]
  const shift = g.constant(
    tensorFromNumbers(weights.type!.dtype, [taps, phases * places], shifts(sizes, cells, wide)),
    'shifts',
  )
  const shifted = g.reshape(g.matMul(g.reshape(weights, [m * channels, taps]), shift), [m, channels, phases, places])
  const widened = g.reshape(g.transpose(shifted, [2, 0, 1, 3]), [phases * m, channels, ...wide])
  const y = g.op('Conv', [x, widened], { strides: cells, pads, kernel_shape: wide })
  const [n, , ...space] = output as [number, number, ...number[]]
  const stacked = g.reshape(y, [n, 1, phases, m * sizeOf(space)])
  const highest = g.op('MaxPool', [stacked], { kernel_shape: [phases, 1], strides: [phases, 1] })
  const pooled = g.reshape(highest, output)
  return bias ? g.add(pooled, g.reshape(bias, [m, ...space.map(() => 1)])) : pooled
}

/** [taps, phases * places]: 1 where a tap of the kernel stands at a place of the wide window in a phase. */
function shifts(sizes: StaticShape, cells: StaticShape, wide: StaticShape): Float32Array {
  const [taps, phases, places] = [sizeOf(sizes), sizeOf(cells), sizeOf(wide)] as const
  const matrix = new Float32Array(taps * phases * places)
  for (let tap = 0; tap < taps; tap++) {
    for (let phase = 0; phase < phases; phase++) {
      const [at, by] = [coordinates(tap, sizes), coordinates(phase, cells)]
      const place = wide.reduce((index, size, i) => index * size + at[i]! + by[i]!, 0)
      matrix[(tap * phases + phase) * places + place] = 1
    }
  }
  return matrix
}

function coordinates(index: number, sizes: StaticShape): number[] {
  const out = new Array<number>(sizes.length)
  let rest = index
  for (let i = sizes.length - 1; i >= 0; i--) {
    out[i] = rest % sizes[i]!
    rest = Math.floor(rest / sizes[i]!)
  }
  return out
}

function ints(node: Node, name: string, otherwise: readonly number[]): readonly number[] {
  const found = node.attributes[name]
  return found?.kind === 'ints' ? found.value : otherwise
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i])
}
