/**
 * Pooling to a given size: output o of an axis covers the inputs from floor(o n / m) to ceil((o + 1) n / m), for n inputs and m outputs, as
 * PyTorch's adaptive pools do. No ONNX operator does this; it is written in operators that have gradients.
 */
import { QuernError } from '../core/errors.ts'
import { requireStatic, sizeOf } from '../core/shape.ts'
import { int64, tensorFromNumbers } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { type AxisMatrix, matrixProduct } from './axis-matrix.ts'
import type { Emitter } from './emitter.ts'

/** Inputs from `start` to `end` (exclusive). */
interface Bin {
  readonly start: number
  readonly end: number
}

/** The inputs that each output of an axis covers. Neighbouring bins overlap where the sizes do not divide. */
export function adaptiveBins(inputs: number, outputs: number): Bin[] {
  return Array.from({ length: outputs }, (_, o) => ({
    start: Math.floor((o * inputs) / outputs),
    end: Math.ceil(((o + 1) * inputs) / outputs),
  }))
}

/** Mean over each bin of the spatial axes: [batch, channels, n1, ...] -> [batch, channels, m1, ...] */
export function adaptiveAveragePool(g: Emitter, x: Value, outputs: readonly number[]): Value {
  const sizes = spatialSizes(x, outputs)
  const tiles = tileSizes(sizes, outputs)
  if (tiles) return pool(g, 'AveragePool', x, tiles)
  const matrices = outputs.flatMap((m, i): AxisMatrix[] => {
    const n = sizes[i]!
    if (n === m) return []
    const elements = adaptiveBins(n, m).flatMap(({ start, end }) =>
      Array.from({ length: n }, (_, at) => (at >= start && at < end ? 1 / (end - start) : 0)),
    )
    return [{ axis: i + 2, outputs: m, inputs: n, elements }]
  })
  return matrixProduct(g, x, matrices)
}

/** Greatest element of each bin of the spatial axes: [batch, channels, n1, ...] -> [batch, channels, m1, ...] */
export function adaptiveMaxPool(g: Emitter, x: Value, outputs: readonly number[]): Value {
  const sizes = spatialSizes(x, outputs)
  const tiles = tileSizes(sizes, outputs)
  if (tiles) return pool(g, 'MaxPool', x, tiles)
  return outputs.reduce((pooled, m, i) => {
    const bins = adaptiveBins(sizes[i]!, m)
    const width = Math.max(...bins.map(({ start, end }) => end - start))
    if (sizes[i] === m) return pooled
    // Shorter bins are filled up with their last element, and that with the least number, so that it does not tie with itself.
    const at = bins.flatMap(({ start, end }) => Array.from({ length: width }, (_, k) => Math.min(start + k, end - 1)))
    const read = g.op('Gather', [pooled, g.constant(int64([m, width], at), 'bins')], { axis: i + 2 })
    const again = bins.flatMap(({ start, end }) => Array.from({ length: width }, (_, k) => (start + k < end ? 0 : 1)))
    const mask = tensorFromNumbers('bool', [m, width, ...outputs.slice(i + 1).map(() => 1)], again)
    const held = again.includes(1) ? g.where(g.constant(mask, 'repeated'), Number.NEGATIVE_INFINITY, read) : read
    return g.op('ReduceMax', [held, g.integers([i + 3])], { keepdims: 0 })
  }, x)
}

function spatialSizes(x: Value, outputs: readonly number[]): readonly number[] {
  const sizes = requireStatic(shapeOf(x).slice(2), 'adaptive pooling')
  if (sizes.length === outputs.length && outputs.every((m) => Number.isInteger(m) && m > 0) && sizeOf(sizes) > 0)
    return sizes
  throw new QuernError(
    'input',
    `adaptive pooling needs one size > 0 for each of the ${sizes.length} spatial axes, received [${outputs.join(', ')}]`,
  )
}

/** Sizes of the windows when all bins of each axis are equal and do not overlap. */
function tileSizes(sizes: readonly number[], outputs: readonly number[]): readonly number[] | undefined {
  return sizes.every((n, i) => n % outputs[i]! === 0) ? sizes.map((n, i) => n / outputs[i]!) : undefined
}

function pool(g: Emitter, op: string, x: Value, kernel: readonly number[]): Value {
  return kernel.every((k) => k === 1) ? x : g.op(op, [x], { kernel_shape: kernel, strides: kernel })
}
