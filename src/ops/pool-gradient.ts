/** Gradients of pooling in standard operators, chosen by time in ONNX Runtime 1.30 on the CPU. */
import { requireStatic, type Shape, sizeOf } from '../core/shape.ts'
import { float32, tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import { type AxisMatrix, transposedProduct } from './axis-matrix.ts'
import type { Emitter } from './emitter.ts'
import type { Windows } from './window.ts'

/** Each dy goes to the element that its window chose. */
export function maxPoolGradient(g: Emitter, node: Node, x: Value, y: Value, dy: Value, windows: Windows): Value {
  const sizes = requireStatic(shapeOf(x).slice(2), 'the gradient of MaxPool')
  const outputs = requireStatic(shapeOf(y).slice(2), 'the gradient of MaxPool')
  if (isTiling(windows, sizes, outputs)) return tiledMaxGradient(g, x, y, dy, windows, sizes)
  return scatteredMaxGradient(g, node, x, dy)
}

/** The windows do not overlap, have no gaps and no padding. */
function isTiling(
  { kernel, strides, dilations, before, after }: Windows,
  sizes: readonly number[],
  outputs: readonly number[],
) {
  return kernel.every((k, i) => {
    const whole = before[i] === 0 && after[i] === 0 && outputs[i]! * k <= sizes[i]!
    return strides[i] === k && (dilations[i] === 1 || k === 1) && whole
  })
}

/**
 * Without overlap every input belongs to one window: repeat y over its window and compare. Elements that tie share dy equally, so
 * that it passes once in total; the windows of a plain background, where all elements are equal, make ties common.
 *
 * [32, 32, 26, 26], kernel 2, pool and gradient together, one thread on a busy machine: this 2.0 ms; repeating by a product with a 0/1 matrix 2.8;
 * passing the gradient to every tied element 1.9; the index output (3.7 by itself) with ScatterElements 5.3, compared with positions
 * 6.0; the four phases by Slice 4.9.
 */
function tiledMaxGradient(
  g: Emitter,
  x: Value,
  y: Value,
  dy: Value,
  { kernel }: Windows,
  sizes: readonly number[],
): Value {
  // A window that covers its axes: y broadcasts against x as it is, and the runtime sums along axes faster than over windows.
  const covered = kernel.flatMap((k, i) => (k > 1 ? [i + 2] : []))
  if (kernel.every((k, i) => k === 1 || k === sizes[i])) {
    const mask = g.cast(g.equal(x, y), dtypeOf(x))
    return g.mul(mask, g.div(dy, g.sum(mask, covered, true)))
  }
  const mask = g.cast(g.equal(x, repeatTiles(g, y, kernel, sizes)), dtypeOf(x))
  return g.mul(mask, repeatTiles(g, g.div(dy, sumTiles(g, mask, kernel, shapeOf(y))), kernel, sizes))
}

/**
 * Sum over each window. Two axes in one product, [.., k1 * width] [k1 * width, outputs], since a window's rows follow each other: 0.2 ms where the
 * runtime's AveragePool took 0.7.
 */
function sumTiles(g: Emitter, x: Value, kernel: readonly number[], output: Shape): Value {
  const [n, c, ...outputs] = requireStatic(output, 'the gradient of MaxPool') as [number, number, ...number[]]
  const sizes = requireStatic(shapeOf(x).slice(2), 'the gradient of MaxPool')
  const whole = sizes.every((size, i) => i > 0 || size === kernel[i]! * outputs[i]!)
  const width = sizes[1]
  if (sizes.length !== 2 || !whole || width === undefined || width > widestProduct) {
    return g.mul(g.op('AveragePool', [x], { kernel_shape: kernel, strides: kernel }), sizeOf(kernel))
  }
  const [rows, columns] = kernel as [number, number]
  const [down, across] = outputs as [number, number]
  const matrix = Array.from({ length: rows * width * across }, (_, i) => {
    const column = Math.floor(i / across) % width
    return Math.floor(column / columns) === i % across ? 1 : 0
  })
  const flat = g.reshape(x, [n * c * down, rows * width])
  return g.reshape(g.matMul(flat, g.constant(tensorFromNumbers(dtypeOf(x), [rows * width, across], matrix))), output)
}

/** The product costs as many multiplications an element as there are outputs in a row; beyond this it loses. */
const widestProduct = 128

/** Every element repeated over its window; inputs behind the last window get zeros. */
function repeatTiles(g: Emitter, y: Value, kernel: readonly number[], sizes: readonly number[]): Value {
  const scales = g.constant(float32([kernel.length + 2], [1, 1, ...kernel]), 'scales')
  const repeated = g.op('Resize', [y, undefined, scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  })
  const rest = sizes.map((size, i) => size - (shapeOf(repeated)[i + 2] as number))
  if (rest.every((r) => r === 0)) return repeated
  return g.op('Pad', [repeated, g.integers([...kernel.map(() => 0), 0, 0, 0, 0, ...rest])])
}

/**
 * MaxPool names the chosen element in its second output, as the index into the whole flattened input; where windows overlap, several dy add up at
 * one element. The first of several equal elements is chosen.
 */
function scatteredMaxGradient(g: Emitter, node: Node, x: Value, dy: Value): Value {
  const shape = requireStatic(shapeOf(x), 'the gradient of MaxPool')
  const count = [sizeOf(requireStatic(shapeOf(dy), 'the gradient of MaxPool'))]
  const flat = g.full([sizeOf(shape)], 0, dtypeOf(x))
  const indices = g.reshape(indicesOf(g, node, x), count)
  const spread = g.op('ScatterElements', [flat, indices, g.reshape(dy, count)], { axis: 0, reduction: 'add' })
  return g.reshape(spread, shape)
}

/** The second output of a MaxPool node: its own when it has one, otherwise that of a repeated node, which pass join-outputs.ts joins with it. */
function indicesOf(g: Emitter, node: Node, x: Value): Value {
  const { storage_order: order, ...attributes } = node.attributes
  if (node.outputs[1] && order?.value !== 1) return node.outputs[1]
  const y = node.outputs[0]
  return g.repeat({ ...node, attributes, outputs: [y, y] }, [x])[1]!
}

/**
 * What each input gets of the outputs of the windows that cover it: dy itself ('sum') or dy over the number of elements of the window, padding
 * counted or not ('mean'). A sum over windows is a product with one 0/1 matrix an axis; overlap, padding and dilation only
 * change the matrix.
 */
export function spreadOverWindows(
  g: Emitter,
  dy: Value,
  input: Shape,
  windows: Windows,
  mode: 'sum' | 'mean' | 'mean-with-padding',
): Value {
  const sizes = requireStatic(input.slice(2), 'the gradient of a pool')
  const outputs = requireStatic(shapeOf(dy).slice(2), 'the gradient of a pool')
  return transposedProduct(
    g,
    dy,
    sizes.map((size, i) => windowMatrix(windows, i, size, outputs[i]!, mode)),
  )
}

/** What output o takes of input i along one axis: 1, or one over the number of elements of the window. */
function windowMatrix(windows: Windows, axis: number, inputs: number, outputs: number, mode: string): AxisMatrix {
  const stride = windows.strides[axis]!
  const dilation = windows.dilations[axis]!
  const before = windows.before[axis]!
  const elements = new Array<number>(outputs * inputs).fill(0)
  for (let o = 0; o < outputs; o++) {
    const taps = Array.from({ length: windows.kernel[axis]! }, (_, k) => o * stride + k * dilation - before)
    const inside = taps.filter((i) => i >= 0 && i < inputs)
    // Windows of the ceil mode may reach beyond the padding; what lies there never counts.
    const counted = mode === 'mean-with-padding' ? taps.filter((i) => i < inputs + windows.after[axis]!) : inside
    for (const i of inside) elements[o * inputs + i] = mode === 'sum' ? 1 : 1 / counted.length
  }
  return { axis: axis + 2, outputs, inputs, elements }
}
